//! `migrate`: going forward, and seeing where a database stands.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

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
fn drift_is_refused() {
    let sandbox = Sandbox::bare();
    sandbox.migration("0001_init", INIT, "drop table t");
    sandbox.migration("0003_more", "create table more ()", "drop table more");
    sandbox.run("migrate", &["upgrade"]).assert_exit(0);
    let up = "migrations/0001_init.sql";
    let refused = |kind: &str, states_now: &str| {
        let output = sandbox.run("migrate", &["upgrade", "--json"]);
        output.assert_exit(3);
        assert_eq!(output.last()["exit_code"], 3);
        sandbox
            .run("migrate", &["check"])
            .assert_exit(4)
            .assert_says("drift:");
        let document = status(&sandbox);
        assert_eq!(document["drift"][0]["kind"], kind);
        assert_eq!(states(&document), states_now);
    };

    sandbox.write(up, "create table t (id bigint)");
    refused("edited", "0001 edited, 0003 applied");
    sandbox.write(up, INIT);
    sandbox.migration("0002_late", "create table late ()", "drop table late");
    refused("out_of_order", "0001 applied, 0002 pending, 0003 applied");
    for script in [
        "0002_late",
        "0002_late_rollback",
        "0003_more",
        "0003_more_rollback",
    ] {
        fs::remove_file(sandbox.migrations().join(format!("{script}.sql"))).unwrap();
    }
    refused("missing", "0001 applied, 0003 missing");
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

#[test]
fn production_wants_its_name() {
    let sandbox = two();
    let upgrade = |args: &[&str]| sandbox.run("migrate", &[&["upgrade"], args].concat());
    for args in [
        &["--env", "production"] as &[&str],
        &["--env", "production", "--yes"],
        &["--env", "production", "--confirm", "other"],
    ] {
        upgrade(args)
            .assert_exit(3)
            .assert_says("nothing")
            .assert_silent_about("applied 0001");
    }
    sandbox.write(
        "pgbelay.toml",
        &format!("production = ['{}']\n", sandbox.database),
    );
    let output = upgrade(&[]);
    output
        .assert_exit(3)
        .assert_says(&format!("--confirm {}", sandbox.database));
    upgrade(&["--dry-run"]).assert_exit(0);
    upgrade(&["--confirm", &sandbox.database]).assert_exit(0);
    assert_eq!(applied(&sandbox), "0002\n");
    upgrade(&[]).assert_exit(0).assert_says("nothing to do");
}

#[test]
fn locks_of_others_are_waited_for_but_not_long() {
    let sandbox = two();
    sandbox.run("migrate", &["upgrade", "+1"]).assert_exit(0);
    let other = sandbox.session();
    other.run("begin; lock table t");
    let first = sandbox
        .tool("migrate")
        .args(&["upgrade", "--lock-timeout", "1m"]);
    let mut first = first.start();
    assert!(first.wait_for_text("running scripts"));
    let second = sandbox.run("migrate", &["upgrade", "--wait", "200ms", "--json"]);
    second.assert_exit(5);
    assert_eq!(second.last()["exit_code"], 5);
    other.run("commit");
    first.wait().assert_exit(0);

    sandbox.migration(
        "0003_last",
        "alter table t add last int",
        "alter table t drop last",
    );
    other.run("begin; lock table t");
    let output = sandbox.run("migrate", &["upgrade", "--lock-timeout", "20ms"]);
    output.assert_exit(5);
    other.run("commit");
    assert_eq!(applied(&sandbox), "0002\n");
}

#[test]
fn line_ends_and_byte_order_marks_are_no_change() {
    let sandbox = Sandbox::bare();
    sandbox.migration(
        "0001_init",
        "create table t (\n  id int\n);\n",
        "drop table t;\n",
    );
    sandbox.run("migrate", &["upgrade"]).assert_exit(0);
    let before = status(&sandbox);
    sandbox.migration(
        "0001_init",
        "\u{feff}create table t (\r\n  id int\r\n);\r\n",
        "\u{feff}drop table t;\r\n",
    );
    sandbox.run("migrate", &["check"]).assert_exit(0);
    assert_eq!(before, status(&sandbox));
}

#[test]
fn a_script_with_its_own_transaction_runs_in_ours() {
    let sandbox = Sandbox::bare();
    let up = "BEGIN;\ncreate table t ();\nselect 1/(select count(*) from t);\nCOMMIT;\n";
    sandbox.migration("0001_init", up, "BEGIN;\ndrop table t;\nCOMMIT;\n");
    sandbox
        .run("migrate", &["upgrade"])
        .assert_exit(1)
        .assert_says("0001_init.sql:3");
    assert_eq!(sandbox.query_text("select to_regclass('t')"), "");
    sandbox.migration("0001_init", &up.replace("1/", "1+"), "drop table t");
    sandbox.run("migrate", &["upgrade"]).assert_exit(0);
    // Elsewhere it would end the transaction that protects the run.
    sandbox.migration(
        "0002_no",
        "create table u (); commit; create table v ()",
        "drop table u",
    );
    sandbox.run("migrate", &["upgrade"]).assert_exit(2);
    assert_eq!(sandbox.query_text("select to_regclass('u')"), "");
}

#[test]
fn outside_a_transaction_goes_on_where_it_stopped() {
    let sandbox = two();
    let up = "-- transaction: off\ncreate index concurrently i on t (note);\ncreate table u ();\nselect 1/(select count(*) from u);\n";
    sandbox.migration("0003_index", up, "drop table u; drop index i");
    let output = sandbox.run("migrate", &["upgrade", "--json"]);
    output.assert_exit(1);
    let done = output.last()["done"].to_string();
    assert!(
        done.contains("0003_index.sql:2 ran") && done.contains("0003_index.sql:3 ran"),
        "{done}"
    );
    assert_eq!(
        states(&status(&sandbox)),
        "0001 applied, 0002 applied, 0003 failed"
    );
    sandbox.run("migrate", &["check"]).assert_exit(4);
    sandbox.write("migrations/0003_index.sql", &up.replace("1/", "1+"));
    sandbox.run("migrate", &["upgrade"]).assert_exit(0);
    assert_eq!(applied(&sandbox), "0003\n");
    sandbox.run("migrate", &["check"]).assert_exit(0);
}

#[test]
fn keys_are_never_overwritten() {
    let sandbox = Sandbox::new();
    let identity = fs::read_to_string(sandbox.identity()).unwrap();
    let mode = fs::metadata(sandbox.identity())
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    sandbox.run("backup", &["keygen"]).assert_exit(2);
    assert_eq!(identity, fs::read_to_string(sandbox.identity()).unwrap());
    let recipients = sandbox.config().join("pgbelay/recipients.txt");
    let before = fs::read_to_string(&recipients).unwrap();
    assert!(before.contains(&sandbox.recipient), "{before}");

    let output = sandbox.run("backup", &["keygen", "--output", "key.txt"]);
    output.assert_exit(0).assert_silent_about("AGE-SECRET-KEY");
    assert!(output.last_line().starts_with("age1"), "{output}");
    sandbox
        .run("backup", &["keygen", "--output", "key.txt", "--json"])
        .assert_exit(2);
    assert_eq!(before, fs::read_to_string(&recipients).unwrap());
}
