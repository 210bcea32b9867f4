//! A rollback whose undo can't work is refused before anything is final; and it is no false alarm: let
//! through, the undo fails.

use super::case::Case;
use crate::harness::Sandbox;

/// Rolled back without a look at the undo, that fails; with one, nothing happens.
#[track_caller]
fn no_way_forward(case: &Case, says: &str) {
    no_way_forward_as("postgres", case, says);
}

#[track_caller]
fn no_way_forward_as(role: &str, case: &Case, says: &str) {
    let before = case.state();
    let database = case.sandbox.database.as_str();
    let url = case.sandbox.url_as(role);
    let run = |args: &[&str]| {
        let tool = case.sandbox.tool("rollback").args(args);
        tool.env("DATABASE_URL", &url).run()
    };
    let to = ["to", "0001", "--confirm", database, "--json"];
    let output = run(&to);
    output.assert_exit(3);
    output
        .assert_says("could not reverse this rollback")
        .assert_says(says)
        .assert_says("--without-proof");
    case.assert_unchanged(&before);

    let output = run(&[&to[..], &["--without-proof"]].concat());
    output.assert_exit(0);
    assert_eq!(output.last()["undo"], "unproved");
    let undone = run(&["undo", "--yes"]);
    assert!(matches!(undone.code, Some(1 | 3)), "{undone}");
    undone.assert_says(says);
}

/// Something that holds for all values, until the rule is another: then `f` fails, or is one for all.
const RULE: &str = "create table rule (n int); insert into rule values (10);
    create function ok(i int) returns boolean language plpgsql immutable as
        'begin return i <= (select max(n) from public.rule); end';
    create function f(i int) returns int language plpgsql immutable as 'declare m int; begin
        select max(n) into m from public.rule;
        if m = 5 then raise exception ''f fails now''; end if;
        return case when m = 1 then 1 else i end; end';";
const STRICTER: &str = "update rule set n = 5;";
const SAME: &str = "update rule set n = 1;";

#[test]
fn rows_that_a_rule_no_longer_lets_in() {
    for (up, down, data, since, says) in [
        (
            "create table t (id int primary key, v int check (public.ok(v)))",
            "drop table t",
            "insert into t values (1, 8)",
            STRICTER,
            "violates check constraint",
        ),
        (
            "create domain d as int check (public.ok(value)); alter table k add v d",
            "alter table k drop v; drop domain d",
            "insert into k values (1, 8)",
            STRICTER,
            "check constraint",
        ),
        (
            "create table t (id int primary key, v int); create index on t (public.f(v))",
            "drop table t",
            "insert into t values (1, 8)",
            STRICTER,
            "P0001",
        ),
        (
            "create table t (id int primary key, v int, g int generated always as (public.f(v)) stored)",
            "drop table t",
            "insert into t values (1, 8)",
            STRICTER,
            "P0001",
        ),
        (
            "create table t (id int primary key, v int); create unique index on t (public.f(v))",
            "drop table t",
            "insert into t values (1, 8), (2, 9)",
            SAME,
            "23505",
        ),
        (
            "create table t (id int, v int) partition by list (public.f(v));
             create table t8 partition of t for values in (8)",
            "drop table t",
            "insert into t values (1, 8)",
            SAME,
            "23514",
        ),
    ] {
        let base = format!("{RULE} create table k (id int primary key)");
        let case = Case::new(&base, &[(up, down)], &format!("{data}; {since}"));
        no_way_forward(&case, says);
    }
}

#[test]
fn a_view_that_can_not_be_filled_again() {
    let case = Case::new(
        &format!("{RULE} create table k (id int primary key)"),
        &[(
            "create materialized view m as select public.f(id) from k",
            "drop materialized view m",
        )],
        &format!("insert into k values (1); refresh materialized view m; {STRICTER}"),
    );
    no_way_forward(&case, "P0001");
}

#[test]
fn a_table_without_room_for_a_column() {
    let columns = |what: &str| {
        let columns: Vec<String> = (1..=1598).map(|n| format!("{what} c{n}")).collect();
        columns.join(", ")
    };
    let base = format!(
        "create table t (id int primary key); alter table t {};
         alter table t {}",
        columns("add").replace(',', " int,") + " int",
        columns("drop"),
    );
    let case = Case::new(
        &base,
        &[("alter table t add v text", "alter table t drop v")],
        "insert into t values (1, 'x')",
    );
    no_way_forward(&case, "1600 columns");
}

/// Rows that refer to nothing can't come back where they were: they would be laid aside.
#[test]
fn rows_that_would_be_laid_aside() {
    let case = Case::new(
        "create table k (id int primary key)",
        &[(
            "create table t (id int primary key, k int references k)",
            "drop table t",
        )],
        "set session_replication_role = replica; insert into t values (1, 99)",
    );
    case.refused("1 rows would not be put back");
    let database = case.sandbox.database.as_str();
    let args = ["to", "0001", "--confirm", database, "--without-proof"];
    case.sandbox.run("rollback", &args).assert_exit(0);
    assert_eq!(case.undo()["conflicts"][0]["rows"], 1);
}

/// Of what a role may drop it may not make all again.
#[test]
fn a_role_that_may_drop_more_than_make() {
    for (base, up, down, data, says) in [
        (
            "create schema s; grant usage on schema s to ROLE",
            "create table s.t (id int primary key); alter table s.t owner to ROLE",
            "drop table s.t",
            "insert into s.t values (1)",
            "permission denied for schema",
        ),
        (
            "create type mood as enum ('good'); create table t (id int primary key);
             alter table t owner to ROLE; revoke usage on type mood from public",
            "alter table t add m mood",
            "alter table t drop m",
            "insert into t values (1, 'good')",
            "permission denied for type",
        ),
        (
            "create table p (id int primary key); grant select on p to ROLE;
             grant create on schema public to ROLE",
            "create table t (id int primary key, p int references p); alter table t owner to ROLE",
            "drop table t",
            "insert into p values (1); insert into t values (1, 1)",
            "permission denied for table",
        ),
        (
            "create publication pub; grant create on schema public to ROLE",
            "create table t (id int primary key); alter publication pub add table t;
             alter table t owner to ROLE",
            "drop table t",
            "insert into t values (1)",
            "must be owner of publication",
        ),
    ] {
        let sandbox = Sandbox::new();
        let role = format!("dropper_{}", sandbox.database);
        sandbox.sql(&format!(
            "create role {role} login; grant create on database {} to {role}",
            sandbox.database
        ));
        let named = |sql: &str| sql.replace("ROLE", &role);
        sandbox.migration("0001_base", &named(base), "select 1");
        sandbox.migration("0002_step", &named(up), down);
        sandbox.run("migrate", &["upgrade"]).assert_exit(0);
        sandbox.sql(&format!(
            "{data}; grant usage on schema pgbelay to {role};
             grant select, insert, update, delete on all tables in schema pgbelay to {role}"
        ));
        let case = Case { sandbox };
        no_way_forward_as(&role, &case, says);
        case.sandbox.sql(&format!(
            "reassign owned by {role} to postgres; drop owned by {role}; drop role {role}"
        ));
    }
}

/// What is tried leaves nothing behind: neither rows nor numbers that were drawn.
#[test]
fn what_is_tried_leaves_nothing_behind() {
    let case = Case::new(
        "create table t (id serial primary key, v text);
         create sequence alone; create table log (id int generated always as identity, what text)",
        &[(
            "alter table t add n int; insert into t (v) values ('seed');
             insert into log (what) select 'seeded' from generate_series(1, 5);
             select setval('alone', 500)",
            "alter table t drop n; delete from t where v = 'seed'; delete from log;
             alter sequence alone restart with 50",
        )],
        "insert into t (v, n) select 'row', g from generate_series(1, 20) g",
    );
    let positions =
        "select string_agg(format('%s %s %s', sequencename, last_value, start_value), ', '
                         order by sequencename)
                     from pg_sequences where schemaname = 'public'";
    case.back();
    let with = case.sandbox.query_text(positions);
    assert_eq!(with, "alone  1, log_id_seq 5 1, t_id_seq 21 1");
    assert_eq!(case.sandbox.query_text("select count(*) from log"), "0");
    case.undo();
}

/// What is known of the undo is in the closing line and in the journal.
#[test]
fn what_is_known_is_said() {
    let case = Case::new(
        "create table t (id int primary key)",
        &[("alter table t add v text", "alter table t drop v")],
        "insert into t select g, 'x' from generate_series(1, 1000) g",
    );
    let output = case.back();
    assert_eq!(output.last()["undo"], "proved", "{output}");
    let noted = "select details::json -> 'proof' ->> 'undo' from pgbelay.journal
                 where verb = 'rollback' order by sequence desc limit 1";
    assert_eq!(case.sandbox.query_text(noted), "proved");
    case.undo();

    for (key, undo, says) in [
        ("proof_time = \"0\"", "unproved", "are saved, and in 0 s"),
        ("proof_bytes = \"0\"", "sampled", "was not compared"),
    ] {
        case.sandbox.write("pgbelay.toml", key);
        let output = case.back();
        assert_eq!(output.last()["undo"], undo, "{output}");
        output.assert_says(says);
        case.undo();
    }
    case.sandbox.write("pgbelay.toml", "");

    let database = case.sandbox.database.clone();
    let output = case
        .sandbox
        .run("rollback", &["to", "0001", "--confirm", &database]);
    output
        .assert_exit(0)
        .assert_says("tried: all rows come back");
}

/// A busy machine takes its time; only the rows are too many.
const BYTES_ALONE: &str = "proof_time = \"60s\"\nproof_bytes = \"0\"";

/// Where all rows are more than may be put back to try it, the first of each table are: what comes back
/// whole in the end is no false alarm.
#[test]
fn a_sample_of_many_rows() {
    for (up, down, data, short) in [
        (
            "create table parent (id int primary key, up int references parent, v text not null);
             create table child (id int primary key, parent int not null references parent, v text);
             create index on child (upper(v))",
            "drop table child; drop table parent",
            "insert into parent select g, nullif(g / 2, 0), 'p' from generate_series(1, 3000) g;
             insert into child select g, 1 + (g * 7919) % 3000, 'c' from generate_series(1, 3000) g",
            "public.child, public.parent",
        ),
        (
            "create table parent (id int primary key) partition by range (id);
             create table p1 partition of parent for values from (0) to (2000);
             create table p2 partition of parent for values from (2000) to (9000);
             create table child (id int primary key, parent int not null references parent)",
            "drop table child; drop table parent",
            "insert into parent select g from generate_series(1, 3500) g;
             insert into child select g, 3501 - g from generate_series(1, 3500) g",
            "public.child, public.p1, public.p2",
        ),
        (
            "alter table k add v text default 'none' not null, add u uuid unique",
            "alter table k drop v, drop u",
            "update k set v = id::text, u = md5(id::text)::uuid",
            "public.k",
        ),
        (
            "alter table k alter w type text",
            "alter table k alter w type varchar(40) using left(w, 3)",
            "update k set w = repeat('x', id % 20)",
            "public.k",
        ),
        (
            "select 1",
            "delete from k where id % 2 = 0; update k set w = 'changed' where id % 3 = 0",
            "select 1",
            "public.k",
        ),
        ("select 1", "truncate k", "select 1", "public.k"),
        (
            "create materialized view m as select id % 10 as d, count(*) from k group by 1",
            "drop materialized view m; delete from k",
            "refresh materialized view m",
            "public.k",
        ),
    ] {
        let case = Case::new(
            "create table k (id int primary key, w varchar(40));
             insert into k select g, 'w' from generate_series(1, 3000) g",
            &[(up, down)],
            data,
        );
        case.sandbox.write("pgbelay.toml", BYTES_ALONE);
        let before = case.state();
        let output = case.back();
        assert_eq!(output.last()["undo"], "sampled", "{output}");
        output.assert_says(&format!("the first 1000 rows of {short} alone"));
        let undone = case.undo();
        assert_eq!(undone["conflicts"], serde_json::json!([]), "{undone}");
        case.assert_unchanged(&before);
    }
}

/// A sample is enough to see that an undo can't work.
#[test]
fn a_sample_that_shows_that_it_can_not_work() {
    for (up, down, data, says) in [
        (
            "create table t (id int primary key, v int); create index on t (public.f(v))",
            "drop table t",
            "insert into t select g, 8 from generate_series(1, 3000) g",
            "P0001",
        ),
        (
            "alter table k add v int; create index on k (public.f(v))",
            "alter table k drop v",
            "update k set v = 8",
            "P0001",
        ),
    ] {
        let base = format!(
            "{RULE} create table k (id int primary key);
             insert into k select g from generate_series(1, 3000) g"
        );
        let case = Case::new(&base, &[(up, down)], &format!("{data}; {STRICTER}"));
        case.sandbox.write("pgbelay.toml", BYTES_ALONE);
        no_way_forward(&case, says);
    }
}

/// A label that the migration adds can't be used in the transaction that adds it: to try the undo the type is
/// made anew with it, for a moment.
#[test]
fn a_label_that_the_migration_adds() {
    let case = Case::new(
        "create type mood as enum ('sad', 'ok');
         create table t (id int primary key, m mood not null default 'ok', all_of mood[] default '{sad}');
         create index on t (m)",
        &[(
            "alter type mood add value 'meh' before 'ok'; alter table t add n int",
            "update t set m = 'ok' where m = 'meh'; update t set all_of = '{}';
             alter table t drop n, alter m drop default, alter all_of drop default;
             alter type mood rename to old; create type mood as enum ('sad', 'ok');
             alter table t alter m type mood using m::text::mood,
                alter all_of type mood[] using all_of::text[]::mood[];
             alter table t alter m set default 'ok', alter all_of set default '{sad}'; drop type old",
        )],
        "insert into t select n, (array['sad', 'ok', 'meh'])[n % 3 + 1]::mood, '{meh,ok}', n
            from generate_series(1, 30) n",
    );
    let before = case.state();
    let output = case.back();
    assert_eq!(output.last()["undo"], "proved", "{output}");
    case.undo();
    case.assert_unchanged(&before);
}
