use std::thread;
use std::time::{Duration, Instant};

use super::{Scene, assert_failed};
use crate::harness::binary::{Run, Running};
use crate::harness::{Cluster, Sandbox};
use crate::scenes::{self, complete_backups};

/// A server whose COMMITs take effect and are never answered: they wait for a standby that does
/// not exist.
fn silent() -> (std::sync::Arc<Cluster>, Scene) {
    let cluster = Cluster::private(&[]);
    let scene = Scene::of(Sandbox::on(&cluster), 500);
    (cluster, scene)
}

fn wait_for_standby(cluster: &Cluster, wait: bool) {
    let admin = cluster.connect("postgres", "postgres");
    let name = if wait { "'nobody'" } else { "''" };
    admin.run(&format!(
        "alter system set synchronous_standby_names = {name}"
    ));
    admin.run("select pg_reload_conf()");
    let deadline = Instant::now() + Duration::from_secs(30);
    while admin.text("show synchronous_standby_names") != name.replace('\'', "") {
        assert!(Instant::now() < deadline);
        thread::sleep(Duration::from_millis(10));
    }
}

/// Starts `run` and waits until its COMMIT hangs.
fn hang(cluster: &Cluster, run: Run) -> Running {
    let mut running = run.start();
    assert!(running.wait_for_text("\"commit\""), "{}", running.wait());
    let admin = cluster.connect("postgres", "postgres");
    let deadline = Instant::now() + Duration::from_secs(30);
    let waiting = "select count(*) from pg_stat_activity
                   where wait_event = 'SyncRep' and application_name ~ '^pgbelay'";
    while admin.text(waiting) != "1" {
        assert!(Instant::now() < deadline, "no COMMIT hangs");
        thread::sleep(Duration::from_millis(5));
    }
    running
}

#[test]
fn the_server_is_asked_when_its_answer_is_lost() {
    let (cluster, scene) = silent();
    let admin = cluster.connect("postgres", "postgres");
    let end = "select pg_terminate_backend(pid) from pg_stat_activity
               where wait_event = 'SyncRep' and application_name ~ '^pgbelay'";
    for undo in [false, true] {
        wait_for_standby(&cluster, true);
        let run = if undo {
            scenes::undo(&scene.sandbox, &["--json"])
        } else {
            scenes::to(&scene.sandbox, "0001", &["--json"])
        };
        let running = hang(&cluster, run);
        let cancelled = || {
            let log = cluster.log();
            log.matches("canceling the wait for synchronous replication")
                .count()
        };
        let before = cancelled();
        admin.run(end);
        while cancelled() == before {
            thread::sleep(Duration::from_millis(5));
        }
        // On its way out it drops its temporary tables, and that would wait again.
        wait_for_standby(&cluster, false);
        let output = running.wait();
        output.assert_exit(0).assert_says("it took effect");
        scene.assert_whole();
    }
    scene.above.assert_restored(&scene.sandbox);
}

#[test]
fn when_nobody_can_tell_everything_is_kept() {
    let (cluster, scene) = silent();
    for undo in [false, true] {
        wait_for_standby(&cluster, true);
        let run = if undo {
            scenes::undo(&scene.sandbox, &["--json"])
        } else {
            scenes::to(&scene.sandbox, "0001", &["--json"])
        };
        let running = hang(&cluster, run);
        let backups = complete_backups(&scene.sandbox);
        cluster.kill();
        let output = running.wait();
        assert_failed(&output, 1);
        for text in ["not known", "pg_xact_status", "migrate current"] {
            output.assert_says(text);
        }
        assert_eq!(complete_backups(&scene.sandbox), backups);
        cluster.start_again();
        wait_for_standby(&cluster, false);
        scene.assert_whole();
    }
    scene.finish_undo();
}
