//! What scripts rely on: exit codes, last lines, JSON, and that nobody is asked without a terminal.

use std::fs;

use crate::harness::Sandbox;
use crate::harness::binary::Output;

/// A sandbox at 0002 with one value to lose on the way back to 0001.
fn with_something_to_lose() -> Sandbox {
    let sandbox = Sandbox::new();
    prepare(&sandbox);
    sandbox
}

fn prepare(sandbox: &Sandbox) {
    sandbox.migration(
        "0001_init",
        "create table t (id int primary key)",
        "drop table t",
    );
    sandbox.migration(
        "0002_note",
        "alter table t add note text",
        "alter table t drop note",
    );
    sandbox.run("migrate", &["upgrade"]).assert_exit(0);
    sandbox.sql("insert into t values (1, 'secretvalue'), (2, null)");
}

fn rollback(sandbox: &Sandbox, args: &[&str]) -> Output {
    let output = sandbox.run("rollback", args);
    output.assert_silent_about("secretvalue");
    output
}

fn current(sandbox: &Sandbox) -> String {
    sandbox.run("migrate", &["current"]).stdout
}

#[test]
fn a_rollback_wants_consent_and_says_which_backup_it_took() {
    let sandbox = with_something_to_lose();
    let name = sandbox.database.clone();
    rollback(&sandbox, &["to", "0001", "--dry-run"])
        .assert_exit(0)
        .assert_says("LOSS_RECOVERABLE");
    for args in [
        &["to", "0001"] as &[&str],
        &["0001", "--yes"],
        &["to", "0001", "--confirm", "other"],
        &[
            "to",
            "0001",
            "--confirm",
            &name,
            "--plan-hash",
            "0123456789",
        ],
    ] {
        rollback(&sandbox, args).assert_exit(3);
    }
    assert!(rollback(&sandbox, &["0001"]).says(&format!("--confirm {name}")));
    rollback(&sandbox, &["to", "0001", "--without-snapshot"]).assert_exit(2);
    rollback(&sandbox, &["to", "0007", "--confirm", &name]).assert_exit(2);
    assert!(sandbox.tree().is_empty());

    let plan = rollback(&sandbox, &["to", "0001", "--dry-run", "--json"]);
    let hash = plan.events("plan")[0]["plan_hash"]
        .as_str()
        .unwrap()
        .to_owned();
    let args = ["to", "-1", "--confirm", &name, "--plan-hash", &hash[..12]];
    let output = rollback(&sandbox, &args);
    output.assert_exit(0);
    let list = sandbox.run("backup", &["list", "--json"]).json().remove(0);
    assert_eq!(list["backups"][0]["id"], output.last_line());
    assert_eq!(current(&sandbox), "0001\n");
    rollback(&sandbox, &["to", "0001"])
        .assert_exit(0)
        .assert_says("nothing to do");

    rollback(&sandbox, &["undo"])
        .assert_exit(3)
        .assert_says("--yes");
    let undo = rollback(&sandbox, &["undo", "--yes", "--json"]);
    undo.assert_exit(0);
    assert_eq!(undo.last()["revision"], "0002");
    assert_eq!(undo.last()["conflicts"], serde_json::json!([]));
    assert_eq!(
        sandbox.query_text("select * from t order by id"),
        "1|secretvalue\n2|"
    );
    rollback(&sandbox, &["undo", "--yes"]).assert_exit(2);

    let args = ["downgrade", "base", "--json", "--confirm", &name];
    let down = sandbox.run("migrate", &args);
    down.assert_exit(0);
    let closing = down.last();
    assert_eq!(closing["backup"], closing["backups"][0]);
    assert_eq!(closing["undone"], serde_json::json!(["0002", "0001"]));
    assert!(closing["revision"].is_null());
}

#[test]
fn force_answers_for_everybody_and_the_journal_says_so() {
    let sandbox = with_something_to_lose();
    let forced = rollback(
        &sandbox,
        &["--steps", "1", "--force", "--json", "--reason", "fire"],
    );
    forced.assert_exit(0);
    assert!(forced.last()["backup"].is_string());
    rollback(&sandbox, &["undo", "--yes"]).assert_exit(0);
    let bare = ["--name", "note", "--force", "--without-snapshot", "--json"];
    let bare = rollback(&sandbox, &bare);
    bare.assert_exit(0);
    assert!(bare.last()["backup"].is_null());
    let history = sandbox
        .run("migrate", &["history", "-v", "--json"])
        .json()
        .remove(0);
    let runs = history["runs"].as_array().unwrap();
    assert!(
        runs[0]["consent"]
            .as_str()
            .unwrap()
            .contains("--without-snapshot")
    );
    assert_eq!(runs[1]["consent"], "yes");
    assert!(runs[2]["consent"].as_str().unwrap().starts_with("--force"));
    assert_eq!(runs[2]["reason"], "fire");
}

#[test]
fn a_run_that_came_to_nothing_is_in_the_journal() {
    let sandbox = with_something_to_lose();
    let name = sandbox.database.clone();
    let consent = ["--confirm", &name, "--reason", "first try"];
    let session = sandbox.session();
    session.run("begin; lock table t in share mode");
    let late = ["to", "0001", "--lock-timeout", "10ms"];
    rollback(&sandbox, &[&late[..], &consent].concat()).assert_exit(5);
    session.run("rollback");
    rollback(&sandbox, &["to", "0001", "--confirm", &name]).assert_exit(0);
    let history = || {
        let output = sandbox.run("migrate", &["history", "-v", "--json"]);
        output.assert_exit(0).json().remove(0)["runs"].clone()
    };
    let runs = history();
    let verbs = |runs: &serde_json::Value| -> Vec<String> {
        let runs = runs.as_array().unwrap().iter();
        runs.map(|run| run["verb"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(verbs(&runs), ["rollback", "failed", "upgrade", "upgrade"]);
    let failed = &runs[1];
    assert_eq!(failed["reason"], "first try");
    assert_eq!(failed["failure"]["attempted"], "rollback");
    assert_eq!(failed["failure"]["exit_code"], 5);
    assert!(
        failed["failure"]["error"]
            .as_str()
            .unwrap()
            .contains("lock")
    );
    rollback(&sandbox, &["undo", "--yes"]).assert_exit(0);
    assert_eq!(verbs(&history())[0], "undo");
    let people = sandbox.run("migrate", &["history", "-v"]);
    people.assert_exit(0).assert_says("rollback failed");
}

#[test]
fn a_script_that_cannot_be_judged_is_refused_before_anybody_is_asked() {
    let sandbox = with_something_to_lose();
    let script = "do $$ begin execute 'alter table t drop note'; end $$";
    sandbox.write("migrations/0002_note_rollback.sql", script);
    rollback(&sandbox, &["to", "0001", "--dry-run"])
        .assert_exit(3)
        .assert_says("--force");
    let confirmed = ["to", "0001", "--json", "--confirm", &sandbox.database];
    let refused = rollback(&sandbox, &confirmed);
    refused.assert_exit(3);
    assert_eq!(refused.last()["exit_code"], 3);
    assert_eq!(current(&sandbox), "0002\n");
    fs::remove_file(sandbox.migrations().join("0002_note_rollback.sql")).unwrap();
    rollback(&sandbox, &["to", "0001", "--force"]).assert_exit(0);
}

#[test]
fn without_a_recipient_nothing_is_written() {
    let sandbox = Sandbox::bare();
    prepare(&sandbox);
    let args = ["to", "0001", "--confirm", &sandbox.database];
    rollback(&sandbox, &args)
        .assert_exit(2)
        .assert_says("backup keygen");
    assert!(sandbox.tree().is_empty());
    assert_eq!(current(&sandbox), "0002\n");
}

#[test]
fn a_validation_changes_nothing_and_has_a_threshold() {
    let sandbox = with_something_to_lose();
    for (args, code) in [
        (&["validate", "0001"] as &[&str], 4),
        (&["validate", "0002"], 0),
        (&["validate", "0001", "--fail-on", "LOSS_UNRECOVERABLE"], 0),
        (&["validate", "0001", "--fail-on", "NONSENSE"], 2),
        (&["validate", "0009"], 2),
    ] {
        rollback(&sandbox, args).assert_exit(code);
    }
    let json = rollback(&sandbox, &["validate", "-1", "--json"])
        .json()
        .remove(0);
    assert_eq!(json["verdict"], "LOSS_RECOVERABLE");
    assert_eq!(json["losses"][0]["rows"], 1);
    let args = [
        "rollback",
        "-1",
        "--format",
        "json",
        "--output",
        "report.json",
    ];
    let output = sandbox.run("validate", &args);
    output.assert_exit(4);
    assert_eq!(output.stdout, "");
    let report = fs::read_to_string(sandbox.folder.join("report.json")).unwrap();
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report, json);

    let found = sandbox.run("validate", &["migrations", "--json"]);
    found.assert_exit(4);
    assert_eq!(found.json()[0]["findings"][0]["rule"], "RB-DROP-TABLE");
    sandbox
        .run("validate", &["rules"])
        .assert_exit(0)
        .assert_says("RB-DROP-COLUMN");
    sandbox
        .run("validate", &["explain", "rb-drop-column"])
        .assert_exit(0);
    sandbox
        .run("validate", &["explain", "nonsense"])
        .assert_exit(2);
}

#[test]
fn every_rule_has_its_page() {
    let sandbox = Sandbox::new();
    let validate = |args: &[&str]| sandbox.run("validate", args);
    let listed = &validate(&["rules", "--json"]).json()[0];
    let rules = listed["rules"].as_array().unwrap();
    assert!(!rules.is_empty());
    for rule in rules {
        let id = rule["id"].as_str().unwrap();
        let page = validate(&["explain", id, "--json"]);
        let page = &page.assert_exit(0).json()[0];
        let shown = validate(&["explain", id]);
        for part in [
            "id",
            "title",
            "condition",
            "effect",
            "workaround",
            "bad",
            "good",
        ] {
            let text = page[part].as_str().unwrap();
            assert!(!text.is_empty(), "{id}: no {part}");
            let line = text.lines().next().unwrap();
            assert!(shown.stdout.contains(line), "{id}: its {part} is not shown");
        }
        assert_ne!(page["bad"], page["good"], "{id}");
    }
}

#[test]
fn backups_are_listed_shown_verified_and_pinned() {
    let sandbox = with_something_to_lose();
    let run = |args: &[&str]| sandbox.run("backup", args);
    run(&["list"]).assert_exit(0).assert_says("no backups");
    run(&["show", "latest"]).assert_exit(2);
    let args = ["to", "0001", "--confirm", &sandbox.database];
    let id = rollback(&sandbox, &args).last_line().to_owned();
    let folder = format!("backups/{}/{id}", sandbox.database);
    for name in [
        &id,
        &id[..id.len() - 2],
        "latest",
        &folder,
        &format!("{folder}/manifest.json"),
    ] {
        let shown = run(&["show", name, "--json"]);
        let shown = shown.assert_exit(0).json().remove(0);
        // Where somebody on the server had a transaction open, a second one may continue it.
        if name == "latest" {
            let all = run(&["list", "--json"]).json().remove(0);
            let newest = all["backups"].as_array().unwrap().last().unwrap().clone();
            assert_eq!(shown["id"], newest["id"]);
        } else {
            assert_eq!(shown["id"], id.as_str());
        }
    }
    for (args, code) in [
        (&["verify", &id] as &[&str], 0),
        (&["verify", &id, "--level", "nonsense"], 2),
        (&["verify", "nonsense"], 2),
        (&["verify", &id, "--identity", "other.txt"], 6),
        (&["unpin", &id], 0),
        (&["pin", &id, "--reason", "audit"], 0),
    ] {
        run(&["keygen", "--output", "other.txt"]);
        run(args).assert_exit(code);
    }
    let list = run(&["list", "--json"]).json().remove(0);
    let first = &list["backups"][0];
    assert_eq!(
        (&first["kind"], &first["state"]),
        (&"prerollback".into(), &"complete".into())
    );
    assert_eq!(
        (&first["verified"]["level"], &first["pinned"]),
        (&"decrypted".into(), &true.into())
    );
    let other = sandbox.run("rollback", &["list-backups", "--json"]);
    assert_eq!(other.assert_exit(0).json()[0], list);

    fs::remove_file(sandbox.folder.join(&folder).join("manifest.json")).unwrap();
    run(&["verify", &id]).assert_exit(6);
    let list = run(&["list", "--json"]).json().remove(0);
    assert_eq!(list["backups"][0]["state"], "incomplete");
}

#[test]
fn rollbacks_are_listed_with_what_stands_in_their_way() {
    let sandbox = with_something_to_lose();
    sandbox.write("pgbelay.toml", "proof_time = \"60s\"\n");
    let name = sandbox.database.clone();
    let list = || {
        let output = sandbox.run("rollback", &["list", "--json"]);
        output.assert_exit(0).json().remove(0)["runs"].clone()
    };
    assert_eq!(list(), serde_json::json!([]));
    rollback(&sandbox, &["list"])
        .assert_exit(0)
        .assert_says("no rollbacks");
    let why = ["--confirm", &name, "--reason", "too slow"];
    rollback(&sandbox, &[&["to", "0001"], &why[..]].concat()).assert_exit(0);
    let listed = list();
    let first = &listed[0];
    assert_eq!(
        (
            &first["kind"],
            &first["from"],
            &first["to"],
            &first["reason"]
        ),
        (
            &"rollback".into(),
            &"0002".into(),
            &"0001".into(),
            &"too slow".into()
        )
    );
    assert_eq!(
        (&first["undo"], &first["reversible"], &first["barrier"]),
        (&"proved".into(), &true.into(), &serde_json::Value::Null)
    );
    let backups: Vec<String> = serde_json::from_value(first["backups"].clone()).unwrap();
    assert!(!backups.is_empty() && first["run"].is_i64() && first["at"].is_string());

    // Without a backup that it needs, after something else, and once it is done.
    let folder = sandbox.backups().join(&name);
    let hidden = sandbox.folder.join("hidden");
    fs::rename(folder.join(&backups[0]), &hidden).unwrap();
    let barrier = |word: &str| {
        let first = list()[0].clone();
        assert_eq!(first["reversible"], false, "{first:#}");
        assert!(
            first["barrier"].as_str().unwrap().contains(word),
            "{first:#}"
        );
        rollback(&sandbox, &["list"])
            .assert_exit(0)
            .assert_says(word);
    };
    barrier("is gone");
    fs::rename(&hidden, folder.join(&backups[0])).unwrap();
    rollback(
        &sandbox,
        &["to", "base", "--confirm", &name, "--without-proof"],
    )
    .assert_exit(0);
    let listed = list();
    assert_eq!(
        (&listed[0]["undo"], &listed[0]["reversible"]),
        (&"unproved".into(), &true.into())
    );
    assert_eq!(
        (&listed[1]["reversible"], listed.as_array().unwrap().len()),
        (&false.into(), 2)
    );
    rollback(&sandbox, &["undo", "--yes"]).assert_exit(0);
    barrier("has been undone");
    assert_eq!(list()[1]["reversible"], true);
}
