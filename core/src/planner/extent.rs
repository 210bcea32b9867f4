//! How much of a table has to be saved, given what happens to it.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::plan::{Coverage, Extent, Fate};
use crate::model::relation::Relation;
use crate::sql::promise;

/// What the statements need of one table, gathered before it is decided how to save it.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a question of its own, asked once"
)]
#[derive(Debug, Default)]
pub struct Need {
    pub dropped: bool,
    pub full: bool,
    pub columns: BTreeSet<String>,
    pub dropped_columns: BTreeSet<String>,
    pub retyped: BTreeMap<String, String>,
    pub matching: Vec<String>,
    pub rows_change: bool,
    pub redefined: bool,
    pub replaced: bool,
}

/// Decides what is saved of `relation`, and how its rows are told apart.
pub fn decide(relation: &Relation, need: &Need) -> Coverage {
    let fate = if need.dropped {
        Fate::Dropped
    } else {
        Fate::Kept
    };
    let reshaped = !need.dropped_columns.is_empty() || !need.retyped.is_empty();
    let stable = |column: &String| {
        !need.dropped_columns.contains(column)
            && need.retyped.get(column).is_none_or(|new_type| {
                let old = relation.column(column).map_or("", |c| c.type_name.as_str());
                same_text(old, new_type)
            })
    };
    let key = relation
        .keys
        .iter()
        .find(|key| fate == Fate::Dropped || key.iter().all(stable))
        .cloned()
        .unwrap_or_default();
    let mut columns = need.columns.clone();
    let written = |c: &&String| relation.column(c).is_some_and(|c| !c.generated);
    columns.extend(need.dropped_columns.iter().filter(written).cloned());
    columns.extend(need.retyped.keys().cloned());
    let extent = if need.full || key.is_empty() && reshaped || reshaped && need.rows_change {
        Extent::Full
    } else if reshaped || need.matching.is_empty() {
        if !reshaped && !columns.is_empty() && key.is_empty() {
            Extent::Full
        } else {
            Extent::Columns(columns.into_iter().collect())
        }
    } else if columns.is_empty() {
        Extent::Matching(need.matching.clone())
    } else {
        Extent::Full
    };
    Coverage {
        table: relation.name.clone(),
        fate,
        extent,
        retyped: need.retyped.keys().cloned().collect(),
        dropped: need.dropped_columns.iter().cloned().collect(),
        rows_change: need.rows_change,
        redefined: need.redefined || need.dropped,
        replaced: need.dropped && need.replaced,
        shortened: shortened(&key, &need.retyped),
        key,
    }
}

/// The columns of `key` that a conversion may cut, and to how many characters.
fn shortened(key: &[String], retyped: &BTreeMap<String, String>) -> Vec<(String, u32)> {
    let limit = |column: &String| {
        let new_type = retyped.get(column).filter(|t| is_text(t))?;
        promise::text_limit(new_type)
    };
    key.iter()
        .filter_map(|column| Some((column.clone(), limit(column)?)))
        .collect()
}

/// True when a value of type `old` is written the same way once it is of type `new`, without
/// USING: integers in every integer type, text in every type of text that fills nothing up.
pub fn same_text(old: &str, new: &str) -> bool {
    is_integer(old) && is_integer(new) || is_text(old) && is_text(new)
}

fn is_text(type_name: &str) -> bool {
    let lower = type_name.trim().to_ascii_lowercase();
    let plain = lower.strip_prefix("pg_catalog.").unwrap_or(&lower);
    let plain = plain.split_once('(').map_or(plain, |p| p.0).trim();
    matches!(plain, "text" | "varchar" | "character varying")
}

fn is_integer(type_name: &str) -> bool {
    let lower = type_name.trim().to_ascii_lowercase();
    matches!(
        lower.strip_prefix("pg_catalog.").unwrap_or(&lower),
        "smallint" | "integer" | "bigint" | "int" | "int2" | "int4" | "int8"
    )
}
