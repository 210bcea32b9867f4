//! The queries that count the rows which break a promise, as text, and what it is called.
//!
//! As in [`count`](crate::planner::count), expressions of a script are used as written.

use crate::model::relation::{Relation, RelationKind};
use crate::sql::promise::{Promise, Promised};
use crate::sql::quote;

/// Counts the rows of `table` that break `promise`; `to` is the table that a reference is to.
/// `None`: that can't be asked, a column being unknown.
pub fn broken(promise: &Promise, table: &Relation, to: Option<&Relation>) -> Option<String> {
    let quoted = quote::table(&table.name);
    let known = |column: &String| table.column(column).is_some();
    // Inherited by children and partitions.
    let all = if promise.only {
        format!("ONLY {quoted}")
    } else {
        quoted.clone()
    };
    // Indexes and references of a parent are its own; those of a partitioned table are not.
    let own = if table.kind == RelationKind::Partitioned {
        quoted
    } else {
        format!("ONLY {quoted}")
    };
    let count = |rows: String| Some(format!("SELECT pg_catalog.count(*) FROM {rows}"));
    match &promise.promised {
        Promised::NotNull { column } if known(column) => count(format!(
            "{all} AS t WHERE t.{} IS NULL",
            quote::ident(column)
        )),
        Promised::Check { condition } => {
            let name = quote::ident(&promise.table.name);
            count(format!("{all} AS {name} WHERE NOT ({condition}\n)"))
        }
        Promised::Fits { column, limit, .. } if known(column) => count(format!(
            "{all} AS t WHERE pg_catalog.char_length(pg_catalog.rtrim(t.{}::pg_catalog.text, ' ')) \
             > {limit}",
            quote::ident(column)
        )),
        Promised::Filled { type_name, .. } => count(format!(
            "{all} AS t WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_type AS y \
             WHERE y.oid = pg_catalog.to_regtype({}) AND y.typtype = 'd')",
            quote::literal(type_name)
        )),
        Promised::Unique {
            columns,
            nulls_distinct,
            not_null,
            predicate,
        } if columns.iter().all(known) => {
            let null = |is: &str, between: &str| {
                let parts = columns
                    .iter()
                    .map(|c| format!("t.{} {is}", quote::ident(c)));
                parts.collect::<Vec<_>>().join(between)
            };
            let name = quote::ident(&promise.table.name);
            let among = predicate.as_deref().unwrap_or("true");
            let from = format!("(SELECT * FROM {own} AS {name} WHERE ({among}\n)) AS t");
            let apart = if *nulls_distinct {
                null("IS NOT NULL", " AND ")
            } else {
                "true".to_owned()
            };
            let names = quote::idents(columns.iter().map(String::as_str));
            let doubled = format!(
                "(SELECT FROM {from} WHERE {apart} GROUP BY {names} HAVING pg_catalog.count(*) > 1)"
            );
            if *not_null {
                return Some(format!(
                    "SELECT (SELECT pg_catalog.count(*) FROM {doubled} AS d) \
                     + (SELECT pg_catalog.count(*) FROM {from} WHERE {})",
                    null("IS NULL", " OR ")
                ));
            }
            count(format!("{doubled} AS d"))
        }
        Promised::Refers {
            columns,
            to_columns,
            ..
        } if columns.iter().all(known) => {
            let to = to?;
            let to_columns = if to_columns.is_empty() {
                to.keys.first()?
            } else {
                to_columns
            };
            let there = |column: &String| to.column(column).is_some();
            if to_columns.len() != columns.len() || !to_columns.iter().all(there) {
                return None;
            }
            let pairs = columns.iter().zip(to_columns);
            let same = pairs.map(|(c, p)| format!("t.{} = p.{}", quote::ident(c), quote::ident(p)));
            let filled = columns
                .iter()
                .map(|c| format!("t.{} IS NOT NULL", quote::ident(c)));
            let parent = quote::table(&to.name);
            count(format!(
                "{own} AS t WHERE {} AND NOT EXISTS (SELECT FROM {}{parent} AS p WHERE {})",
                filled.collect::<Vec<_>>().join(" AND "),
                if to.kind == RelationKind::Partitioned {
                    ""
                } else {
                    "ONLY "
                },
                same.collect::<Vec<_>>().join(" AND "),
            ))
        }
        _ => None,
    }
}

/// What `rows` rows of `table` that break `promise` do, as a sentence fragment.
pub fn told(promise: &Promise, table: &Relation, rows: u64) -> String {
    let name = &table.name;
    let many = |one: &str, many: &str| {
        if rows == 1 {
            one.to_owned()
        } else {
            many.to_owned()
        }
    };
    let number = format!("{rows} {}", many("row", "rows"));
    match &promise.promised {
        Promised::NotNull { column } => {
            format!(
                "{name}.{column} is to be NOT NULL, and {number} {} NULL",
                many("holds", "hold")
            )
        }
        Promised::Check { condition } => {
            format!(
                "{number} of {name} {} CHECK ({condition})",
                many("breaks", "break")
            )
        }
        Promised::Fits {
            column, type_name, ..
        } => format!(
            "{name}.{column} is to be {type_name}, and {number} {} a longer text",
            many("holds", "hold")
        ),
        Promised::Filled { column, .. } => format!(
            "{name}.{column} is added as NOT NULL without a default, and the table has {number}"
        ),
        Promised::Unique {
            columns, not_null, ..
        } => {
            let columns = columns.join(", ");
            let null = if *not_null { ", or NULL" } else { "" };
            let values = many("value of it stands", "values of it stand");
            format!(
                "({columns}) of {name} is to be unique, and {rows} {values} in several rows{null}"
            )
        }
        Promised::Refers { columns, to, .. } => format!(
            "({}) of {name} is to refer to {to}, and {number} {} to none of its rows",
            columns.join(", "),
            many("refers", "refer")
        ),
    }
}
