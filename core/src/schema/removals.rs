//! Which statements take away what should not be there.

use std::collections::BTreeMap;

use crate::ident::TableName;
use crate::sql::quote;

use super::{ObjectKey, ObjectKind};

/// The kinds that can be dropped by name, dependents first, with the word for DROP. Several of
/// one kind go in one statement, so that they may depend on each other.
const KINDS: [(ObjectKind, &str); 10] = [
    (ObjectKind::View, "VIEW"),
    (ObjectKind::Matview, "MATERIALIZED VIEW"),
    (ObjectKind::Index, "INDEX"),
    (ObjectKind::Table, "TABLE"),
    (ObjectKind::Function, "FUNCTION"),
    (ObjectKind::Procedure, "PROCEDURE"),
    (ObjectKind::Sequence, "SEQUENCE"),
    (ObjectKind::Type, "TYPE"),
    (ObjectKind::Statistics, "STATISTICS"),
    (ObjectKind::Schema, "SCHEMA"),
];

/// Statements that drop those of the `extra` objects that `may_go`, without CASCADE. Parts of a
/// table that goes, and what can't be dropped by name, are left out.
pub fn removals(extra: &[ObjectKey], may_go: &dyn Fn(&ObjectKey) -> bool) -> Vec<String> {
    let going: Vec<&ObjectKey> = extra.iter().filter(|key| may_go(key)).collect();
    // Parts of a table that is extra itself go with it, or stay with it.
    let of_extra = |key: &ObjectKey| {
        extra.iter().any(|other| {
            matches!(
                other.kind,
                ObjectKind::Table | ObjectKind::View | ObjectKind::Matview
            ) && other.schema == key.schema
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
            (ObjectKind::Schema, _) => by_kind.entry(key.kind).or_default().push(name),
            (kind, _) => {
                let full = quote::table(&TableName::new(&key.schema, &key.name));
                by_kind.entry(kind).or_default().push(full);
            }
        }
    }
    let mut statements = first;
    for (kind, word) in KINDS {
        if kind == ObjectKind::Table {
            statements.append(&mut columns);
        }
        if let Some(names) = by_kind.get(&kind) {
            statements.push(format!("DROP {word} IF EXISTS {}", names.join(", ")));
        }
    }
    statements
}

#[cfg(test)]
mod tests {
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
            key(ObjectKind::Function, None, "f(integer, text)"),
            key(ObjectKind::Owner, None, "table app.old"),
            key(ObjectKind::Trigger, Some("t"), "x"),
        ];
        let statements = removals(&extra, &|key| key.name != "kept");
        let expected = [
            r#"DROP TRIGGER IF EXISTS "x" ON "app"."t""#,
            r#"DROP VIEW IF EXISTS "app"."a", "app"."b""#,
            r#"DROP INDEX IF EXISTS "app"."t_legacy""#,
            r#"ALTER TABLE "app"."t" DROP COLUMN IF EXISTS "legacy""#,
            r#"DROP TABLE IF EXISTS "app"."old""#,
            r#"DROP FUNCTION IF EXISTS "app"."f"(integer, text)"#,
        ];
        assert_eq!(statements, expected);
    }
}
