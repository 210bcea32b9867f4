//! `migrate`: going forward, and seeing where a database stands.

mod autogenerate;
mod elsewhere;
mod environments;
mod forward;
mod guards;
mod marking;
mod recipes;
mod scripts;
mod terminal;
mod together;

use std::fs;

use serde_json::Value;

use crate::harness::Sandbox;

const INIT: &str = "create table t (id int primary key, note text)";

/// A sandbox with two migrations: `0001_init` and `0002_more`.
fn two() -> Sandbox {
    let sandbox = Sandbox::bare();
    sandbox.migration("0001_init", INIT, "drop table t");
    sandbox.migration(
        "0002_more",
        "alter table t add more text",
        "alter table t drop more",
    );
    sandbox
}

/// The migrations of a document: `0001 applied, 0002 pending`.
fn states(document: &Value) -> String {
    let migrations = document["migrations"].as_array().unwrap().iter();
    let word = |value: &Value| value.as_str().unwrap().to_owned();
    let states = migrations.map(|m| format!("{} {}", word(&m["revision"]), word(&m["state"])));
    states.collect::<Vec<String>>().join(", ")
}

fn status(sandbox: &Sandbox) -> Value {
    let output = sandbox.run("migrate", &["status", "--json"]);
    output.assert_exit(0);
    output.json().remove(0)
}

fn applied(sandbox: &Sandbox) -> String {
    sandbox
        .run("migrate", &["current"])
        .assert_exit(0)
        .stdout
        .clone()
}

#[test]
fn forward_step_by_step() {
    let sandbox = two();
    assert_eq!(applied(&sandbox), "base\n");
    assert_eq!(states(&status(&sandbox)), "0001 pending, 0002 pending");
    let check = sandbox.run("migrate", &["check", "--json"]);
    check.assert_exit(4);
    assert_eq!(states(&check.json()[0]), "0001 pending, 0002 pending");

    let dry = sandbox.run("migrate", &["upgrade", "--dry-run"]);
    dry.assert_exit(0).assert_says("0002_more");
    let sql = sandbox.run("migrate", &["upgrade", "--sql"]);
    assert!(sql.stdout.contains(INIT), "{sql}");
    assert_eq!(applied(&sandbox), "base\n");

    let output = sandbox.run("migrate", &["upgrade", "+1"]);
    output.assert_exit(0);
    assert_eq!(output.last_line(), "1 migration applied; now at 0001");
    let output = sandbox.run("migrate", &["upgrade", "--json", "--reason", "release 7"]);
    output.assert_exit(0);
    let last = output.last();
    assert_eq!(last["applied"], serde_json::json!(["0002"]));
    assert_eq!(
        (&last["revision"], &last["exit_code"]),
        (&"0002".into(), &0.into())
    );
    assert_eq!(output.events("migration_finished").len(), 1);

    assert_eq!(applied(&sandbox), "0002\n");
    sandbox
        .run("migrate", &["upgrade"])
        .assert_exit(0)
        .assert_says("nothing to do");
    sandbox.run("migrate", &["check"]).assert_exit(0);
    let document = status(&sandbox);
    assert_eq!(states(&document), "0001 applied, 0002 applied");
    let first = &document["migrations"][0];
    assert!(
        first["applied_at"].as_str().unwrap().ends_with('Z'),
        "{first}"
    );
    assert_eq!(first["checksum"].as_str().unwrap().len(), 64);
    assert_eq!(
        (&first["has_rollback"], &first["batch"]),
        (&true.into(), &1.into())
    );

    let history = sandbox.run("migrate", &["history", "--json", "-v"]);
    let history = history.assert_exit(0).json().remove(0);
    assert_eq!(states(&history), "0002 applied, 0001 applied");
    assert_eq!(history["runs"][0]["reason"], "release 7");
    let history = sandbox.run("migrate", &["history", "-v"]);
    history.assert_exit(0).assert_says("release 7");
}

#[test]
fn new_files_count_on_and_are_never_overwritten() {
    let sandbox = two();
    let output = sandbox.run("migrate", &["revision", "-m", "Add users!"]);
    output.assert_exit(0);
    assert_eq!(
        output.stdout,
        "migrations/0003_add_users.sql\nmigrations/0003_add_users_rollback.sql\n"
    );
    let output = sandbox.run(
        "migrate",
        &["create", "--name", "x", "--depends-on", "0002", "--json"],
    );
    output.assert_exit(0);
    assert_eq!(output.json()[0]["up"], "migrations/0004_x.sql");
    let text = fs::read_to_string(sandbox.migrations().join("0004_x.sql")).unwrap();
    assert!(text.contains("-- depends-on: 0002"), "{text}");
    sandbox
        .run("migrate", &["revision", "-m", "!!"])
        .assert_exit(2);
}

#[test]
fn bad_input_is_told_from_failure() {
    let sandbox = two();
    for args in [
        &["upgrade", "0009"] as &[&str],
        &["upgrade", "000"],
        &["upgrade", "-1"],
        &["upgrade", "base"],
        &["upgrade", "+3"],
        &["upgrade", "--no-such-flag"],
        &["status", "--migrations", "nowhere"],
        &["status", "--database", "nowhere"],
        &["status", "--config", "nowhere.toml"],
        &["status", "--lock-timeout", "0"],
    ] {
        let args = [args, &["--json"]].concat();
        let output = sandbox.run("migrate", &args);
        output.assert_exit(2);
        assert_eq!(output.last()["exit_code"], 2, "{output}");
    }
    let nowhere = sandbox
        .tool("migrate")
        .args(&["status"])
        .without_env("DATABASE_URL");
    nowhere.run().assert_exit(2).assert_says("DATABASE_URL");
    let url = "postgresql://u:secretword@127.0.0.1:1/x";
    let away = sandbox
        .tool("migrate")
        .args(&["status", "--json", "-d", url]);
    let away = away.run();
    away.assert_exit(1).assert_silent_about("secretword");
    assert_eq!(away.last()["type"], "error");
}

#[test]
fn what_fails_leaves_nothing_and_shows_no_value() {
    let sandbox = two();
    sandbox.migration(
        "0003_bad",
        "create table half ();\ninsert into t values (7, 'secretvalue'),\n  (7, 'x');",
        "drop table half",
    );
    let output = sandbox.run("migrate", &["upgrade", "--json", "--echo-sql"]);
    output.assert_exit(1).assert_silent_about("secretvalue");
    let last = output.last();
    assert!(
        last["message"]
            .as_str()
            .unwrap()
            .contains("0003_bad.sql:2:1"),
        "{last}"
    );
    assert_eq!(last["done"][1], "0002 more was applied");
    // Echoed statements go to stderr, with --json too.
    assert!(
        output.stderr.contains("create table half ();\n"),
        "{output}"
    );
    assert_eq!(applied(&sandbox), "0002\n");
    assert_eq!(sandbox.query_text("select to_regclass('half')"), "");

    sandbox.migration("0004_next", "create table next ()", "drop table next");
    let all = sandbox.run("migrate", &["upgrade", "--single-transaction"]);
    all.assert_exit(1);
    assert_eq!(applied(&sandbox), "0002\n");
}
