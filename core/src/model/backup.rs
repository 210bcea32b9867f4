//! Backups as the operations see them. How they lie on disk is the store's business.

use crate::clock::Timestamp;
use crate::ident::{BackupId, Digest, Revision, TableName};
use crate::model::signature::Signature;

/// Why a backup was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BackupKind {
    /// By hand.
    Manual,
    /// Before a migration.
    Premigrate,
    /// Before a rollback (or what an undo would destroy).
    Prerollback,
    /// A kind this version doesn't know; kept as written.
    Other(String),
}

impl BackupKind {
    /// The word in ids and manifests.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Manual => "manual",
            Self::Premigrate => "premigrate",
            Self::Prerollback => "prerollback",
            Self::Other(word) => word,
        }
    }

    /// The kind written as `word`.
    pub fn from_word(word: &str) -> Self {
        match word {
            "manual" => Self::Manual,
            "premigrate" => Self::Premigrate,
            "prerollback" => Self::Prerollback,
            other => Self::Other(other.to_owned()),
        }
    }
}

/// How objects are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// zstd at a level.
    Zstd(i32),
    /// gzip at a level.
    Gzip(u32),
    /// Not at all.
    None,
}

/// What the rows of a part are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartRole {
    /// All rows of a table, all columns that can be written.
    Rows,
    /// Some columns of a table (key and values that go), or a subset of its rows: kept in a
    /// staging table, never copied into the live one.
    Values,
    /// Rows that changed between the snapshot and the lock, as they were under the lock; the
    /// columns are those of the part that they add to.
    Changed,
    /// Keys of the rows that were there under the lock; rows of the snapshot whose key is not
    /// among them had been deleted by then.
    Keys,
    /// Rows that a script changed: before and after, as text.
    Effects,
    /// Rows as the rollback left them, as text.
    Left,
    /// Keys of the rows that were there when the rollback was done, as text: a row with another key
    /// was written since.
    Present,
    /// Keys of the rows of a small table as the rollback left them, and a hash of all that it kept
    /// beside, as text: a row that looks otherwise was written since.
    Looks,
    /// Rows of a materialized view, which nobody can write into one.
    Stored,
}

impl PartRole {
    /// All roles.
    pub const ALL: [Self; 9] = [
        Self::Rows,
        Self::Values,
        Self::Changed,
        Self::Keys,
        Self::Effects,
        Self::Left,
        Self::Present,
        Self::Looks,
        Self::Stored,
    ];

    /// The word in `private.json`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rows => "rows",
            Self::Values => "values",
            Self::Changed => "changed",
            Self::Keys => "keys",
            Self::Effects => "effects",
            Self::Left => "left",
            Self::Present => "present",
            Self::Looks => "looks",
            Self::Stored => "stored",
        }
    }
}

/// A stream of rows kept in a backup: of which table, which columns, in what role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The table the rows belong to.
    pub table: TableName,
    /// What the rows are.
    pub role: PartRole,
    /// The columns and their types, in COPY order.
    pub columns: Vec<PartColumn>,
    /// The columns among them that find a row again; empty when the table has no key.
    pub key: Vec<String>,
}

/// A column of a part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartColumn {
    /// The name.
    pub name: String,
    /// The type, as `format_type` writes it under an empty `search_path`.
    pub type_name: String,
}

/// What the manifest says of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableFacts {
    /// The table.
    pub table: TableName,
    /// Rows kept.
    pub rows: u64,
    /// Chunks it lies in.
    pub chunks: u64,
}

/// A table that was left out, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// The table.
    pub table: TableName,
    /// The reason.
    pub reason: String,
}

/// How deeply a backup is looked at. Each level includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum VerifyLevel {
    /// Manifest valid, every object present with its size, no stranger.
    Listed,
    /// Every object's digest.
    Hashed,
    /// Everything decrypted, decompressed, counted and hashed.
    Decrypted,
    /// Restored into a scratch database and compared.
    Restored,
}

impl VerifyLevel {
    /// The word on the command line and in sidecars.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Listed => "listed",
            Self::Hashed => "hashed",
            Self::Decrypted => "decrypted",
            Self::Restored => "restored",
        }
    }
}

/// Public facts of a backup, from its manifest (or, incomplete, from its `begin.json`).
#[derive(Debug, Clone)]
pub struct BackupFacts {
    /// Its id.
    pub id: BackupId,
    /// Why it was made.
    pub kind: BackupKind,
    /// False while it has no valid manifest.
    pub complete: bool,
    /// When it was begun.
    pub started: Timestamp,
    /// When it was finished.
    pub finished: Option<Timestamp>,
    /// The database.
    pub database: String,
    /// `--name`.
    pub name: Option<String>,
    /// `--reason`.
    pub reason: Option<String>,
    /// Head of the ledger at the snapshot.
    pub revision: Option<Revision>,
    /// For a rollback: the revision being returned to.
    pub target: Option<Revision>,
    /// The backup this one adds to.
    pub continues: Option<BackupId>,
    /// The server's version, as it says it.
    pub server_version: String,
    /// True when the whole database can be restored from it.
    pub whole: bool,
    /// Tables, with rows and chunks.
    pub tables: Vec<TableFacts>,
    /// Tables left out.
    pub skipped: Vec<Skipped>,
    /// Size of all objects.
    pub bytes: u64,
    /// Number of objects.
    pub objects: u64,
    /// Who can open it.
    pub recipients: Vec<String>,
    /// How many passphrases open it besides.
    pub passphrases: u64,
    /// Digest of the manifest, once complete.
    pub manifest: Option<Digest>,
    /// Deepest and latest successful verification since the last one that failed.
    pub verified: Option<(VerifyLevel, Timestamp)>,
    /// The last verification that failed, unless a later one went as deep and passed.
    pub failed: Option<(VerifyLevel, Timestamp)>,
    /// Kept from pruning.
    pub pinned: bool,
    /// The fingerprint of the key that signed it, as its manifest says.
    pub signer: Option<String>,
    /// What is known of the signature; `None`: nobody looked.
    pub signature: Option<Signature>,
}

impl BackupFacts {
    /// Ids and manifest digests of `backups`, for the journal.
    pub fn references(backups: &[Self]) -> (Vec<BackupId>, Vec<Digest>) {
        let ids = backups.iter().map(|b| b.id.clone()).collect();
        let digests = backups.iter().filter_map(|b| b.manifest).collect();
        (ids, digests)
    }
}

/// What vouches for a backup from outside the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Voucher {
    /// The journal of the database names it, with this very manifest.
    Journal,
    /// The digest of its manifest was given.
    Expected,
    /// An allowed signer has signed it.
    Signature,
    /// This machine made it, or remembers that something vouched for it.
    Machine,
}

impl Voucher {
    /// The word in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Journal => "journal",
            Self::Expected => "expected",
            Self::Signature => "signature",
            Self::Machine => "machine",
        }
    }

    /// The same for people.
    pub const fn describe(self) -> &'static str {
        match self {
            Self::Journal => "the journal of the database",
            Self::Expected => "the digest given by --expect",
            Self::Signature => "the signature of an allowed signer",
            Self::Machine => "the digest that this machine remembers",
        }
    }
}

/// An entry of a store that can't be read, so that nobody can say what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// The id that its name stands for; `None` for the folder of a whole database.
    pub id: Option<BackupId>,
    /// The database whose folder it is, or lies in.
    pub database: String,
    /// Where it lies.
    pub place: String,
    /// What is wrong with it.
    pub why: String,
}

/// All that lies in a store.
#[derive(Debug, Default)]
pub struct Listing {
    /// The backups, oldest first, incomplete ones too.
    pub backups: Vec<BackupFacts>,
    /// What can't be read, by place.
    pub unreadable: Vec<Unreadable>,
}

/// The state of a sequence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SequenceState {
    /// The sequence.
    pub name: TableName,
    /// `last_value`.
    pub last_value: i64,
    /// `is_called`.
    pub is_called: bool,
}
