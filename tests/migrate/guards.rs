//! What holds a run back: drift, production, locks of others; and keys that stay as they are.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::{INIT, applied, states, status, two};
use crate::harness::Sandbox;

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
    other.run("begin; lock table t in access share mode");
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
    other.run("begin; lock table t in access share mode");
    let output = sandbox.run("migrate", &["upgrade", "--lock-timeout", "20ms"]);
    output.assert_exit(5);
    other.run("commit");
    assert_eq!(applied(&sandbox), "0002\n");
}

/// Who holds a table against everybody is in the way of scripts, and of whoever reads what they did.
#[test]
fn what_is_locked_against_everybody_is_tried_again() {
    let sandbox = Sandbox::bare();
    sandbox.sql(
        "create table t (a int default 1, check (a > 0)); create view v as select a from t;
         create table gate (id int)",
    );
    sandbox.migration("0001_gate", "insert into gate values (1)", "");
    sandbox.migration("0002_t", "alter table t add b int", "");
    let other = sandbox.session();
    let third = sandbox.session();
    for locked_before in [true, false] {
        other.run("begin");
        if locked_before {
            other.run("lock table t in access exclusive mode");
        } else {
            third.run("begin; lock table gate in exclusive mode");
        }
        let upgrade = ["upgrade", "--lock-timeout", "400ms"];
        let mut upgrade = sandbox.tool("migrate").args(&upgrade).start();
        if !locked_before {
            assert!(upgrade.wait_for_text("running scripts"));
            third.run("commit");
            other.run("lock table t in access exclusive mode");
        }
        assert!(upgrade.wait_for_text("attempt 2") || !upgrade.is_running());
        other.run("commit");
        upgrade.wait().assert_exit(0);
        sandbox.migration("0003_gate", "insert into gate values (2)", "");
        sandbox.migration("0004_t", "alter table t add c int", "");
    }
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
