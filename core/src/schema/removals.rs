//! Which statements take away what should not be there.

use crate::ident::TableName;
use crate::sql::quote;

use super::family::{Family, bare, mentions};
use super::{Catalog, Change, ObjectKey, ObjectKind, render};

/// The kinds that can be dropped by name, dependents first. Several of one kind go in one statement, so
/// that they may depend on each other.
const ORDER: [ObjectKind; 7] = [
    ObjectKind::Statistics,
    ObjectKind::Table,
    ObjectKind::Function,
    ObjectKind::Procedure,
    ObjectKind::Sequence,
    ObjectKind::Type,
    ObjectKind::Schema,
];

/// Statements that drop what is too many.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Removals {
    /// Before anything else is done.
    pub now: Vec<String>,
    /// What something needs that stays, until it is as it should be.
    pub last: Vec<String>,
}

/// Statements that drop those of the `extra` objects that `may_go`, without CASCADE. Parts of a
/// table that goes, and what can't be dropped by name, are left out. `from` is the schema that is there, `to` the one that
/// should be,
/// `family` what is part of what in it by then, `differing` what stays and is altered.
pub fn removals(
    extra: &[ObjectKey],
    [from, to]: [&Catalog; 2],
    family: &Family,
    differing: &[Change],
    may_go: &dyn Fn(&ObjectKey) -> bool,
) -> Removals {
    let going: Vec<&ObjectKey> = extra.iter().filter(|key| may_go(key)).collect();
    let all = All { from, to, going };
    let (needed, free) = all.needed(differing);
    let mut removals = Removals::default();
    // Parts of a table that is extra itself go with it, or stay with it.
    let of_extra = |key: &ObjectKey| {
        extra.iter().any(|other| {
            (other.kind == ObjectKind::Table || other.kind.is_view())
                && other.schema == key.schema
                && Some(&other.name) == key.table.as_ref()
        })
    };
    let (own, of_table): (Vec<&ObjectKey>, Vec<_>) = free.iter().partition(|key| !of_extra(key));
    let holds = of_table.into_iter().filter(|key| all.holds_key(key, &own));
    let mut parts: Vec<&ObjectKey> = own.iter().copied().chain(holds).collect();
    // What parts and children have from above goes with that.
    parts.sort_by_key(|key| (all.rank(key), family.depth(key)));
    let (columns, parts): (Vec<_>, Vec<_>) =
        (parts.into_iter()).partition(|key| key.kind == ObjectKind::Column);
    let early: Vec<&ObjectKey> = (free.iter().copied())
        .filter(|key| all.takes_relation(key))
        .collect();
    let is_rule = |key: &&ObjectKey| {
        let kinds = [ObjectKind::Trigger, ObjectKind::Rule, ObjectKind::Policy];
        kinds.contains(&key.kind)
    };
    let (rules, parts): (Vec<_>, Vec<_>) = parts.into_iter().partition(is_rule);
    removals.now.extend(rules.into_iter().filter_map(part));
    removals.now.extend(by_kind(&early));
    let views = free.iter().filter(|key| key.kind.is_view());
    removals
        .now
        .extend(views_away(views.copied().collect(), from));
    let columns = columns.into_iter().filter(|key| !family.in_partition(key));
    let parts = parts.into_iter().chain(columns);
    removals.now.extend(parts.filter_map(|key| {
        let sql = part(key)?;
        // What a child has and keeps, becomes its own.
        let kept = from
            .objects()
            .keys()
            .any(|other| family.inherited(other, [key]).is_some() && !extra.contains(other));
        let kept = kept && [ObjectKind::Column, ObjectKind::Constraint].contains(&key.kind);
        Some(if kept {
            sql.replacen("ALTER TABLE ", "ALTER TABLE ONLY ", 1)
        } else {
            sql
        })
    }));
    let rest = free.into_iter().filter(|key| !early.contains(key));
    let (first, rest): (Vec<_>, Vec<_>) = rest.partition(|key| all.is_of_functions(key));
    let before = |kind: &ObjectKind| [ObjectKind::Statistics, ObjectKind::Table].contains(kind);
    let (tables, rest): (Vec<_>, Vec<_>) = rest.into_iter().partition(|key| before(&key.kind));
    for keys in [tables, first, rest] {
        removals.now.extend(by_kind(&keys));
    }
    removals.last = by_kind(&needed);
    removals
}

/// What may go.
struct All<'a> {
    from: &'a Catalog,
    to: &'a Catalog,
    going: Vec<&'a ObjectKey>,
}

impl<'a> All<'a> {
    fn definition(&self, key: &ObjectKey) -> &'a str {
        self.from.get(key).map_or("", |object| &object.definition)
    }

    /// What `differing` still needs, with what needs that and what it lies in, and what nothing does.
    fn needed(&self, differing: &[Change]) -> (Vec<&'a ObjectKey>, Vec<&'a ObjectKey>) {
        let is_free = |key: &ObjectKey| {
            // What comes again goes before.
            self.to.get(key).is_none()
                && ORDER.contains(&key.kind)
                && ![ObjectKind::Table, ObjectKind::Statistics].contains(&key.kind)
        };
        let (mut needed, mut free): (Vec<&ObjectKey>, Vec<&ObjectKey>) =
            self.going.iter().partition(|key| {
                let changes = differing.iter();
                is_free(key)
                    && key.kind != ObjectKind::Schema
                    && changes.map(|c| &c.after).any(|d| mentions(d, key))
            });
        loop {
            let (more, rest): (Vec<&ObjectKey>, Vec<&ObjectKey>) =
                free.iter().copied().partition(|key| {
                    is_free(key)
                        && needed.iter().any(|other| match key.kind {
                            ObjectKind::Schema => other.schema == key.name,
                            _ => mentions(self.definition(other), key),
                        })
                });
            if more.is_empty() {
                return (needed, free);
            }
            needed.extend(more);
            free = rest;
        }
    }

    fn is_foreign(&self, key: &ObjectKey) -> bool {
        key.kind == ObjectKind::Constraint && self.definition(key).starts_with("FOREIGN KEY ")
    }

    /// True for a foreign key of a table that goes, to one that stays without one of its `own` keys.
    fn holds_key(&self, key: &ObjectKey, own: &[&ObjectKey]) -> bool {
        let definition = self.definition(key).replace('"', "");
        let is_to = |other: &&ObjectKey| {
            let of = other.table.as_ref().map(|table| bare(&other.schema, table));
            [ObjectKind::Constraint, ObjectKind::Index].contains(&other.kind)
                && of.is_some_and(|of| definition.contains(&format!("REFERENCES {of}(")))
        };
        let table = |other: &&ObjectKey| {
            let is = (other.kind, &other.schema) == (ObjectKind::Table, &key.schema);
            is && Some(&other.name) == key.table.as_ref()
        };
        self.is_foreign(key) && self.going.iter().any(table) && own.iter().any(is_to)
    }

    /// Which go first: foreign keys need unique ones, computed columns others.
    fn rank(&self, key: &ObjectKey) -> u8 {
        let first = match key.kind {
            ObjectKind::Constraint => self.is_foreign(key),
            ObjectKind::Index => false,
            ObjectKind::Column => render::generated(self.definition(key)).is_some(),
            _ => true,
        };
        u8::from(!first)
    }

    /// True for a function that takes or gives rows of a relation that goes, which needs no such function.
    fn takes_relation(&self, key: &ObjectKey) -> bool {
        let definition = self.definition(key);
        let end = definition.find("\nAS ").unwrap_or(definition.len());
        let takes = |other: &&ObjectKey| {
            (other.kind == ObjectKind::Table || other.kind.is_view())
                && mentions(&definition[..end], other)
        };
        key.kind.is_routine()
            && self.going.iter().any(takes)
            && !self.going.iter().any(|other| {
                !other.kind.is_routine()
                    && !other.kind.is_about()
                    && mentions(self.definition(other), key)
            })
    }

    /// True for a type that needs a function that goes.
    fn is_of_functions(&self, key: &ObjectKey) -> bool {
        let definition = self.definition(key);
        let routines = self.going.iter().filter(|other| other.kind.is_routine());
        key.kind == ObjectKind::Type && routines.into_iter().any(|f| mentions(definition, f))
    }
}

/// Drops a part of a table.
fn part(key: &ObjectKey) -> Option<String> {
    let name = quote::ident(&key.name);
    if key.kind == ObjectKind::Index {
        let index = quote::table(&TableName::new(&key.schema, &key.name));
        return Some(format!("DROP INDEX IF EXISTS {index}"));
    }
    let table = quote::table(&TableName::new(&key.schema, key.table.as_ref()?));
    match key.kind {
        ObjectKind::Trigger => Some(format!("DROP TRIGGER IF EXISTS {name} ON {table}")),
        ObjectKind::Rule => Some(format!("DROP RULE IF EXISTS {name} ON {table}")),
        ObjectKind::Policy => Some(format!("DROP POLICY IF EXISTS {name} ON {table}")),
        ObjectKind::Constraint => {
            let drop = format!("ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {name}");
            Some(drop)
        }
        ObjectKind::Column => Some(format!("ALTER TABLE {table} DROP COLUMN IF EXISTS {name}")),
        _ => None,
    }
}

/// Drops those of `keys` that are in [`ORDER`], a kind at a time.
fn by_kind(keys: &[&ObjectKey]) -> Vec<String> {
    let drop = |kind: ObjectKind| {
        let names = keys.iter().filter(|key| key.kind == kind);
        let names: Vec<String> = names.map(|key| whole(key)).collect();
        let word = kind.facts().drop.filter(|_| !names.is_empty())?;
        Some(format!("DROP {word} IF EXISTS {}", names.join(", ")))
    };
    ORDER.into_iter().filter_map(drop).collect()
}

/// The name of something that is no part of anything.
fn whole(key: &ObjectKey) -> String {
    if key.kind == ObjectKind::Schema {
        return quote::ident(&key.name);
    }
    if !key.kind.is_routine() {
        return quote::table(&TableName::new(&key.schema, &key.name));
    }
    // The name has the types of the arguments with it.
    let (name, arguments) = key.name.split_once('(').unwrap_or((&key.name, ")"));
    let full = quote::table(&TableName::new(&key.schema, name));
    format!("{full}({arguments}")
}

/// Drops `views`, those first that no other one looks at.
fn views_away(mut views: Vec<&ObjectKey>, from: &Catalog) -> Vec<String> {
    let looks_at = |one: &ObjectKey, other: &ObjectKey| {
        let name = format!("{}.{}", other.schema, other.name).replace('"', "");
        let definition = from
            .get(one)
            .map(|object| object.definition.replace('"', ""));
        one != other && definition.is_some_and(|text| text.contains(&name))
    };
    let mut statements = Vec::new();
    while !views.is_empty() {
        let free = |view: &&ObjectKey| !views.iter().any(|other| looks_at(other, view));
        // Names that contain each other may seem to be a circle.
        let place = views.iter().position(free).unwrap_or_default();
        let view = views.remove(place);
        let word = view.kind.facts().drop.unwrap_or("VIEW");
        let name = quote::table(&TableName::new(&view.schema, &view.name));
        statements.push(format!("DROP {word} IF EXISTS {name}"));
    }
    statements
}

#[cfg(test)]
mod tests {
    use super::super::Object;
    use super::*;

    #[test]
    fn dependents_go_first_and_parts_with_their_table() {
        let key = |kind, table: Option<&str>, name: &str| ObjectKey {
            kind,
            schema: "app".to_owned(),
            table: table.map(str::to_owned),
            name: name.to_owned(),
        };
        let extra = [
            key(ObjectKind::Table, None, "old"),
            key(ObjectKind::Column, Some("old"), "id"),
            key(ObjectKind::Constraint, Some("old"), "old_pkey"),
            key(ObjectKind::Column, Some("t"), "legacy"),
            key(ObjectKind::Column, Some("t"), "kept"),
            key(ObjectKind::Index, Some("t"), "t_legacy"),
            key(ObjectKind::View, None, "a"),
            key(ObjectKind::View, None, "b"),
            key(ObjectKind::Matview, None, "m"),
            key(ObjectKind::Function, None, "f(integer, text)"),
            key(ObjectKind::Owner, None, "table app.old"),
            key(ObjectKind::Trigger, Some("t"), "x"),
        ];
        let mut from = Catalog::default();
        for (view, looks_at) in [("a", "app.t"), ("b", "app.m"), ("m", "app.a")] {
            let kind = if view == "m" {
                ObjectKind::Matview
            } else {
                ObjectKind::View
            };
            let definition = format!("SELECT FROM {looks_at}");
            from.insert(key(kind, None, view), Object::new(definition, None));
        }
        let family = Family::default();
        let statements = removals(&extra, [&from, &Catalog::default()], &family, &[], &|key| {
            key.name != "kept"
        })
        .now;
        let expected = [
            r#"DROP TRIGGER IF EXISTS "x" ON "app"."t""#,
            r#"DROP VIEW IF EXISTS "app"."b""#,
            r#"DROP MATERIALIZED VIEW IF EXISTS "app"."m""#,
            r#"DROP VIEW IF EXISTS "app"."a""#,
            r#"DROP INDEX IF EXISTS "app"."t_legacy""#,
            r#"ALTER TABLE "app"."t" DROP COLUMN IF EXISTS "legacy""#,
            r#"DROP TABLE IF EXISTS "app"."old""#,
            r#"DROP FUNCTION IF EXISTS "app"."f"(integer, text)"#,
        ];
        assert_eq!(statements, expected);
    }
}
