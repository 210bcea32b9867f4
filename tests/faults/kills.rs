use std::time::{Duration, Instant};

use super::Scene;
use crate::harness::binary::{Output, Run};
use crate::harness::cluster::nonce;
use crate::scenes;

/// How many kills per phase; `scripts/crash-test` asks for more.
pub fn kills() -> Option<u32> {
    let asked = std::env::var("PGBELAY_TEST_KILLS").ok();
    asked.map(|kills| kills.parse().expect("PGBELAY_TEST_KILLS is a number"))
}

/// The stretch of a run in which it is killed: by the lines it writes, and how long they took.
struct Stretch {
    first: usize,
    last: usize,
    time: Duration,
}

/// Runs to the end, and tells the stretch from the line that holds `from` to that with `until`.
fn measure(run: Run, from: &str, until: &str) -> Stretch {
    let mut running = run.start();
    let mut times = Vec::new();
    while running.wait_for_lines(times.len() + 1) {
        times.push(Instant::now());
    }
    let output = running.wait();
    output.assert_exit(0);
    let place = |text: &str| output.stdout.lines().position(|line| line.contains(text));
    let first = place(from).unwrap();
    let last = place(until).unwrap();
    Stretch {
        first: first + 1,
        last: last + 1,
        time: times[last] - times[first],
    }
}

/// Kills `run` for the `number`-th time: in turn after a line of the stretch, and after a random
/// time since its first.
fn kill(run: Run, stretch: &Stretch, number: u32) -> Output {
    let mut running = run.start();
    if number.is_multiple_of(2) {
        let lines = stretch.last - stretch.first + 1;
        // Steps through all lines, far from each other.
        let line = stretch.first + (number as usize / 2 * 7) % lines;
        return running.kill_after_lines(line);
    }
    running.wait_for_lines(stretch.first);
    let part = (nonce() % 1000) as f64 / 1000.0;
    running.kill_after(stretch.time.mul_f64(part * 1.1))
}

/// Kills rollbacks in a stretch of their work, and each time the undo at any moment.
#[expect(
    clippy::print_stdout,
    reason = "the figures are what `scripts/crash-test` is run for"
)]
fn torment(phase: &str, from: &str, until: &str) {
    let scene = Scene::new(4_000);
    let sandbox = &scene.sandbox;
    let to = || scenes::to(sandbox, "0001", &["--json"]);
    let undo = || scenes::undo(sandbox, &["--json"]);
    let stretch = measure(to(), from, until);
    let undoing = measure(undo(), "\"lock\"", r#""type":"done""#);
    let (mut killed, mut took_effect) = ([0, 0], [0, 0]);
    for number in 0..kills().unwrap_or(2) {
        let output = kill(to(), &stretch, number);
        killed[0] += u32::from(output.killed());
        match scene.assert_whole().as_str() {
            "0002" => scene.finish_rollback(),
            _ => took_effect[0] += 1,
        }
        let output = kill(undo(), &undoing, number);
        killed[1] += u32::from(output.killed());
        if scene.assert_whole() == "0002" {
            took_effect[1] += 1;
        }
        scene.finish_undo();
        scene.forget_backups();
    }
    println!(
        "{phase}: {} rollbacks killed, {} of them had committed; {} undos killed, {} had committed; \
         no violation",
        killed[0], took_effect[0], killed[1], took_effect[1]
    );
    assert!(killed[0] > 0 && killed[1] > 0, "nothing was killed in time");
}

#[test]
fn during_the_snapshot() {
    torment("snapshot", "\"snapshot\"", "backup_complete");
}

#[test]
fn during_the_transaction() {
    torment("transaction", "\"table_locks\"", r#""type":"done""#);
}
