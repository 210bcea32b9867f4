//! Migrations that can't be applied again to what is there by then: definitions come from the snapshot.

use serde_json::Value;

use super::case::Case;
use super::since::assert_rows;

/// What keeps a migration from being applied again: somebody has written a nought.
const ONCE: &str = "create table once (id int primary key, n int); insert into once values (1, 1)";
const TURN: &str = "update once set n = 10 / n";
const NOUGHT: &str = "insert into once values (2, 0)";

/// Rolls a migration back that can't be applied again after `written`, and undoes that: the schema is
/// as it was.
#[track_caller]
fn undone(base: &str, (up, down): (&str, &str), data: &str, written: &str) -> (Case, Value) {
    let case = Case::new(
        &format!("{ONCE}; {base}"),
        &[(&format!("{TURN}; {up}"), &format!("{down}; {TURN}"))],
        data,
    );
    let before = case.sandbox.catalog();
    case.back();
    case.sandbox.sql(&format!("{NOUGHT}; {written}"));
    let output = case.sandbox.run("rollback", &["undo", "--yes", "--json"]);
    output.assert_exit(0);
    output.assert_says("division by zero");
    before.assert_same_but_for_order(&case.sandbox.catalog());
    (case, output.last())
}

/// The same with no rows but those of the migrations; and the other way round.
#[track_caller]
fn both_ways(base: &str, other: &str, there: &str, back: &str) {
    undone(base, (there, back), "", "");
    undone(other, (back, there), "", "");
}

#[test]
fn a_generated_column_goes_before_those_that_it_is_made_of() {
    let (case, _) = undone(
        "create table t (id int primary key, a int, g int generated always as (a * 2) stored)",
        (
            "alter table t add b int; update t set b = 10 / a; alter table t drop g, drop a",
            "alter table t add a int; update t set a = 10 / b;
             alter table t add g int generated always as (a * 2) stored; alter table t drop b",
        ),
        "insert into t values (1, 1), (2, 2)",
        "insert into t values (3, 0)",
    );
    assert_rows(&case, "select * from t order by 1", "1|1\n2|2\n3|");
}

#[test]
fn a_generated_column_is_made_of_another_one() {
    both_ways(
        "create table t (id int primary key, a int, g int generated always as (a * 2) stored);
         create index by_g on t (g); comment on column t.g is 'twice'",
        "create table t (id int primary key, b int, g int generated always as (b + 1) stored);
         create index by_g on t (g); comment on column t.g is 'twice'",
        "alter table t drop g, drop a, add b int;
         alter table t add g int generated always as (b + 1) stored; create index by_g on t (g);
         comment on column t.g is 'twice'",
        "alter table t drop g, drop b, add a int;
         alter table t add g int generated always as (a * 2) stored; create index by_g on t (g);
         comment on column t.g is 'twice'",
    );
}

#[test]
fn a_generated_column_becomes_a_plain_one() {
    both_ways(
        "create table t (id int primary key, a int, g int generated always as (a * 2) stored)",
        "create table t (id int primary key, a int, g int)",
        "alter table t alter g drop expression",
        "alter table t drop g; alter table t add g int generated always as (a * 2) stored",
    );
}

#[test]
fn what_a_default_is_made_of_goes_after_it() {
    let made = "create sequence r; create sequence s;";
    both_ways(
        &format!("{made} create table t (id int default nextval('r'), b int default nextval('s'))"),
        "create table t (id int, b int default 7)",
        "alter table t alter id drop default, alter b set default 7; drop sequence r, s",
        &format!(
            "{made} alter table t alter id set default nextval('r'), alter b set default nextval('s')"
        ),
    );
}

#[test]
fn a_type_goes_after_the_columns_of_it() {
    both_ways(
        "create type mood as enum ('a', 'b'); create domain few as int check (value < 9);
         create table t (id int primary key, m mood default 'a', n few)",
        "create table t (id int primary key, m text default 'a', n int)",
        "alter table t alter m drop default, alter m type text, alter m set default 'a', alter n type int;
         drop type mood; drop domain few",
        "create type mood as enum ('a', 'b'); create domain few as int check (value < 9);
         alter table t alter m drop default, alter m type mood using m::mood, alter m set default 'a',
             alter n type few",
    );
}

#[test]
fn foreign_keys_go_before_the_keys_that_they_need() {
    let keys = "alter table t add constraint a_code unique (code);
        alter table u add constraint z_to foreign key (code) references t (code);
        create table v (code text references t (code))";
    let none =
        "drop table v; alter table u drop constraint z_to; alter table t drop constraint a_code";
    let tables = "create table t (id int primary key, code text);
        create table u (id int primary key, code text)";
    both_ways(&format!("{tables}; {keys}"), tables, none, keys);
}

#[test]
fn a_key_of_another_name_that_others_refer_to() {
    let base = |key: &str| {
        format!(
            "create table t (id int constraint {key} primary key, n int);
             create table u (id int primary key references t, n int)"
        )
    };
    both_ways(
        &base("a"),
        &base("b"),
        "alter table t rename constraint a to b",
        "alter table t rename constraint b to a",
    );
}

#[test]
fn functions_go_before_the_rows_that_they_take() {
    let made = "create table g (a int); create view w as select 1 as one;
        create domain few as int check (value < 9);
        create function of_g(g) returns int language sql as 'select 1';
        create function all_w() returns setof w language sql as 'select 1';
        create function of_few(few) returns int language sql as 'select 1';
        create statistics st on id, n from t";
    let away = "drop statistics st; drop function of_few(few), all_w(), of_g(g);
        drop domain few; drop view w; drop table g";
    let t = "create table t (id int primary key, n int)";
    both_ways(&format!("{t}; {made}"), t, away, made);
}

#[test]
fn a_parent_goes_after_it_was_left() {
    let t = "create table p (a int); create table kid (id int, k int) inherits (p);
        create table part (id int) partition by range (id)";
    let more = "create table q (z int); alter table kid add z int; alter table kid inherit q;
        alter table p add y int default 1; alter table p add constraint low check (y < 9);
        create table whole (a int) partition by range (a);
        alter table part add x int; create index on part (x);
        create table part_1 partition of part for values from (0) to (9)";
    let less = "drop table part_1; alter table part drop x; drop table whole;
        alter table p drop constraint low, drop y; alter table kid no inherit q; alter table kid drop z; drop table q";
    both_ways(&format!("{t}; {more}"), t, less, more);
}

#[test]
fn a_serial_becomes_an_identity() {
    let serial = "create table t (id serial primary key, v text)";
    let identity = "create table t (id int generated by default as identity primary key, v text)";
    let to_identity = "alter table t alter id drop default; drop sequence t_id_seq;
        alter table t alter id add generated by default as identity (start 10)";
    let to_serial = "alter table t alter id drop identity;
        create sequence t_id_seq as int start 20 owned by t.id;
        alter table t alter id set default nextval('t_id_seq')";
    for (base, up, down, expected) in [
        (serial, to_identity, to_serial, "10|a\n11|b\n20|c\n21|d"),
        (identity, to_serial, to_identity, "10|c\n20|a\n21|b\n22|d"),
    ] {
        let case = Case::new(
            &format!("{ONCE}; {base}"),
            &[(&format!("{TURN}; {up}"), &format!("{down}; {TURN}"))],
            "insert into t (v) values ('a'), ('b')",
        );
        let before = case.sandbox.catalog();
        case.try_back_accepting_drift().assert_exit(0);
        case.sandbox
            .sql(&format!("{NOUGHT}; insert into t (v) values ('c')"));
        case.undo();
        before.assert_same(&case.sandbox.catalog());
        case.sandbox.sql("insert into t (v) values ('d')");
        assert_rows(&case, "select id, v from t order by id", expected);
    }
}

#[test]
fn newer_rows_draw_from_an_identity() {
    let table = "create table t (id int primary key, a int)";
    for (identity, expected) in [
        (
            "int generated always as identity",
            "1|1\n2|2\n3|9\n4|3\n5|4",
        ),
        (
            "smallint generated by default as identity (start 100 increment 10)",
            "1|100\n2|110\n3|9\n4|120\n5|130",
        ),
        (
            "bigint generated always as identity (increment -2 start 11 minvalue -99 maxvalue 99)",
            "1|11\n2|9\n3|9\n4|7\n5|5",
        ),
        ("serial", "1|1\n2|2\n3|9\n4|3\n5|4"),
    ] {
        let (case, _) = undone(
            table,
            (
                &format!("alter table t add n {identity}"),
                "alter table t drop n",
            ),
            "insert into t values (1, 1), (2, 2); insert into t (id, a, n) overriding system value values (3, 1, 9)",
            "insert into t values (4, 0), (5, 0)",
        );
        assert_rows(&case, "select id, n from t order by id", expected);
        case.sandbox.sql("insert into t values (6, 0)");
        let distinct = "select count(distinct n) from t where id > 3";
        assert_rows(&case, distinct, "3");
    }
}

#[test]
fn newer_rows_get_no_number_that_a_saved_one_has() {
    for identity in ["int generated always as identity", "serial"] {
        let (case, _) = undone(
            "create table t (id int primary key, a int)",
            (
                &format!("alter table t add n {identity}; alter table t add unique (n)"),
                "alter table t drop n",
            ),
            "insert into t (id, a, n) overriding system value values (1, 1, 1), (2, 2, 3)",
            "insert into t values (4, 0), (5, 0), (6, 0)",
        );
        let numbers = "select id, n from t order by id";
        assert_rows(&case, numbers, "1|1\n2|3\n4|2\n5|4\n6|5");
    }
}

#[test]
fn newer_rows_of_a_table_without_a_key_draw_numbers() {
    for identity in ["int generated always as identity", "serial"] {
        let (case, _) = undone(
            "create table t (a text)",
            (
                &format!("alter table t add n {identity}"),
                "alter table t drop n",
            ),
            "insert into t values ('a'), ('b')",
            "insert into t values ('c')",
        );
        let numbers = "select a, n from t order by n";
        assert_rows(&case, numbers, "a|1\nb|2\nc|3");
    }
}

#[test]
fn newer_rows_of_a_table_that_was_empty_draw_numbers() {
    for identity in ["int generated always as identity", "serial"] {
        let (case, _) = undone(
            "create table t (id int primary key)",
            (
                &format!("alter table t add n {identity}, add d int default 7"),
                "alter table t drop n, drop d",
            ),
            "",
            "insert into t values (1), (2)",
        );
        case.sandbox.sql("insert into t values (3)");
        let numbers = "select id, n from t order by n";
        assert_rows(&case, numbers, "1|1\n2|2\n3|3");
    }
}

#[test]
fn newer_rows_draw_a_number_for_their_key() {
    for identity in ["int generated always as identity", "serial"] {
        let (case, _) = undone(
            "create table t (a text unique not null)",
            (
                &format!("alter table t add n {identity} primary key"),
                "alter table t drop n",
            ),
            "insert into t values ('a'), ('b')",
            "insert into t values ('c')",
        );
        let numbers = "select a, n from t order by n";
        assert_rows(&case, numbers, "a|1\nb|2\nc|3");
    }
}

#[test]
fn newer_rows_of_partitions_and_children_draw_numbers() {
    for (base, table) in [
        (
            "create table t (id int primary key) partition by range (id);
             create table t_1 partition of t for values from (0) to (10);
             create table t_2 partition of t default",
            ("t", "t"),
        ),
        (
            "create table t (id int primary key); create table t_2 (primary key (id)) inherits (t)",
            ("t", "t_2"),
        ),
    ] {
        let (case, _) = undone(
            base,
            ("alter table t add n serial", "alter table t drop n"),
            &format!(
                "insert into {} values (1); insert into {} values (20)",
                table.0, table.1
            ),
            &format!(
                "insert into {} values (2); insert into {} values (21)",
                table.0, table.1
            ),
        );
        let numbers = "select count(distinct n), max(n) from t";
        assert_rows(&case, numbers, "4|4");
    }
}

/// A partition that is only attached once its rows are there.
#[test]
fn newer_rows_of_a_partition_that_joins_draw_numbers() {
    let (case, _) = undone(
        "create table t (id int) partition by range (id);
         create table t_1 partition of t for values from (0) to (10); create table t_2 (id int)",
        (
            "alter table t attach partition t_2 default; alter table t add n serial",
            "alter table t drop n; alter table t detach partition t_2",
        ),
        "insert into t values (1), (20)",
        "insert into t values (2); insert into t_2 values (21), (22)",
    );
    case.sandbox.sql("insert into t values (3), (23)");
    let numbers = "select count(distinct n), max(n) from t";
    assert_rows(&case, numbers, "7|7");
}

#[test]
fn a_child_keeps_what_its_parent_loses() {
    let (case, _) = undone(
        "create table t (id int, z text, constraint low check (id < 99)); create table kid (k int) inherits (t);
         create table q (z text)",
        (
            "alter table only t drop z; alter table only t drop constraint low; alter table kid inherit q",
            "alter table kid no inherit q; alter table kid drop constraint low;
             alter table t add z text, add constraint low check (id < 99)",
        ),
        "insert into t values (1); insert into kid values (2, 'z')",
        "insert into kid values (3, 'y')",
    );
    let rows = "select id, z from kid order by id";
    assert_rows(&case, rows, "2|z\n3|y");
}
