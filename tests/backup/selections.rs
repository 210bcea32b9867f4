//! Backups of what pending migrations touch.

use super::{Target, create, show};
use crate::harness::Sandbox;

fn scene() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.migration(
        "0001_init",
        "create table users (id int primary key, name text);
         create table orders (id int primary key, u int references users on delete cascade, n int);
         create table lines (id int primary key, o int references orders on delete cascade);
         create table events (at date, n int) partition by range (at);
         create table events_1 partition of events for values from ('2026-01-01') to ('2027-01-01');
         create table log (t text);
         create view names as select name from users",
        "drop table log, events, lines, orders, users cascade",
    );
    sandbox.migration(
        "0002_events",
        "alter table events add column what text; create index on events (n);
         create table fresh (id int); insert into fresh values (1); update fresh set id = 2",
        "drop table fresh; alter table events drop column what",
    );
    sandbox.migration(
        "0003_users",
        "delete from users where id = 1; alter table log rename to logs;
         update logs set t = 'x'",
        "select 1",
    );
    sandbox.migration(
        "0004_unclear",
        "do $$ begin execute 'drop table users cascade'; end $$",
        "select 1",
    );
    sandbox.run("migrate", &["upgrade", "0001"]).assert_exit(0);
    sandbox.sql(
        "insert into users select i, 'n' || i from generate_series(1, 5) i;
         insert into orders select i, i, i from generate_series(1, 5) i;
         insert into lines select i, i from generate_series(1, 5) i;
         insert into events select date '2026-02-01', i from generate_series(1, 5) i;
         insert into log values ('a')",
    );
    sandbox
}

fn tables(sandbox: &Sandbox, id: &str) -> Vec<String> {
    let shown = show(sandbox, id);
    let contents = shown["contents"].as_array().unwrap().iter();
    contents
        .map(|t| t["table"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn what_pending_migrations_touch_is_saved() {
    let sandbox = scene();
    let events = create(&sandbox, &["--before", "0002"]);
    assert!(events.contains("-premigrate-0002-"), "{events}");
    assert_eq!(tables(&sandbox, &events), ["public.events_1"]);
    let shown = show(&sandbox, &events);
    assert_eq!(shown["kind"], "premigrate");
    assert_eq!(shown["pinned"], true);
    assert_eq!(shown["revision"], "0001");

    // Later ones too, what a cascade takes along, and a table under its name of now.
    let more = create(&sandbox, &["--before", "0003"]);
    assert_eq!(
        tables(&sandbox, &more),
        [
            "public.events_1",
            "public.lines",
            "public.log",
            "public.orders",
            "public.users"
        ]
    );
    let less = create(&sandbox, &["--before", "0003", "--exclude", "log"]);
    assert!(!tables(&sandbox, &less).contains(&"public.log".to_owned()));

    // What can't be told may be anything.
    let output = sandbox.run("backup", &["create", "--before", "head"]);
    output.assert_exit(0).assert_says("0004_unclear.sql:1");
    let all = output.last_line().to_owned();
    assert!(tables(&sandbox, &all).contains(&"public.users".to_owned()));

    let args = ["create", "--before", "0001"];
    let nothing = sandbox.run("backup", &args);
    nothing.assert_exit(2).assert_says("is pending");
    let unknown = sandbox.run("backup", &["create", "--before", "0009"]);
    unknown.assert_exit(2);
    let args = ["create", "--before", "0002", "--table", "users"];
    sandbox.run("backup", &args).assert_exit(2);
}

#[test]
fn what_a_migration_destroyed_comes_back_by_table() {
    let sandbox = scene();
    let before = sandbox.content();
    let id = create(&sandbox, &["--before", "0003"]);
    sandbox.run("migrate", &["upgrade", "0003"]).assert_exit(0);
    let args = ["restore", &id, "--yes", "--json"];
    let named = ["--table", "users", "--table", "orders", "--table", "lines"];
    let done = sandbox.run("backup", &[&args[..], &named].concat());
    assert_eq!(done.assert_exit(0).last()["rows"], 3);
    let after = sandbox.content();
    for table in ["public.users", "public.orders", "public.lines"] {
        assert_eq!(before[table], after[table], "{table}");
    }
    // Whole, it restores with what it holds.
    let target = Target::new(&sandbox);
    let into = ["restore", &id, "--into", &target.url, "--yes"];
    sandbox.run("backup", &into).assert_exit(0);
    let counts = "select (select count(*) from users), (select count(*) from events)";
    assert_eq!(target.text(&sandbox, counts), "5|5");
    target.drop(&sandbox.cluster);
}

#[test]
fn tables_in_use_are_written_to_only_when_they_are_named() {
    let sandbox = scene();
    let id = create(&sandbox, &[]);
    let before = sandbox.content();
    let refused = sandbox.run("backup", &["restore", &id, "--yes"]);
    refused.assert_exit(3).assert_says("is not empty");
    let rows = create(&sandbox, &["--data-only"]);
    let refused = sandbox.run("backup", &["restore", &rows, "--yes"]);
    refused.assert_exit(3).assert_says("is not empty");
    let unnamed = sandbox.run("backup", &["restore", &id, "--table", "users"]);
    unnamed.assert_exit(3).assert_says("--yes");
    assert_eq!(before, sandbox.content());

    // A conflict, in one of two tables: told, and nothing else than what is missing changes.
    sandbox.sql("update users set name = 'newer' where id = 2; delete from orders where id = 3");
    let args = [
        "restore", &id, "--table", "users", "--table", "orders", "--yes",
    ];
    let output = sandbox.run("backup", &args);
    output
        .assert_exit(0)
        .assert_says("public.users: 0 added, 4 there already, 1 differ")
        .assert_says("public.orders: 1 added, 4 there already, 0 differ");
    let newer = "select name from users where id = 2";
    assert_eq!(sandbox.query_text(newer), "newer");
}
