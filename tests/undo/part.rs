//! Some tables alone: their rows come back while the schema stays as the rollback left it, and what
//! has no place there is laid aside.

use serde_json::{Value, json};

use super::case::Case;

/// Puts tables back and returns the closing line.
#[track_caller]
fn part(case: &Case, tables: &[&str]) -> Value {
    let mut arguments = vec!["undo", "--yes", "--json"];
    for table in tables {
        arguments.extend(["--table", table]);
    }
    let output = case.sandbox.run("rollback", &arguments);
    output.assert_exit(0);
    output.last()
}

/// What `pgbelay.rescued_…` tables there are.
fn rescued(case: &Case) -> String {
    case.sandbox.query_text(
        "select relname from pg_class where relname like 'rescued\\_%' and relkind = 'r' order by 1",
    )
}

#[test]
fn rows_of_one_table_while_the_schema_stays() {
    let case = Case::new(
        "create table a (id int primary key, v text); create table b (id int primary key, v text);
         create table other (id int primary key, a int references a)",
        &[(
            "select 1",
            "delete from a where id = 2; update a set v = 'rolled' where id = 1;
             insert into a values (9, 'new'); delete from b",
        )],
        "insert into a values (1, 'one'), (2, 'two'); insert into b values (1, 'b')",
    );
    case.back();
    let schema = case.sandbox.catalog();
    // Written since: it stays.
    case.sandbox.sql("insert into a values (3, 'three')");
    let done = part(&case, &["a"]);
    assert_eq!(done["conflicts"], json!([]));
    assert_eq!(done["rescued"], json!([]));
    assert_eq!(done["revision"], "0001");
    let rows = case.sandbox.query_text("select * from a order by 1");
    assert_eq!(rows, "1|one\n2|two\n3|three");
    assert_eq!(case.sandbox.query_text("select count(*) from b"), "0");
    schema.assert_same(&case.sandbox.catalog());
    case.sandbox.run("migrate", &["check"]).assert_exit(4);

    // The whole undo is still there to be had, and finds what is back.
    let done = case.undo();
    assert_eq!(done["conflicts"], json!([]));
    let rows = case.sandbox.query_text("select * from a order by 1");
    assert_eq!(rows, "1|one\n2|two\n3|three");
    assert_eq!(case.sandbox.query_text("select * from b"), "1|b");
}

#[test]
fn an_emptied_table() {
    let case = Case::new(
        "create table a (id int primary key, v text)",
        &[(
            "select 1",
            "truncate a; insert into a values (7, 'its own')",
        )],
        "insert into a select i, 'v' || i from generate_series(1, 3) i",
    );
    case.back();
    case.sandbox.sql("insert into a values (2, 'mine')");
    let done = part(&case, &["public.*"]);
    let rows = case.sandbox.query_text("select * from a order by 1");
    assert_eq!(rows, "1|v1\n2|mine\n3|v3");
    assert_eq!(done["conflicts"][0]["rows"], 1);
    // The row whose key was taken lies aside.
    assert_eq!(done["rescued"][0]["rows"], 1);
    let into = done["rescued"][0]["into"].as_str().unwrap();
    let kept = case.sandbox.query_text(&format!("select * from {into}"));
    assert_eq!(kept, "2|v2");
}

#[test]
fn numbers_are_not_given_twice() {
    let case = Case::new(
        "create table a (id serial primary key, v text)",
        &[("select 1", "truncate a restart identity")],
        "insert into a (v) values ('one'), ('two'), ('three')",
    );
    case.back();
    part(&case, &["a"]);
    case.sandbox.sql("insert into a (v) values ('four')");
    let rows = case.sandbox.query_text("select * from a order by 1");
    assert_eq!(rows, "1|one\n2|two\n3|three\n4|four");
}

#[test]
fn a_table_without_a_key() {
    let case = Case::new(
        "create table a (v text)",
        &[(
            "select 1",
            "delete from a where v = 'x'; update a set v = 'rolled' where v = 'y'",
        )],
        "insert into a values ('x'), ('x'), ('y'), ('z')",
    );
    case.back();
    part(&case, &["a"]);
    assert_eq!(
        case.sandbox.query_text("select v from a order by 1"),
        "x\nx\ny\nz"
    );
}

#[test]
fn dropped_and_converted_columns_are_laid_aside() {
    let case = Case::new(
        "create table a (id int primary key, v text, n int)",
        &[(
            "create type mood as enum ('sad', 'glad'); alter table a add extra mood;
             alter table a alter n type numeric(6, 2)",
            "update a set v = 'rolled' where id = 1; delete from a where id = 3;
             alter table a drop extra; alter table a alter n type int; drop type mood",
        )],
        "insert into a values (1, 'one', 1.25, 'glad'), (2, 'two', 2.5, null), (3, 'three', 3.75, 'sad')",
    );
    case.back();
    let done = part(&case, &["a"]);
    let rows = case.sandbox.query_text("select id, v from a order by 1");
    assert_eq!(rows, "1|one\n2|two\n3|three");
    assert_eq!(done["rescued"][0]["rows"], 3);
    let into = done["rescued"][0]["into"].as_str().unwrap();
    let kept = case.sandbox.query_text(&format!(
        "select id, extra, n, pg_typeof(n) from {into} order by 1"
    ));
    assert_eq!(
        kept,
        "1|glad|1.25|numeric\n2||2.50|numeric\n3|sad|3.75|numeric"
    );
    // In the undo of all, the row that came back without its converted value is somebody's.
    let done = case.undo();
    assert_eq!(done["conflicts"].as_array().unwrap().len(), 1);
    assert_eq!(done["conflicts"][0]["rows"], 1);
    let rows = case
        .sandbox
        .query_text("select id, v, extra, n from a order by 1");
    assert_eq!(rows, "1|one|glad|1.25\n2|two||2.50\n3|three||");
    let into = done["rescued"][0]["into"].as_str().unwrap();
    let kept = case
        .sandbox
        .query_text(&format!("select id, n, extra from {into}"));
    assert_eq!(kept, "3|3.75|sad");
}

#[test]
fn a_dropped_table_is_laid_aside_even_where_its_name_is_taken() {
    let case = Case::new(
        "create table a (id int)",
        &[(
            "create table gone (id int primary key, v text not null); create table kept (id int)",
            "drop table gone; drop table kept",
        )],
        "insert into gone values (1, 'one'), (2, 'two')",
    );
    case.back();
    case.sandbox.sql("create table gone (other text)");
    let whole = case.sandbox.run("rollback", &["undo", "--yes"]);
    whole.assert_exit(3).assert_says("--table public.gone");
    let done = part(&case, &["gone"]);
    let into = done["rescued"][0]["into"].as_str().unwrap();
    let kept = case
        .sandbox
        .query_text(&format!("select * from {into} order by 1"));
    assert_eq!(kept, "1|one\n2|two");
    // Once more: beside the first.
    part(&case, &["gone"]);
    assert_eq!(rescued(&case).lines().count(), 2);
    // The undo of all, rollbacks and backups go on working beside them.
    case.sandbox.sql("drop table gone");
    case.undo();
    let rows = case.sandbox.query_text("select * from gone order by 1");
    assert_eq!(rows, "1|one\n2|two");
    case.back();
    case.undo();
    let backup = case.sandbox.run("backup", &["create"]);
    backup.assert_exit(0);
    let shown = case.sandbox.run("backup", &["show", "latest"]);
    shown.assert_exit(0).assert_says("pgbelay.rescued_");
}

#[test]
fn whatever_became_of_the_ledger() {
    let case = Case::new(
        "create table a (id int primary key)",
        &[("alter table a add extra text", "alter table a drop extra")],
        "insert into a values (1, 'x1'), (2, 'x2')",
    );
    case.back();
    // Applied again by hand: an undo of all is refused, and the values are still to be had.
    case.sandbox.run("migrate", &["upgrade"]).assert_exit(0);
    case.sandbox
        .run("rollback", &["undo", "--yes"])
        .assert_exit(3);
    let done = part(&case, &["a"]);
    let into = done["rescued"][0]["into"].as_str().unwrap();
    let kept = case
        .sandbox
        .query_text(&format!("select * from {into} order by 1"));
    assert_eq!(kept, "1|x1\n2|x2");
}

#[test]
fn what_it_refuses() {
    let case = Case::new(
        "create table a (id int primary key); create table b (id int)",
        &[("select 1", "delete from a")],
        "insert into a values (1)",
    );
    let undo = |arguments: &[&str]| case.sandbox.run("rollback", arguments);
    undo(&["undo", "--yes", "--table", "a"])
        .assert_exit(2)
        .assert_says("no rollback to undo");
    case.back();
    undo(&["undo", "--yes", "--table", "b"])
        .assert_exit(2)
        .assert_says("the rollback touched public.a");
    undo(&["undo", "--table", "a"]).assert_exit(3);
    let other = ["undo", "--table", "a", "--confirm", "other"];
    undo(&other).assert_exit(3);
    assert_eq!(case.sandbox.query_text("select count(*) from a"), "0");
}

/// A label that goes with the rollback: what was saved of its column can't be read as that type any more.
#[test]
fn values_of_labels_that_are_gone() {
    let case = Case::new(
        "create type mood as enum ('sad', 'ok'); create table t (id int primary key, m mood, s int)",
        &[(
            "alter type mood add value 'meh' before 'ok'",
            "update t set m = 'ok' where m = 'meh'; update t set s = 1 where s > 8;
             alter type mood rename to old; create type mood as enum ('sad', 'ok');
             alter table t alter m type mood using m::text::mood; drop type old",
        )],
        "insert into t values (1, 'meh', 3), (2, 'sad', 12)",
    );
    let before = case.state();
    case.back();
    let part = ["undo", "--yes", "--table", "*"];
    case.sandbox.run("rollback", &part).assert_exit(0);
    case.undo();
    case.assert_unchanged(&before);
}
