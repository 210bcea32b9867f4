//! What a dump has no entry for: columns and inline constraints of tables that are still there.

use super::Catalog;
use super::ObjectKey;
use super::ObjectKind;
use super::family::Family;
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
    /// It is computed, of columns that may have to get their type before.
    pub generated: bool,
    /// Its type is the row type of a relation that is missing too, or lacks columns: it can be added only
    /// after that one is there as a whole.
    pub of_relation: bool,
}

/// The columns among `missing`, all that is missing, as `catalog` had them, table by table in
/// their order, parents first. Those of tables that are missing as a whole are left out.
pub fn columns(catalog: &Catalog, family: &Family, missing: &[ObjectKey]) -> Vec<MissingColumn> {
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
                inherited: family.inherited(key, missing).is_some(),
                generated: render::generated(&object.definition).is_some(),
                of_relation: missing.iter().any(|k| is_relation(k, type_name)),
            };
            Some((object.order.unwrap_or_default(), column))
        })
        .collect();
    found.sort_by(|(a_order, a), (b_order, b)| {
        let by = |k: &ObjectKey| (family.depth(k), k.schema.clone(), k.table.clone());
        (by(&a.key), a_order).cmp(&(by(&b.key), b_order))
    });
    found.into_iter().map(|(_, column)| column).collect()
}

/// Statements that add the constraints among `left`, which no entry makes, of all that is `missing`. What a
/// table inherits is left out.
pub fn constraints(
    catalog: &Catalog,
    family: &Family,
    left: &[ObjectKey],
    missing: &[ObjectKey],
) -> Vec<String> {
    let own = left.iter();
    let own = own.filter(|key| family.inherited(key, missing).is_none());
    own.filter_map(|key| render::add_constraint(catalog, key))
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
        let found = columns(&catalog, &Family::of(&catalog), &missing);
        let inherited: Vec<bool> = found.iter().map(|c| c.inherited).collect();
        assert_eq!(inherited, [false, true]);
    }
}
