//! Which tables are parts or children of which others: what those have comes from above, and goes so.

use std::collections::BTreeMap;

use super::{Catalog, Object, ObjectKey, ObjectKind};

/// Tables and what they are parts or children of.
#[derive(Debug, Clone, Default)]
pub struct Family {
    above: BTreeMap<String, Above>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Above {
    parents: Vec<String>,
    /// It is a partition: it has nothing of its own beside what its parent has.
    is_partition: bool,
}

impl Family {
    /// Those of `catalog`.
    pub fn of(catalog: &Catalog) -> Self {
        let tables = catalog.objects().iter();
        let tables = tables.filter(|(key, _)| key.kind == ObjectKind::Table);
        Self {
            above: tables
                .map(|(key, object)| (bare(&key.schema, &key.name), above(object)))
                .collect(),
        }
    }

    /// Those of both catalogs: others are taken apart before anything else, and put together at the end.
    pub fn of_both(one: &Catalog, other: &Catalog) -> Self {
        let (mut both, other) = (Self::of(one), Self::of(other));
        for (table, above) in &mut both.above {
            let also = other.above.get(table);
            let stays = |parent: &String| also.is_some_and(|a| a.parents.contains(parent));
            above.parents.retain(stays);
            above.is_partition &= also.is_some_and(|a| a.is_partition);
        }
        both
    }

    /// How many generations are above the table that `key` is, or belongs to.
    pub fn depth(&self, key: &ObjectKey) -> usize {
        self.depth_of(&table_of(key), 0)
    }

    fn depth_of(&self, table: &str, so_far: usize) -> usize {
        // No table is above itself, but two may seem to have one name.
        if so_far > self.above.len() {
            return 0;
        }
        let parents = self
            .above
            .get(table)
            .into_iter()
            .flat_map(|above| &above.parents);
        let above = parents.map(|parent| 1 + self.depth_of(parent, so_far + 1));
        above.max().unwrap_or_default()
    }

    /// True when the table that `key` belongs to is a partition of another one.
    pub fn in_partition(&self, key: &ObjectKey) -> bool {
        let above = self.above.get(&table_of(key));
        above.is_some_and(|above| above.is_partition)
    }

    /// That one of `others` which is the same thing of a table right above that of `key`.
    pub fn inherited<'a>(
        &self,
        key: &ObjectKey,
        others: impl IntoIterator<Item = &'a ObjectKey>,
    ) -> Option<&'a ObjectKey> {
        let above = self.above.get(&table_of(key))?;
        others.into_iter().find(|other| {
            (other.kind, &other.name) == (key.kind, &key.name)
                && above.parents.contains(&table_of(other))
        })
    }
}

/// The table that `key` belongs to, or is, as definitions have it, without quotes.
fn table_of(key: &ObjectKey) -> String {
    bare(&key.schema, key.table.as_ref().unwrap_or(&key.name))
}

/// The name of a relation as definitions have it, without quotes.
pub fn bare(schema: &str, name: &str) -> String {
    format!("{schema}.{name}").replace('"', "")
}

/// True when `definition` has the name of `key` in it.
pub fn mentions(definition: &str, key: &ObjectKey) -> bool {
    let name = key
        .name
        .split_once('(')
        .map_or(&*key.name, |(name, _)| name);
    has_word(definition, &bare(&key.schema, name))
}

/// True when `text` has `word` in it, as a whole; quotes are no part of either.
pub fn has_word(text: &str, word: &str) -> bool {
    let (text, word) = (text.replace('"', ""), word.replace('"', ""));
    let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
    text.match_indices(&word).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + word.len()..].chars().next();
        !before.is_some_and(is_part) && !after.is_some_and(is_part)
    })
}

fn above(object: &Object) -> Above {
    let definition = object.definition.replace('"', "");
    let mut above = Above::default();
    for line in definition.lines() {
        if let Some(of) = line.strip_prefix("partition of ") {
            let end = of.find(" FOR VALUES ").or_else(|| of.rfind(" DEFAULT"));
            above.parents.push(of[..end.unwrap_or(of.len())].to_owned());
            above.is_partition = true;
        } else if let Some(parents) = line.strip_prefix("inherits ") {
            above.parents.extend(parents.split(", ").map(str::to_owned));
        }
    }
    above
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(kind: ObjectKind, table: Option<&str>, name: &str) -> ObjectKey {
        ObjectKey {
            kind,
            schema: "app".to_owned(),
            table: table.map(str::to_owned),
            name: name.to_owned(),
        }
    }

    fn catalog(tables: &[(&str, &str)]) -> Catalog {
        let mut catalog = Catalog::default();
        for (name, definition) in tables {
            catalog.insert(
                key(ObjectKind::Table, None, name),
                Object::new(definition, None),
            );
        }
        catalog
    }

    #[test]
    fn tables_know_what_is_above_them() {
        let all = catalog(&[
            ("t", "access method heap"),
            ("q r", "partition of app.t FOR VALUES IN ('a')"),
            ("p", "partition of app.\"q r\" DEFAULT"),
            ("kid", "inherits app.t, app.other\naccess method heap"),
        ]);
        let family = Family::of(&all);
        let column = |table| key(ObjectKind::Column, Some(table), "c");
        let depth = |table| family.depth(&column(table));
        assert_eq!(["t", "q r", "p", "kid"].map(depth), [0, 1, 2, 1]);
        let others = [column("t"), column("q r")];
        let inherited = |table| family.inherited(&column(table), &others);
        assert_eq!(inherited("p"), Some(&others[1]));
        assert_eq!(inherited("kid"), Some(&others[0]));
        assert_eq!(inherited("t"), None);
        assert!(family.in_partition(&column("p")) && !family.in_partition(&column("kid")));
        let apart = catalog(&[
            ("t", ""),
            ("q r", ""),
            ("p", ""),
            ("kid", "inherits app.other"),
        ]);
        let both = Family::of_both(&all, &apart);
        assert_eq!(both.inherited(&column("kid"), &others), None);
    }

    #[test]
    fn names_are_whole_words() {
        let function = key(ObjectKind::Function, None, "f(integer)");
        assert!(mentions("app.f(1)", &function));
        assert!(mentions("nextval('app.f'::regclass)", &function));
        for other in ["app.f2(1)", "wrapp.f(1)", "f(1)"] {
            assert!(!mentions(other, &function), "{other}");
        }
    }
}
