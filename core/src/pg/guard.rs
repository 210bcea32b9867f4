//! What really happened in a transaction, by signs that no script can avoid leaving.

use std::collections::BTreeMap;

use tokio_postgres::Client;

use crate::error::Result;
use crate::model::plan::{Coverage, Extent, Fate};
use crate::model::relation::{Oid, RelationKind, World};
use crate::pg::error::PgContext as _;
use crate::pg::ledger;

/// The signs of each table that stores rows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Marks {
    tables: BTreeMap<Oid, Mark>,
    /// Pieces of large objects changed and removed by this transaction so far.
    large_objects: i64,
    /// The labels of enum types: type and name, by what stays when a label is renamed.
    labels: BTreeMap<Oid, (Oid, String)>,
    /// The signs of ledger and journal.
    ours: BTreeMap<Oid, Mark>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Mark {
    /// The file that holds the rows: TRUNCATE and rewrites change it.
    file: u32,
    /// Rows inserted, updated and deleted by this transaction so far.
    written: i64,
}

/// Reads the signs. Counts are the transaction's own, cascades and triggers included.
pub async fn marks(client: &Client) -> Result<Marks> {
    let rows = client
        .query(
            "SELECT oid, relfilenode, \
             pg_catalog.pg_stat_get_xact_tuples_inserted(oid) \
             + pg_catalog.pg_stat_get_xact_tuples_updated(oid) \
             + pg_catalog.pg_stat_get_xact_tuples_deleted(oid) \
             , relnamespace IN (SELECT n.oid FROM pg_catalog.pg_namespace n WHERE n.nspname = $1) \
             FROM pg_catalog.pg_class WHERE relkind = 'r' AND relpersistence <> 't'",
            &[&ledger::SCHEMA],
        )
        .await
        .pg("could not read what the transaction has done")?;
    let mut tables = BTreeMap::new();
    let mut ours = BTreeMap::new();
    for row in &rows {
        let mark = Mark {
            file: row.get(1),
            written: row.get(2),
        };
        let of = if row.get(3) { &mut ours } else { &mut tables };
        of.insert(row.get(0), mark);
    }
    let row = client
        .query_one(
            "SELECT pg_catalog.sum(pg_catalog.pg_stat_get_xact_tuples_updated(oid) \
             + pg_catalog.pg_stat_get_xact_tuples_deleted(oid))::bigint \
             FROM pg_catalog.pg_class WHERE oid IN \
             ('pg_catalog.pg_largeobject'::pg_catalog.regclass, \
             'pg_catalog.pg_largeobject_metadata'::pg_catalog.regclass)",
            &[],
        )
        .await
        .pg("could not read what the transaction has done to large objects")?;
    Ok(Marks {
        tables,
        large_objects: row.get(0),
        labels: labels(client).await?,
        ours,
    })
}

async fn labels(client: &Client) -> Result<BTreeMap<Oid, (Oid, String)>> {
    let rows = client
        .query(
            "SELECT oid, enumtypid, enumlabel::text FROM pg_catalog.pg_enum",
            &[],
        )
        .await
        .pg("could not read the labels of enum types")?;
    let label = |row: &tokio_postgres::Row| (row.get(0), (row.get(1), row.get(2)));
    Ok(rows.iter().map(label).collect())
}

/// One state of the database within the transaction.
#[derive(Debug, Clone, Copy)]
pub struct State<'a> {
    /// Its structure.
    pub world: &'a World,
    /// Its signs.
    pub marks: &'a Marks,
}

/// Everything that happened between `before` and `after` to tables, rows or columns that are
/// neither saved (`coverage`) nor watched (`captured`). Nothing, if all went as announced.
pub fn surplus(
    before: State<'_>,
    after: State<'_>,
    coverage: &BTreeMap<Oid, Coverage>,
    captured: &[Oid],
) -> Vec<String> {
    let mut surplus = Vec::new();
    if before.marks.large_objects != after.marks.large_objects {
        surplus.push("large objects were changed or removed".to_owned());
    }
    if before.marks.ours != after.marks.ours {
        surplus.push("the ledger or the journal was changed".to_owned());
    }
    let renamed: Vec<Oid> = before
        .marks
        .labels
        .iter()
        .filter(|(oid, was)| after.marks.labels.get(oid).is_some_and(|is| is != *was))
        .map(|(_, was)| was.0)
        .collect();
    let tables = before.world.relations.values();
    for relation in tables.filter(|r| r.kind == RelationKind::Table) {
        let covered = coverage.get(&relation.oid);
        let full = covered.is_some_and(|c| c.extent == Extent::Full);
        let Some(now) = after.world.relations.get(&relation.oid) else {
            if !covered.is_some_and(|c| full || c.fate == Fate::Dropped) {
                surplus.push(format!("{} was dropped", relation.name));
            }
            continue;
        };
        for column in relation.columns.iter().filter(|c| !c.generated) {
            let still = now.columns.iter().find(|c| c.number == column.number);
            let expected = |list: fn(&Coverage) -> &Vec<String>| {
                full || covered.is_some_and(|c| list(c).contains(&column.name))
            };
            match still {
                None if !expected(|c| &c.dropped) => {
                    surplus.push(format!("{}.{} was dropped", relation.name, column.name));
                }
                Some(c) if !c.same_type(column) && !expected(|c| &c.retyped) => {
                    surplus.push(format!(
                        "the type of {}.{} was changed",
                        relation.name, column.name
                    ));
                }
                _ => {}
            }
        }
        let (was, is) = (
            before.marks.tables.get(&relation.oid),
            after.marks.tables.get(&relation.oid),
        );
        let (Some(was), Some(is)) = (was, is) else {
            continue;
        };
        let redefined = covered.is_some_and(|c| c.redefined);
        if was.file != is.file && !full && !redefined {
            surplus.push(format!("{} was truncated or rewritten", relation.name));
        }
        // Changed rows are recorded as text, with the labels of that moment.
        let renamed = relation
            .columns
            .iter()
            .filter(|c| was.written != is.written && renamed.contains(&c.type_oid));
        surplus.extend(renamed.map(|c| {
            format!(
                "rows of {} were changed and labels of {} renamed, so that the rows could not be \
                 read again",
                relation.name, c.type_name
            )
        }));
        // A table that was to go and is still there, with other rows, was not followed.
        if was.written != is.written && !captured.contains(&relation.oid) {
            surplus.push(format!("rows of {} were changed", relation.name));
        }
    }
    surplus
}
