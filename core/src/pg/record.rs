//! What a rollback writes into the journal for a later undo: names, numbers and digests, never a
//! row value.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::ident::{Digest, TableName};
use crate::model::backup::SequenceState;
use crate::model::ledger::{Record, Verb};
use crate::model::proof::Proof;
use crate::model::relation::Oid;
use crate::pg::inserted::Inserted;
use crate::pg::layout::Layout;

/// Where the record of a run that failed has the rows that it inserted into tables and took back.
pub const INSERTED: &str = "inserted";

/// All that an undo needs besides the backups.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Details {
    /// Version of this record.
    pub version: u32,
    /// The ledger rows that were taken back, newest first.
    pub entries: Vec<EntryRecord>,
    /// Schema fingerprint before the rollback.
    pub before: String,
    /// Schema fingerprint after it.
    pub after: String,
    /// The tables that were covered or changed.
    pub tables: Vec<TableRecord>,
    /// The rollback's own transaction: rows with a newer one were written since.
    pub transaction: String,
    /// Materialized views that held rows before.
    #[serde(default)]
    pub populated: Vec<(String, String)>,
    /// Those among them that the rollback filled anew.
    #[serde(default)]
    pub refilled: Vec<(String, String)>,
    /// Sequence positions under the locks, before the scripts ran.
    pub sequences_before: Vec<SequenceRecord>,
    /// Sequence positions just after them.
    pub sequences_after: Vec<SequenceRecord>,
    /// What the server counted when all was done; `None` where that was not recorded.
    #[serde(default)]
    pub inserted: Option<Inserted>,
    /// Whether the undo was tried; `None` before that was recorded.
    #[serde(default)]
    pub proof: Option<Proof>,
}

/// A ledger row, to be put back as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryRecord {
    /// Order of application.
    pub sequence: i64,
    /// The revision.
    pub revision: String,
    /// The name.
    pub name: String,
    /// The up script as applied.
    pub up_text: String,
    /// The rollback script that ran.
    pub down_text: Option<String>,
    /// Whether it runs in a transaction.
    pub transactional: bool,
    /// The batch.
    pub batch: i64,
    /// When it had been applied first, RFC 3339.
    pub applied_at: String,
    /// By whom.
    pub applied_by: String,
    /// How long it took.
    pub duration_ms: i64,
    /// Schema fingerprints around it.
    pub fingerprint_before: Option<String>,
    /// Schema fingerprint just after it.
    pub fingerprint_after: Option<String>,
    /// What it changed in the schema, as the ledger has it.
    #[serde(default)]
    pub change: Option<String>,
}

/// One table, before and after the rollback.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableRecord {
    /// Its name before.
    pub before: (String, String),
    /// Its name after; `None`: it was dropped.
    pub after: Option<(String, String)>,
    /// Its columns before.
    pub columns: Vec<ColumnRecord>,
    /// Its columns after: number and name.
    pub columns_after: Vec<(i16, String)>,
    /// Numbers of the columns that identify a row; empty: rows are compared whole.
    pub key: Vec<i16>,
    /// What the snapshot holds of it.
    pub saved: Saved,
    /// Numbers of the columns that went.
    pub dropped: Vec<i16>,
    /// Numbers of the columns whose type changed.
    pub retyped: Vec<i16>,
    /// All rows were removed at once.
    pub truncated: bool,
    /// Numbers of the columns that the record of changed rows holds; empty: no row changed.
    pub effects: Vec<i16>,
    /// The table's oid where the rollback left the table itself in place, so that its columns keep
    /// their numbers; 0: it didn't.
    #[serde(default)]
    pub oid: Oid,
    /// What became of columns since the rollback, by their names before: another name, or none.
    /// Worked out when it is undone.
    #[serde(skip)]
    pub since: BTreeMap<String, Option<String>>,
    /// What an undo of this table alone put back before, by the journal. Worked out when it is
    /// undone.
    #[serde(skip)]
    pub put_back: Option<PutBack>,
}

/// Rows of a table that are back already: they are left out of what is left to undo.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PutBack {
    /// The undo's place in the journal.
    pub by: i64,
    /// How many rows it laid aside instead.
    pub aside: u64,
    /// What [`TableRecord::effects`] was.
    pub effects: Vec<i16>,
    /// What [`TableRecord::truncated`] was.
    pub truncated: bool,
}

/// What an undo of some tables writes into the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartRecord {
    /// The rollback's place in the journal.
    pub part_of: i64,
    /// The tables that were asked for.
    pub tables: Vec<String>,
    /// The tables in which rows were laid aside.
    pub rescued: Vec<String>,
    /// Those whose rows are done with: a later undo leaves them out.
    #[serde(default)]
    pub put_back: Vec<PartTableRecord>,
}

/// A table whose rows an undo put back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartTableRecord {
    /// Its place in the rollback's record.
    pub place: usize,
    /// How many of its rows were laid aside.
    pub aside: u64,
}

/// What the snapshot holds of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Saved {
    /// All rows, all columns.
    Full,
    /// All rows, the key and some columns.
    Columns,
    /// Some rows; the record of changed rows is what counts.
    Matching,
    /// Nothing.
    Nothing,
}

/// A column before the rollback.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnRecord {
    /// Its number.
    pub number: i16,
    /// Its name.
    pub name: String,
    /// Its type.
    pub type_name: String,
    /// Generated columns are never written.
    pub generated: bool,
}

impl TableRecord {
    /// Its name before.
    pub fn name_before(&self) -> TableName {
        TableName::new(&self.before.0, &self.before.1)
    }

    /// Its name after.
    pub fn name_after(&self) -> Option<TableName> {
        let (schema, name) = self.after.as_ref()?;
        Some(TableName::new(schema, name))
    }

    /// The column with `number`.
    pub fn column(&self, number: i16) -> Option<&ColumnRecord> {
        self.columns.iter().find(|c| c.number == number)
    }

    /// The names of the columns that identify a row.
    pub fn key_names(&self) -> Vec<String> {
        let columns = self.key.iter().filter_map(|n| self.column(*n));
        columns.map(|c| c.name.clone()).collect()
    }

    /// The name that column `number` has after the rollback.
    pub fn after(&self, number: i16) -> Option<&str> {
        let found = self.columns_after.iter().find(|c| c.0 == number);
        found.map(|c| c.1.as_str())
    }

    /// What the column called `name` before the rollback is called now; `None`: it is gone since.
    pub fn now<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        let since = self.since.get(name);
        since.map_or(Some(name), |now| now.as_deref())
    }

    /// The columns that can be written, as they were before.
    pub fn written(&self) -> impl Iterator<Item = &ColumnRecord> {
        self.columns.iter().filter(|c| !c.generated)
    }

    /// True when converted values were kept as the rollback left them.
    pub fn has_left(&self) -> bool {
        let converted = self.retyped.iter().any(|n| !self.key.contains(n));
        converted && !self.key.is_empty() && self.after.is_some()
    }

    /// How the converted values are kept, together with the key.
    pub fn layout_of_left(&self) -> Layout {
        let retyped = self.retyped.iter().filter(|n| !self.key.contains(n));
        let all = self.key.iter().chain(retyped).copied();
        let there: Vec<i16> = all.filter(|n| self.after(*n).is_some()).collect();
        Layout::of(&there)
    }

    /// Leaves out what the undo at place `by` of the journal put back, but for `aside` rows.
    fn leave_out(&mut self, by: i64, aside: u64) {
        let before = self.put_back.get_or_insert_default();
        before.by = by;
        before.aside += aside;
        before.truncated |= std::mem::take(&mut self.truncated);
        if before.effects.is_empty() {
            before.effects = std::mem::take(&mut self.effects);
        }
    }

    /// True when rows that stay get something back, and are found by their key.
    pub fn finds_rows(&self) -> bool {
        let gets = self.reshaped() || !self.effects.is_empty();
        gets && self.oid != 0 && !self.key.is_empty() && self.put_back.is_none()
    }

    /// True when columns went or changed their type: the rows' old values are in the snapshot.
    pub fn reshaped(&self) -> bool {
        !self.dropped.is_empty() || !self.retyped.is_empty()
    }
}

impl PartRecord {
    /// As JSON.
    pub fn to_json(&self) -> Result<String> {
        serde_json::to_string(self)
            .map_err(|e| Error::failed("could not write the record of the undo").caused_by(e))
    }
}

impl Details {
    /// As JSON.
    pub fn to_json(&self) -> Result<String> {
        serde_json::to_string(self)
            .map_err(|e| Error::failed("could not write the record of the rollback").caused_by(e))
    }

    /// What `rollback` recorded and is not undone yet: what undos of single tables put back, by
    /// the journal's `records`, is left out.
    pub fn of_rollback(records: &[Record], rollback: &Record) -> Result<Self> {
        let mut details = Self::from_json(&rollback.details)?;
        for undo in records.iter().filter(|r| r.verb == Verb::Undo) {
            // Other undos have other details.
            let part = serde_json::from_str::<PartRecord>(&undo.details);
            let Some(part) = part.ok().filter(|p| p.part_of == rollback.sequence) else {
                continue;
            };
            for done in part.put_back {
                if let Some(table) = details.tables.get_mut(done.place) {
                    table.leave_out(undo.sequence, done.aside);
                }
            }
        }
        let failed = records.iter().filter(|r| r.verb == Verb::Failed);
        for failed in failed.filter(|r| r.sequence > rollback.sequence) {
            details.count_taken_back(&failed.details);
        }
        Ok(details)
    }

    /// From JSON.
    pub fn from_json(text: &str) -> Result<Self> {
        let details: Self = serde_json::from_str(text).map_err(|e| {
            Error::failed("the journal's record of this rollback can't be read").caused_by(e)
        })?;
        if details.version == 1 {
            Ok(details)
        } else {
            Err(Error::failed(format!(
                "the journal's record is of version {}, which this program doesn't know",
                details.version
            ))
            .hint("use a newer pgbelay"))
        }
    }

    /// What a run that failed inserted and took back is counted, and by nobody else.
    fn count_taken_back(&mut self, failed: &str) {
        let counted = self.inserted.as_mut().and_then(|i| i.rows.as_mut());
        let failed: Option<serde_json::Value> = serde_json::from_str(failed).ok();
        let inserted = failed.as_ref().and_then(|f| f.get(INSERTED));
        let (Some(counted), Some(inserted)) = (counted, inserted) else {
            return;
        };
        let inserted: BTreeMap<Oid, i64> =
            serde_json::from_value(inserted.clone()).unwrap_or_default();
        for (table, rows) in inserted {
            counted.entry(table).and_modify(|n| *n += rows);
        }
    }

    /// The tables in which rows that stay get something back.
    pub fn finding_rows(&self) -> Vec<Oid> {
        let tables = self.tables.iter().filter(|t| t.finds_rows());
        tables.map(|t| t.oid).collect()
    }

    /// The fingerprint before the rollback.
    pub fn fingerprint_before(&self) -> Result<Digest> {
        self.before.parse()
    }
}

/// Where a sequence stood: schema, name, last value, called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SequenceRecord(pub String, pub String, pub i64, pub bool);

impl SequenceRecord {
    /// The record of `state`.
    pub fn of(state: &SequenceState) -> Self {
        let TableName { schema, name } = state.name.clone();
        Self(schema, name, state.last_value, state.is_called)
    }

    /// The state that was recorded.
    pub fn state(&self) -> SequenceState {
        SequenceState {
            name: TableName::new(&self.0, &self.1),
            last_value: self.2,
            is_called: self.3,
        }
    }
}
