//! Some tables of a backup, into tables in use.

use serde_json::Value;

use super::{HOSTILE, Target, create, show};
use crate::harness::Sandbox;

/// What became of each table: `a +1 =0 ~1`.
fn outcome(done: &Value) -> String {
    let tables = done["tables"].as_array().unwrap().iter();
    let line = |t: &Value| {
        let name = t["table"].as_str().unwrap();
        format!(
            "{name} +{} ={} ~{}",
            t["added"], t["present"], t["differing"]
        )
    };
    tables.map(line).collect::<Vec<String>>().join(", ")
}

#[test]
fn rows_that_are_missing_come_back_and_newer_ones_stay() {
    let sandbox = Sandbox::new();
    sandbox.sql(HOSTILE);
    let before = sandbox.content();
    let id = create(&sandbox, &[]);
    sandbox.sql(
        "update a set b = null; delete from b; delete from a where id > 1;
         delete from e where n > 10;
         delete from watched; alter table watched disable trigger spoil;
         insert into watched values (1, 100); alter table watched enable trigger spoil;
         select setval('kinds_id_seq', 1); delete from kinds where id > 100",
    );
    let mut args = vec!["restore", &id, "--yes", "--json"];
    for table in ["a", "b", "public.e", "watched", "kinds"] {
        args.extend(["--table", table]);
    }
    let done = sandbox.run("backup", &args);
    done.assert_exit(0);
    assert_eq!(
        outcome(&done.last()),
        "public.a +2 =0 ~1, public.b +2 =0 ~0, public.e_1 +6 =10 ~0, public.e_rest +24 =0 ~0, \
         public.kinds +400 =100 ~0, public.watched +1 =0 ~1"
    );
    let after = sandbox.content();
    for same in [
        "public.b",
        "public.e_1",
        "public.e_rest",
        "public.kinds",
        "sequence public.kinds_id_seq",
    ] {
        assert_eq!(before[same], after[same], "{same}");
    }
    assert_eq!(
        sandbox.query_text("select * from watched order by id"),
        "1|100\n2|2"
    );
    sandbox.sql("insert into watched values (3, 3)");
    assert_eq!(
        sandbox.query_text("select n from watched where id = 3"),
        "-1"
    );

    // Again: there is nothing left to do.
    let again = sandbox.run("backup", &args);
    again.assert_exit(0);
    assert_eq!(again.last()["rows"], 0);
}

#[test]
fn sequences_never_go_back() {
    let sandbox = Sandbox::new();
    sandbox.sql(
        "create table t (id serial primary key); insert into t select from generate_series(1, 9)",
    );
    let id = create(&sandbox, &[]);
    sandbox.sql("delete from t where id = 3; select setval('t_id_seq', 1000)");
    let args = ["restore", &id, "--table", "t", "--yes"];
    sandbox.run("backup", &args).assert_exit(0);
    assert_eq!(
        sandbox.query_text("select last_value from t_id_seq"),
        "1000"
    );
    assert_eq!(sandbox.query_text("select count(*) from t"), "9");
}

#[test]
fn a_place_that_another_row_has_taken_is_left_to_it() {
    let sandbox = Sandbox::new();
    sandbox.sql(
        "create table t (id int primary key, mail text unique);
         insert into t values (1, 'a'), (2, 'b')",
    );
    let id = create(&sandbox, &[]);
    sandbox.sql("delete from t where id = 1; insert into t values (7, 'a')");
    let args = ["restore", &id, "--table", "t", "--yes", "--json"];
    let done = sandbox.run("backup", &args);
    done.assert_exit(0);
    assert_eq!(outcome(&done.last()), "public.t +0 =1 ~1");
}

#[test]
fn tables_without_a_key_take_rows_only_while_empty() {
    let sandbox = Sandbox::new();
    sandbox.sql(HOSTILE);
    let before = sandbox.content();
    let id = create(&sandbox, &[]);
    let args = [
        "restore", &id, "--table", "large", "--table", "zero", "--yes",
    ];
    sandbox
        .run("backup", &args)
        .assert_exit(3)
        .assert_says("has no key");
    sandbox.sql("truncate large; truncate zero");
    sandbox.run("backup", &args).assert_exit(0);
    crate::harness::state::assert_same_content(&before, &sandbox.content());
}

#[test]
fn rows_whose_parents_are_gone_need_them() {
    let sandbox = Sandbox::new();
    sandbox.sql(
        "create table p (id int primary key); create table c (id int primary key, p int references p);
         insert into p values (1); insert into c values (1, 1)",
    );
    let id = create(&sandbox, &[]);
    sandbox.sql("delete from c; delete from p");
    let alone = ["restore", &id, "--table", "c", "--yes"];
    let refused = sandbox.run("backup", &alone);
    refused.assert_exit(1).assert_says("name their tables");
    let both = ["restore", &id, "--table", "?", "--yes"];
    sandbox.run("backup", &both).assert_exit(0);
    assert_eq!(sandbox.query_text("select * from c"), "1|1");
}

#[test]
fn patterns_choose_whose_rows_are_saved() {
    let sandbox = Sandbox::new();
    sandbox.sql(HOSTILE);
    let some = create(&sandbox, &["--table", "public.e*", "--exclude", "empty"]);
    let tables = |id: &str| {
        let shown = show(&sandbox, id);
        let names = shown["contents"].as_array().unwrap().iter();
        let names = names.map(|t| t["table"].as_str().unwrap().to_owned());
        names.collect::<Vec<String>>().join(" ")
    };
    assert_eq!(tables(&some), "public.e_1 public.e_rest");
    let schema = create(&sandbox, &["--schema-only"]);
    assert_eq!(tables(&schema), "");
    for option in ["--table", "--exclude"] {
        let nothing = sandbox.run("backup", &["create", option, "no_such_*"]);
        nothing.assert_exit(2).assert_says("no table matches");
    }

    // Rows alone go into tables that are there: definitions from one backup, rows from another.
    let rows = create(&sandbox, &["--data-only"]);
    let target = Target::new(&sandbox);
    for id in [&schema, &rows] {
        let args = ["restore", id, "--into", &target.url, "--yes"];
        sandbox.run("backup", &args).assert_exit(0);
    }
    let count = "select (select count(*) from kinds), (select n from watched where id = 2)";
    assert_eq!(target.text(&sandbox, count), "500|2");
    let args = ["restore", &rows, "--into", &target.url, "--yes"];
    let twice = sandbox.run("backup", &args);
    twice.assert_exit(3).assert_says("is not empty");
    target.drop(&sandbox.cluster);
}
