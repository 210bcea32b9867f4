//! What differs between two catalogs.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::ident::TableName;

use super::Catalog;
use super::ObjectKey;
use super::ObjectKind;

/// An object that is in both catalogs, but not alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The object.
    pub key: ObjectKey,
    /// Its definition in the first catalog.
    pub before: String,
    /// Its definition in the second.
    pub after: String,
}

/// What differs between two catalogs, the first being the one that should be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Diff {
    /// In the first only.
    pub missing: Vec<ObjectKey>,
    /// In the second only.
    pub extra: Vec<ObjectKey>,
    /// In both, not alike.
    pub changed: Vec<Change>,
    /// Tables whose common columns stand in another order.
    pub reordered: Vec<TableName>,
    shown: BTreeMap<ObjectKey, String>,
}

/// Compares `b` with `a`, the catalog that should be.
pub fn diff(a: &Catalog, b: &Catalog) -> Diff {
    let mut diff = Diff::default();
    let only = |x: &Catalog, y: &Catalog| -> Vec<ObjectKey> {
        let keys = x.objects().keys();
        keys.filter(|k| y.get(k).is_none()).cloned().collect()
    };
    diff.missing = only(a, b);
    diff.extra = only(b, a);
    for (key, before) in a.objects() {
        match b.get(key) {
            Some(after) if after.definition != before.definition => diff.changed.push(Change {
                key: key.clone(),
                before: before.definition.clone(),
                after: after.definition.clone(),
            }),
            Some(_) => {}
            None => {
                diff.shown.insert(key.clone(), before.definition.clone());
            }
        }
    }
    for key in &diff.extra {
        if let Some(object) = b.get(key) {
            diff.shown.insert(key.clone(), object.definition.clone());
        }
    }
    diff.reordered = reordered(a, b);
    diff
}

/// Tables of both catalogs whose common columns stand in another order.
fn reordered(a: &Catalog, b: &Catalog) -> Vec<TableName> {
    let (a_order, b_order) = (columns(a, b), columns(b, a));
    a_order
        .into_iter()
        .filter(|(table, columns)| b_order.get(table) != Some(columns))
        .map(|(table, _)| table)
        .collect()
}

/// For each table, those columns of `of` in order that `also` has too.
fn columns<'a>(of: &'a Catalog, also: &Catalog) -> BTreeMap<TableName, Vec<&'a str>> {
    let mut tables: BTreeMap<TableName, Vec<(i32, &str)>> = BTreeMap::new();
    for (key, object) in of.objects() {
        if let (ObjectKind::Column, Some(table), Some(order)) = (key.kind, &key.table, object.order)
            && also.get(key).is_some()
        {
            let table = TableName::new(&key.schema, table);
            tables.entry(table).or_default().push((order, &key.name));
        }
    }
    tables
        .into_iter()
        .map(|(table, mut columns)| {
            columns.sort_unstable();
            (table, columns.into_iter().map(|(_, name)| name).collect())
        })
        .collect()
}

impl Diff {
    /// True when nothing differs but, at most, the order of columns.
    pub fn is_empty(&self) -> bool {
        self.missing.is_empty() && self.extra.is_empty() && self.changed.is_empty()
    }

    /// The differences for people, one paragraph per object: `-` should be, `+` is.
    pub fn render(&self) -> String {
        let mut out = String::new();
        for key in &self.missing {
            self.whole(&mut out, "missing", '-', key);
        }
        for key in &self.extra {
            self.whole(&mut out, "extra", '+', key);
        }
        for change in &self.changed {
            let _ = writeln!(out, "changed {}", change.key);
            let before: Vec<&str> = change.before.lines().collect();
            let after: Vec<&str> = change.after.lines().collect();
            for line in before.iter().filter(|l| !after.contains(l)) {
                let _ = writeln!(out, "  - {line}");
            }
            for line in after.iter().filter(|l| !before.contains(l)) {
                let _ = writeln!(out, "  + {line}");
            }
            // The same lines in another order, or more of one.
            if before.iter().all(|l| after.contains(l)) && after.iter().all(|l| before.contains(l))
            {
                let _ = writeln!(out, "  the same lines, in another order or number");
            }
        }
        for table in &self.reordered {
            let _ = writeln!(out, "columns in another order: {table}");
        }
        out
    }

    fn whole(&self, out: &mut String, what: &str, sign: char, key: &ObjectKey) {
        let _ = writeln!(out, "{what} {key}");
        for line in self.shown.get(key).iter().flat_map(|d| d.lines()) {
            let _ = writeln!(out, "  {sign} {line}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Object;
    use super::*;

    fn catalog(columns: &[(&str, &str)]) -> Catalog {
        let mut catalog = Catalog::default();
        for (place, (name, definition)) in columns.iter().enumerate() {
            let key = ObjectKey {
                kind: ObjectKind::Column,
                schema: "app".to_owned(),
                table: Some("t".to_owned()),
                name: (*name).to_owned(),
            };
            catalog.insert(key, Object::new(definition, Some(place as i32 + 1)));
        }
        catalog
    }

    #[test]
    fn equal_catalogs_do_not_differ() {
        let a = catalog(&[("a", "integer"), ("b", "text")]);
        assert_eq!(diff(&a, &a), Diff::default());
    }

    #[test]
    fn order_is_a_class_of_its_own() {
        let a = catalog(&[("a", "integer"), ("b", "text")]);
        let b = catalog(&[("b", "text"), ("a", "integer")]);
        let found = diff(&a, &b);
        assert!(found.is_empty());
        assert_eq!(found.reordered, [TableName::new("app", "t")]);
        // A column that is gone moves nobody.
        let c = catalog(&[("b", "text")]);
        assert!(diff(&a, &c).reordered.is_empty());
    }

    #[test]
    fn differences_are_shown_line_by_line() {
        let a = catalog(&[("a", "integer\nnot null"), ("b", "text")]);
        let b = catalog(&[("a", "bigint\nnot null"), ("c", "text")]);
        assert_eq!(
            diff(&a, &b).render(),
            "missing column app.t.b\n  - text\nextra column app.t.c\n  + text\n\
             changed column app.t.a\n  - integer\n  + bigint\n"
        );
    }
}
