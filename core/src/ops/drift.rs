//! Where ledger and files disagree.

use std::fmt;

use crate::error::Error;
use crate::ident::{Digest, Revision};
use crate::model::ledger::Entry;
use crate::model::migration::Migration;

/// One disagreement between the ledger and the files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Drift {
    /// An applied migration has no file.
    Missing {
        /// The revision.
        revision: Revision,
        /// Its name in the ledger.
        name: String,
    },
    /// The file of an applied migration is not what was applied.
    Edited {
        /// The revision.
        revision: Revision,
        /// The file's path.
        path: String,
        /// Checksum of what was applied.
        applied: Digest,
        /// Checksum of the file.
        file: Digest,
    },
    /// A pending migration is older than one that is applied.
    OutOfOrder {
        /// The revision.
        revision: Revision,
        /// The file's path.
        path: String,
        /// The newest applied revision.
        newest: Revision,
    },
}

impl Drift {
    /// The stable word for machines.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Missing { .. } => "missing",
            Self::Edited { .. } => "edited",
            Self::OutOfOrder { .. } => "out_of_order",
        }
    }

    /// The migration concerned.
    pub const fn revision(&self) -> &Revision {
        match self {
            Self::Missing { revision, .. }
            | Self::Edited { revision, .. }
            | Self::OutOfOrder { revision, .. } => revision,
        }
    }
}

impl fmt::Display for Drift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { revision, name } => {
                write!(f, "{revision} {name}: applied, but its file is missing")
            }
            Self::Edited {
                revision,
                path,
                applied,
                file,
            } => write!(
                f,
                "{revision}: {path} was edited after it was applied (applied {}, file {})",
                applied.short(),
                file.short()
            ),
            Self::OutOfOrder {
                revision,
                path,
                newest,
            } => write!(
                f,
                "{revision}: {path} is pending, but older than {newest}, which is applied"
            ),
        }
    }
}

/// All disagreements, in order of revision.
pub fn find(migrations: &[Migration], entries: &[Entry]) -> Vec<Drift> {
    let newest = entries.iter().map(|entry| &entry.revision).max();
    let mut found = Vec::new();
    for entry in entries {
        match migrations.iter().find(|m| m.revision == entry.revision) {
            None => found.push(Drift::Missing {
                revision: entry.revision.clone(),
                name: entry.name.clone(),
            }),
            Some(migration) if migration.up.checksum() != entry.up_checksum => {
                found.push(Drift::Edited {
                    revision: entry.revision.clone(),
                    path: migration.up.path.clone(),
                    applied: entry.up_checksum,
                    file: migration.up.checksum(),
                });
            }
            Some(_) => {}
        }
    }
    for migration in pending(migrations, entries) {
        if let Some(newest) = newest.filter(|newest| migration.revision < **newest) {
            found.push(Drift::OutOfOrder {
                revision: migration.revision.clone(),
                path: migration.up.path.clone(),
                newest: newest.clone(),
            });
        }
    }
    found.sort_by(|a, b| a.revision().cmp(b.revision()));
    found
}

/// The migrations that are not applied, oldest first.
pub fn pending<'a>(migrations: &'a [Migration], entries: &[Entry]) -> Vec<&'a Migration> {
    let mut pending: Vec<&Migration> = migrations
        .iter()
        .filter(|m| entries.iter().all(|entry| entry.revision != m.revision))
        .collect();
    pending.sort_by(|a, b| a.revision.cmp(&b.revision));
    pending
}

/// The refusal that names every disagreement; `None` when there is none.
pub fn refusal(drift: &[Drift]) -> Option<Error> {
    if drift.is_empty() {
        return None;
    }
    let lines: Vec<String> = drift.iter().map(|d| format!("\n  {d}")).collect();
    let mut error = Error::refused(format!(
        "the ledger and the migration files disagree:{}",
        lines.concat()
    ));
    let any = |word| drift.iter().any(|d| d.as_str() == word);
    if any("edited") || any("missing") {
        error = error
            .hint("put the files back as they were applied (version control has them)")
            .hint("or, when the change is harmless, accept the files: migrate repair");
    }
    if any("out_of_order") {
        error = error.hint("give the late migration a revision after the newest applied one");
    }
    Some(error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::migration::Script;

    fn migration(revision: &str, text: &str) -> Migration {
        Migration {
            revision: revision.parse().unwrap(),
            name: "x".to_owned(),
            description: String::new(),
            depends_on: Vec::new(),
            transactional: true,
            down_transactional: true,
            up: Script::new(format!("{revision}_x.sql"), text),
            down: None,
        }
    }

    fn entry(sequence: i64, migration: &Migration) -> Entry {
        Entry {
            sequence,
            revision: migration.revision.clone(),
            name: migration.name.clone(),
            up_checksum: migration.up.checksum(),
            up_text: migration.up.text.clone(),
            down_checksum: None,
            down_text: None,
            transactional: true,
            batch: 1,
            applied_at: crate::clock::now(),
            applied_by: String::new(),
            duration_ms: 0,
            fingerprint_before: None,
            fingerprint_after: None,
            change: None,
        }
    }

    #[test]
    fn every_disagreement_is_named() {
        let applied = [
            migration("1", "a"),
            migration("3", "c"),
            migration("4", "d"),
        ];
        let entries: Vec<Entry> = applied
            .iter()
            .enumerate()
            .map(|(i, m)| entry(i as i64 + 1, m))
            .collect();
        let files = [
            migration("1", "edited"),
            migration("2", "late"),
            migration("4", "d"),
            migration("5", "new"),
        ];
        let words: Vec<&str> = find(&files, &entries).iter().map(Drift::as_str).collect();
        assert_eq!(words, ["edited", "out_of_order", "missing"]);
        let refusal = refusal(&find(&files, &entries)).unwrap();
        assert_eq!(refusal.kind(), crate::error::Kind::Refused);
        assert!(refusal.to_string().contains("2_x.sql is pending"));
        assert!(find(&applied, &entries).is_empty());
    }
}
