//! Sequences that a rollback sets.

use super::case::{Case, exact};

const BASE: &str = "create table t (id serial primary key, v text); create sequence alone;
    create schema app; create table app.\"Other\" (n int generated always as identity primary key)";
const DATA: &str = "insert into t (v) select 'v' from generate_series(1, 20);
    insert into app.\"Other\" select from generate_series(1, 5); select setval('alone', 40)";

#[test]
fn sequences_that_the_script_names() {
    for down in [
        "delete from t where id > 5; select setval('t_id_seq', (select max(id) from t))",
        "delete from t where id > 5; select setval(pg_get_serial_sequence('t', 'id'), (select max(id) from t))",
        "select pg_catalog.setval(pg_catalog.pg_get_serial_sequence('public.t', 'id')::regclass,
             coalesce((select max(id) from t where id < 3), 1), false)",
        "delete from app.\"Other\" where n > 2;
         select setval(pg_get_serial_sequence('app.\"Other\"', 'n'), greatest(1, (select max(n) from app.\"Other\")))",
        "select setval('alone', 7)",
        "select setval('public.alone'::regclass, 7, false); select setval('alone', 3)",
        "create table t2 (id serial primary key, v text); insert into t2 select id, v from t where id < 9;
         drop table t; alter table t2 rename to t; alter sequence t2_id_seq rename to t_id_seq;
         alter index t2_pkey rename to t_pkey;
         select setval(pg_get_serial_sequence('t', 'id'), (select max(id) from t))",
        "alter sequence alone rename to lone; select setval('lone', 3); alter sequence lone rename to alone",
        "set search_path = app; select setval('\"Other_n_seq\"', 1); reset search_path",
    ] {
        exact(BASE, &[("select 1", down)], DATA);
    }
}

/// What was set is taken back with everything else.
#[test]
fn a_rollback_that_fails_leaves_positions_alone() {
    let case = Case::new(
        BASE,
        &[(
            "select 1",
            "select setval('alone', 3); select setval(pg_get_serial_sequence('t', 'id'), 900); select 1 / 0",
        )],
        DATA,
    );
    let before = case.state();
    assert_eq!(case.try_back().code, Some(1));
    case.assert_unchanged(&before);
}

#[test]
fn sequences_that_nobody_can_tell_are_refused() {
    for (more, down) in [
        ("", "select setval(s::regclass, 1) from (values ('alone')) v (s)"),
        ("", "select setval('al' || 'one', 1)"),
        ("", "do $$ begin perform setval('alone', 1); end $$"),
        (
            "create function setval(text, int) returns int language sql as 'delete from t returning 1'",
            "select setval('alone'::text, 1)",
        ),
        (
            "",
            "create function app.setval(text, int) returns int language sql as 'delete from t returning 1';
             set search_path = app, pg_catalog; select setval('public.alone', 1); drop function app.setval",
        ),
        (
            "create function app.pg_get_serial_sequence(text, int) returns regclass language sql stable as
                 'select ''alone''::regclass'",
            "set search_path = app, public; select setval(pg_get_serial_sequence('t', '1'), 1)",
        ),
    ] {
        let case = Case::new(&format!("{BASE}; {more}"), &[("select 1", down)], DATA);
        case.refused("RB-OPAQUE");
    }
}
