//! A rollback as data: what will run, what it reaches, what it discards, what will be kept.

use std::collections::{BTreeMap, BTreeSet};

use crate::ident::{Digest, Revision, TableName};
use crate::model::lock::Lock;
use crate::model::loss::{Finding, Loss, Verdict};
use crate::model::migration::Script;
use crate::model::relation::Oid;

/// One migration to be taken back (or, for an undo, to be applied again).
#[derive(Debug, Clone)]
pub struct Step {
    /// Its revision.
    pub revision: Revision,
    /// Its name.
    pub name: String,
    /// The script that will run.
    pub script: Script,
    /// False when the script asks to run outside a transaction.
    pub transactional: bool,
}

impl Step {
    /// The migration applied again, by the script in the ledger.
    pub fn from_ledger(revision: Revision, name: &str, up: &str, transactional: bool) -> Self {
        let path = format!("ledger:{revision}_{name}");
        Self {
            revision,
            name: name.to_owned(),
            script: Script::new(path, up),
            transactional,
        }
    }
}

/// What becomes of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It goes, with all its rows.
    Dropped,
    /// It stays; some of its rows or columns go.
    Kept,
}

/// How much of a table's rows is saved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Extent {
    /// All rows, all columns.
    Full,
    /// All rows, but only the key and these columns.
    Columns(Vec<String>),
    /// The rows that these queries select (each yields the table's rows, all columns). The
    /// scripts change no others; what they really change is captured when it happens.
    Matching(Vec<String>),
}

/// What is saved of one table that stores rows, and how its rows are told apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coverage {
    /// The table.
    pub table: TableName,
    /// What becomes of it.
    pub fate: Fate,
    /// How much is saved.
    pub extent: Extent,
    /// The columns that identify a row before and after; empty: no key, rows are compared whole.
    pub key: Vec<String>,
    /// Columns whose type changes.
    pub retyped: Vec<String>,
    /// Columns that go.
    pub dropped: Vec<String>,
    /// True when statements of the scripts (or foreign keys, or triggers) may change its rows.
    pub rows_change: bool,
    /// True when definitions of this table change: it will be locked exclusively.
    pub redefined: bool,
    /// True when it goes and another table takes its name: their rows are compared.
    pub replaced: bool,
    /// Columns of the key that become shorter, and the number of characters that remain. The
    /// conversion cuts blanks off without a word.
    pub shortened: Vec<(String, u32)>,
}

/// Something that stands in the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The rule.
    pub rule: &'static str,
    /// The script.
    pub path: String,
    /// One-based line; 0 for the whole script.
    pub line: u32,
    /// What and why, as a sentence fragment.
    pub reason: String,
    /// True when `--force` may skip it (the snapshot then holds every table).
    pub forceable: bool,
}

/// Which tables get capture triggers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Capture {
    /// The tables, all of which store rows and survive long enough to be changed.
    pub tables: Vec<Oid>,
    /// True when code that can't be read may change any table: then all are listed.
    pub everything: bool,
}

impl Capture {
    /// The tables, and those whose definition changes: a TRUNCATE that reaches one of these by what a
    /// script has just added to it would look like any other rewriting.
    pub fn watched(&self, coverage: &BTreeMap<Oid, Coverage>) -> BTreeSet<Oid> {
        let redefined = coverage
            .iter()
            .filter(|(_, c)| c.redefined && c.fate != Fate::Dropped);
        let redefined = redefined.map(|(oid, _)| *oid);
        self.tables.iter().copied().chain(redefined).collect()
    }
}

/// Everything that a rollback will do.
#[derive(Debug, Clone)]
pub struct RollbackPlan {
    /// The database.
    pub database: String,
    /// Head of the ledger now.
    pub from: Option<Revision>,
    /// Head of the ledger afterwards; `None`: nothing applied.
    pub to: Option<Revision>,
    /// The migrations to take back, in the order in which that happens.
    pub steps: Vec<Step>,
    /// What is saved, by table.
    pub coverage: BTreeMap<Oid, Coverage>,
    /// Which tables are watched.
    pub capture: Capture,
    /// What is discarded.
    pub losses: Vec<Loss>,
    /// What the rules and the catalog say.
    pub findings: Vec<Finding>,
    /// What stands in the way.
    pub refusals: Vec<Refusal>,
    /// Definitions that go without being named in a script: `view public.v`.
    pub cascades: Vec<String>,
    /// Locks that the scripts will take, strongest per table.
    pub locks: Vec<Lock>,
    /// What could not be evaluated, and why.
    pub not_evaluated: Vec<String>,
    /// The first thing a reviewer needs.
    pub verdict: Verdict,
    /// Schema fingerprint now.
    pub fingerprint: Digest,
    /// Schema fingerprint recorded when the target was current.
    pub expected: Option<Digest>,
    /// Digest of scripts, ledger and structure: what a review was about. Row counts are left out.
    pub hash: Digest,
}
