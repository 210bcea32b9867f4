//! What a dump has no entry for: columns and inline constraints of tables that are still there,
//! privileges that a new object got from ALTER DEFAULT PRIVILEGES, facts of a column that changed.

use crate::sql::quote;

use super::Catalog;
use super::Change;
use super::ObjectKey;
use super::ObjectKind;
use super::render;
use super::render::AddColumn;

/// A missing column, and what puts it back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingColumn {
    /// The column.
    pub key: ObjectKey,
    /// The steps.
    pub steps: AddColumn,
    /// Comes back when its parent's column does: `steps.add` must not run, the others may.
    pub inherited: bool,
    /// Its type is the row type of a relation that is missing too: it can be added only after
    /// that one is there.
    pub of_relation: bool,
}

/// The columns among `missing`, all that is missing, as `catalog` had them, table by table in
/// their order. Those of tables that are missing as a whole are left out.
pub fn columns(catalog: &Catalog, missing: &[ObjectKey]) -> Vec<MissingColumn> {
    let mut found: Vec<(i32, MissingColumn)> = missing
        .iter()
        .filter(|key| !missing.iter().any(|other| is_table_of(other, key)))
        .filter_map(|key| {
            let steps = render::add_column(catalog, key)?;
            let object = catalog.get(key)?;
            let type_name = object.definition.lines().next().unwrap_or_default();
            let column = MissingColumn {
                key: key.clone(),
                steps,
                inherited: comes_with_parent(catalog, key, missing),
                of_relation: missing.iter().any(|k| is_relation(k, type_name)),
            };
            Some((object.order.unwrap_or_default(), column))
        })
        .collect();
    found.sort_by(|(a_order, a), (b_order, b)| {
        let by = |k: &ObjectKey| (k.schema.clone(), k.table.clone());
        (by(&a.key), a_order).cmp(&(by(&b.key), b_order))
    });
    found.into_iter().map(|(_, column)| column).collect()
}

/// Statements that add the constraints among `missing`, those that no entry makes. What a table
/// inherits is left out.
pub fn constraints(catalog: &Catalog, missing: &[ObjectKey]) -> Vec<String> {
    missing
        .iter()
        .filter(|key| !comes_with_parent(catalog, key, missing))
        .filter_map(|key| render::add_constraint(catalog, key))
        .collect()
}

fn is_table_of(table: &ObjectKey, key: &ObjectKey) -> bool {
    table.kind == ObjectKind::Table
        && table.schema == key.schema
        && Some(&table.name) == key.table.as_ref()
}

/// True when `type_name` is the row type of the relation `key`, or an array of it.
fn is_relation(key: &ObjectKey, type_name: &str) -> bool {
    matches!(
        key.kind,
        ObjectKind::Table | ObjectKind::View | ObjectKind::Matview
    ) && type_name.replace('"', "").trim_end_matches("[]") == format!("{}.{}", key.schema, key.name)
}

/// True when a parent of the key's table misses the same column or constraint.
fn comes_with_parent(catalog: &Catalog, key: &ObjectKey, missing: &[ObjectKey]) -> bool {
    let Some(table) = &key.table else {
        return false;
    };
    let table = ObjectKey {
        kind: ObjectKind::Table,
        schema: key.schema.clone(),
        table: None,
        name: table.clone(),
    };
    let Some(definition) = catalog.get(&table).map(|o| o.definition.replace('"', "")) else {
        return false;
    };
    missing
        .iter()
        .filter(|other| other.kind == key.kind && other.name == key.name)
        .filter_map(|other| Some(format!("{}.{}", other.schema, other.table.as_ref()?)))
        .any(|parent| {
            definition.lines().any(|line| {
                line.starts_with(&format!("partition of {parent} "))
                    || line
                        .strip_prefix("inherits ")
                        .is_some_and(|parents| parents.split(", ").any(|p| p == parent))
            })
        })
}

/// Statements that give a changed column its default, NOT NULL and settings back. A changed type
/// isn't among them: that takes the values along.
pub fn column(change: &Change) -> Vec<String> {
    let steps = |definition: &str| render::steps(&change.key, definition);
    let (Some(before), Some(after)) = (steps(&change.before), steps(&change.after)) else {
        return Vec::new();
    };
    let settings = before
        .settings
        .iter()
        .filter(|s| !after.settings.contains(s));
    let rest = [
        (before.set_default, after.set_default),
        (before.set_not_null, after.set_not_null),
    ];
    settings
        .cloned()
        .chain(
            rest.into_iter()
                .filter(|(before, after)| before != after)
                .filter_map(|(before, _)| before),
        )
        .collect()
}

/// Statements that turn the privileges `now` of an object into those of `before`; `key` is of the
/// kind [`ObjectKind::Acl`]. An object that is made again gets what ALTER DEFAULT PRIVILEGES says,
/// so it may have more than it had.
///
/// Privileges granted by others than the owner can't be given back by the owner; they are left.
pub fn privileges(before: &Catalog, now: &Catalog, key: &ObjectKey) -> Vec<String> {
    let Some((target, column)) = target(key) else {
        return Vec::new();
    };
    let lines = |catalog: &Catalog| -> Option<Vec<Grant>> {
        let definition = &catalog.get(key)?.definition;
        Some(definition.lines().filter_map(Grant::of).collect())
    };
    let had = lines(before);
    let has = lines(now).unwrap_or_default();
    // Without an entry an object had what every new one has: the owner everything, and PUBLIC the
    // use of functions, types and languages.
    let usual = |grant: &Grant| had.is_none() && grant.role == grant.grantor;
    let on = |privilege: &str| match &column {
        Some(column) => format!("{privilege} ({column}) ON {target}"),
        None => format!("{privilege} ON {target}"),
    };
    let mut statements = Vec::new();
    for grant in &has {
        let kept = had.as_ref().is_some_and(|had| had.contains(grant));
        if !kept && !usual(grant) {
            statements.push(format!(
                "REVOKE {} FROM {}",
                on(&grant.privilege),
                grant.to()
            ));
        }
    }
    for grant in had.iter().flatten().filter(|g| !has.contains(g)) {
        let option = if grant.option {
            " WITH GRANT OPTION"
        } else {
            ""
        };
        statements.push(format!(
            "GRANT {} TO {}{option}",
            on(&grant.privilege),
            grant.to()
        ));
    }
    if had.is_none() {
        let public = match target.split(' ').next() {
            Some("FUNCTION" | "PROCEDURE") => Some("EXECUTE"),
            Some("TYPE" | "LANGUAGE") => Some("USAGE"),
            _ => None,
        };
        statements.extend(public.map(|privilege| format!("GRANT {} TO PUBLIC", on(privilege))));
    }
    statements
}

/// One line of an ACL: `rr SELECT with grant option by postgres`.
#[derive(PartialEq, Eq)]
struct Grant {
    role: String,
    privilege: String,
    option: bool,
    grantor: String,
}

impl Grant {
    fn of(line: &str) -> Option<Self> {
        let (rest, grantor) = line.rsplit_once(" by ")?;
        let without = rest.strip_suffix(" with grant option");
        let (role, privilege) = without.unwrap_or(rest).rsplit_once(' ')?;
        Some(Self {
            role: role.to_owned(),
            privilege: privilege.to_owned(),
            option: without.is_some(),
            grantor: grantor.to_owned(),
        })
    }

    fn to(&self) -> String {
        match self.role.as_str() {
            "PUBLIC" => "PUBLIC".to_owned(),
            role => quote::ident(role),
        }
    }
}

/// What GRANT calls the object that an ACL is about, and the column.
fn target(key: &ObjectKey) -> Option<(String, Option<String>)> {
    const WORDS: [(&str, &str); 16] = [
        ("materialized view ", "TABLE"),
        ("foreign table ", "TABLE"),
        ("table ", "TABLE"),
        ("view ", "TABLE"),
        ("sequence ", "SEQUENCE"),
        ("function ", "FUNCTION"),
        ("aggregate ", "FUNCTION"),
        ("procedure ", "PROCEDURE"),
        ("composite type ", "TYPE"),
        ("type ", "TYPE"),
        ("domain ", "TYPE"),
        ("schema ", "SCHEMA"),
        ("language ", "LANGUAGE"),
        ("foreign-data wrapper ", "FOREIGN DATA WRAPPER"),
        ("server ", "FOREIGN SERVER"),
        ("large object ", "LARGE OBJECT"),
    ];
    if key.kind != ObjectKind::Acl {
        return None;
    }
    let (kind, word) = WORDS.iter().find(|(kind, _)| key.name.starts_with(kind))?;
    let identity = &key.name[kind.len()..];
    match identity
        .strip_prefix("column ")
        .filter(|_| *word == "TABLE")
    {
        Some(identity) => {
            let (table, column) = split_column(identity)?;
            Some((format!("TABLE {table}"), Some(column.to_owned())))
        }
        None => Some((format!("{word} {identity}"), None)),
    }
}

/// `app.t."a.b"` at its last dot outside quotes.
fn split_column(identity: &str) -> Option<(&str, &str)> {
    let mut quoted = false;
    let mut last = None;
    for (at, byte) in identity.bytes().enumerate() {
        match byte {
            b'"' => quoted = !quoted,
            b'.' if !quoted => last = Some(at),
            _ => {}
        }
    }
    last.map(|at| (&identity[..at], &identity[at + 1..]))
}

#[cfg(test)]
mod tests {
    use super::super::Object;
    use super::*;

    fn acl(name: &str) -> ObjectKey {
        ObjectKey {
            kind: ObjectKind::Acl,
            schema: "app".to_owned(),
            table: None,
            name: name.to_owned(),
        }
    }

    fn catalog(key: &ObjectKey, definition: Option<&str>) -> Catalog {
        let mut catalog = Catalog::default();
        if let Some(definition) = definition {
            catalog.insert(key.clone(), Object::new(definition, None));
        }
        catalog
    }

    #[test]
    fn default_privileges_are_taken_back() {
        let key = acl("table app.t");
        let now = "me SELECT by me\nOdd role SELECT by me";
        assert_eq!(
            privileges(&catalog(&key, None), &catalog(&key, Some(now)), &key),
            ["REVOKE SELECT ON TABLE app.t FROM \"Odd role\""]
        );
    }

    #[test]
    fn lost_privileges_are_given_back() {
        let key = acl("table column app.t.\"a.b\"");
        let had = "rr UPDATE with grant option by me";
        assert_eq!(
            privileges(&catalog(&key, Some(had)), &catalog(&key, None), &key),
            ["GRANT UPDATE (\"a.b\") ON TABLE app.t TO \"rr\" WITH GRANT OPTION"]
        );
    }

    #[test]
    fn functions_are_for_everyone_again() {
        let key = acl("function app.f()");
        let now = "me EXECUTE by me";
        assert_eq!(
            privileges(&catalog(&key, None), &catalog(&key, Some(now)), &key),
            ["GRANT EXECUTE ON FUNCTION app.f() TO PUBLIC"]
        );
    }

    #[test]
    fn inherited_columns_come_with_their_parents() {
        let mut catalog = Catalog::default();
        let key = |kind, table: Option<&str>, name: &str| ObjectKey {
            kind,
            schema: "app".to_owned(),
            table: table.map(str::to_owned),
            name: name.to_owned(),
        };
        let partition = "partition of app.t FOR VALUES IN ('a')";
        catalog.insert(
            key(ObjectKind::Table, None, "p"),
            Object::new(partition, None),
        );
        let missing = ["t", "p"].map(|table| key(ObjectKind::Column, Some(table), "c"));
        for column in &missing {
            catalog.insert(column.clone(), Object::new("integer", Some(1)));
        }
        let found = columns(&catalog, &missing);
        let inherited: Vec<bool> = found.iter().map(|c| c.inherited).collect();
        assert_eq!(inherited, [true, false]);
    }
}
