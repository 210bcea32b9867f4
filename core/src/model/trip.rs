//! Round trips: what becomes of a schema and its rows on the way there and back.

use crate::ident::Revision;

/// What a rollback script is worth, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grade {
    /// It leads back to the very same schema, and rows that were there are as they were.
    Exact,
    /// The same, but that columns of some table stand in another order.
    Order,
    /// It leads back to the schema, and rows that were there before are gone or changed.
    Lossy,
    /// It leads to another schema.
    Differs,
    /// It fails.
    Broken,
    /// There is none, or nothing in it.
    Missing,
    /// The migration itself could not be applied.
    UpFailed,
}

impl Grade {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Exact,
        Self::Order,
        Self::Lossy,
        Self::Differs,
        Self::Broken,
        Self::Missing,
        Self::UpFailed,
    ];

    /// The stable word for machines.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Order => "order",
            Self::Lossy => "lossy",
            Self::Differs => "differs",
            Self::Broken => "broken",
            Self::Missing => "missing",
            Self::UpFailed => "up_failed",
        }
    }

    /// The grade that `word` stands for.
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|grade| grade.as_str() == word)
    }

    /// True when nothing is lost that counts.
    pub const fn is_good(self) -> bool {
        matches!(self, Self::Exact | Self::Order)
    }
}

/// One migration's way there, back, and there again.
#[derive(Debug, Clone)]
pub struct Trip {
    /// The migration.
    pub revision: Revision,
    /// Its name.
    pub name: String,
    /// What its rollback script is worth.
    pub grade: Grade,
    /// True when it could be applied again after that, and led to the same schema.
    pub reapplies: bool,
    /// True when it could be applied only once rows were taken away, since made-up ones don't know
    /// what an application promises.
    pub fewer_rows: bool,
    /// What differs, or why a script failed.
    pub difference: Option<String>,
}
