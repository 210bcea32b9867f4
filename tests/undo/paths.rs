//! Code of users that finds its tables and functions along the search path: it runs while rows are read,
//! kept and put back, and while we define something.

use super::case::{Case, exact};
use crate::harness::Cluster;

/// Since 17 functions in indexes have to name what they call with its schema.
fn code() -> String {
    let major = Cluster::shared().installation.major();
    let helper = if major >= 17 {
        "public.helper"
    } else {
        "helper"
    };
    CODE.replace("HELPER", helper)
}

const CODE: &str = "create table words (w text primary key, n text); insert into words values ('a', 'A'), ('b', 'B');
    create function helper(t text) returns text language sql immutable as 'select upper(t)';
    create function norm(t text) returns text language sql immutable as 'select HELPER(t)';
    create function known(t text) returns boolean language plpgsql immutable as
        'begin return t is null or exists (select from words where w = lower(t)); end';
    create domain word as text check (known(value));
    create function look() returns event_trigger language plpgsql as
        'begin perform count(*) from words; end';
    create event trigger look on ddl_command_end execute function look();
    create event trigger gone on sql_drop execute function look();";

const TABLE: &str = "create table t (id int primary key, name text check (known(name)), d word,
        g text generated always as (norm(name)) stored);
    create index on t (norm(name)); create unique index on t (norm(name || id::text));
    create table r (id serial primary key, t_id int references t on delete cascade on update cascade);";

const ROWS: &str =
    "insert into t (id, name, d) select g, case when g % 2 = 0 then 'a' else 'b' end, 'a'
    from generate_series(1, 20) g; insert into r select g, g from generate_series(1, 10) g";

#[test]
fn rows_come_back() {
    let base = format!("{} {TABLE}", code());
    for (up, down) in [
        ("select 1", "delete from t where id < 5"),
        ("select 1", "update t set name = 'b', d = 'b' where id > 10"),
        (
            "update t set name = 'a' where id = 1",
            "update t set id = id + 100",
        ),
        ("select 1", "truncate t cascade"),
        ("alter table t add extra word", "alter table t drop extra"),
        (
            "alter table t alter d type text",
            "alter table t alter d type word",
        ),
    ] {
        let data = if up.contains("extra") {
            format!("{ROWS}; update t set extra = 'b' where id > 3")
        } else {
            ROWS.to_owned()
        };
        exact(&base, &[(up, down)], &data);
    }
}

#[test]
fn tables_come_back() {
    exact(&code(), &[(TABLE, "drop table r; drop table t")], ROWS);
    // By definitions alone: the migration can't run again.
    exact(
        &format!("{} {TABLE}", code()),
        &[(
            "alter table r add must int default 1; alter table r alter must drop default;
             alter table r alter must set not null; alter table r drop must; alter table r add must int not null",
            "alter table r drop must",
        )],
        "",
    );
}

/// Rows that are newer, and rows that stand in each other's way, are looked at too.
#[test]
fn rows_written_since_stay() {
    let case = Case::new(
        &format!("{} {TABLE}", code()),
        &[(
            "alter table t add extra word",
            "delete from t where id < 5; alter table t drop extra",
        )],
        "insert into t (id, name, d, extra) select g, 'a', 'a', 'b' from generate_series(1, 20) g",
    );
    case.back();
    case.sandbox.sql(
        "insert into t (id, name, d) values (40, 'b', 'a'); update t set name = 'b' where id = 9",
    );
    let done = case.undo();
    assert_eq!(done["conflicts"], serde_json::json!([]), "{done}");
    let rows = "select string_agg(id || name || coalesce(extra, '-'), ' ' order by id) from t
                where id in (1, 9, 10, 40)";
    assert_eq!(case.sandbox.query_text(rows), "1ab 9bb 10ab 40b-");
}

/// How such values are written depends on the path: it stays ours, and they come back.
#[test]
fn values_that_name_objects() {
    exact(
        "create schema s; create table s.x (); create table x (); create type pair as (t regclass, n int);
         create table t (id int primary key, c regclass, l regtype[], p pair)",
        &[
            ("select 1", "update t set c = 's.x' where id = 2; delete from t where id = 1"),
            ("alter table t add d regclass", "alter table t drop d"),
        ],
        "insert into t values (1, 'x', '{integer,pair}', row('x', 1), 's.x'), (2, 'x', null, row('s.x', 2), 'x')",
    );
}
