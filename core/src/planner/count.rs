//! The queries that measure a loss on today's data, as text.
//!
//! Expressions of a script are used as written, so these run under the search path that the
//! script would run under.

use crate::model::relation::{ForeignKey, Relation};
use crate::sql::quote;
use crate::sql::statement::Dml;

/// Selects the rows of `table` that `dml` would change.
pub fn matching(table: &Relation, dml: &Dml) -> String {
    let alias = dml.alias.as_deref().unwrap_or(&dml.table.name);
    let with = dml.with.as_deref().unwrap_or("");
    let condition = dml.predicate.as_deref().unwrap_or("true");
    let condition = match &dml.using {
        Some(using) => format!("EXISTS (SELECT 1 FROM {using}\nWHERE {condition}\n)"),
        None => format!("({condition}\n)"),
    };
    format!(
        "{with} SELECT {alias}.* FROM {only}{table} AS {alias} WHERE {condition}",
        alias = quote::ident(alias),
        only = if dml.only { "ONLY " } else { "" },
        table = quote::table(&table.name),
    )
}

/// Selects the rows of `child` that refer through `key` to rows selected by `parents`.
pub fn referring(child: &Relation, key: &ForeignKey, parents: &str) -> String {
    format!(
        "SELECT c.* FROM {child} AS c WHERE ({from}) IN (SELECT {to} FROM ({parents}\n) AS p)",
        child = quote::table(&child.name),
        from = qualified("c", &key.from_columns),
        to = qualified("p", &key.to_columns),
    )
}

/// Selects all rows of `table`.
pub fn all(table: &Relation) -> String {
    format!("SELECT t.* FROM {} AS t", quote::table(&table.name))
}

/// Counts what `rows` selects.
pub fn count(rows: &str) -> String {
    format!("SELECT pg_catalog.count(*) FROM ({rows}\n) AS counted")
}

/// Counts the rows of `table` itself in which `column` holds a value.
pub fn values(table: &Relation, column: &str) -> String {
    format!(
        "SELECT pg_catalog.count({}) FROM ONLY {}",
        quote::ident(column),
        quote::table(&table.name)
    )
}

/// Counts the rows of `table` itself in which `column` would not come back the same from a
/// conversion to `new_type`.
pub fn converted(table: &Relation, column: &str, new_type: &str, using: Option<&str>) -> String {
    let quoted = quote::ident(column);
    let old_type = table.column(column).map_or("text", |c| &c.type_name);
    // An assignment cast reports a value that is too long; an explicit one cuts it. Comparing
    // the explicit conversion finds both the cut and the error.
    let expression = using.unwrap_or(&quoted);
    format!(
        "SELECT pg_catalog.count(*) FROM ONLY {table} WHERE \
         ((({expression}\n)::{new_type})::{old_type})::pg_catalog.text \
         IS DISTINCT FROM {quoted}::pg_catalog.text",
        table = quote::table(&table.name),
    )
}

fn qualified(alias: &str, columns: &[String]) -> String {
    columns
        .iter()
        .map(|column| format!("{alias}.{}", quote::ident(column)))
        .collect::<Vec<_>>()
        .join(", ")
}
