//! How far, in which order, and in what form: targets, dependencies, dry runs, scripts for psql.

use std::fs;

use super::{applied, states, status, two};
use crate::harness::Sandbox;
use crate::harness::binary::{Output, Run};

/// Runs a script as whoever gets one would.
fn psql(sandbox: &Sandbox, script: &str) -> Output {
    let program = sandbox.cluster.installation.bin.join("psql");
    sandbox.write("script.sql", script);
    Run::of_program(program.to_str().unwrap(), "psql")
        .current_dir(&sandbox.folder)
        .args(&["-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", "script.sql"])
        .args(&["-d", &sandbox.url()])
        .run()
}

fn order(sandbox: &Sandbox) -> String {
    sandbox.query_text("select string_agg(revision, ' ' order by sequence) from pgbelay.ledger")
}

#[test]
fn what_is_depended_on_comes_first() {
    let sandbox = Sandbox::bare();
    let write = |name: &str, header: &str| {
        let table = name.split_once('_').unwrap().1;
        let up = format!("{header}\ncreate table {table} ();");
        sandbox.migration(name, &up, &format!("drop table {table}"));
    };
    write("0001_a", "");
    write("0002_b", "-- depends-on: 0003");
    write("0003_c", "");
    write("0004_d", "-- depends-on: 0001_a");
    let heads = sandbox.run("migrate", &["heads"]);
    assert_eq!(heads.assert_exit(0).stdout, "0002_b\n0004_d\n");

    sandbox
        .run("migrate", &["upgrade", "--target", "0003"])
        .assert_exit(0);
    assert_eq!(order(&sandbox), "0001 0003");
    // Pending, and a lower number, but it comes after 0003: nothing is late.
    sandbox.run("migrate", &["upgrade", "+1"]).assert_exit(0);
    sandbox
        .run("migrate", &["upgrade", "--single-transaction"])
        .assert_exit(0);
    assert_eq!(order(&sandbox), "0001 0003 0002 0004");
    sandbox.run("migrate", &["check"]).assert_exit(0);

    write("0005_e", "-- depends-on: 0006");
    write("0006_f", "-- depends-on: 0005");
    write("00001_again", "");
    write("0007_g", "-- depends-on: 0099");
    let output = sandbox.run("migrate", &["upgrade"]);
    output.assert_exit(2);
    assert!(
        output.says("0001_a.sql") && output.says("same revision"),
        "{output}"
    );
    fs::remove_file(sandbox.migrations().join("00001_again.sql")).unwrap();
    fs::remove_file(sandbox.migrations().join("00001_again_rollback.sql")).unwrap();
    let output = sandbox.run("migrate", &["upgrade"]);
    output
        .assert_exit(2)
        .assert_says("depends on 0099, which is not there");
    write("0007_g", "");
    let output = sandbox.run("migrate", &["upgrade"]);
    output.assert_exit(2);
    assert!(
        output.says("circle") && output.says("0005_e, 0006_f"),
        "{output}"
    );
}

#[test]
fn late_migrations_are_applied_when_that_is_asked_for() {
    let sandbox = Sandbox::new();
    sandbox.migration("0001_a", "create table a ()", "drop table a");
    sandbox.migration("0003_c", "create table c ()", "drop table c");
    sandbox.run("migrate", &["upgrade"]).assert_exit(0);
    sandbox.migration("0002_b", "create table b ()", "drop table b");
    let output = sandbox.run("migrate", &["upgrade"]);
    output.assert_exit(3).assert_says("--allow-out-of-order");
    sandbox
        .run("migrate", &["upgrade", "--allow-out-of-order"])
        .assert_exit(0);
    assert_eq!(order(&sandbox), "0001 0003 0002");
    // Two runs: the newest of them goes first, whatever its number.
    let back = ["--steps", "1", "--batch", "--confirm", &sandbox.database];
    sandbox.run("rollback", &back).assert_exit(0);
    assert_eq!(order(&sandbox), "0001 0003");
    let back = ["--steps", "2", "--batch"];
    sandbox
        .run("rollback", &back)
        .assert_exit(2)
        .assert_says("there were 1");
    let back = ["--steps", "1", "--batch", "--confirm", &sandbox.database];
    sandbox.run("rollback", &back).assert_exit(0);
    assert_eq!(applied(&sandbox), "base\n");
}

#[test]
fn a_dry_run_shows_scripts_locks_and_what_goes() {
    let sandbox = two();
    sandbox.run("migrate", &["upgrade"]).assert_exit(0);
    sandbox.sql("insert into t values (1, 'x')");
    let up = "alter table t drop note;\ncreate index on t (more);\ndo $$ begin end $$;\n";
    sandbox.migration("0003_drop", up, "select 1");
    let output = sandbox.run("migrate", &["upgrade", "--dry-run"]);
    output.assert_exit(0);
    for part in [
        "create index on t (more);",
        "ACCESS EXCLUSIVE",
        "0003_drop.sql:2",
        "RB-DROP-COLUMN",
        "not evaluated",
    ] {
        assert!(output.says(part), "{part}: {output}");
    }
    let json = sandbox.run("migrate", &["upgrade", "--dry-run", "--json"]);
    let plan = json.events("plan").remove(0);
    assert_eq!(plan["steps"][0]["sql"], up);
    assert_eq!(plan["locks"][1]["mode"], "SHARE");
    assert_eq!(plan["findings"][0]["rule"], "RB-DROP-COLUMN");
    assert_eq!(applied(&sandbox), "0002\n");
}

#[test]
fn scripts_for_psql_keep_the_ledger() {
    let sandbox = two();
    sandbox.migration(
        "0003_index",
        "-- transaction: off\ncreate index concurrently i on t (note);",
        "BEGIN;\ndrop index i -- the index\n;COMMIT;",
    );
    let script = sandbox
        .run("migrate", &["upgrade", "--sql"])
        .assert_exit(0)
        .stdout
        .clone();
    let files = sandbox.tool("migrate").without_env("DATABASE_URL");
    let files = files.args(&["upgrade", "base:", "--sql"]).run();
    let statements = |script: &str| script.lines().filter(|l| !l.starts_with("--")).count();
    assert_eq!(
        statements(&files.assert_exit(0).stdout),
        statements(&script)
    );
    psql(&sandbox, &script).assert_exit(0);
    let document = status(&sandbox);
    assert_eq!(
        states(&document),
        "0001 applied, 0002 applied, 0003 applied"
    );
    assert_eq!(document["migrations"][2]["batch"], 1);
    sandbox.run("migrate", &["check"]).assert_exit(0);
    // The chain of the journal holds.
    let history = sandbox.run("migrate", &["history", "-v", "--json"]);
    assert_eq!(
        history.assert_exit(0).json()[0]["runs"]
            .as_array()
            .unwrap()
            .len(),
        3
    );
    // Once is enough: the ledger is elsewhere now.
    psql(&sandbox, &script)
        .assert_exit(3)
        .assert_says("at another revision");

    sandbox.sql("insert into t values (1, 'x', 'y')");
    let back = sandbox.run("migrate", &["downgrade", "0001", "--sql"]);
    let back = back.assert_exit(0).stdout.clone();
    assert!(back.contains("saves nothing"), "{back}");
    psql(&sandbox, &back).assert_exit(0);
    assert_eq!(
        states(&status(&sandbox)),
        "0001 applied, 0002 pending, 0003 pending"
    );
    assert_eq!(sandbox.query_text("select * from t"), "1|x");
    sandbox
        .run("migrate", &["history", "-v"])
        .assert_exit(0)
        .assert_says("rollback");
    let undo = sandbox.run("rollback", &["undo", "--yes"]);
    undo.assert_exit(3).assert_says("without a snapshot");
    sandbox.run("migrate", &["upgrade"]).assert_exit(0);
}

#[test]
fn a_backup_comes_first_or_nothing_does() {
    let mut sandbox = two();
    sandbox.run("migrate", &["upgrade", "+1"]).assert_exit(0);
    sandbox.sql("insert into t values (1, 'x')");
    let output = sandbox.run("migrate", &["upgrade", "--backup"]);
    output.assert_exit(2).assert_says("backup keygen");
    assert_eq!(applied(&sandbox), "0001\n");
    sandbox.make_keys();
    let output = sandbox.run("migrate", &["upgrade", "--backup", "--json"]);
    output.assert_exit(0);
    let list = sandbox.run("backup", &["list", "--json"]).json().remove(0);
    assert_eq!(list["backups"][0]["id"], output.last()["backup"]);
    assert_eq!(list["backups"][0]["kind"], "premigrate");
    assert_eq!(list["backups"][0]["rows"], 1);
    assert_eq!(applied(&sandbox), "0002\n");
}
