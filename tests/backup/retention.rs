//! Which backups stay, and which go.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::create;
use crate::harness::Sandbox;

/// A copy of backup `id` that says it was made at `time`, as `20260105T100000Z`. Returns its id.
fn earlier(sandbox: &Sandbox, id: &str, time: &str) -> String {
    let database = sandbox.backups().join(&sandbox.database);
    let new = format!("{time}{}", &id[16..]);
    let target = database.join(&new);
    let copied = Command::new("cp")
        .arg("-r")
        .args([&database.join(id), &target])
        .status();
    assert!(copied.unwrap().success());
    let (d, t) = (&time[..8], &time[9..15]);
    let started = format!(
        "{}-{}-{}T{}:{}:{}Z",
        &d[..4],
        &d[4..6],
        &d[6..],
        &t[..2],
        &t[2..4],
        &t[4..]
    );
    for object in ["begin.json", "manifest.json"] {
        let text = fs::read_to_string(target.join(object)).unwrap();
        let mut json: Value = serde_json::from_str(&text).unwrap();
        json["id"] = new.as_str().into();
        json["started"] = started.as_str().into();
        fs::write(target.join(object), json.to_string()).unwrap();
    }
    new
}

fn ids(sandbox: &Sandbox) -> Vec<String> {
    let list = sandbox.run("backup", &["list", "--json"]).json().remove(0);
    let all = list["backups"].as_array().unwrap().iter();
    all.map(|b| b["id"].as_str().unwrap().to_owned()).collect()
}

fn touch(path: &Path, date: &str) {
    let all = Command::new("find")
        .arg(path)
        .args(["-exec", "touch", "-d", date, "{}", "+"])
        .status();
    assert!(all.unwrap().success());
}

#[test]
fn rules_say_what_stays_and_the_rest_goes() {
    let sandbox = Sandbox::new();
    sandbox.sql("create table t as select 1 as n");
    let newest = create(&sandbox, &[]);
    let mut old: Vec<String> = [
        "20250101T100000Z",
        "20250102T100000Z",
        "20250103T100000Z",
        "20250103T120000Z",
        "20250104T100000Z",
    ]
    .iter()
    .map(|time| earlier(&sandbox, &newest, time))
    .collect();
    let before = sandbox.tree();
    let prune = |args: &[&str]| sandbox.run("backup", &[&["prune"], args].concat());
    prune(&[]).assert_exit(2).assert_says("--keep-last");
    prune(&["--keep-daily", "x"]).assert_exit(2);
    let dry = prune(&["--keep-daily", "3", "--dry-run"]);
    dry.assert_exit(0)
        .assert_says("daily 2")
        .assert_says("to be deleted");
    assert_eq!(before, sandbox.tree());

    // Whoever names a database means that one.
    let other = prune(&["--keep-daily", "3", "--confirm", "elsewhere"]);
    other.assert_exit(3);
    assert_eq!(before, sandbox.tree());

    let done = prune(&["--keep-daily", "3", "--json"]);
    done.assert_exit(0);
    let document = done.json().remove(0);
    let why = |id: &str| {
        let kept = document["kept"].as_array().unwrap().iter();
        let found = kept
            .filter(|k| k["id"] == id)
            .map(|k| k["reasons"].to_string());
        found.collect::<String>()
    };
    assert_eq!(why(&old[4]), r#"["daily 2"]"#);
    assert_eq!(why(&old[3]), r#"["daily 3"]"#);
    assert!(why(&newest).contains("daily 1"));
    let gone = document["removed"].as_array().unwrap();
    assert_eq!(gone.len(), 3);
    assert!(gone.iter().all(|g| g["deleted"] == true));
    let left = old.split_off(3);
    assert_eq!(ids(&sandbox), [left, vec![newest.clone()]].concat());

    // Nothing more to do.
    prune(&["--keep-daily", "3"])
        .assert_exit(0)
        .assert_says("0 backups deleted");
    // The last one of a database stays whatever the rules are.
    prune(&["--keep-last", "0"]).assert_exit(0);
    assert_eq!(ids(&sandbox), [newest.as_str()]);
    sandbox.run("backup", &["verify", &newest]).assert_exit(0);
}

#[test]
fn one_verified_backup_always_stays() {
    let sandbox = Sandbox::new();
    sandbox.sql("create table t as select 1 as n");
    let verified = create(&sandbox, &[]);
    sandbox.run("backup", &["verify", &verified]).assert_exit(0);
    create(&sandbox, &[]);
    let last = create(&sandbox, &[]);
    let args = ["prune", "--keep-last", "1"];
    let pruned = sandbox.run("backup", &args);
    pruned.assert_exit(0).assert_says("the newest verified one");
    assert_eq!(ids(&sandbox), [verified.as_str(), last.as_str()]);
}

#[test]
fn incomplete_backups_never_count_and_go_after_a_while() {
    let sandbox = Sandbox::new();
    sandbox.sql("create table t as select 1 as n");
    let whole = create(&sandbox, &[]);
    let database = sandbox.backups().join(&sandbox.database);
    let partial = |time: &str, date: Option<&str>| {
        let id = earlier(&sandbox, &whole, time);
        let folder = database.join(format!("{id}.partial"));
        fs::rename(database.join(&id), &folder).unwrap();
        if let Some(date) = date {
            touch(&folder, date);
        }
        id
    };
    let abandoned = partial("20250101T100000Z", Some("2025-01-01"));
    let running = partial("20250102T100000Z", None);
    let halved = earlier(&sandbox, &whole, "20250103T100000Z");
    fs::remove_file(database.join(&halved).join("manifest.json")).unwrap();
    touch(&database.join(&halved), "2025-01-03");
    let damaged = earlier(&sandbox, &whole, "20250104T100000Z");
    fs::write(database.join(&damaged).join("manifest.json"), "{").unwrap();
    touch(&database.join(&damaged), "2025-01-04");
    let pruned = sandbox.run("backup", &["prune", "--keep-last", "1"]);
    pruned.assert_exit(0).assert_says("its manifest is damaged");
    let left = ids(&sandbox);
    assert!(
        !left.contains(&abandoned) && !left.contains(&halved),
        "{left:?}"
    );
    assert_eq!(left, [running, damaged, whole]);
}

#[test]
fn what_an_undo_needs_stays_until_it_is_released() {
    let sandbox = Sandbox::new();
    sandbox.migration(
        "0001_t",
        "create table t (id int primary key, n int)",
        "drop table t",
    );
    sandbox.migration(
        "0002_n",
        "alter table t add m int; update t set n = 5",
        "update t set n = 1; alter table t drop m",
    );
    sandbox.run("migrate", &["upgrade", "0001"]).assert_exit(0);
    sandbox.sql("insert into t values (1, 1), (2, 2)");
    sandbox.run("migrate", &["upgrade"]).assert_exit(0);
    let content = sandbox.content();
    let back = ["to", "0001", "--confirm", &sandbox.database];
    sandbox.run("rollback", &back).assert_exit(0);
    let snapshots = ids(&sandbox);
    assert!(snapshots.len() > 1, "a rollback saves twice: {snapshots:?}");
    create(&sandbox, &[]);
    let last = create(&sandbox, &[]);
    sandbox.run("backup", &["verify", &last]).assert_exit(0);
    let prune = ["prune", "--keep-last", "0"];
    sandbox
        .run("backup", &prune)
        .assert_exit(0)
        .assert_says("pinned");
    let last = vec![last];
    assert_eq!(ids(&sandbox), [snapshots.clone(), last.clone()].concat());

    // Released one by one: what continues another stays with it.
    sandbox
        .run("backup", &["unpin", &snapshots[0]])
        .assert_exit(0);
    sandbox
        .run("backup", &prune)
        .assert_exit(0)
        .assert_says("continues");
    assert_eq!(ids(&sandbox), [snapshots.clone(), last.clone()].concat());
    sandbox.run("rollback", &["undo", "--yes"]).assert_exit(0);
    assert_eq!(content, sandbox.content());

    for id in ids(&sandbox) {
        sandbox.run("backup", &["unpin", &id]).assert_exit(0);
    }
    sandbox.run("backup", &prune).assert_exit(0);
    let left = ids(&sandbox);
    assert!(!snapshots.iter().any(|s| left.contains(s)), "{left:?}");
    assert!(left.contains(&last[0]), "{left:?}");
}
