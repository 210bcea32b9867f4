//! Definitions that scripts drop, replace or change: they come back as they were.

use super::case::{Case, exact};
use crate::harness::Sandbox;

const T: &str = "create table t (id int primary key, v text, n int)";
const ROWS: &str = "insert into t select g, 'v' || g, g from generate_series(1, 20) g";

/// What is done on the way back to a table that stays: `up` makes it, `down` takes it away.
#[track_caller]
fn with_rows(up: &str, down: &str) {
    exact(
        T,
        &[(up, &format!("{down}; update t set v = 'lost' where id < 5"))],
        ROWS,
    );
}

#[test]
fn constraints_and_what_columns_promise() {
    with_rows(
        "alter table t add constraint positive check (n > 0), add constraint one unique (v),
         alter n set not null, alter n set default 7;
         create table u (id int primary key, t_id int, constraint up foreign key (t_id) references t deferrable initially deferred)",
        "alter table u drop constraint up; drop table u;
         alter table t drop constraint positive, drop constraint one, alter n drop not null, alter n drop default",
    );
}

#[test]
fn an_expression_and_an_identity() {
    with_rows(
        "alter table t add g int generated always as (n * 2) stored, add i int generated always as identity",
        "alter table t alter g drop expression, drop g, alter i drop identity, drop i",
    );
}

#[test]
fn indexes_statistics_comments_and_settings() {
    with_rows(
        "create index by_v on t (lower(v)) where n > 3; create statistics s on v, n from t;
         comment on table t is 'new'; comment on column t.v is 'a v';
         alter table t set (fillfactor = 70), alter v set statistics 500, alter v set storage external;
         alter table t replica identity full",
        "drop index by_v; drop statistics s; comment on table t is null; comment on column t.v is null;
         alter table t reset (fillfactor), alter v set statistics -1, alter v set storage extended;
         alter table t replica identity default",
    );
}

#[test]
fn privileges_and_policies() {
    with_rows(
        "grant select on t to public; grant update (v) on t to public; alter table t enable row level security;
         alter table t force row level security; create policy p on t for select using (n > 3)",
        "drop policy p on t; alter table t no force row level security; alter table t disable row level security;
         revoke select on t from public; revoke update (v) on t from public",
    );
}

#[test]
fn code_that_is_replaced() {
    exact(
        "create table t (id int primary key, v text, n int);
         create function f(int) returns int language sql as 'select $1';
         create view w as select id, v from t;
         create function note() returns trigger language plpgsql as 'begin return new; end';
         create trigger x before update on t for each row execute function note()",
        &[(
            "create or replace function f(int) returns int language sql as 'select $1 + 1';
             create or replace view w as select id, v, n from t;
             create or replace function note() returns trigger language plpgsql as 'begin new.n := 0; return new; end';
             create or replace trigger x before update of v on t for each row execute function note()",
            "create or replace function f(int) returns int language sql as 'select $1';
             drop view w; create view w as select id, v from t;
             create or replace function note() returns trigger language plpgsql as 'begin return new; end';
             create or replace trigger x before update on t for each row execute function note();
             update t set v = 'lost' where id < 5",
        )],
        ROWS,
    );
}

#[test]
fn an_extension_with_what_depends_on_it() {
    // Servers come with different ones; any that brings a type will do.
    let brings = [
        ("citext", "'Mixed ' || g"),
        ("hstore", "'a=>' || g"),
        ("vector", "'[' || g || ',1.5]'"),
    ];
    let sandbox = Sandbox::bare();
    let has = |name: &str| {
        let sql = format!("select 1 from pg_available_extensions where name = '{name}'");
        !sandbox.query_text(&sql).is_empty()
    };
    let (name, value) = (brings.iter().find(|(name, _)| has(name)))
        .expect("the server has none of these extensions: install PostgreSQL's contrib package");
    let up = format!(
        "create extension {name}; alter table t add c {name}; create index on t (c);
         create table u (c {name} primary key)"
    );
    let down = format!("drop table u; drop extension {name} cascade");
    let rows = format!(
        "insert into t select g, 'v' || g, g, ({value})::{name} from generate_series(1, 20) g;
         insert into u select ({value})::{name} from generate_series(1, 3) g"
    );
    exact(T, &[(&up, &down)], &rows);
}

#[test]
fn sequences_that_are_moved() {
    exact(
        "create table t (id serial primary key, v text); create sequence s",
        &[(
            "alter sequence s increment 5 minvalue -10 maxvalue 1000 cache 3 cycle",
            "alter sequence s increment 1 no minvalue no maxvalue cache 1 no cycle restart; alter sequence t_id_seq restart with 3; delete from t where id > 2",
        )],
        "insert into t (v) select 'v' || g from generate_series(1, 9) g; select setval('s', 40)",
    );
}

#[test]
fn places_and_kinds_of_storage() {
    exact(
        "create table t (id int primary key, v text, n int); create schema other; create table parent (id int, v text)",
        &[(
            "alter table t set schema other; alter table other.t set unlogged; alter table other.t inherit parent;
             alter table other.t cluster on t_pkey",
            "alter table other.t set without cluster; alter table other.t no inherit parent; alter table other.t set logged;
             alter table other.t set schema public; update t set v = 'lost' where id < 5",
        )],
        "insert into other.t select g, 'v' || g, g from generate_series(1, 20) g; insert into parent values (1, 'x')",
    );
}

#[test]
fn labels_that_are_renamed() {
    let base = "create type mood as enum ('sad', 'ok'); create table t (id int primary key, m mood, n int)";
    let up = "alter type mood rename value 'ok' to 'fine'; alter table t alter n type bigint";
    let down = "alter type mood rename value 'fine' to 'ok'; alter table t alter n type int";
    let rows = "insert into t select g, (array['sad', 'fine'])[g % 2 + 1]::mood, g from generate_series(1, 20) g";
    exact(base, &[(up, down)], rows);
    let down = format!("{down}; delete from t where m = 'ok'");
    Case::new(base, &[(up, &down)], rows).refused("labels");
}

#[test]
fn what_lies_beyond_the_database_is_refused() {
    let base = format!(
        "{T}; create publication p for table t; create foreign data wrapper w;
         create server s foreign data wrapper w; create foreign table f (id int) server s"
    );
    for down in [
        "drop publication p",
        "alter publication p drop table t",
        "drop server s cascade",
        "delete from f",
        "insert into f values (1)",
        "drop user mapping if exists for public server s",
        "drop owned by current_user",
        "drop role if exists nobody",
        "drop database postgres",
        "alter type t drop attribute v",
    ] {
        let case = Case::new(&base, &[("select 1", down)], ROWS);
        let before = case.state();
        let output = case.try_back();
        output.assert_exit(3);
        output.assert_says("refused");
        case.assert_unchanged(&before);
    }
}

/// The migration can't run again, on rows that are there by then: what differs comes back from the
/// snapshot, under whatever name, and what is missing does.
#[test]
fn what_differs_under_the_same_name_is_made_anew() {
    let base = "create table t (id int primary key, a text, b text collate \"C\", c int);
        create table p (x int); create table q (x int, y int) inherits (p);
        create table part (id int, at date) partition by range (at);
        create table part_1 partition of part for values from ('2026-01-01') to ('2027-01-01');
        create sequence s increment 5 maxvalue 500 cycle;
        create function f(i int) returns int language sql as 'select i';
        create function tell() returns trigger language plpgsql as 'begin return new; end';
        create index i on t (a); create view w as select id, a from t;
        create materialized view m as select a from t;
        create policy alone on t using (id > 0); create rule r as on delete to p do also nothing;
        create trigger told before update on t for each row execute function tell();
        create statistics st (dependencies) on a, b from t;
        alter table t add constraint k check (c < 100);
        alter table t enable row level security, force row level security, replica identity full,
            set (autovacuum_enabled = off, fillfactor = 60);
        alter table t alter a set default 'x', alter c set not null, alter b set statistics 50;
        comment on index i is 'why'; comment on view w is 'what'; comment on constraint k on t is 'so'";
    let up = "alter table t add n int; update t set n = id; alter table t alter n set not null;
              alter table t drop column n; alter table t add n int not null";
    let down = "alter table t drop n;
        alter table t disable row level security, no force row level security, replica identity default,
            reset (fillfactor), set (autovacuum_enabled = on, parallel_workers = 2);
        alter table t alter a drop default, alter c drop not null, alter c set default 7;
        drop index i; create index i on t (b); drop materialized view m;
        create materialized view m as select b from t; drop view w; create view w as select id, b from t;
        drop policy alone on t; create policy alone on t using (id > 1);
        drop rule r on p; create rule r as on delete to p do instead nothing;
        drop trigger told on t; create trigger told after update on t for each row execute function tell();
        drop statistics st; create statistics st (ndistinct) on a, b from t;
        alter table t drop constraint k; alter table t add constraint k check (c < 1000);
        create or replace function f(i int) returns int language sql as 'select i + 1';
        alter sequence s increment 1 maxvalue 50 no cycle; alter sequence s owned by t.id;
        alter table q no inherit p; alter table part detach partition part_1";
    let case = Case::new(
        base,
        &[(up, down)],
        "insert into t values (1, 'a', 'b', 3, 1), (2, 'a', 'b', 4, 2); insert into part values (1, '2026-05-05');
         refresh materialized view m",
    );
    case.exact_accepting_drift();
}

/// The rollback leaves another constraint under the name of one that was there.
#[test]
fn a_constraint_that_differs_under_the_same_name() {
    let case = Case::new(
        "create table e (id int primary key, s text, constraint a check (s in ('x', 'yy')))",
        &[(
            "alter table e drop constraint a; update e set s = 'y' where s = 'yy';
             alter table e add constraint b check (s in ('x', 'y'))",
            "alter table e drop constraint b; update e set s = 'yy' where s = 'y';
             alter table e add constraint b check (s in ('x', 'yy'))",
        )],
        "insert into e values (1, 'x'), (2, 'y')",
    );
    case.exact_accepting_drift();
}

/// A table that the migration makes a partition, and the rollback whole again.
#[test]
fn a_table_made_a_partition() {
    exact(
        "create table e (id bigserial primary key, at date not null, body text)",
        &[(
            "alter table e rename to e_rest;
             create table e (like e_rest including defaults including constraints) partition by range (at);
             alter table e_rest drop constraint e_pkey;
             alter table e add constraint e_pkey primary key (id, at);
             alter table e attach partition e_rest default;
             create table e_26 partition of e for values from ('2026-01-01') to ('2027-01-01');
             alter sequence e_id_seq owned by e.id",
            "alter table e detach partition e_rest;
             alter sequence e_id_seq owned by e_rest.id;
             insert into e_rest select * from e;
             drop table e; alter table e_rest rename to e;
             alter table e drop constraint e_rest_pkey;
             alter table e add constraint e_pkey primary key (id)",
        )],
        "insert into e (at, body) select date '2025-12-20' + g, 'row ' || g from generate_series(1, 40) g",
    );
}

/// Both scripts put a copy in the place of the table, with columns of other types.
#[test]
fn copies_of_other_types_both_ways() {
    exact(
        "create table em (id int generated by default as identity, k text not null, v text not null,
             constraint em_pk primary key (id))",
        &[(
            "create table n (id int generated by default as identity, k varchar(30) not null, v text,
                 constraint n_pk primary key (id));
             insert into n (id, k, v) select id, k, v from em; drop table em;
             alter table n rename to em; alter table em rename constraint n_pk to em_pk;
             alter sequence n_id_seq rename to em_id_seq",
            "create table n (id int generated by default as identity, k text not null, v text not null,
                 constraint n_pk primary key (id));
             insert into n (id, k, v) select id, k, v from em; drop table em;
             alter table n rename to em; alter table em rename constraint n_pk to em_pk;
             alter sequence n_id_seq rename to em_id_seq",
        )],
        "insert into em (k, v) select 'k' || g, 'v' from generate_series(1, 5) g",
    );
}

/// The migration can't be applied again, and what it changed is looked at by what it did not.
#[test]
fn what_looks_at_what_differs_is_made_again() {
    let of = |columns: &str| {
        format!(
            "create view a as select id, n, {columns} from t; create view b as select id, n from a;
             create materialized view m as select n, count(*) from b join a using (id, n) group by n;
             create unique index by_n on m (n); comment on view b is 'of a'; comment on column b.id is 'key';
             create view c as select * from m; grant select on c to public;
             create policy few on t using (n > 1); comment on policy few on t is 'few'"
        )
    };
    let away = "drop view c; drop materialized view m; drop view b, a; drop policy few on t;";
    let [was, is] = ["1 as one", "s"].map(of);
    exact(
        &format!(
            "create table t (id int primary key, n int, s text); create table once (id int primary key); {was}"
        ),
        &[(
            &format!("{away} alter table t alter n type bigint; {is}; insert into once values (1)"),
            &format!("{away} alter table t alter n type int; {was}"),
        )],
        "insert into t values (1, 1, 'a'), (2, 2, 'b'); refresh materialized view m",
    );
}
