//! Interruptions at any moment: wherever a run stopped, the database is wholly at one revision,
//! every backup that counts is sound, nothing of ours stays, and the same command finishes the
//! job.

// Backups: killed at any moment, and on disks that are full at any write.
mod backups;
// COMMIT without an answer.
mod commit;
// kill -9 of the binary, at random moments of every phase.
mod kills;
// A server with room for few locks.
mod locks;
// What is durable before what.
mod order;
// Servers that die, backends that are ended, and Ctrl-C.
mod servers;

use std::fs;

use crate::harness::Sandbox;
use crate::harness::binary::Output;
use crate::harness::state::{Catalog, assert_same_content};
use crate::scenes::{self, State, assert_backups_sound, assert_discreet, assert_nothing_left};

/// A database with something of every kind to lose on the way from 0002 back to 0001.
pub struct Scene {
    /// Where it happens.
    pub sandbox: Sandbox,
    /// At 0002.
    pub above: State,
    /// At 0001, after the rollback.
    pub below: (std::collections::BTreeMap<String, String>, Catalog),
}

/// Fills `sandbox` with `rows` rows in its largest table.
pub fn prepare(sandbox: &Sandbox, rows: u32) {
    sandbox.migration(
        "0001_init",
        "create table events (id int primary key, kind text, n numeric(20, 0));
         create table plain (kind text, n int)",
        "drop table events, plain",
    );
    sandbox.migration(
        "0002_more",
        "alter table events add payload text;\n\
         alter table events alter n type numeric(30, 2);\n\
         create table extra (id serial primary key, event int references events);\n\
         create index events_kind on events (kind)",
        "drop index events_kind;\ndrop table extra;\n\
         alter table events alter n type numeric(20, 0);\n\
         delete from plain where n % 2 = 0;\n\
         update events set kind = 'old' where id % 5 = 0;\n\
         alter table events drop payload",
    );
    sandbox.run("migrate", &["upgrade"]).assert_exit(0);
    sandbox.sql(&format!(
        "insert into events select i, 'k' || i % 7, i + 0.25, 'secretvalue' || md5(i::text)
         from generate_series(1, {rows}) i;
         insert into extra (event) select i from generate_series(1, {rows} / 4) i;
         insert into plain select 'p' || i % 3, i % 9 from generate_series(1, 500) i; analyze"
    ));
}

impl Scene {
    /// A scene on the shared server.
    pub fn new(rows: u32) -> Self {
        Self::of(Sandbox::new(), rows)
    }

    /// A scene in `sandbox`.
    pub fn of(sandbox: Sandbox, rows: u32) -> Self {
        prepare(&sandbox, rows);
        let above = State::of(&sandbox);
        scenes::to(&sandbox, "0001", &[]).run().assert_exit(0);
        let below = (sandbox.content(), sandbox.catalog());
        scenes::undo(&sandbox, &[]).run().assert_exit(0);
        above.assert_restored(&sandbox);
        let scene = Self {
            sandbox,
            above,
            below,
        };
        scene.forget_backups();
        scene
    }

    /// Removes all backups, so that checking the next ones is quick.
    pub fn forget_backups(&self) {
        let _ = fs::remove_dir_all(self.sandbox.backups());
    }

    /// The head of the ledger.
    pub fn head(&self) -> String {
        let head = "select coalesce(max(revision), '') from pgbelay.ledger";
        self.sandbox.query_text(head)
    }

    /// Panics unless the database is wholly at the revision that its ledger names and nothing of
    /// ours is left; returns that revision.
    #[track_caller]
    pub fn assert_whole(&self) -> String {
        assert_nothing_left(&self.sandbox);
        let head = self.head();
        if head == "0002" {
            self.above.assert_restored(&self.sandbox);
        } else {
            assert_eq!(head, "0001");
            assert_same_content(&self.below.0, &self.sandbox.content());
            let catalog = self.sandbox.catalog();
            self.below.1.assert_same_but_for_order(&catalog);
        }
        assert_backups_sound(&self.sandbox);
        head
    }

    /// The same command again, after an interruption of `rollback to`.
    #[track_caller]
    pub fn finish_rollback(&self) {
        let output = scenes::to(&self.sandbox, "0001", &[]).run();
        output.assert_exit(0);
        assert_discreet(&output);
        assert_eq!(self.head(), "0001");
    }

    /// The same command again, after an interruption of `rollback undo`.
    #[track_caller]
    pub fn finish_undo(&self) {
        if self.head() == "0001" {
            let output = scenes::undo(&self.sandbox, &[]).run();
            output.assert_exit(0);
            assert_discreet(&output);
        }
        self.above.assert_restored(&self.sandbox);
    }
}

/// Panics unless `output` says one thing that went wrong and no secret.
#[track_caller]
fn assert_failed(output: &Output, code: i32) {
    output.assert_exit(code);
    assert_discreet(output);
}
