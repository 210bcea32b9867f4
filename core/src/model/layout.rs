//! How a folder of migrations is laid out: this project's own way, and those of other tools.

use std::fmt;
use std::str::FromStr;

use crate::error::Error;

/// A layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// `<version>_<name>.sql` beside `<version>_<name>_rollback.sql`.
    Pairs,
    /// `<version>_<name>.up.sql` beside `.down.sql`, as golang-migrate has it.
    GolangMigrate,
    /// The same, or `.sql` alone, as sqlx has it.
    Sqlx,
    /// A folder for each migration, with `up.sql`, `down.sql` and `metadata.toml`.
    Diesel,
    /// One file, with `-- migrate:up` and `-- migrate:down`.
    Dbmate,
    /// One file, with `-- +goose Up` and `-- +goose Down`.
    Goose,
    /// `V1__x.sql`, `U1__x.sql`, `R__x.sql`.
    Flyway,
    /// One file, with `---- create above / drop below ----`.
    Tern,
    /// What `alembic upgrade base:head --sql` and `alembic downgrade head:base --sql` wrote.
    Alembic,
}

impl Layout {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Pairs,
        Self::GolangMigrate,
        Self::Sqlx,
        Self::Diesel,
        Self::Dbmate,
        Self::Goose,
        Self::Flyway,
        Self::Tern,
        Self::Alembic,
    ];

    /// The word of the command line; for those of other tools, the tool's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pairs => "pairs",
            Self::GolangMigrate => "golang-migrate",
            Self::Sqlx => "sqlx",
            Self::Diesel => "diesel",
            Self::Dbmate => "dbmate",
            Self::Goose => "goose",
            Self::Flyway => "flyway",
            Self::Tern => "tern",
            Self::Alembic => "alembic",
        }
    }
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Layout {
    type Err = Error;

    fn from_str(s: &str) -> Result<Self, Error> {
        let mut all = Self::ALL.into_iter();
        all.find(|layout| layout.as_str() == s).ok_or_else(|| {
            Error::usage("that is not a layout of migrations").hint(format!(
                "the layouts: {}",
                Self::ALL.map(Self::as_str).join(", ")
            ))
        })
    }
}
