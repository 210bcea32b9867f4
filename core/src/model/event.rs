//! What an operation tells while it works. Progress bars, JSON lines and logs are observers.

use std::time::Duration;

use crate::ident::{BackupId, Revision};

/// The part of an operation that is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Waiting for the migration lock.
    Lock,
    /// Finding out what will happen.
    Plan,
    /// Reading data into a backup.
    Snapshot,
    /// Reading a backup back.
    Verify,
    /// Getting table locks.
    TableLocks,
    /// Saving what changed since the snapshot.
    Recapture,
    /// Running scripts.
    Scripts,
    /// Comparing what happened with what was announced.
    Guard,
    /// Loading rows back.
    Restore,
    /// Comparing rows and putting them back.
    Reconcile,
    /// Trying the undo, before anything is final.
    Proof,
    /// Making it final.
    Commit,
}

impl Phase {
    /// The stable word for machines.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Lock => "lock",
            Self::Plan => "plan",
            Self::Snapshot => "snapshot",
            Self::Verify => "verify",
            Self::TableLocks => "table_locks",
            Self::Recapture => "recapture",
            Self::Scripts => "scripts",
            Self::Guard => "guard",
            Self::Restore => "restore",
            Self::Reconcile => "reconcile",
            Self::Proof => "proof",
            Self::Commit => "commit",
        }
    }

    /// The words for people: what is being done now.
    pub const fn describe(self) -> &'static str {
        match self {
            Self::Lock => "waiting for the migration lock",
            Self::Plan => "finding out what will happen",
            Self::Snapshot => "saving data",
            Self::Verify => "reading the backup back",
            Self::TableLocks => "getting table locks",
            Self::Recapture => "saving what changed since the snapshot",
            Self::Scripts => "running scripts",
            Self::Guard => "comparing what happened with what was announced",
            Self::Restore => "loading saved rows",
            Self::Reconcile => "putting rows back",
            Self::Proof => "trying the undo",
            Self::Commit => "committing",
        }
    }
}

/// Something just happened. No event carries a row value or a secret.
#[derive(Debug, Clone)]
pub enum Event {
    /// A phase began.
    Phase(Phase),
    /// Progress within the phase: `done` of `total` (0: unknown) rows of `what`.
    Progress {
        /// The phase.
        phase: Phase,
        /// A table's name, or what else is being worked on.
        what: String,
        /// Rows so far.
        done: u64,
        /// Rows in all, 0 when unknown.
        total: u64,
    },
    /// Progress of the phase as a whole, across all tables.
    Overall {
        /// The phase.
        phase: Phase,
        /// Rows so far.
        rows: u64,
        /// Bytes of rows so far, as text.
        bytes: u64,
        /// How much of the work is done, from 0 to 1.
        share: f64,
        /// Since when.
        elapsed: Duration,
    },
    /// Somebody else holds a lock that is needed.
    Waiting {
        /// What is being waited for and who holds it, without row values.
        on: String,
        /// Since when.
        waited: Duration,
    },
    /// A script of a migration is about to run.
    MigrationStarted {
        /// The migration.
        revision: Revision,
        /// Its name.
        name: String,
        /// True for the way back.
        back: bool,
    },
    /// A statement ran.
    Statement {
        /// The migration.
        revision: Revision,
        /// One-based line in the script.
        line: u32,
    },
    /// A script of a migration ran.
    MigrationFinished {
        /// The migration.
        revision: Revision,
        /// Its name.
        name: String,
        /// True for the way back.
        back: bool,
        /// How long it took.
        took: Duration,
    },
    /// A backup became complete.
    BackupComplete {
        /// Its id.
        id: BackupId,
        /// Rows it holds.
        rows: u64,
        /// Its size.
        bytes: u64,
    },
    /// A statement is about to be sent: its text, literals masked. Only when echo is on.
    Sql(String),
    /// Something worth knowing that does not stop the run.
    Warning(String),
    /// A fact for `-v`.
    Note(String),
}

/// Something that listens. Called from the operation's own task; must not block for long.
pub trait Observer: Send + Sync {
    /// Takes note of `event`.
    fn observe(&self, event: Event);
}

/// An observer that does nothing.
#[derive(Debug, Clone, Copy)]
pub struct Silent;

impl Observer for Silent {
    fn observe(&self, _event: Event) {}
}
