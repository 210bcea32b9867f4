//! The digest of everything in a schema that matters.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::ident::Digest;

use super::normal;
use super::render;
use super::{Catalog, Object, ObjectKey, ObjectKind};

/// What a fingerprint is the digest of: a line for each object, kept so that a change of some objects
/// costs no look at the others.
///
/// Left out are the order of columns, since a column that was dropped and added again comes last,
/// the names that the server makes up for constraints (those of NOT NULL too) and indexes, the spelling of
/// `CURRENT_TIMESTAMP`, and white space and comments in the bodies of functions.
#[derive(Debug, Clone, Default)]
pub struct Lines {
    /// How many objects give the same line: all but their names may be alike.
    lines: BTreeMap<String, usize>,
}

impl Lines {
    /// The lines of a whole catalog.
    pub fn of(catalog: &Catalog) -> Self {
        let mut lines = Self::default();
        for (key, object) in catalog.objects() {
            lines.add(key, object);
        }
        lines
    }

    /// Adds an object.
    pub fn add(&mut self, key: &ObjectKey, object: &Object) {
        *self.lines.entry(line(key, object)).or_default() += 1;
    }

    /// Takes an object out that was added.
    pub fn remove(&mut self, key: &ObjectKey, object: &Object) {
        let line = line(key, object);
        if let Some(count) = self.lines.get_mut(&line) {
            *count -= 1;
            if *count == 0 {
                self.lines.remove(&line);
            }
        }
    }

    /// Equal on a dumped and restored copy. Comparable between servers of one major version.
    pub fn digest(&self) -> Digest {
        let mut text = String::from("pgbelay schema 2");
        let all = self.lines.iter();
        for line in all.flat_map(|(line, count)| std::iter::repeat_n(line, *count)) {
            text.push('\n');
            text.push_str(line);
        }
        if self.lines.is_empty() {
            text.push('\n');
        }
        text.push('\n');
        Digest::of(text)
    }
}

fn line(key: &ObjectKey, object: &Object) -> String {
    let table = key.table.as_deref().unwrap_or_default();
    let named = matches!(key.kind, ObjectKind::Constraint | ObjectKind::Index);
    let made_up = named && normal::is_made_up(&key.name);
    let mut definition = match key.kind {
        ObjectKind::Function | ObjectKind::Procedure => normal::function(&object.definition),
        _ => normal::spelling(&object.definition),
    };
    if key.kind == ObjectKind::Column && definition.contains("\nnot null") {
        definition = render::without_name_of_not_null(&definition, normal::is_made_up).into();
    }
    if made_up {
        definition = definition.replace(&key.name, "?").into();
    }
    let name = if made_up { "?" } else { &key.name };
    let mut line = String::new();
    for part in [key.kind.as_str(), &key.schema, table, name, &definition] {
        // The length first, so that no two catalogs give the same text.
        let _ = write!(line, "{}:{part}", part.len());
    }
    line
}
