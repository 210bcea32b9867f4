//! Seeds, beginning anew, repeatable scripts, many databases, and the log for auditors.

use std::fs;

use serde_json::{Value, json};

use super::{applied, two};
use crate::harness::Sandbox;

#[test]
fn seeds_run_once_and_repeatable_ones_when_changed() {
    let sandbox = two();
    sandbox.run("migrate", &["upgrade"]).assert_exit(0);
    let seed = |args: &[&str]| sandbox.run("migrate", &[&["seed"], args].concat());
    seed(&[]).assert_exit(2).assert_says("--seeds");
    sandbox.write(
        "seeds/01_users.sql",
        "insert into t values (1, 'secretvalue')",
    );
    let again = "-- repeatable: on\ninsert into t values (2, 'two') on conflict (id) do update set note = 'again'";
    sandbox.write("seeds/02_texts.sql", again);
    let output = seed(&["--json"]);
    output.assert_exit(0).assert_silent_about("secretvalue");
    assert_eq!(output.last()["seeded"], json!(["01_users", "02_texts"]));
    seed(&[]).assert_exit(0).assert_says("nothing to do");
    sandbox.write("seeds/02_texts.sql", &format!("{again};"));
    sandbox.write("seeds/01_users.sql", "insert into t values (3, 'three')");
    let output = seed(&["--json"]);
    assert_eq!(
        output.assert_exit(0).json().pop().unwrap()["seeded"],
        json!(["02_texts"])
    );
    assert!(output.says("edited since it ran"), "{output}");
    seed(&["users", "--again"]).assert_exit(0);
    let rows = "select id, note from t order by 1";
    assert_eq!(sandbox.query_text(rows), "1|secretvalue\n2|again\n3|three");
    // Whole or not at all, and what ran before stays.
    sandbox.write(
        "seeds/03_bad.sql",
        "insert into t values (4, 'x'), (4, 'y')",
    );
    seed(&[]).assert_exit(1).assert_says("03_bad.sql:1");
    assert_eq!(sandbox.query_text("select count(*) from t"), "3");
    seed(&["nobody"]).assert_exit(2).assert_says("01_users");
    sandbox.write("seeds/03_bad.sql", "insert into t values (4, 'x')");
    seed(&["--env", "production"])
        .assert_exit(3)
        .assert_says("--confirm");
    let name = sandbox.database.clone();
    seed(&["--env", "production", "--confirm", &name]).assert_exit(0);
    sandbox
        .run("migrate", &["history", "-v"])
        .assert_exit(0)
        .assert_says("seed");
}

#[test]
fn beginning_anew_saves_everything_first() {
    let mut sandbox = two();
    sandbox.run("migrate", &["upgrade"]).assert_exit(0);
    sandbox.sql("insert into t values (1, 'x'); create schema other; create table other.o ()");
    let name = sandbox.database.clone();
    let fresh =
        |sandbox: &Sandbox, args: &[&str]| sandbox.run("migrate", &[&["fresh"], args].concat());
    fresh(&sandbox, &["--yes"])
        .assert_exit(3)
        .assert_says("--confirm");
    let output = fresh(&sandbox, &["--confirm", &name]);
    output.assert_exit(2).assert_says("backup keygen");
    sandbox.make_keys();
    let output = fresh(&sandbox, &["--env", "production", "--confirm", &name]);
    output.assert_exit(3).assert_says("for development");
    assert_eq!(sandbox.query_text("select count(*) from t"), "1");
    let output = fresh(&sandbox, &["--confirm", &name, "--json"]);
    output.assert_exit(0);
    assert_eq!(output.last()["applied"], json!(["0001", "0002"]));
    assert_eq!(sandbox.query_text("select count(*) from t"), "0");
    assert_eq!(sandbox.query_text("select to_regnamespace('other')"), "");
    let list = sandbox.run("backup", &["list", "--json"]).json().remove(0);
    assert_eq!(list["backups"][0]["id"], output.last()["backup"]);
    let id = output.last()["backup"].as_str().unwrap().to_owned();
    let back = ["restore", &id, "--table", "t", "--confirm", &name];
    sandbox.run("backup", &back).assert_exit(0);
    assert_eq!(sandbox.query_text("select id, note from t"), "1|x");
    sandbox
        .run("migrate", &["history", "-v"])
        .assert_exit(0)
        .assert_says("fresh");
}

#[test]
fn repeatable_scripts_of_flyway_run_last_and_stand_in_no_rollback_s_way() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "migrations/V1__init.sql",
        "create table t (id int primary key, note text)",
    );
    sandbox.write("migrations/U1__init.sql", "drop table t");
    sandbox.write("migrations/V2__more.sql", "create table more ()");
    sandbox.write("migrations/U2__more.sql", "drop table more");
    let view = "create or replace view v as select id from t";
    sandbox.write("migrations/R__view.sql", view);
    let upgrade = || sandbox.run("migrate", &["upgrade"]);
    upgrade().assert_exit(0).assert_says("view ran again");
    upgrade().assert_exit(0).assert_says("nothing to do");
    sandbox.write("migrations/R__view.sql", &format!("{view} where id > 0"));
    upgrade().assert_exit(0).assert_says("view ran again");
    let (content, catalog) = (sandbox.content(), sandbox.catalog());
    let back = ["to", "1", "--confirm", &sandbox.database];
    sandbox.run("rollback", &back).assert_exit(0);
    assert_eq!(applied(&sandbox), "1\n");
    sandbox.run("rollback", &["undo", "--yes"]).assert_exit(0);
    crate::harness::state::assert_same_content(&content, &sandbox.content());
    catalog.assert_same_but_for_order(&sandbox.catalog());
}

#[test]
fn all_databases_and_a_line_for_auditors() {
    let sandbox = two();
    let others = [Sandbox::bare(), Sandbox::bare(), Sandbox::bare()];
    let mut config = "audit = 'audit.jsonl'\n".to_owned();
    for (name, other) in ["a", "b", "c"].iter().zip(&others) {
        config += &format!("[databases.{name}]\nurl = '{}'\n", other.url());
    }
    sandbox.write("pgbelay.toml", &config);
    let run = |args: &[&str]| sandbox.run("migrate", args);
    // One fails: nobody after the canary is begun.
    others[1].sql("create table t ()");
    let output = run(&["upgrade", "--all", "--canary", "b"]);
    output.assert_exit(1).assert_says("2 not begun");
    assert!(
        output.says("failed (exit 1)") && output.says("not begun"),
        "{output}"
    );
    assert_eq!(others[0].query_text("select to_regclass('t')"), "");
    others[1].sql("drop table t");
    let output = run(&["upgrade", "--all", "--parallel", "2", "--json"]);
    output.assert_exit(0);
    let done = output.last();
    assert_eq!(done["databases"].as_array().unwrap().len(), 3, "{output}");
    assert_eq!(output.events("database").len() % 3, 0, "{output}");
    for other in &others {
        assert_eq!(other.query_text("select count(*) from pgbelay.ledger"), "2");
    }
    run(&["check", "--all"]).assert_exit(0);
    sandbox.migration("0003_x", "create table x ()", "drop table x");
    run(&["check", "--all"])
        .assert_exit(4)
        .assert_says("found something");
    run(&["upgrade", "--all", "--canary", "z"]).assert_exit(2);
    let url = "postgresql://u:secretword@127.0.0.1:1/x";
    run(&["status", "-d", url]).assert_exit(1);

    let log = fs::read_to_string(sandbox.folder.join("audit.jsonl")).unwrap();
    assert!(!log.contains("secretword"), "{log}");
    let lines: Vec<Value> = log
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    let last = lines.last().unwrap();
    assert_eq!(last["command"], json!(["migrate", "status", "-d", "***"]));
    assert_eq!(last["exit_code"], 1);
    assert!(
        last["error"]
            .as_str()
            .unwrap()
            .contains("could not connect"),
        "{last}"
    );
    assert!(
        last["by"].as_str().unwrap().contains('@') && last["duration_ms"].is_u64(),
        "{last}"
    );
    // What can't be written down isn't done.
    let nowhere = sandbox
        .tool("migrate")
        .args(&["upgrade"])
        .env("PGBELAY_AUDIT", "no/such/file");
    nowhere.run().assert_exit(1).assert_says("audit log");
    assert_eq!(applied(&sandbox), "base\n");
}
