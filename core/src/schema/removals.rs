//! Which statements take away what should not be there.

use std::collections::BTreeMap;

use crate::ident::TableName;
use crate::sql::quote;

use super::{Catalog, ObjectKey, ObjectKind};

/// The kinds that can be dropped by name, dependents first. Several of one kind go in one statement, so
/// that they may depend on each other.
const ORDER: [ObjectKind; 8] = [
    ObjectKind::Index,
    ObjectKind::Table,
    ObjectKind::Function,
    ObjectKind::Procedure,
    ObjectKind::Sequence,
    ObjectKind::Type,
    ObjectKind::Statistics,
    ObjectKind::Schema,
];

/// Statements that drop those of the `extra` objects that `may_go`, without CASCADE. Parts of a
/// table that goes, and what can't be dropped by name, are left out. `from` is the schema that is there.
pub fn removals(
    extra: &[ObjectKey],
    from: &Catalog,
    may_go: &dyn Fn(&ObjectKey) -> bool,
) -> Vec<String> {
    let going: Vec<&ObjectKey> = extra.iter().filter(|key| may_go(key)).collect();
    // Parts of a table that is extra itself go with it, or stay with it.
    let of_extra = |key: &ObjectKey| {
        extra.iter().any(|other| {
            (other.kind == ObjectKind::Table || other.kind.is_view())
                && other.schema == key.schema
                && Some(&other.name) == key.table.as_ref()
        })
    };
    let mut first = Vec::new();
    let mut columns = Vec::new();
    let mut by_kind: BTreeMap<ObjectKind, Vec<String>> = BTreeMap::new();
    for key in going.iter().filter(|key| !of_extra(key)) {
        let name = quote::ident(&key.name);
        let table = key.table.as_ref();
        let table = table.map(|t| quote::table(&TableName::new(&key.schema, t)));
        match (key.kind, table) {
            (ObjectKind::Trigger, Some(table)) => {
                first.push(format!("DROP TRIGGER IF EXISTS {name} ON {table}"));
            }
            (ObjectKind::Rule, Some(table)) => {
                first.push(format!("DROP RULE IF EXISTS {name} ON {table}"));
            }
            (ObjectKind::Policy, Some(table)) => {
                first.push(format!("DROP POLICY IF EXISTS {name} ON {table}"));
            }
            (ObjectKind::Constraint, Some(table)) => {
                first.push(format!(
                    "ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {name}"
                ));
            }
            (ObjectKind::Column, Some(table)) => {
                columns.push(format!("ALTER TABLE {table} DROP COLUMN IF EXISTS {name}"));
            }
            (ObjectKind::Function | ObjectKind::Procedure, _) => {
                // The name has the types of the arguments with it.
                let (name, arguments) = key.name.split_once('(').unwrap_or((&key.name, ")"));
                let full = quote::table(&TableName::new(&key.schema, name));
                by_kind
                    .entry(key.kind)
                    .or_default()
                    .push(format!("{full}({arguments}"));
            }
            // Those that look at each other go one by one.
            (ObjectKind::View | ObjectKind::Matview, _) => {}
            (ObjectKind::Schema, _) => by_kind.entry(key.kind).or_default().push(name),
            (kind, _) => {
                let full = quote::table(&TableName::new(&key.schema, &key.name));
                by_kind.entry(kind).or_default().push(full);
            }
        }
    }
    let mut statements = first;
    let views = going.iter().filter(|key| key.kind.is_view());
    statements.extend(views_away(views.copied().collect(), from));
    for kind in ORDER {
        if kind == ObjectKind::Table {
            statements.append(&mut columns);
        }
        if let (Some(names), Some(word)) = (by_kind.get(&kind), kind.facts().drop) {
            statements.push(format!("DROP {word} IF EXISTS {}", names.join(", ")));
        }
    }
    statements
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
        let statements = removals(&extra, &from, &|key| key.name != "kept");
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
