//! What rows that nobody puts back get in a column that comes back.

use crate::ident::TableName;

use super::family::{Family, bare};
use super::repair::MissingColumn;
use super::{Catalog, Entry, Object, ObjectKey, ObjectKind, Phase};

/// A column that is added, and what rows get in it that have no value of before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filling {
    /// The table.
    pub table: TableName,
    /// The column.
    pub column: String,
    /// What they get.
    pub with: Source,
    /// The column is NOT NULL: what is NULL in it has nothing of before.
    pub not_null: bool,
}

/// Where values come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A default, as an expression.
    Default(String),
    /// A sequence that comes back, too: one of an identity is made only once all rows have a number, and
    /// others needn't have given all that there are.
    Numbers(Numbers),
}

/// A sequence from which a column draws.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Numbers {
    /// What it will be called.
    pub sequence: TableName,
    /// The table whose rows have numbers of it: the one of the column, or one that it is a part of.
    pub of: TableName,
    /// Its first number.
    pub start: i64,
    /// The distance between two.
    pub step: i64,
    /// Its least and its greatest number.
    pub bounds: (i64, i64),
}

/// What rows get in `column`, as `catalog` has it, where all that is `missing` comes back; `None`: nothing.
pub(super) fn of(
    catalog: &Catalog,
    column: &MissingColumn,
    missing: &[ObjectKey],
) -> Option<Filling> {
    // A column of a part draws from the sequence of the whole.
    let family = Family::of(catalog);
    let mut places = vec![&column.key];
    while let Some(above) = places.last().and_then(|key| {
        let others = catalog.objects().keys();
        family
            .inherited(key, others)
            .filter(|_| places.len() < catalog.objects().len())
    }) {
        places.push(above);
    }
    let with = match (&column.steps.default, &column.steps.identity) {
        (Some(default), _) => {
            let drawn = default.replace('"', "");
            let is = |key: &ObjectKey, _: &Object| {
                missing.contains(key)
                    && drawn == format!("nextval('{}'::regclass)", bare(&key.schema, &key.name))
            };
            let numbers = numbers(catalog, is, places.last()?);
            numbers.map_or_else(|| Source::Default(default.clone()), Source::Numbers)
        }
        (None, Some(_)) => {
            let of = |place: &&ObjectKey| {
                let table = bare(&place.schema, place.table.as_ref()?);
                let line = format!("identity of {table}.{}", place.name.replace('"', ""));
                let is = |_: &ObjectKey, object: &Object| {
                    let mut lines = object.definition.lines();
                    lines.any(|l| l.replace('"', "") == line)
                };
                numbers(catalog, is, place)
            };
            Source::Numbers(places.iter().find_map(of)?)
        }
        (None, None) => return None,
    };
    let key = &column.key;
    Some(Filling {
        table: TableName::new(&key.schema, key.table.as_ref()?),
        column: key.name.clone(),
        with,
        not_null: column.steps.set_not_null.is_some(),
    })
}

/// The sequence of `catalog` that `is` the one from which the column `place` draws.
fn numbers(
    catalog: &Catalog,
    is: impl Fn(&ObjectKey, &Object) -> bool,
    place: &ObjectKey,
) -> Option<Numbers> {
    let mut all = catalog.objects().iter();
    let (key, object) = all.find(|(k, o)| k.kind == ObjectKind::Sequence && is(k, o))?;
    let fact = |word: &str| -> Option<i64> {
        let mut lines = object.definition.lines();
        let value = lines.find_map(|line| line.strip_prefix(word))?;
        value.trim().parse().ok()
    };
    Some(Numbers {
        sequence: TableName::new(&key.schema, &key.name),
        of: TableName::new(&place.schema, place.table.as_ref()?),
        start: fact("start ")?,
        step: fact("increment ")?,
        bounds: (fact("minimum ")?, fact("maximum ")?),
    })
}

impl Filling {
    /// True when both draw from one sequence.
    pub fn draws_with(&self, other: &Self) -> bool {
        let (Source::Numbers(own), Source::Numbers(others)) = (&self.with, &other.with) else {
            return false;
        };
        own.sequence == others.sequence && self.column == other.column
    }

    /// The identity as ADD COLUMN has it, taken out of the `entries`.
    pub(super) fn take_identity(&self, entries: &mut Vec<(Phase, &Entry)>) -> Option<String> {
        const ADDED: &str = " ADD GENERATED ";
        let Source::Numbers(numbers) = &self.with else {
            return None;
        };
        let name = &numbers.sequence;
        let place = entries.iter().position(|(phase, entry)| {
            *phase == Phase::Late && (&entry.schema, &entry.name) == (&name.schema, &name.name)
        })?;
        let sql = &entries[place].1.sql;
        let at = sql.find(ADDED)?;
        let rest = &sql[at + ADDED.len()..];
        let end = rest.find(");").map_or(rest.len(), |end| end + 1);
        let identity = format!(" GENERATED {}", &rest[..end]);
        entries.remove(place);
        Some(identity)
    }
}

#[cfg(test)]
mod tests {
    use super::super::repair;
    use super::*;

    fn key(kind: ObjectKind, table: Option<&str>, name: &str) -> ObjectKey {
        ObjectKey {
            kind,
            schema: "app".to_owned(),
            table: table.map(str::to_owned),
            name: name.to_owned(),
        }
    }

    #[test]
    fn an_identity_is_the_one_of_the_whole_table() {
        let mut catalog = Catalog::default();
        let part = "partition of app.t FOR VALUES IN ('a')";
        let sequence =
            "as integer\nstart 7\nincrement -2\nminimum 1\nmaximum 9\nidentity of app.t.n";
        for (kind, table, name, definition) in [
            (ObjectKind::Table, None, "t", ""),
            (ObjectKind::Table, None, "p", part),
            (
                ObjectKind::Column,
                Some("t"),
                "n",
                "integer\nnot null\nidentity always",
            ),
            (
                ObjectKind::Column,
                Some("p"),
                "n",
                "integer\nnot null\nidentity always",
            ),
            (ObjectKind::Sequence, None, "s", sequence),
        ] {
            catalog.insert(key(kind, table, name), Object::new(definition, None));
        }
        let missing = ["t", "p"].map(|table| key(ObjectKind::Column, Some(table), "n"));
        let family = Family::of(&catalog);
        for column in repair::columns(&catalog, &family, &missing) {
            let filling = of(&catalog, &column, &missing).unwrap();
            let expected = Source::Numbers(Numbers {
                sequence: TableName::new("app", "s"),
                of: TableName::new("app", "t"),
                start: 7,
                step: -2,
                bounds: (1, 9),
            });
            assert!(filling.with == expected && filling.not_null, "{filling:?}");
        }
    }

    #[test]
    fn an_identity_comes_with_its_column() {
        let entry = |name: &str| Entry {
            kind: "SEQUENCE".to_owned(),
            schema: "app".to_owned(),
            name: name.to_owned(),
            owner: String::new(),
            sql: format!(
                "ALTER TABLE app.t ALTER COLUMN n ADD GENERATED ALWAYS AS IDENTITY (\n    \
                 SEQUENCE NAME app.{name}\n    START WITH 1\n);"
            ),
        };
        let (one, other) = (entry("s"), entry("r"));
        let mut entries = [&other, &one].map(|entry| (Phase::Late, entry)).to_vec();
        let filling = Filling {
            table: TableName::new("app", "t"),
            column: "n".to_owned(),
            with: Source::Numbers(Numbers {
                sequence: TableName::new("app", "s"),
                of: TableName::new("app", "t"),
                start: 1,
                step: 1,
                bounds: (1, 9),
            }),
            not_null: true,
        };
        let identity =
            " GENERATED ALWAYS AS IDENTITY (\n    SEQUENCE NAME app.s\n    START WITH 1\n)";
        assert_eq!(
            filling.take_identity(&mut entries).as_deref(),
            Some(identity)
        );
        assert_eq!(entries, [(Phase::Late, &other)]);
        assert_eq!(filling.take_identity(&mut entries), None);
    }
}
