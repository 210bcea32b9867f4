//! The proof that somebody named the database that will change.

use crate::error::{Error, Result};

/// Consent to a destructive operation on one database. Destructive `apply` functions take one by
/// value, so none can be reached without it.
#[derive(Debug)]
pub struct Consent {
    database: String,
    by: &'static str,
}

impl Consent {
    /// Consent given by typing the database's name on a terminal.
    pub fn typed(answer: &str, database: &str) -> Result<Self> {
        Self::named(answer.trim(), database, "typed")
    }

    /// Consent given by `--confirm NAME`.
    pub fn by_flag(name: &str, database: &str) -> Result<Self> {
        Self::named(name, database, "--confirm")
    }

    /// Consent given by `--force`, which answers yes to every risk found.
    pub fn forced(database: &str) -> Self {
        Self {
            database: database.to_owned(),
            by: "--force",
        }
    }

    /// Agreement by a plain yes, or by `--yes`: only for operations that destroy nothing.
    pub fn agreed(database: &str) -> Self {
        Self {
            database: database.to_owned(),
            by: "yes",
        }
    }

    fn named(given: &str, database: &str, by: &'static str) -> Result<Self> {
        if given == database {
            Ok(Self {
                database: database.to_owned(),
                by,
            })
        } else {
            Err(Error::refused(format!(
                "the name given is not that of the database that would change ('{database}')"
            ))
            .hint("nothing was changed; check that you are connected to the database you mean"))
        }
    }

    /// Refuses unless it was given for `database`.
    pub fn check(&self, database: &str) -> Result<()> {
        if self.database == database {
            return Ok(());
        }
        Err(Error::refused(format!(
            "consent was given for database '{}', and this is '{database}'",
            self.database
        )))
    }

    /// The database that may change.
    pub fn database(&self) -> &str {
        &self.database
    }

    /// How consent was given, for the journal.
    pub const fn by(&self) -> &'static str {
        self.by
    }
}
