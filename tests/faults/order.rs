use std::fs;

use serde_json::Value;

use super::{Scene, assert_failed};
use crate::scenes::{self, assert_backups_sound, complete_backups};

/// The place of the first event for which `is` holds.
fn place(events: &[Value], is: impl Fn(&Value) -> bool) -> usize {
    events.iter().position(is).unwrap()
}

#[test]
fn what_is_saved_is_durable_before_anything_is_destroyed() {
    let scene = Scene::new(2_000);
    let sandbox = &scene.sandbox;
    let output = scenes::to(sandbox, "0001", &["--json"]).run();
    output.assert_exit(0);
    let events = output.json();
    let phase = |name: &'static str| move |e: &Value| e["type"] == "phase" && e["phase"] == name;
    let complete: Vec<usize> = (0..events.len())
        .filter(|i| events[*i]["type"] == "backup_complete")
        .collect();
    assert_eq!(complete.len(), 2, "{output}");
    assert!(place(&events, phase("verify")) < complete[0]);
    assert!(complete[0] < place(&events, phase("table_locks")));
    assert!(place(&events, phase("table_locks")) < place(&events, |e| e["type"] == "statement"));
    assert!(place(&events, phase("guard")) < complete[1]);
    assert!(complete[1] < place(&events, phase("commit")));
    scenes::undo(sandbox, &[]).run().assert_exit(0);
    scene.above.assert_restored(sandbox);
}

#[test]
fn killed_before_the_first_statement_the_snapshot_is_complete() {
    let scene = Scene::new(2_000);
    let sandbox = &scene.sandbox;
    let reader = sandbox.session();
    reader.run("begin; select count(*) from events");
    let mut run = scenes::to(sandbox, "0001", &["--json"]).start();
    assert!(run.wait_for_text("\"table_locks\""));
    assert!(run.kill().killed());
    assert_eq!(complete_backups(sandbox).len(), 1);
    assert_backups_sound(sandbox);
    reader.run("commit");
    assert_eq!(scene.assert_whole(), "0002");
    scene.finish_rollback();
    scene.finish_undo();
}

#[test]
fn killed_before_commit_the_second_backup_is_complete() {
    let scene = Scene::new(2_000);
    let sandbox = &scene.sandbox;
    let run = scenes::to(sandbox, "0001", &["--json"]).start();
    let complete = |text: &str| text.matches("backup_complete").count();
    let output = run.kill_when(|stdout| complete(stdout) == 2);
    assert_eq!(complete(&output.stdout), 2, "{output}");
    assert_eq!(complete_backups(sandbox).len(), 2);
    scene.assert_whole();
    scene.finish_rollback();
    scene.finish_undo();
}

/// The second backup can't be written: nothing may be committed.
#[test]
fn without_room_for_what_changed_meanwhile_nothing_is_destroyed() {
    let scene = Scene::new(2_000);
    let sandbox = &scene.sandbox;
    let late = sandbox.session();
    late.run("begin; update events set payload = 'late' where id = 7");
    let mut run = scenes::to(sandbox, "0001", &["--json"]).start();
    assert!(run.wait_for_text("\"table_locks\""));
    let folder = sandbox.backups().join(&sandbox.database);
    let away = sandbox.folder.join("away");
    fs::rename(&folder, &away).unwrap();
    fs::write(&folder, "in the way").unwrap();
    late.run("commit");
    let output = run.wait();
    assert_failed(&output, 1);
    output.assert_says("--backups");
    fs::remove_file(&folder).unwrap();
    fs::rename(&away, &folder).unwrap();
    assert_backups_sound(sandbox);
    sandbox.sql("update events set payload = 'secretvalue' || md5('7') where id = 7");
    assert_eq!(scene.assert_whole(), "0002");
    scene.finish_rollback();
    scene.finish_undo();
}
