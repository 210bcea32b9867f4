//! A whole database into a backup, and into a new database.

use super::{HOSTILE, Target, create, show};
use crate::harness::Sandbox;

#[test]
fn a_database_comes_back_as_it_was() {
    let sandbox = Sandbox::new();
    sandbox.sql(HOSTILE);
    for compression in ["zstd", "gzip", "none"] {
        let id = create(&sandbox, &["--compression", compression]);
        let target = Target::new(&sandbox);
        let restored = sandbox.run("backup", &["restore", &id, "--into", &target.url, "--yes"]);
        restored.assert_exit(0);
        target.assert_same(&sandbox);
        assert_eq!(
            target.text(
                &sandbox,
                "select matviewname from pg_matviews where not ispopulated"
            ),
            "bare"
        );
        // What was restored goes on as the original would.
        target.text(&sandbox, "insert into kinds (f) values (1) returning id");
        target.text(
            &sandbox,
            "insert into e (at, n) values ('2026-05-05', 0) returning id",
        );
        target.drop(&sandbox.cluster);
    }
}

#[test]
fn what_a_backup_holds_is_listed_and_verified() {
    let sandbox = Sandbox::new();
    sandbox.sql(HOSTILE);
    let id = create(&sandbox, &["--name", "Before: Release"]);
    assert!(id.contains("-manual-before--release-"), "{id}");
    let shown = show(&sandbox, &id);
    assert_eq!(shown["state"], "complete");
    assert_eq!(shown["name"], "Before: Release");
    assert_eq!(shown["rows"], 5556);
    assert!(shown["verified"].is_null());
    let list = sandbox.run("backup", &["list", "--json"]).json().remove(0);
    assert_eq!(list["backups"][0]["id"], id.as_str());

    for level in ["listed", "hashed", "decrypted", "restored"] {
        let args = ["verify", &id, "--level", level, "--json"];
        let verified = sandbox.run("backup", &args);
        verified.assert_exit(0);
        assert_eq!(verified.last()["level"], level);
        assert_eq!(show(&sandbox, &id)["verified"]["level"], level);
    }
    let left = "select count(*) from pg_database where datname like 'pgbelay_verify%'";
    assert_eq!(sandbox.query_text(left), "0");

    // Without a level: as deep as can be, with or without a key.
    let best = sandbox.run("backup", &["verify", &id, "--json"]);
    assert_eq!(best.assert_exit(0).last()["level"], "decrypted");
    let keyless = sandbox
        .tool("backup")
        .args(&["verify", &id, "--json", "--identity", "nowhere.txt"])
        .run();
    assert_eq!(keyless.assert_exit(0).last()["level"], "hashed");
}

#[test]
fn settings_of_roles_change_nothing() {
    let sandbox = Sandbox::new();
    sandbox.sql(HOSTILE);
    let role = format!("hostile_{}", sandbox.database);
    sandbox.sql(&format!(
        "create role {role} superuser login;
         alter role {role} set datestyle = 'SQL, DMY';
         alter role {role} set intervalstyle = 'sql_standard';
         alter role {role} set timezone = 'Asia/Kathmandu';
         alter role {role} set extra_float_digits = -3;
         alter role {role} set bytea_output = 'escape';
         alter role {role} set search_path = 'nowhere';
         alter role {role} set statement_timeout = '2s';
         alter role {role} set idle_in_transaction_session_timeout = '50ms';
         alter role {role} set row_security = on;
         alter role {role} set xmloption = 'document';
         alter role {role} set default_transaction_read_only = on;
         alter role {role} set default_transaction_isolation = 'serializable';
         alter role {role} set standard_conforming_strings = off;
         alter role {role} set quote_all_identifiers = on;
         alter role {role} set check_function_bodies = on"
    ));
    let url = sandbox.url_as(&role);
    let run = |args: &[&str]| sandbox.tool("backup").args(args).env("DATABASE_URL", &url);
    let created = run(&["create"]).run();
    created.assert_exit(0);
    let target = Target::new(&sandbox);
    let into = sandbox.url_of(&target.database, &role);
    run(&["restore", "latest", "--into", &into, "--yes"])
        .run()
        .assert_exit(0);
    target.assert_same(&sandbox);
    target.drop(&sandbox.cluster);
    sandbox.sql(&format!("drop role {role}"));
}

#[test]
fn ledger_and_journal_travel_with_their_database() {
    let sandbox = Sandbox::new();
    sandbox.migration(
        "0001_init",
        "create table t (id int primary key)",
        "drop table t",
    );
    sandbox.migration("0002_u", "create table u (id int)", "drop table u");
    sandbox.run("migrate", &["upgrade", "0001"]).assert_exit(0);
    let id = create(&sandbox, &[]);
    assert_eq!(show(&sandbox, &id)["revision"], "0001");
    let target = Target::new(&sandbox);
    sandbox
        .run("backup", &["restore", &id, "--into", &target.url, "--yes"])
        .assert_exit(0);

    let run = |args: &[&str]| {
        let tool = sandbox.tool("migrate").args(args);
        tool.env("DATABASE_URL", &target.url).run()
    };
    let current = run(&["current"]);
    current.assert_exit(0).assert_says("0001");
    run(&["upgrade"]).assert_exit(0);
    let runs = "select count(*), max(sequence) from pgbelay.journal";
    assert_eq!(target.text(&sandbox, runs), "2|2");
    let session = sandbox.cluster.connect(&target.database, "postgres");
    assert!(session.try_run("delete from pgbelay.journal").is_err());
    drop(session);
    target.drop(&sandbox.cluster);
}

#[test]
fn a_snapshot_is_taken_while_everybody_writes() {
    let sandbox = Sandbox::new();
    sandbox.sql(
        "create table x (n bigint primary key); create table y (n bigint primary key);
         insert into x select -i from generate_series(1, 20000) i",
    );
    let writer = crate::harness::Writer::start(&sandbox, |n| {
        format!("begin; insert into x values ({n}); insert into y values ({n}); commit")
    });
    writer.wait_for(10);
    let id = create(&sandbox, &[]);
    writer.stop();
    let target = Target::new(&sandbox);
    sandbox
        .run("backup", &["restore", &id, "--into", &target.url, "--yes"])
        .assert_exit(0);
    let torn = "select (select count(*) from x where n >= 0) - (select count(*) from y)";
    assert_eq!(target.text(&sandbox, torn), "0");
    target.drop(&sandbox.cluster);
}

#[test]
fn a_database_without_public_comes_back_without_it() {
    let sandbox = Sandbox::new();
    sandbox.sql("drop schema public; create schema shop; create table shop.t (id int primary key)");
    let id = create(&sandbox, &[]);
    let target = Target::new(&sandbox);
    sandbox
        .run("backup", &["restore", &id, "--into", &target.url, "--yes"])
        .assert_exit(0);
    target.assert_same(&sandbox);
    target.drop(&sandbox.cluster);
}

#[test]
fn an_unfinished_restore_says_what_was_done() {
    let sandbox = Sandbox::new();
    // A check that looks elsewhere holds in the original only.
    sandbox.sql(
        "create table rules (n int);
         create function allowed(int) returns bool language plpgsql as
             $$ begin return exists (select from public.rules where n = $1); end $$;
         insert into rules values (1);
         create table a (n int check (allowed(n))); insert into a values (1), (1), (1)",
    );
    let id = create(&sandbox, &[]);
    let target = Target::new(&sandbox);
    let output = sandbox.run("backup", &["restore", &id, "--into", &target.url, "--yes"]);
    output
        .assert_exit(1)
        .assert_says("could not load public.a")
        .assert_says("is incomplete: run the same command again");
    target.drop(&sandbox.cluster);
}

#[test]
fn configuration_of_extensions_comes_back_as_far_as_it_is_the_users() {
    // What `pg_extension_config_dump` notes, without an extension of our own to install: a table
    // that came with its extension and one row, of which others are the user's.
    let made = |rows: &str| {
        format!(
            "create table configured (id int primary key, v text);
             create table internal (id int);
             insert into configured values (1, 'comes with the extension') {rows};
             insert into internal values (1);
             alter extension plpgsql add table configured;
             alter extension plpgsql add table internal;
             update pg_extension set extconfig = array['configured'::regclass::oid],
                 extcondition = array['where id > 1'] where extname = 'plpgsql'"
        )
    };
    let sandbox = Sandbox::new();
    sandbox.sql(&made(", (2, 'mine'), (3, 'mine too')"));
    let id = create(&sandbox, &[]);
    let shown = show(&sandbox, &id);
    assert_eq!(shown["rows"], 2);
    assert_eq!(shown["skipped"][0]["table"], "public.internal");
    let target = Target::new(&sandbox);
    target.text(&sandbox, &made(""));
    sandbox
        .run("backup", &["restore", &id, "--into", &target.url, "--yes"])
        .assert_exit(0);
    let rows = "select id, v from configured order by id";
    assert_eq!(sandbox.query_text(rows), target.text(&sandbox, rows));
    assert_eq!(target.text(&sandbox, "select count(*) from internal"), "1");
    target.drop(&sandbox.cluster);
}
