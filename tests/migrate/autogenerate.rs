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
