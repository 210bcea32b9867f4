use std::time::{Duration, Instant};

use super::kills::kills;
use super::{Scene, assert_failed};
use crate::harness::binary::Run;
use crate::harness::cluster::send;
use crate::harness::{Cluster, Sandbox};
use crate::scenes::{self, PASSWORD};

/// Where a run is when something happens to its server: a text that it has written by then.
const ROLLBACK: [&str; 4] = ["\"snapshot\"", "\"verify\"", "\"scripts\"", "\"guard\""];
const UNDO: [&str; 4] = ["\"verify\"", "\"restore\"", "\"scripts\"", "\"reconcile\""];

/// When a server dies: once a run has written a text, or so many lines.
#[derive(Clone, Copy)]
enum At {
    Text(&'static str),
    Line(usize),
}

#[test]
#[expect(
    clippy::print_stdout,
    reason = "the figures are what `scripts/crash-test` is run for"
)]
fn a_server_that_dies_at_any_moment() {
    let cluster = Cluster::private(&[]);
    let scene = Scene::of(Sandbox::on(&cluster), 8_000);
    let die = |run: Run, at: At| {
        let mut running = run.start();
        match at {
            At::Text(text) => running.wait_for_text(text),
            At::Line(line) => running.wait_for_lines(line),
        };
        cluster.kill();
        let output = running.wait();
        // It may have been quicker than the server was dead.
        if output.code != Some(0) {
            assert_failed(&output, 1);
            output
                .assert_says("\"error\"")
                .assert_silent_about(PASSWORD);
        }
        cluster.start_again();
    };
    let mut moments: Vec<(At, At)> = (ROLLBACK.into_iter().zip(UNDO))
        .map(|(rollback, undo)| (At::Text(rollback), At::Text(undo)))
        .collect();
    if let Some(kills) = kills() {
        let lines = |run: Run| run.run().stdout.lines().count();
        let rollback = lines(scenes::to(&scene.sandbox, "0001", &["--json"]));
        let undo = lines(scenes::undo(&scene.sandbox, &["--json"]));
        // Steps through all lines, far from each other.
        let at = |number: u32, lines: usize| At::Line(1 + number as usize * 7 % lines);
        moments.extend((0..kills).map(|n| (at(n, rollback), at(n, undo))));
    }
    let deaths = moments.len() * 2;
    for (rollback, undo) in moments {
        die(scenes::to(&scene.sandbox, "0001", &["--json"]), rollback);
        scene.assert_whole();
        scene.finish_rollback();
        die(scenes::undo(&scene.sandbox, &["--json"]), undo);
        scene.assert_whole();
        scene.finish_undo();
        scene.forget_backups();
    }
    println!("{deaths} deaths of the server; no violation");
}

#[test]
fn backends_that_are_ended_at_any_moment() {
    let scene = Scene::new(8_000);
    let sandbox = &scene.sandbox;
    let session = sandbox.session();
    let end = |run: Run, at: &str, application: &str| {
        let mut running = run.start();
        running.wait_for_text(at);
        session.run(&format!(
            "select pg_terminate_backend(pid) from pg_stat_activity
             where datname = current_database() and application_name = '{application}'"
        ));
        let output = running.wait();
        if output.code != Some(0) {
            assert_failed(&output, 1);
        }
        output
    };
    for (at, application) in [
        ("\"snapshot\"", "pgbelay snapshot"),
        ("\"snapshot\"", "pg_dump"),
        ("\"snapshot\"", "pgbelay rollback"),
        ("\"scripts\"", "pgbelay rollback"),
        ("\"guard\"", "pgbelay rollback"),
    ] {
        let run = scenes::to(sandbox, "0001", &["--json"]);
        let output = end(run, at, application);
        if scene.assert_whole() == "0002" {
            assert_eq!(output.code, Some(1), "{output}");
            output.assert_says("nothing was changed");
            assert!(!sandbox.backups().join(&sandbox.database).exists());
        }
        scene.finish_rollback();
        if at != "\"snapshot\"" {
            let output = end(scenes::undo(sandbox, &["--json"]), at, "pgbelay undo");
            if scene.assert_whole() == "0001" {
                output.assert_says("nothing was changed");
            }
        }
        scene.finish_undo();
        scene.forget_backups();
    }
}

#[test]
fn signals_take_everything_back() {
    let scene = Scene::new(8_000);
    let sandbox = &scene.sandbox;
    let before = scenes::State::of(sandbox);
    let reader = sandbox.session();
    for signal in ["INT", "TERM"] {
        for at in ["\"snapshot\"", "\"table_locks\""] {
            reader.run("begin; select count(*) from events");
            let mut run = scenes::to(sandbox, "0001", &["--json"]).start();
            assert!(run.wait_for_text(at));
            send(signal, run.id());
            let started = Instant::now();
            let output = run.wait();
            assert_failed(&output, 130);
            assert!(started.elapsed() < Duration::from_secs(10));
            assert_eq!(output.last()["exit_code"], 130);
            reader.run("commit");
            // Neither a .partial nor the snapshot: nothing was destroyed.
            before.assert_untouched(sandbox);
        }
    }
    scene.finish_rollback();
    reader.run("begin; lock table plain in share row exclusive mode");
    let below = scenes::State::of(sandbox);
    let mut run = scenes::undo(sandbox, &["--json"]).start();
    assert!(run.wait_for_text("\"table_locks\""));
    run.interrupt();
    assert_failed(&run.wait(), 130);
    reader.run("commit");
    below.assert_untouched(sandbox);
    scene.finish_undo();
}
