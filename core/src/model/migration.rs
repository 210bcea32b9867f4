//! Migrations as they stand in files.

use crate::ident::{Digest, Revision};

/// One SQL script of a migration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// The file's path as given, for messages; for a script from the ledger, a word about that.
    pub path: String,
    /// The text, with LF line ends and without a byte-order mark.
    pub text: String,
}

impl Script {
    /// A script from raw file text: the byte-order mark is dropped and CRLF becomes LF, so that
    /// neither changes the checksum.
    pub fn new(path: impl Into<String>, raw: &str) -> Self {
        let text = raw.strip_prefix('\u{feff}').unwrap_or(raw);
        Self {
            path: path.into(),
            text: text.replace("\r\n", "\n"),
        }
    }

    /// SHA-256 of the normalised text.
    pub fn checksum(&self) -> Digest {
        Digest::of(&self.text)
    }
}

/// One reviewed change and the way back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migration {
    /// Its ordered identity.
    pub revision: Revision,
    /// The rest of the file name, in words or snake case.
    pub name: String,
    /// From the header comment, else empty.
    pub description: String,
    /// Revisions that must be applied first, from the header comment.
    pub depends_on: Vec<Revision>,
    /// False for `transaction: off` in the header of the way forward.
    pub transactional: bool,
    /// False for `transaction: off` in the header of the way back.
    pub down_transactional: bool,
    /// The way forward.
    pub up: Script,
    /// The way back; `None` when there is no file.
    pub down: Option<Script>,
}

impl Migration {
    /// `version_name`, as in the file name.
    pub fn full_name(&self) -> String {
        if self.name.is_empty() {
            self.revision.to_string()
        } else {
            format!("{}_{}", self.revision, self.name)
        }
    }
}

/// Where a rollback or an upgrade is to end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Before the first migration.
    Base,
    /// With this revision as the newest one applied.
    Revision(Revision),
}

impl Target {
    /// The revision, unless it is base.
    pub const fn revision(&self) -> Option<&Revision> {
        match self {
            Self::Base => None,
            Self::Revision(revision) => Some(revision),
        }
    }
}
