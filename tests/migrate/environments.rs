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
    // A password is known by the flag that it stands behind.
    for words in [
        &[
            "status",
            "-qd",
            "host=127.0.0.1 port=1 user=u pass=secretword",
        ] as &[&str],
        &[
            "status",
            "--database-url=host=127.0.0.1 port=1 secretword=x",
        ],
        &["status", "-vdsecretword"],
    ] {
        assert_ne!(run(words).code, Some(0));
    }
    let into = ["restore", "latest", "--into", "host=127.0.0.1 secretword=x"];
    assert_ne!(sandbox.run("backup", &into).code, Some(0));
    let after = fs::read_to_string(sandbox.folder.join("audit.jsonl")).unwrap();
    assert!(!after.contains("secretword"), "{after}");
    assert_eq!(after.lines().count(), log.lines().count() + 4, "{after}");
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

#[test]
fn the_database_that_a_flag_names_wins_and_is_named_everywhere() {
    let sandbox = two();
    let [staging, other] = [Sandbox::bare(), Sandbox::bare()];
    let (url, name) = (staging.url(), staging.database.clone());
    sandbox.write(
        "pgbelay.toml",
        &format!(
            "[env.staging]\ndatabase_url = '{url}'\n[databases.other]\nurl = '{}'\n",
            other.url()
        ),
    );
    // The sandbox's own database is in DATABASE_URL: it must not be touched.
    let untouched = || sandbox.query_text("select to_regnamespace('pgbelay') is null") == "t";
    let output = sandbox.run("migrate", &["upgrade", "--env", "staging"]);
    output.assert_exit(0).assert_says("named by --env staging");
    output.assert_says(&format!("database {name} at "));
    assert!(untouched());
    let document = sandbox.run("migrate", &["status", "--env", "staging", "--json"]);
    let document = document.assert_exit(0).json().remove(0);
    assert_eq!(document["environment"], "staging");
    assert_eq!(document["database"], json!(name));
    assert_eq!(document["database_source"], "--env staging");
    assert!(
        document["host"].as_str().unwrap().starts_with('/'),
        "{document}"
    );
    assert!(document["port"].is_u64(), "{document}");
    let plain = sandbox.run("migrate", &["status", "--env", "staging"]);
    let first = plain.stdout.lines().next().unwrap().to_owned();
    assert!(
        first.contains(&name) && first.ends_with("(environment staging)"),
        "{first}"
    );

    // Plan, question, refusal and the closing line say it, too.
    let output = sandbox.run("rollback", &["to", "base", "--env", "staging", "--json"]);
    output.assert_exit(3);
    for line in [&output.events("plan")[0], &output.last()] {
        assert_eq!(line["database"], json!(name), "{output}");
        assert_eq!(line["environment"], "staging", "{output}");
        assert!(line["host"].is_string(), "{output}");
    }
    output.assert_says("(environment staging)");
    for format in ["human", "markdown", "html", "sarif", "github", "junit"] {
        let file = format!("report.{format}");
        let args = [
            "validate", "base", "--env", "staging", "--format", format, "--output", &file,
        ];
        sandbox.run("rollback", &args);
        let report = fs::read_to_string(sandbox.folder.join(&file)).unwrap();
        let escaped = name.replace('_', "&#95;");
        let named = report.contains(&name) || report.contains(&escaped);
        assert!(named && report.contains("staging"), "{format}: {report}");
    }

    let at = |args: &[&str], variables: &[(&str, &str)]| {
        let mut tool = sandbox.tool("migrate").args(args);
        for (name, value) in variables {
            tool = tool.env(name, *value);
        }
        tool.run()
    };
    let output = at(
        &["upgrade", "--database", "other"],
        &[("PGBELAY_ENV", "staging")],
    );
    output
        .assert_exit(0)
        .assert_says("named by --database other");
    assert!(untouched());
    // Chosen by a variable, it does not win unasked.
    let output = at(&["upgrade"], &[("PGBELAY_ENV", "staging")]);
    output.assert_exit(2).assert_says(&name);
    output
        .assert_says(&sandbox.database)
        .assert_says("PGBELAY_ENV");
    assert!(untouched());
    at(
        &["status"],
        &[("PGBELAY_ENV", "staging"), ("DATABASE_URL", &url)],
    )
    .assert_exit(0);
    // A variable that isn't set is no database.
    at(&["status", "-d", ""], &[("PGDATABASE", &name)]).assert_exit(2);
}
