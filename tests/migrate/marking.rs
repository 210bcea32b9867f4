//! What changes the ledger and runs no script: stamp, baseline, repair; and the lock of others.

use std::fs;

use super::{applied, states, status, two};
use crate::harness::Sandbox;

#[test]
fn an_existing_schema_is_taken_over_and_stamped() {
    let sandbox = Sandbox::new();
    sandbox.migration("0001_init", "create table t (id int)", "drop table t");
    sandbox.migration(
        "0002_more",
        "alter table t add more text",
        "alter table t drop more",
    );
    sandbox.migration(
        "0003_last",
        "alter table t add last text",
        "alter table t drop last",
    );
    sandbox.sql("create table t (id int, more text)");
    let baseline = |args: &[&str]| sandbox.run("migrate", &[&["baseline"], args].concat());
    baseline(&["0002"]).assert_exit(3).assert_says("--yes");
    let output = baseline(&["0002", "--yes", "--reason", "it was there"]);
    output.assert_exit(0).assert_says("no script was run");
    assert_eq!(
        states(&status(&sandbox)),
        "0001 applied, 0002 applied, 0003 pending"
    );
    baseline(&["--yes"])
        .assert_exit(2)
        .assert_says("migrate stamp REV");

    // What was stamped is where a rollback of what follows has to end.
    sandbox.run("migrate", &["upgrade"]).assert_exit(0);
    sandbox.sql("insert into t values (1, 'a', 'b')");
    let back = ["to", "0002", "--confirm", &sandbox.database];
    sandbox.run("rollback", &back).assert_exit(0);
    sandbox.run("rollback", &["undo", "--yes"]).assert_exit(0);
    assert_eq!(sandbox.query_text("select * from t"), "1|a|b");

    let stamp = |args: &[&str]| sandbox.run("migrate", &[&["stamp"], args].concat());
    stamp(&["0009", "--yes"]).assert_exit(2);
    stamp(&["0001", "--confirm", "other"]).assert_exit(3);
    stamp(&["0001", "--confirm", &sandbox.database]).assert_exit(0);
    assert_eq!(
        states(&status(&sandbox)),
        "0001 applied, 0002 pending, 0003 pending"
    );
    let output = stamp(&["head", "--yes", "--json"]);
    assert_eq!(
        output.assert_exit(0).last()["applied"],
        serde_json::json!(["0002", "0003"])
    );
    stamp(&["head"]).assert_exit(0).assert_says("nothing to do");
    assert_eq!(sandbox.query_text("select * from t"), "1|a|b");
    let runs = sandbox.run("migrate", &["history", "-v"]);
    runs.assert_exit(0).assert_says("baseline");
    assert!(runs.says("stamp") && runs.says("it was there"), "{runs}");
    stamp(&["base", "--yes"]).assert_exit(0);
    assert_eq!(applied(&sandbox), "base\n");
}

#[test]
fn edited_and_missing_files_are_repaired_one_by_one() {
    let sandbox = two();
    sandbox.run("migrate", &["upgrade"]).assert_exit(0);
    let up = "migrations/0001_init.sql";
    sandbox.write(
        up,
        "-- a header\ncreate table t (id int primary key, note text);\n",
    );
    sandbox.run("migrate", &["check"]).assert_exit(4);
    // What was applied had no semicolon; a comment alone stops nobody.
    sandbox.write(
        up,
        "-- a header\ncreate table t (id int primary key, note text)\n",
    );
    sandbox.run("migrate", &["check"]).assert_exit(0);
    sandbox.run("migrate", &["upgrade"]).assert_exit(0);
    sandbox.write(up, "create table t (id int primary key, note varchar)");
    let repair = |args: &[&str]| sandbox.run("migrate", &[&["repair"], args].concat());
    let shown = repair(&["--dry-run"]);
    shown.assert_exit(4);
    for part in [
        "- create table t (id int primary key, note text)",
        "note varchar)",
    ] {
        assert!(shown.says(part), "{shown}");
    }
    sandbox
        .run("migrate", &["upgrade"])
        .assert_exit(3)
        .assert_says("migrate repair");
    repair(&["0002", "--yes"])
        .assert_exit(0)
        .assert_says("nothing to repair");
    repair(&["0001"]).assert_exit(3).assert_says("--yes");
    repair(&["0001", "--yes"]).assert_exit(0);
    sandbox.run("migrate", &["check"]).assert_exit(0);

    for file in ["0002_more.sql", "0002_more_rollback.sql"] {
        fs::remove_file(sandbox.migrations().join(file)).unwrap();
    }
    repair(&["--yes"])
        .assert_exit(3)
        .assert_says("migrate repair 0002 --forget");
    repair(&["--forget", "--yes"]).assert_exit(2);
    let output = repair(&["0002", "--forget", "--yes", "--json"]);
    assert_eq!(
        output.assert_exit(0).last()["repaired"],
        serde_json::json!(["0002"])
    );
    assert_eq!(states(&status(&sandbox)), "0001 applied");
    sandbox
        .run("migrate", &["history", "-v"])
        .assert_exit(0)
        .assert_says("repair");
}

#[test]
fn after_a_script_that_stopped_half_way_there_are_three_ways() {
    let sandbox = two();
    sandbox.run("migrate", &["upgrade"]).assert_exit(0);
    sandbox.sql("insert into t values (1, 'same'), (2, 'same')");
    let up = "-- transaction: off\ncreate table u ();\ncreate unique index concurrently i on t (note);\n";
    sandbox.migration("0003_index", up, "drop index i; drop table u");
    let failed = sandbox.run("migrate", &["upgrade"]);
    failed
        .assert_exit(1)
        .assert_says("migrate repair 0003 --dry-run");
    failed.assert_silent_about("same)");
    let repair = |args: &[&str]| sandbox.run("migrate", &[&["repair", "0003"], args].concat());
    let shown = repair(&["--dry-run"]);
    shown.assert_exit(4);
    for part in [
        "1 statements ran; stopped in",
        "0003_index.sql:3",
        "the index public.i is invalid",
        "migrate upgrade 0003",
    ] {
        assert!(shown.says(part), "{part}: {shown}");
    }
    repair(&["--yes"]).assert_exit(3);
    // An index that is invalid was not built by hand.
    repair(&["--applied", "--yes"])
        .assert_exit(3)
        .assert_says("invalid");
    sandbox.sql("drop index i; create index i on t (note)");
    repair(&["--applied", "--yes"]).assert_exit(0);
    assert_eq!(
        states(&status(&sandbox)),
        "0001 applied, 0002 applied, 0003 applied"
    );

    let again = up.replace("u ()", "v ()").replace(" i on", " j on");
    sandbox.migration("0004_again", &again, "drop index j; drop table v");
    sandbox.run("migrate", &["upgrade"]).assert_exit(1);
    sandbox.sql("drop index j; drop table v; delete from t where id = 2");
    sandbox
        .run("migrate", &["repair", "0004", "--forget", "--yes"])
        .assert_exit(0);
    sandbox.run("migrate", &["upgrade"]).assert_exit(0);
    assert_eq!(applied(&sandbox), "0004\n");
}

#[test]
fn the_holder_of_the_lock_is_named_and_can_be_ended() {
    let sandbox = two();
    let lock = |args: &[&str]| sandbox.run("migrate", &[&["lock"], args].concat());
    lock(&["show"]).assert_exit(0).assert_says("nobody");
    sandbox.run("migrate", &["upgrade", "+1"]).assert_exit(0);
    let other = sandbox.session();
    other.run("begin; lock table t in access share mode");
    let held = sandbox
        .tool("migrate")
        .args(&["upgrade", "--lock-timeout", "1m"]);
    let mut held = held.start();
    assert!(held.wait_for_text("running scripts"));
    let shown = lock(&["show", "--json"]).assert_exit(0).json().remove(0);
    assert_eq!(shown["holder"]["application"], "pgbelay upgrade");
    let busy = sandbox.run("migrate", &["upgrade", "--wait", "100ms"]);
    busy.assert_exit(5).assert_says("migrate lock release");
    lock(&["release"]).assert_exit(3).assert_says("--yes");
    lock(&["release", "--yes"])
        .assert_exit(0)
        .assert_says("the lock is free");
    held.wait().assert_exit(1);
    lock(&["show"]).assert_exit(0).assert_says("nobody");
    other.run("commit");
    assert_eq!(applied(&sandbox), "0001\n");
    sandbox.run("migrate", &["upgrade"]).assert_exit(0);
}
