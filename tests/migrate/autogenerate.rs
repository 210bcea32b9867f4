//! `migrate revision --autogenerate`: what was changed beside the migrations becomes one.

use crate::harness::Sandbox;

const BASE: &str = "
    create type mood as enum ('good', 'bad');
    create table users (id int primary key, name text not null, age int default 1, old text);
    create index by_name on users (name);
    create function twice(int) returns int language sql as 'select 2 * $1';
    create view adults as select id, name from users where age > 17;
    create table gone (id int primary key, v text default 'x' check (v <> ''))";

/// What somebody did beside the migrations.
const BESIDE: &str = "
    drop view adults; drop index by_name; drop table gone; alter table users drop old;
    alter table users alter age type bigint, alter age drop default, alter name drop not null,
        add email text not null default 'none', add constraint young check (age < 150);
    create unique index by_email on users (lower(email)) where age > 3;
    create table orders (id bigint generated always as identity primary key, u int references users on delete cascade, at timestamptz default now());
    create or replace function twice(int) returns int language sql as 'select $1 + $1';
    create view adults as select id, name, email from users where age > 20;
    create function note() returns trigger language plpgsql as $$ begin return new; end $$;
    create trigger watch before update on orders for each row execute function note();
    create schema app; create sequence app.numbers start 7; create domain app.positive as int check (value > 0);
    comment on table users is 'who''s there'; alter table users enable row level security;
    create policy mine on users using (name = current_user)";

fn with(beside: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.migration("0001_base", BASE, "select 1");
    sandbox.run("migrate", &["upgrade"]).assert_exit(0);
    sandbox.sql(beside);
    sandbox
}

const GENERATE: &[&str] = &["revision", "-m", "by hand", "--autogenerate", "--json"];

#[test]
fn what_was_changed_beside_the_migrations_becomes_one_that_goes_both_ways() {
    let sandbox = with(BESIDE);
    let written = &sandbox.run("migrate", GENERATE).assert_exit(0).json()[0];
    assert_eq!(written["complete"], true, "{written}");
    for way in ["up", "down"] {
        assert!(
            written[way].as_str().unwrap().contains("0002_by_hand"),
            "{written}"
        );
    }
    let changed = sandbox.catalog();

    // Elsewhere it does what was done here, and takes it back.
    let other = Sandbox::on(&sandbox.cluster);
    other.migration("0001_base", BASE, "select 1");
    other.run("migrate", &["upgrade"]).assert_exit(0);
    other.sql("insert into users values (1, 'Ann', 20, 'o'); insert into gone values (1)");
    let base = other.catalog();
    let migrations = sandbox.migrations();
    for (way, name) in [
        ("up", "0002_by_hand.sql"),
        ("down", "0002_by_hand_rollback.sql"),
    ] {
        let text = std::fs::read_to_string(migrations.join(name)).unwrap();
        std::fs::write(other.migrations().join(name), &text).unwrap();
        assert!(!text.contains("OWNER TO"), "{way}: {text}");
    }
    other.run("migrate", &["upgrade"]).assert_exit(0);
    changed.assert_same(&other.catalog());
    assert_eq!(other.query_text("select email from users"), "none");
    let confirm = ["to", "0001", "--confirm", &other.database];
    other.run("rollback", &confirm).assert_exit(0);
    base.assert_same_but_for_order(&other.catalog());
    other.run("rollback", &["undo", "--yes"]).assert_exit(0);
    changed.assert_same_but_for_order(&other.catalog());
    other.run("rollback", &confirm).assert_exit(0);

    // Here it is there already.
    sandbox
        .run("migrate", &["stamp", "head", "--yes"])
        .assert_exit(0);
    sandbox.run("migrate", &["check"]).assert_exit(0);
    let again = sandbox.run("migrate", &GENERATE[..4]);
    again.assert_exit(0).assert_says("nothing to write");
    assert_eq!(std::fs::read_dir(sandbox.migrations()).unwrap().count(), 4);
}

#[test]
fn what_statements_do_not_reach_is_said_and_stands_in_the_scripts() {
    let sandbox = with("alter type mood add value 'odd'; alter table users add extra int");
    let written = &sandbox.run("migrate", GENERATE).assert_exit(4).json()[0];
    assert_eq!(written["complete"], false);
    assert!(
        written["left"][0]
            .as_str()
            .unwrap()
            .contains("type public.mood"),
        "{written}"
    );
    let up = std::fs::read_to_string(sandbox.migrations().join("0002_by_hand.sql")).unwrap();
    for part in [
        "-- NOT DONE: changed type public.mood",
        "ADD COLUMN \"extra\" integer;",
    ] {
        assert!(up.contains(part), "{part} is not in {up}");
    }
}

/// What looks at what changes, is dropped and made again with it, though nothing of it differs.
#[test]
fn what_looks_at_what_changes_is_made_again_with_all_that_is_said_of_it() {
    let views = "create view a as select id, n, COLUMNS from t; create view b as select id, n from a;
        create materialized view m as select n, count(*) from b join a using (id, n) group by n;
        create unique index by_n on m (n); comment on view b is 'of a'; comment on column b.id is 'key';
        create view c as select * from m; comment on index by_n is 'one each';
        create policy few on t using (n > 1); comment on policy few on t is 'few';
        create trigger watch before update of n on t for each row execute function note();
        comment on trigger watch on t is 'watches'";
    let [was, is] = ["1 as one", "s"].map(|columns| views.replace("COLUMNS", columns));
    let base = format!(
        "create table t (id int primary key, n int, s text);
         create function note() returns trigger language plpgsql as $$ begin return new; end $$; {was}"
    );
    let beside = format!(
        "drop view c; drop materialized view m; drop view b, a; drop policy few on t; drop trigger watch on t;
         alter table t alter n type bigint; {is}"
    );
    let sandbox = Sandbox::new();
    sandbox.migration("0001_base", &base, "select 1");
    sandbox.run("migrate", &["upgrade"]).assert_exit(0);
    sandbox.sql(&beside);
    let written = &sandbox.run("migrate", GENERATE).assert_exit(0).json()[0];
    assert_eq!(written["complete"], true, "{written}");
}

/// Writes a migration for what was done beside `base`: it goes both ways.
#[track_caller]
fn assert_complete(base: &str, beside: &str) -> String {
    let sandbox = Sandbox::new();
    sandbox.migration("0001_base", base, "select 1");
    sandbox.run("migrate", &["upgrade"]).assert_exit(0);
    sandbox.sql(beside);
    let output = sandbox.run("migrate", GENERATE);
    assert_eq!(output.code, Some(0), "{beside}\n{}", output.stdout);
    let written = &output.json()[0];
    assert_eq!(written["complete"], true, "{beside}\n{written}");
    std::fs::read_to_string(sandbox.migrations().join("0002_by_hand.sql")).unwrap()
}

/// What parts and children have from above, is neither made nor dropped by itself.
#[test]
fn what_comes_from_above_goes_from_above() {
    let of = |table: &str| {
        format!(
            "alter table {table} add y int default 3 not null, add constraint y_low check (y < 9), alter x set not null;
             create index on {table} (y, x)"
        )
    };
    let children = "create table t (id int, x int); create table kid (k int) inherits (t);
        create table a_grandkid () inherits (kid)";
    let parts = "create table t (id int, x int) partition by range (id);
        create table kid partition of t for values from (0) to (9) partition by range (id);
        create table a_grandkid partition of kid default";
    let of_parts = "alter table t add primary key (id, x); alter table t add unique (x, id);
        create table u (id int primary key); alter table t add foreign key (x) references u;
        create function note() returns trigger language plpgsql as $$ begin return new; end $$;
        create trigger watch before update on t for each row execute function note()";
    for base in [children, parts] {
        assert_complete(base, &of("t"));
        assert_complete(base, "alter table t alter x type bigint");
        assert_complete(
            base,
            "alter table t alter x type text, alter x set default 'a'",
        );
        assert_complete(
            &format!("{base}; alter table t alter x set default 1"),
            "alter table t alter x drop default",
        );
        assert_complete(
            &format!("{base}; {}", of("t")),
            "alter table t drop y, alter x drop not null",
        );
    }
    assert_complete(children, "alter table t drop x");
    assert_complete(parts, of_parts);
    assert_complete(&format!("{parts}; {of_parts}"), "drop trigger watch on t; drop function note();
        alter table t drop constraint t_pkey, drop constraint t_x_id_key, drop constraint t_x_fkey; drop table u");
    assert_complete(
        &format!("{parts}; {of_parts}"),
        "drop trigger watch on t;
        create trigger watch after insert on t for each row execute function note()",
    );
    // A child may have what its parent has of its own, and keeps its own default.
    assert_complete(
        children,
        "alter table kid add z int; alter table t add z int",
    );
    assert_complete(
        children,
        "alter table t add z int; alter table only kid alter z set default 5",
    );
    assert_complete(
        &format!("{children}; alter table only kid alter x set default 5"),
        "alter table only t alter x set default 1",
    );
}

#[test]
fn parents_are_left_and_joined() {
    let t = "create table t (id int, x int); create table kid (id int, x int, z int)";
    let q = "create table q (z int, constraint z_low check (z < 9))";
    for joins in [
        format!("{q}; alter table kid add constraint z_low check (z < 9); alter table kid inherit q"),
        "alter table kid inherit t".to_owned(),
        "alter table kid inherit t; alter table t add y int; alter table t add constraint low check (y < 9)".to_owned(),
    ] {
        assert_complete(t, &joins);
    }
    let joined = format!(
        "{t}; {q}; alter table kid add constraint z_low check (z < 9); alter table kid inherit q"
    );
    assert_complete(
        &joined,
        "alter table kid no inherit q; drop table q; alter table kid drop z",
    );
    assert_complete(
        &joined,
        "alter table kid no inherit q; drop table q; alter table kid drop constraint z_low",
    );
}

#[test]
fn what_needs_what_goes_is_gone_by_then() {
    let t = "create table t (id int primary key, n int, code text); create table u (id int primary key, code text)";
    for made in [
        "create function low(int) returns bool language sql immutable as 'select $1 < 9';
         create domain few as int check (low(value)); create statistics st on (n + 1), n from t;
         create index by_low on t (low(n)); alter table t add g bool generated always as (low(n)) stored;
         alter table t add constraint is_low check (low(n)), alter n set default 8, add m few",
        "create function f() returns int language sql as 'select 1'; alter table t alter n set default f()",
        "create sequence s; alter table t alter n set default nextval('s')",
        "create schema app; create type app.mood as enum ('a'); alter table t alter code type app.mood using code::app.mood",
        "alter table t add constraint a_code unique (code); alter table u add constraint z_to foreign key (code) references t (code)",
        "alter table t rename constraint t_pkey to a; alter table u add foreign key (id) references t",
        "create table g (a int); create function of_g(g) returns int language sql as 'select 1';
         create view w as select 1 as one; create function all_w() returns setof w language sql as 'select 1'",
        "alter table t add a int, add g int generated always as (a * 2) stored; create index by_g on t (g)",
        "alter table t drop n; alter table t add n int generated always as (id * 2) stored; create index by_n on t (n)",
    ] {
        assert_complete(t, made);
    }
    let computed = "create table t (id int primary key, a int, b int, g int generated always as (a * 2) stored);
        create index by_g on t (g); create statistics st on g, a from t; alter table t add check (g < 999);
        comment on column t.g is 'twice'";
    for beside in [
        "alter table t alter g drop expression",
        "alter table t drop g, drop a, add g int",
        "alter table t drop g, drop a, add g int generated always as (b + 1) stored; create index by_g on t (g)",
        "alter table t drop g; alter table t alter a type bigint; alter table t add g int generated always as (a * 2) stored",
        "alter table t drop g; alter table t add g bigint generated always as (a * 2) stored",
    ] {
        assert_complete(computed, beside);
    }
    let keys = "create table t (id int constraint a primary key); create table u (t int references t on delete cascade)";
    assert_complete(keys, "alter table t rename constraint a to b");
}

#[test]
fn partitions_bring_their_indexes_and_sequences_change_their_kind() {
    let parts = "create table t (id int, at int, v text) partition by range (at);
        create table t1 partition of t for values from (0) to (9); create table t2 (id int not null, at int not null, v text);
        create function f() returns trigger language plpgsql as $$ begin return new; end $$;
        create trigger a before insert on t for each row execute function f();
        create index on t (v); alter table t add primary key (id, at)";
    for beside in [
        "alter table t attach partition t2 for values from (9) to (99)",
        "alter table t attach partition t2 for values from (9) to (99); create unique index on t (at, id);
         alter table t add w int generated always as (id * 2) stored; alter table t2 add constraint low check (id > 0)",
    ] {
        assert_complete(parts, beside);
    }
    let serial = "create table t (id int generated always as identity primary key, s serial)";
    assert_complete(
        serial,
        "alter table t alter id drop identity, alter s drop default; drop sequence t_s_seq;
         alter table t alter s add generated by default as identity (start 7);
         create sequence t_id_seq owned by t.id; alter table t alter id set default nextval('t_id_seq')",
    );
}

/// Rows that are there get numbers.
#[test]
fn identities_come_with_their_columns() {
    let up = assert_complete(
        "create table t (id int primary key)",
        "alter table t add n int generated always as identity (start 5), add s serial",
    );
    let sandbox = Sandbox::new();
    sandbox.sql("create table t (id int primary key); insert into t values (1), (2)");
    sandbox.sql(&up);
    let numbers = sandbox.query_text("select id, n, s from t order by id");
    assert_eq!(numbers, "1|5|1\n2|6|2");
}

#[test]
fn only_a_database_at_its_newest_migration_outside_production_is_compared() {
    let sandbox = with("alter table users add extra int");
    sandbox.migration("0002_more", "create table more (id int)", "drop table more");
    let refused = sandbox.run("migrate", GENERATE);
    refused
        .assert_exit(3)
        .assert_says("1 migrations are pending");
    sandbox.write("pgbelay.toml", "[env.live]\nproduction = true\n");
    let live = [GENERATE, &["--env", "live"]].concat();
    sandbox
        .run("migrate", &live)
        .assert_exit(3)
        .assert_says("production");
    assert_eq!(std::fs::read_dir(sandbox.migrations()).unwrap().count(), 4);
    // Nothing was left behind on the server.
    let left =
        "select count(*) from pg_database where substring(datname from '^pgbelay_verify_([0-9]+)_')
                not in (select pid::text from pg_stat_activity)";
    assert_eq!(sandbox.query_text(left), "0");
}
