//! Where ledger and files disagree.

use std::collections::{HashMap, HashSet};
use std::fmt;

use crate::error::Error;
use crate::ident::{Digest, Revision};
use crate::model::ledger::Entry;
use crate::model::migration::Migration;
use crate::sql::code;

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
        /// Nothing but comments and white space differs: that stops nobody.
        harmless: bool,
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

    /// True for what stops nobody.
    pub const fn is_harmless(&self) -> bool {
        matches!(self, Self::Edited { harmless: true, .. })
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
                harmless,
            } => write!(
                f,
                "{revision}: {path} was edited after it was applied ({}applied {}, file {})",
                if *harmless { "comments only; " } else { "" },
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
    let numbered = migrations.iter().enumerate();
    let places: HashMap<&Revision, (usize, &Migration)> = numbered
        .map(|(place, migration)| (&migration.revision, (place, migration)))
        .collect();
    let mut found = Vec::new();
    // The applied migration that stands last among the files, and the newest of those without one.
    let mut last: Option<(usize, &Revision)> = None;
    let mut newest: Option<&Revision> = None;
    for entry in entries {
        let Some((place, migration)) = places.get(&entry.revision) else {
            newest = newest.max(Some(&entry.revision));
            found.push(Drift::Missing {
                revision: entry.revision.clone(),
                name: entry.name.clone(),
            });
            continue;
        };
        last = last.max(Some((*place, &entry.revision)));
        if migration.up.checksum() != entry.up_checksum {
            found.push(Drift::Edited {
                revision: entry.revision.clone(),
                path: migration.up.path.clone(),
                applied: entry.up_checksum,
                file: migration.up.checksum(),
                harmless: code::same(&migration.up.text, &entry.up_text),
            });
        }
    }
    for migration in pending(migrations, entries) {
        let after = last.filter(|(place, _)| *place > places[&migration.revision].0);
        let after = after.map(|(_, revision)| revision);
        let newer = newest.filter(|newest| **newest > migration.revision);
        if let Some(newest) = after.max(newer) {
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

/// The migrations that are not applied, in the order of `migrations`: what they depend on first,
/// then by version.
pub fn pending<'a>(migrations: &'a [Migration], entries: &[Entry]) -> Vec<&'a Migration> {
    let applied: HashSet<&Revision> = entries.iter().map(|entry| &entry.revision).collect();
    let pending = migrations.iter();
    pending.filter(|m| !applied.contains(&m.revision)).collect()
}

/// What is left of `drift` for a run that may apply late migrations.
pub fn but_for_order(drift: Vec<Drift>) -> Vec<Drift> {
    let order = |d: &Drift| matches!(d, Drift::OutOfOrder { .. });
    drift.into_iter().filter(|d| !order(d)).collect()
}

/// The refusal that names every disagreement; `None` when there is none that matters.
pub fn refusal(drift: &[Drift]) -> Option<Error> {
    let serious: Vec<&Drift> = drift.iter().filter(|d| !d.is_harmless()).collect();
    if serious.is_empty() {
        return None;
    }
    let lines: Vec<String> = serious.iter().map(|d| format!("\n  {d}")).collect();
    let mut error = Error::refused(format!(
        "the ledger and the migration files disagree:{}",
        lines.concat()
    ));
    let any = |word| serious.iter().any(|d| d.as_str() == word);
    if any("edited") || any("missing") {
        error = error.hint("put the files back as they were applied (version control has them)");
    }
    if any("edited") {
        error = error.hint("or see what differs, and accept the files: migrate repair");
    }
    if any("missing") {
        error = error.hint("or, when it is gone for good: migrate repair REV --forget");
    }
    if any("out_of_order") {
        error = error
            .hint("give the late migration a revision after the newest applied one")
            .hint("or apply it where it is: migrate upgrade --allow-out-of-order");
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
            ..Entry::of(migration, 1, "")
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
        let only_comments = migration("4", "-- why\nd");
        let found = find(
            &[applied[0].clone(), applied[1].clone(), only_comments],
            &entries,
        );
        assert_eq!(found.len(), 1);
        assert!(refusal(&found).is_none());
        let refusal = refusal(&find(&files, &entries)).unwrap();
        assert_eq!(refusal.kind(), crate::error::Kind::Refused);
        assert!(refusal.to_string().contains("2_x.sql is pending"));
        assert!(find(&applied, &entries).is_empty());
    }
}
