//! The queries that measure a loss on today's data, as text.
//!
//! Expressions of a script are used as written, so these run under the search path that the
//! script would run under.

use crate::model::relation::{ForeignKey, Relation, RelationKind};
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
        child = stored(child),
        from = qualified("c", &key.from_columns),
        to = qualified("p", &key.to_columns),
    )
}

/// Selects the rows of `table` that `rows` selects, and all that refer to them through `keys`,
/// directly or not. The keys are of `table` to itself, all to the same columns.
pub fn descendants(table: &Relation, keys: &[ForeignKey], rows: &str) -> String {
    let to = keys.first().map_or(&[] as &[String], |k| &k.to_columns);
    let refers = |key: &ForeignKey| {
        let from = qualified("c", &key.from_columns);
        format!("({from}) = ({})", qualified("gone", to))
    };
    let refers: Vec<String> = keys.iter().map(refers).collect();
    let names: Vec<String> = to.iter().map(|column| quote::ident(column)).collect();
    format!(
        "SELECT t.* FROM {table} AS t WHERE ({of_t}) IN (WITH RECURSIVE gone ({names}) AS (\
         SELECT {of_p} FROM ({rows}\n) AS p UNION \
         SELECT {of_c} FROM {table} AS c JOIN gone ON {refers}) TABLE gone)",
        table = stored(table),
        of_t = qualified("t", to),
        of_p = qualified("p", to),
        of_c = qualified("c", to),
        names = names.join(", "),
        refers = refers.join(" OR "),
    )
}

/// Selects the rows that `all` selects and `some` does not, told apart by the columns `key`.
pub fn without(all: &str, some: &str, key: &[String]) -> String {
    format!(
        "SELECT a.* FROM ({all}\n) AS a WHERE NOT EXISTS (\
         SELECT 1 FROM ({some}\n) AS s WHERE ({}) = ({}))",
        qualified("s", key),
        qualified("a", key),
    )
}

/// Selects all rows of `table`, its partitions and children.
pub fn all(table: &Relation) -> String {
    format!("SELECT t.* FROM {} AS t", quote::table(&table.name))
}

/// Selects the rows of `table` that are neither its partitions' nor its children's.
pub fn own(table: &Relation) -> String {
    format!("SELECT t.* FROM ONLY {} AS t", quote::table(&table.name))
}

/// Selects the rows of the materialized view `view` that its `query` doesn't give, each as often as
/// it is missing. Rows are compared as text: some types have no `=`, or a lax one.
pub fn not_given(view: &Relation, query: &str) -> String {
    let query = query.trim().trim_end_matches(';');
    count(&format!(
        "SELECT m::pg_catalog.text FROM {} AS m EXCEPT ALL \
         SELECT q::pg_catalog.text FROM ({query}\n) AS q",
        quote::table(&view.name),
    ))
}

/// `table` as foreign keys see it: rows of partitions are its own, rows of children are not.
fn stored(table: &Relation) -> String {
    let only = match table.kind {
        RelationKind::Partitioned => "",
        _ => "ONLY ",
    };
    format!("{only}{}", quote::table(&table.name))
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

/// Computes every value that `column` of `table` itself gets by a conversion to `new_type`, and
/// counts them.
pub fn there(table: &Relation, column: &str, new_type: &str, using: Option<&str>) -> String {
    let quoted = quote::ident(column);
    format!(
        "SELECT pg_catalog.count(({}\n)::{new_type}) FROM ONLY {}",
        using.unwrap_or(&quoted),
        quote::table(&table.name),
    )
}

/// Counts the rows of `table` itself in which `column` is written in another way once it is of type
/// `new_type`.
pub fn rewritten(table: &Relation, column: &str, new_type: &str, using: Option<&str>) -> String {
    let quoted = quote::ident(column);
    format!(
        "SELECT pg_catalog.count(*) FROM ONLY {} WHERE \
         (({}\n)::{new_type})::pg_catalog.text IS DISTINCT FROM {quoted}::pg_catalog.text",
        quote::table(&table.name),
        using.unwrap_or(&quoted),
    )
}

fn qualified(alias: &str, columns: &[String]) -> String {
    columns
        .iter()
        .map(|column| format!("{alias}.{}", quote::ident(column)))
        .collect::<Vec<_>>()
        .join(", ")
}
