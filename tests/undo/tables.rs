//! Tables and other objects that are dropped come back with all they held.

use super::case::{Case, exact};

const KEPT: &str = "create table kept (id int primary key, v text)";

#[test]
fn plain() {
    exact(
        KEPT,
        &[(
            "create table t (id bigserial primary key, v text default 'd', n int generated always as (length(v)) stored)",
            "drop table t",
        )],
        "insert into t (v) select nullif('v' || n % 7, 'v0') from generate_series(1, 50) n; delete from t where id % 9 = 0",
    );
}

#[test]
fn without_key_and_with_identity() {
    exact(
        KEPT,
        &[(
            "create table t (n int generated always as identity, v text)",
            "drop table t",
        )],
        "insert into t (v) select 'v' from generate_series(1, 5); insert into t (n, v) overriding system value values (3, 'v'), (3, 'v')",
    );
}

#[test]
fn cascade_to_views_keys_and_functions() {
    exact(
        "create table kept (id int primary key, t_id int)",
        &[(
            "create table t (id int primary key, v text);
             alter table kept add constraint kept_t foreign key (t_id) references t (id) on delete set null;
             create view one as select id from t; create view two as select * from one;
             create materialized view three as select count(*) from t; create index on three (count);
             create function first_of() returns setof t language sql as 'select * from t limit 1'",
            "drop table t cascade",
        )],
        "insert into t select n, 'v' || n from generate_series(1, 20) n;
         insert into kept select n, nullif(n % 21, 0) from generate_series(1, 60) n; refresh materialized view three",
    );
}

#[test]
fn partitioned_and_one_partition_dropped() {
    exact(
        KEPT,
        &[(
            "create table m (id int, at date not null, v text, primary key (id, at)) partition by range (at);
             create table m1 partition of m for values from ('2024-01-01') to ('2025-01-01');
             create table m2 partition of m for values from ('2025-01-01') to ('2026-01-01');
             create table md partition of m default;
             create table n (id int, k text) partition by list (k); create table n1 partition of n for values in ('a', null); create table n2 partition of n default",
            "drop table m; drop table n",
        )],
        "insert into m select n, date '2024-01-01' + n * 40, nullif('v' || n % 6, 'v0') from generate_series(1, 40) n;
         insert into n select n / 2, nullif('a', 'a') from generate_series(1, 9) n; insert into n values (1, 'a'), (1, 'a'), (3, 'z')",
    );
}

#[test]
fn partition_of_a_kept_table() {
    exact(
        "create table m (id int, at date not null, v text, primary key (id, at)) partition by range (at);
         create table m1 partition of m for values from ('2024-01-01') to ('2025-01-01')",
        &[("create table m2 partition of m for values from ('2025-01-01') to ('2026-01-01')", "drop table m2")],
        "insert into m select n, date '2024-01-01' + n * 15, nullif('v' || n % 6, 'v0') from generate_series(1, 40) n",
    );
}

#[test]
fn referring_to_itself_and_to_each_other() {
    exact(
        KEPT,
        &[(
            "create table tree (id int primary key, parent int references tree (id));
             create table a (id int primary key, b_id int); create table b (id int primary key, a_id int references a (id));
             alter table a add foreign key (b_id) references b (id)",
            "drop table tree; drop table a, b",
        )],
        "insert into tree select n, nullif(n / 2, 0) from generate_series(1, 31) n; update tree set parent = 5 where id = 2;
         insert into a select n from generate_series(1, 5) n; insert into b select n, n from generate_series(1, 5) n; update a set b_id = 6 - id",
    );
}

#[test]
fn rules_and_triggers_do_not_fire() {
    exact(
        "create table audit (n serial, what text)",
        &[(
            "create table t (id int primary key, v text, changed timestamptz default clock_timestamp());
             create function note() returns trigger language plpgsql as $$ begin
               insert into audit (what) values (tg_op); if tg_op = 'UPDATE' then new.changed := clock_timestamp(); end if; return new; end $$;
             create trigger note before insert or update on t for each row execute function note();
             create trigger always after insert on t for each row execute function note();
             alter table t enable always trigger always;
             create rule also as on insert to t do also insert into audit (what) values ('rule');
             create rule replica as on update to t do instead nothing; alter table t enable replica rule replica",
            "drop table t; drop function note()",
        )],
        "insert into t select n, 'v' from generate_series(1, 5) n",
    );
}

#[test]
fn with_what_somebody_added_by_hand() {
    exact(
        "create table kept (id int primary key, v text);
         create function by_hand() returns trigger language plpgsql as $$ begin raise 'fired'; end $$",
        &[("create table t (id int primary key, v text); create table u (v text)", "drop table t; drop table u")],
        "insert into t select n, 'v' || n from generate_series(1, 9) n; insert into u select 'u' from generate_series(1, 3);
         create index by_hand on t (v) where id > 3; grant select, update (v) on t to public; comment on table t is 'it''s mine';
         create trigger hand before insert or update or delete on t for each row execute function by_hand();
         alter table t enable always trigger hand; alter table t add constraint hand check (id > 0);
         create unique index on u ((v || 'x')) where v is null",
    );
}

#[test]
fn schema_with_everything_in_it() {
    exact(
        "create schema other; create table other.outside (id int primary key)",
        &[(
            "create schema s; create type s.mood as enum ('sad', 'ok'); create sequence s.counter start 5 increment 2;
             create table s.t (id int primary key default nextval('s.counter'), m s.mood);
             create table s.c (id int primary key, t_id int references s.t (id));
             create view s.v as select * from s.t; create function s.f() returns int language sql as 'select 1';
             alter table other.outside add m s.mood default 'ok', add t_id int references s.t (id);
             create view other.sees as select m from s.t",
            "drop schema s cascade; alter table other.outside drop t_id",
        )],
        "insert into s.t (m) select case when n % 3 = 0 then null when n % 2 = 0 then 'sad'::s.mood else 'ok' end from generate_series(1, 9) n;
         insert into s.c select n, 5 + 2 * (n % 9) from generate_series(1, 9) n;
         insert into other.outside select n, (array['sad', 'ok', null])[n % 3 + 1]::s.mood, 5 from generate_series(1, 9) n; select nextval('s.counter')",
    );
}

#[test]
fn types_with_their_columns() {
    exact(
        "create table t (id int primary key, v text); create table u (v text)",
        &[(
            "create type mood as enum ('sad', 'ok'); create domain small as int check (value < 100); create type pair as (a int, b text);
             alter table t add m mood, add s small default 7, add p pair, add ms mood[]; alter table u add m mood not null default 'ok', add p pair",
            "drop type mood cascade; drop domain small cascade; drop type pair cascade",
        )],
        "insert into t select n, 'v', (array['sad', 'ok', null])[n % 3 + 1]::mood, nullif(n, 5), row(n, 'b')::pair, array['ok', null]::mood[] from generate_series(1, 12) n;
         insert into u select 'u', (array['sad', 'ok'])[n % 2 + 1]::mood, null from generate_series(1, 12) n",
    );
}

#[test]
fn sequences() {
    exact(
        "create table t (id int primary key, n int)",
        &[(
            "create sequence counter start 10 increment -2 minvalue -100 maxvalue 50 cycle; create sequence of_t owned by t.n;
             alter table t alter n set default nextval('of_t')",
            "drop sequence counter; drop sequence of_t cascade",
        )],
        "select nextval('counter'), nextval('counter'); insert into t (id) select generate_series(1, 5); select setval('of_t', 77, false)",
    );
}

#[test]
fn views_functions_and_the_like() {
    exact(
        "create table t (id int primary key, v text)",
        &[
            (
                "create view a as select id from t; create materialized view m as select * from t; create unique index on m (id)",
                "drop view a; drop materialized view m",
            ),
            (
                "create function f(int) returns int language sql as 'select $1'; create index by_v on t (v); create policy p on t using (true)",
                "drop function f(int); drop index by_v; drop policy p on t",
            ),
            (
                "alter table t add constraint short check (length(v) < 99), alter v set default 'x', alter v set not null",
                "alter table t drop constraint short, alter v drop default, alter v drop not null",
            ),
        ],
        "insert into t select n, 'v' from generate_series(1, 9) n; refresh materialized view m",
    );
}

#[test]
fn renamed_before_it_is_dropped() {
    exact(
        "create table kept (id int primary key); create schema s",
        &[
            (
                "create table t (id int primary key, v text); alter table kept add a int, add b int",
                "alter table t rename to gone; drop table gone; alter table kept rename a to c; alter table kept drop c, drop b",
            ),
            (
                "alter table t rename v to w; alter table t set schema s; alter table s.t add x text",
                "alter table s.t drop x; alter table s.t set schema public; alter table t rename w to v",
            ),
        ],
        "insert into s.t select n, 'v' || n, 'x' from generate_series(1, 9) n; insert into kept select n, n * 2, nullif(n, 3) from generate_series(1, 9) n",
    );
}

#[test]
fn made_and_filled_by_the_migration() {
    exact(
        "create table t (id int primary key, v text)",
        &[(
            "create table kinds (id serial primary key, name text unique, made timestamptz default clock_timestamp(), u uuid default gen_random_uuid());
             insert into kinds (name) values ('a'), ('b'), ('c'); create table copy as select * from kinds",
            "drop table kinds; drop table copy",
        )],
        "update kinds set name = 'bb' where name = 'b'; delete from kinds where name = 'c'; insert into kinds (name) values ('d')",
    );
}

#[test]
fn several_tables_over_several_migrations() {
    exact(
        "create table a (id int primary key, v text)",
        &[
            ("create table b (id int primary key, a_id int references a (id) on delete cascade)", "drop table b"),
            ("create table c (id int primary key, b_id int references b (id)); alter table b add n int", "alter table b drop n; drop table c"),
            ("alter table a add w text; update a set w = v", "update a set v = w; alter table a drop w"),
            ("insert into a values (1000, 'seed', 'seed')", "delete from a where id = 1000"),
        ],
        "insert into a select n, 'v' || n, 'w' || n from generate_series(1, 9) n; insert into b select n, n, n from generate_series(1, 9) n;
         insert into c select n, n from generate_series(1, 9) n; insert into b values (99, 1000, 3); insert into c values (88, 9)",
    );
}

const NONCE: (&str, &str) = (
    "drop table nonce; create table nonce (state text primary key, nonce text not null)",
    "drop table nonce; create table nonce (nonce char(36) primary key, at timestamptz default now())",
);

#[test]
fn replaced_by_an_empty_table_with_another_key() {
    exact(
        "create table nonce (nonce char(36) primary key, at timestamptz default now())",
        &[NONCE],
        "insert into nonce values ('a', 'x'), ('b', 'y')",
    );
}

#[test]
fn replaced_by_a_table_with_another_key_and_rows() {
    let (up, down) = NONCE;
    let down = format!("{down}; insert into nonce values ('new')");
    let case = Case::new(
        "create table nonce (nonce char(36) primary key, at timestamptz default now())",
        &[(up, &down)],
        "insert into nonce values ('a', 'x'), ('b', 'y')",
    );
    case.refused("old and new rows can't be matched");
}

#[test]
fn plain_inheritance() {
    exact(
        KEPT,
        &[(
            "create table p (id int, v text); create table c (w int) inherits (p)",
            "drop table p cascade",
        )],
        "insert into p values (1, 'p'), (1, 'p'); insert into c values (1, 'p', 2), (2, 'c', null)",
    );
}

#[test]
fn unlogged_and_with_large_values() {
    exact(
        KEPT,
        &[(
            "create unlogged table t (id int primary key, v text, b bytea)",
            "drop table t",
        )],
        "insert into t select n, repeat(md5(n::text), 3000), decode(repeat(md5(n::text), 3000), 'hex') from generate_series(1, 9) n",
    );
}

#[test]
fn empty() {
    exact(
        KEPT,
        &[(
            "create table t (id int primary key); create table u ()",
            "drop table t; drop table u",
        )],
        "",
    );
}

#[test]
fn large_objects_and_calls_are_refused() {
    let case = Case::new(KEPT, &[("select 1", "select lo_unlink(1)")], "");
    case.refused("RB-OPAQUE");
}

#[test]
fn large_objects_that_a_trigger_removes_are_refused() {
    let case = Case::new(
        // As the extension `lo` does, which not every server has.
        "create table t (id int primary key, body oid);
         create function remove() returns trigger language plpgsql as
             $$ begin perform lo_unlink(old.body); return old; end $$;
         create trigger t_lo before delete on t for each row execute function remove()",
        &[("select 1", "delete from t where id = 1")],
        "insert into t values (1, lo_from_bytea(0, 'one')), (2, lo_from_bytea(0, 'two'))",
    );
    case.refused("large object");
    assert_eq!(
        case.sandbox
            .query_text("select count(*) from pg_largeobject_metadata"),
        "2"
    );
}

/// The way of tools that can't alter: copy, drop, rename.
const COPIED: &str = "create table t_new (id int primary key, v text);
    insert into t_new select id, v from t; drop table t; alter table t_new rename to t;
    alter index t_new_pkey rename to t_pkey";

#[test]
fn replaced_by_a_copy_on_the_way_back() {
    exact(
        "create table t (id int primary key, v text)",
        &[("alter table t add n text default 'd'", COPIED)],
        "insert into t values (1, 'x', 'n1'), (2, null, null), (3, 'z', 'd')",
    );
}

#[test]
fn renamed_away_and_copied_into_a_table_that_is_ensured() {
    exact(
        "create table t (id int primary key, v text)",
        &[(
            "alter table t add n text default 'd'",
            "alter table t rename to t_old;
             create table if not exists t (id int primary key, v text);
             insert into t select id, v from t_old; drop table t_old",
        )],
        "insert into t values (1, 'x', 'n1'), (2, null, null), (3, 'z', 'd')",
    );
}

#[test]
fn replaced_by_a_copy_on_the_way_there() {
    exact(
        "create table t (id int primary key, v text)",
        &[(
            "create table t_new (id int primary key, v text, n text default 'd');
             insert into t_new select id, v || '!' from t; drop table t; alter table t_new rename to t;
             alter index t_new_pkey rename to t_pkey",
            "alter table t drop n",
        )],
        "update t set v = 'later'; insert into t values (1, 'x', 'n1'), (2, null, null), (3, 'z', 'd')",
    );
}

#[test]
fn replaced_by_a_view_on_the_way_back() {
    exact(
        "create table o (id int primary key, v text); create view t as select * from o",
        &[(
            "drop view t; create table t as select id, v from o; alter table t add primary key (id)",
            "drop table t; create view t as select * from o",
        )],
        "insert into o values (1, 'o'); insert into t values (1, 'x'), (2, null)",
    );
}

#[test]
fn replaced_by_copies_both_ways() {
    exact(
        "create table t (id int primary key, v text)",
        &[(
            "create table t_new (id int primary key, v text, n text default 'd');
             insert into t_new select id, v from t; drop table t; alter table t_new rename to t;
             alter index t_new_pkey rename to t_pkey",
            COPIED,
        )],
        "insert into t values (1, 'x', 'n1'), (2, null, null), (3, 'z', 'd')",
    );
}

#[test]
fn dropped_and_made_anew_by_the_rollback() {
    exact(
        "create table t (id int primary key, old text)",
        &[(
            "drop table t; create table t (id int primary key, v text, n text)",
            "drop table t; create table t (id int primary key, old text)",
        )],
        "insert into t values (1, 'x', 'n1'), (2, null, null), (3, 'z', 'd')",
    );
}

#[test]
fn index_built_and_dropped_concurrently() {
    exact(
        "create table t (id int primary key, v text)",
        &[
            (
                "-- transaction: off\ncreate index concurrently t_v on t (v)",
                "-- transaction: off\ndrop index concurrently t_v; update t set v = 'lost'",
            ),
            ("alter table t add w int", "alter table t drop w"),
        ],
        "insert into t select n, 'v' || n, n from generate_series(1, 20) n",
    );
}

#[test]
fn partition_detached_concurrently() {
    exact(
        "create table p (id int, v text) partition by range (id); create table p1 (id int, v text)",
        &[(
            "alter table p attach partition p1 for values from (0) to (100)",
            "alter table p detach partition p1 concurrently",
        )],
        "insert into p select n, 'v' || n from generate_series(1, 20) n",
    );
}

/// Rows refer to a partitioned table: to rows of any of its partitions.
#[test]
fn a_partitioned_table_that_others_refer_to() {
    let parent = "create table parent (id int primary key) partition by range (id);
         create table p1 partition of parent for values from (0) to (20);
         create table p2 partition of parent for values from (20) to (90);
         create table child (id int primary key, parent int not null references parent on delete cascade)";
    let rows = "insert into parent select g from generate_series(1, 35) g;
         insert into child select g, 36 - g from generate_series(1, 35) g";
    exact(
        "select 1",
        &[(parent, "drop table child; drop table parent")],
        rows,
    );
    exact(
        parent,
        &[("select 1", "delete from parent where id > 5")],
        rows,
    );
    exact(parent, &[("select 1", "truncate parent, child")], rows);
    exact(
        parent,
        &[(
            "alter table child add other int references parent",
            "alter table child drop other",
        )],
        &format!("{rows}; update child set other = id"),
    );
}
