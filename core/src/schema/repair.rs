//! What a dump has no entry for: columns and inline constraints of tables that are still there.

use super::Catalog;
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
    /// Its type is the row type of a relation that is missing too, or lacks columns: it can be added only
    /// after that one is there as a whole.
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

/// True when `type_name` is the row type of the relation `key`, or an array of it; or of the one that
/// the column `key` belongs to: once its type is in use it gets no more columns.
fn is_relation(key: &ObjectKey, type_name: &str) -> bool {
    let relation = match key.kind {
        ObjectKind::Table | ObjectKind::View | ObjectKind::Matview => Some(&key.name),
        ObjectKind::Column => key.table.as_ref(),
        _ => None,
    };
    let is = |name: &String| {
        type_name.replace('"', "").trim_end_matches("[]") == format!("{}.{name}", key.schema)
    };
    relation.is_some_and(is)
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

#[cfg(test)]
mod tests {
    use super::super::Object;
    use super::*;

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
