//! What a plan discards, and how sure that is.

use crate::ident::TableName;

/// How far a number can be relied on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Certainty {
    /// Counted, and nothing earlier in the scripts can change it.
    Exact,
    /// From planner statistics.
    Estimate,
    /// No more than this.
    UpperBound,
    /// Nobody can say.
    Unknown,
}

impl Certainty {
    /// The word in reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Estimate => "estimate",
            Self::UpperBound => "upper_bound",
            Self::Unknown => "unknown",
        }
    }
}

/// Something a plan discards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss {
    /// The rule that it falls under, such as `RB-DROP-COLUMN`.
    pub rule: &'static str,
    /// The script.
    pub path: String,
    /// One-based line of the statement.
    pub line: u32,
    /// The table whose rows or values go.
    pub table: TableName,
    /// The columns whose values go; empty when whole rows go.
    pub columns: Vec<String>,
    /// How many rows lose something.
    pub rows: u64,
    /// How far `rows` can be relied on.
    pub certainty: Certainty,
    /// Size on disk of what is concerned, in bytes (the whole table's).
    pub bytes: u64,
    /// Why, in words: `dropped with its schema`, `deleted through orders_customer_fkey`.
    pub why: String,
}

impl Loss {
    /// False when it is certain that nothing is lost.
    pub fn is_real(&self) -> bool {
        self.rows > 0 || self.certainty != Certainty::Exact
    }
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Worth acting on.
    Warn,
    /// Refused without a verified snapshot and consent, or at all.
    Block,
}

impl Severity {
    /// The word in reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Block => "block",
        }
    }
}

/// One hit of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The rule's id, such as `RB-DROP-COLUMN`.
    pub rule: &'static str,
    /// How bad.
    pub severity: Severity,
    /// The file, or the ledger's copy of it.
    pub path: String,
    /// One-based line; 0 for the whole file.
    pub line: u32,
    /// What was found, as a sentence fragment.
    pub message: String,
}

/// What a review needs to know first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Nothing is destroyed.
    NoLoss,
    /// Data is destroyed, all of it can be kept and put back.
    LossRecoverable,
    /// Data is destroyed that can't be kept.
    LossUnrecoverable,
    /// Can't be judged.
    Unknown,
    /// The script would fail.
    WillFail,
    /// There is no script.
    Missing,
}

impl Verdict {
    /// The word in reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoLoss => "NO_LOSS",
            Self::LossRecoverable => "LOSS_RECOVERABLE",
            Self::LossUnrecoverable => "LOSS_UNRECOVERABLE",
            Self::Unknown => "UNKNOWN",
            Self::WillFail => "WILL_FAIL",
            Self::Missing => "MISSING",
        }
    }
}
