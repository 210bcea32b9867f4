//! `rollback validate --rehearse`: what comes out when the scripts run on a copy.

use serde_json::Value;

use crate::harness::Sandbox;

/// A database with a table of ten rows, whose newest migration goes back by `down`.
fn with(down: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.migration(
        "0001_init",
        "create table t (id int primary key, v text); create table log (t int)",
        "drop table log; drop table t",
    );
    sandbox.migration(
        "0002_more",
        "alter table t add w text; create index by_w on t (w)",
        down,
    );
    sandbox.run("migrate", &["upgrade"]).assert_exit(0);
    sandbox.sql("insert into t select i, i, i from generate_series(1, 10) i");
    sandbox
}

/// The verdict, and what was found by rehearsing.
fn rehearsed(sandbox: &Sandbox, on: &str) -> (String, Vec<(String, String)>) {
    let before = (sandbox.catalog(), sandbox.content());
    let output = sandbox.run(
        "rollback",
        &["validate", "0001", "--rehearse", on, "--json"],
    );
    output.assert_exit(4);
    before.0.assert_same(&sandbox.catalog());
    assert_eq!(before.1, sandbox.content());
    // Those of other tests belong to connections that are there.
    let left = "select count(*) from pg_database where
                substring(datname from '^pgbelay_verify_([0-9]+)_')
                    not in (select pid::text from pg_stat_activity)";
    assert_eq!(sandbox.query_text(left), "0");
    let answer: Value = serde_json::from_str(&output.stdout).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let findings = answer["findings"].as_array().unwrap().iter();
    let found = findings
        .filter(|f| f["rule"] == "RB-REHEARSED")
        .map(|f| (text(&f["severity"]), text(&f["message"])));
    (text(&answer["verdict"]), found.collect())
}

#[test]
fn a_copy_of_the_definitions_tells_whether_scripts_run_and_where_they_end() {
    let sandbox = with("drop index by_w; alter table t drop w");
    let (verdict, found) = rehearsed(&sandbox, "clone");
    assert_eq!(verdict, "LOSS_RECOVERABLE");
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].1.contains("the scripts run"), "{found:?}");

    let sandbox = with("alter table t drop w, add left_over int");
    let (verdict, found) = rehearsed(&sandbox, "clone");
    assert_eq!(verdict, "LOSS_RECOVERABLE");
    assert_eq!(found[1].0, "warn");
    assert!(
        found[1].1.contains("extra column public.t.left_over"),
        "{found:?}"
    );

    let sandbox = with(
        "alter table t add constraint c check (id > 0), drop w;
                        alter table t add constraint c check (id > 1)",
    );
    let (verdict, found) = rehearsed(&sandbox, "clone");
    assert_eq!(verdict, "WILL_FAIL");
    assert_eq!((found.len(), found[0].0.as_str()), (1, "block"));
    assert!(found[0].1.contains("constraint \"c\""), "{found:?}");
}

#[test]
fn a_restored_backup_tells_what_becomes_of_the_rows() {
    let sandbox = with(
        "drop index by_w; alter table t drop w;
         do $$ begin delete from t where id % 5 = 0; insert into log values (1); end $$",
    );
    sandbox.run("backup", &["create"]).assert_exit(0);
    let (verdict, found) = rehearsed(&sandbox, "latest");
    assert_eq!(verdict, "UNKNOWN");
    let of = |table: &str| {
        let found = found.iter().find(|(_, text)| text.contains(table));
        found
            .unwrap_or_else(|| panic!("nothing about {table}"))
            .clone()
    };
    let (severity, text) = of("table public.t:");
    // Code that can't be read may change any row: that much was foreseen.
    assert_eq!(severity, "info");
    assert!(text.ends_with("10 rows before, 8 after"), "{text}");
    assert!(of("table public.log:").1.contains("0 rows before, 1 after"));

    let output = sandbox.run("rollback", &["validate", "0001", "--rehearse", "latest"]);
    assert!(
        output
            .stdout
            .contains("  the database: info: rehearsed on backup")
    );

    // In every format.
    for format in ["human", "markdown", "html", "sarif"] {
        let args = [
            "validate",
            "0001",
            "--rehearse",
            "latest",
            "--format",
            format,
        ];
        let output = sandbox.run("rollback", &args);
        output.assert_exit(4);
        assert!(
            output.stdout.contains("10 rows before, 8 after"),
            "{format}"
        );
    }
}

#[test]
fn what_cannot_be_rehearsed_is_refused() {
    let sandbox = with("drop index by_w; alter table t drop w");
    sandbox.run("backup", &["create"]).assert_exit(0);
    sandbox.migration("0003_last", "create table l (id int)", "drop table l");
    sandbox.run("migrate", &["upgrade"]).assert_exit(0);
    let validate = |args: &[&str]| {
        sandbox.run(
            "rollback",
            &[&["validate", "0001", "--rehearse"], args].concat(),
        )
    };
    validate(&["latest"])
        .assert_exit(2)
        .assert_says("is of revision 0002");
    validate(&["nothing"]).assert_exit(2);
    let proof = sandbox.home().join("escaped");
    let escape = format!(
        "drop table l; copy t to program 'touch {}'",
        proof.display()
    );
    sandbox.migration("0003_last", "create table l (id int)", &escape);
    validate(&["clone"])
        .assert_exit(3)
        .assert_says("not rehearsed");
    assert!(!proof.exists());
    sandbox.write("pgbelay.toml", "[env.live]\nproduction = true\n");
    validate(&["clone", "--env", "live"]).assert_exit(3);
}
