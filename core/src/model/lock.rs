//! Table locks.

use crate::ident::TableName;

/// The modes of a table lock above plain reading, the weakest first (PostgreSQL's manual, "Explicit
/// Locking").
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LockMode {
    /// What writes rows.
    RowExclusive,
    /// Keeps out other changes of definitions.
    ShareUpdateExclusive,
    /// Keeps writers out.
    Share,
    /// Keeps writers and its like out.
    ShareRowExclusive,
    /// Keeps out all but readers.
    Exclusive,
    /// Keeps everybody out.
    AccessExclusive,
}

impl LockMode {
    /// All of them, the weakest first.
    pub const ALL: [Self; 6] = [
        Self::RowExclusive,
        Self::ShareUpdateExclusive,
        Self::Share,
        Self::ShareRowExclusive,
        Self::Exclusive,
        Self::AccessExclusive,
    ];

    /// As SQL says it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RowExclusive => "ROW EXCLUSIVE",
            Self::ShareUpdateExclusive => "SHARE UPDATE EXCLUSIVE",
            Self::Share => "SHARE",
            Self::ShareRowExclusive => "SHARE ROW EXCLUSIVE",
            Self::Exclusive => "EXCLUSIVE",
            Self::AccessExclusive => "ACCESS EXCLUSIVE",
        }
    }

    /// As `pg_locks.mode` says it.
    pub const fn in_catalog(self) -> &'static str {
        match self {
            Self::RowExclusive => "RowExclusiveLock",
            Self::ShareUpdateExclusive => "ShareUpdateExclusiveLock",
            Self::Share => "ShareLock",
            Self::ShareRowExclusive => "ShareRowExclusiveLock",
            Self::Exclusive => "ExclusiveLock",
            Self::AccessExclusive => "AccessExclusiveLock",
        }
    }

    /// The mode that SQL or the catalog calls `word`.
    pub fn called(word: &str) -> Option<Self> {
        let known =
            |mode: &Self| word.eq_ignore_ascii_case(mode.as_str()) || word == mode.in_catalog();
        Self::ALL.into_iter().find(known)
    }
}

/// A lock that a rollback will hold until its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lock {
    /// On what.
    pub table: TableName,
    /// The strongest mode.
    pub mode: LockMode,
    /// What we take before the first statement, since rows are saved or watched, or definitions
    /// kept; `None`: it comes when a script comes to it.
    pub ahead: Option<LockMode>,
}
