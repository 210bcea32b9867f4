//! What the database itself remembers: the ledger of what is applied and the journal of every run.

use crate::clock;
use crate::clock::Timestamp;
use crate::ident::{BackupId, Digest, Revision};
use crate::model::migration::{Migration, Script};

/// A row of the ledger: one migration that is applied now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Order of application; rollbacks go backwards along it.
    pub sequence: i64,
    /// The migration's revision.
    pub revision: Revision,
    /// The migration's name.
    pub name: String,
    /// Checksum of the up script as applied.
    pub up_checksum: Digest,
    /// The up script as applied.
    pub up_text: String,
    /// Checksum of the rollback script at that time, if there was one.
    pub down_checksum: Option<Digest>,
    /// The rollback script at that time.
    pub down_text: Option<String>,
    /// False for `transaction: off`.
    pub transactional: bool,
    /// Runs of `migrate upgrade` are numbered; all migrations of one run share the number.
    pub batch: i64,
    /// When it was applied.
    pub applied_at: Timestamp,
    /// The PostgreSQL role and the person or host, as far as known.
    pub applied_by: String,
    /// How long the script ran.
    pub duration_ms: i64,
    /// Schema fingerprint just before; `None` when it was not taken.
    pub fingerprint_before: Option<Digest>,
    /// Schema fingerprint just after.
    pub fingerprint_after: Option<Digest>,
    /// What it changed in the schema, as JSON; `None` when that was not recorded.
    pub change: Option<String>,
}

impl Entry {
    /// The entry of `migration` as it stands in its files, applied by `by` in run `batch`. What
    /// only a run can know (fingerprints, what changed, how long it took) is left open.
    pub fn of(migration: &Migration, batch: i64, by: &str) -> Self {
        let down = migration.down.as_ref();
        Self {
            sequence: 0,
            revision: migration.revision.clone(),
            name: migration.name.clone(),
            up_checksum: migration.up.checksum(),
            up_text: migration.up.text.clone(),
            down_checksum: down.map(Script::checksum),
            down_text: down.map(|down| down.text.clone()),
            transactional: migration.transactional,
            batch,
            applied_at: clock::now(),
            applied_by: by.to_owned(),
            duration_ms: 0,
            fingerprint_before: None,
            fingerprint_after: None,
            change: None,
        }
    }
}

/// What a run was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// A migration was applied.
    Upgrade,
    /// Migrations were taken back.
    Rollback,
    /// A rollback was reversed.
    Undo,
    /// A run that somebody had consented to came to nothing; its details say which, and why.
    Failed,
    /// The ledger was set to a revision; no script ran.
    Stamp,
    /// The ledger was begun on a database that was there already.
    Baseline,
    /// The ledger was brought in line with the files, or with what was done by hand.
    Repair,
    /// What another tool had applied was taken over.
    Adopt,
    /// Seeds or repeatable scripts ran.
    Seed,
    /// Everything was dropped, to apply all migrations again.
    Fresh,
    /// A backup was made by hand: nothing changed but the journal, which can vouch for it.
    Backup,
}

impl Verb {
    const ALL: [Self; 11] = [
        Self::Upgrade,
        Self::Rollback,
        Self::Undo,
        Self::Failed,
        Self::Stamp,
        Self::Baseline,
        Self::Repair,
        Self::Adopt,
        Self::Seed,
        Self::Fresh,
        Self::Backup,
    ];

    /// The word stored in the journal.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Upgrade => "upgrade",
            Self::Rollback => "rollback",
            Self::Undo => "undo",
            Self::Failed => "failed",
            Self::Stamp => "stamp",
            Self::Baseline => "baseline",
            Self::Repair => "repair",
            Self::Adopt => "adopt",
            Self::Seed => "seed",
            Self::Fresh => "fresh",
            Self::Backup => "backup",
        }
    }

    /// The verb stored as `word`.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|verb| verb.as_str() == word)
    }
}

/// A row of the journal, which only ever grows. Each row carries the digest of the one before.
#[derive(Debug, Clone)]
pub struct Record {
    /// Position in the journal.
    pub sequence: i64,
    /// What was done.
    pub verb: Verb,
    /// Head of the ledger before.
    pub from: Option<Revision>,
    /// Head of the ledger after.
    pub to: Option<Revision>,
    /// When it was committed.
    pub at: Timestamp,
    /// Who and from where.
    pub by: String,
    /// `--reason`.
    pub reason: Option<String>,
    /// Flags that weakened a check, and how consent was given.
    pub consent: String,
    /// The backups that hold what was destroyed, the one taken first in front.
    pub backups: Vec<BackupId>,
    /// Digest of the manifest of each of `backups`.
    pub manifests: Vec<Digest>,
    /// For an undo: the journal sequence of the rollback that it reversed.
    pub reverses: Option<i64>,
    /// Everything an undo needs besides the backups, as JSON: the ledger rows taken back, schema
    /// fingerprints before and after.
    pub details: String,
}
