//! What callers tell the store about a backup: when it begins, and when it is committed.

use std::path::PathBuf;

use crate::ident::BackupId;
use crate::ident::Revision;
use crate::model::backup::BackupKind;
use crate::model::backup::Compression;
use crate::model::backup::Skipped;

/// What is known when a backup begins.
#[derive(Debug, Clone)]
pub struct NewBackup {
    /// Why it is made.
    pub kind: BackupKind,
    /// A revision or name that becomes part of the id.
    pub label: Option<String>,
    /// `--name`.
    pub name: Option<String>,
    /// `--reason`.
    pub reason: Option<String>,
    /// The database.
    pub database: String,
    /// age recipients, each with an optional label behind it.
    pub recipients: Vec<String>,
    /// The file with the key that signs the manifest; `None`: nobody does.
    pub signing_key: Option<PathBuf>,
    /// How objects are compressed.
    pub compression: Compression,
    /// Who makes it and from where: `user@host`.
    pub actor: String,
}

/// What of the database a backup covers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// Which tables.
    pub selection: Selection,
    /// No rows.
    pub schema_only: bool,
    /// No schema.
    pub data_only: bool,
}

/// Which tables a backup covers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    /// All.
    Full,
    /// Those that match.
    Patterns {
        /// Patterns to take in; empty for all.
        include: Vec<String>,
        /// Patterns to leave out.
        exclude: Vec<String>,
    },
}

impl Selection {
    /// True when no table was left out on purpose.
    pub const fn is_full(&self) -> bool {
        matches!(self, Self::Full)
    }
}

/// What is known once everything was read.
#[derive(Debug, Clone, PartialEq)]
pub struct CommitFacts {
    /// Head of the ledger at the snapshot.
    pub revision: Option<Revision>,
    /// For a rollback: the revision being returned to.
    pub target: Option<Revision>,
    /// The backup this one adds to.
    pub continues: Option<BackupId>,
    /// The server's version, as it says it.
    pub server_version: String,
    /// The cluster's system identifier.
    pub system_identifier: String,
    /// The database's encoding.
    pub encoding: String,
    /// The database's collation.
    pub collation: String,
    /// The database's size.
    pub database_bytes: i64,
    /// True when a standby was read.
    pub standby: bool,
    /// What is covered.
    pub scope: Scope,
    /// Tables left out.
    pub skipped: Vec<Skipped>,
    /// Settings the dump ran under. Kept private.
    pub settings: Vec<(String, String)>,
    /// The version of `pg_dump`, if it was used. Kept private.
    pub pg_dump_version: Option<String>,
    /// Extensions and their versions. Kept private.
    pub extensions: Vec<(String, String)>,
    /// What the operations need to know later. Kept private.
    pub details: serde_json::Value,
}
