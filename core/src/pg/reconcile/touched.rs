//! Rows that may be others under a key that was there: those that somebody wrote since the rollback.
//!
//! What a row looked like beside its key tells that it is the same, where that is on record; else the
//! transaction that wrote it.

use tokio_postgres::Client;

use crate::error::Result;
use crate::model::relation::{Column, Relation};
use crate::pg::error::PgContext as _;
use crate::pg::reconcile::stage;
use crate::pg::record::TableRecord;
use crate::pg::stage::Stage;
use crate::pg::{as_user, digests, snapshot, value};
use crate::sql::quote;

/// Of how many columns hashes are kept: all of them have to find room in one row.
const MOST: usize = 250;

/// Names, and the query that yields the key of each row of `now` and hashes of what the rollback left beside
/// the key and beside what it converted, as text. `None`: nothing is beside those.
pub fn looks(record: &TableRecord, now: &Relation) -> Option<(Vec<String>, String)> {
    let columns = beside(record, now).filter(|columns| columns.len() <= MOST)?;
    let names = record.key.iter().map(|n| format!("k{n}"));
    let names = names.chain(columns.iter().map(|c| format!("h{}", c.number)));
    let hash = |c: &&Column| format!("{}::pg_catalog.text", digests::of_value("t", c));
    let values = keys(record, now)?.into_iter();
    let values: Vec<String> = values.chain(columns.iter().map(hash)).collect();
    let query = format!(
        "SELECT {} FROM ONLY {} AS t",
        values.join(", "),
        quote::table(&now.name)
    );
    Some((names.collect(), query))
}

/// The columns of `now` beside the key and what the rollback converted, as far as they are there. `None`:
/// there are none.
fn beside<'a>(record: &TableRecord, now: &'a Relation) -> Option<Vec<&'a Column>> {
    let kept = record.columns_after.iter().map(|c| c.0);
    let kept = kept.filter(|n| !record.key.contains(n) && !record.retyped.contains(n));
    let columns = kept.filter_map(|n| now.columns.iter().find(|c| c.number == n));
    let columns: Vec<&Column> = columns.collect();
    (!columns.is_empty()).then_some(columns)
}

/// The key of a row `t` of `now`, as text.
fn keys(record: &TableRecord, now: &Relation) -> Option<Vec<String>> {
    let key = |n: &i16| Some(value::named("t", record.after(*n)?, &now.columns));
    record.key.iter().map(key).collect()
}

/// Notes the keys of rows of `now` that don't look as they are on record in `looks`. Returns how many
/// there are; `None`: that can't be told.
pub async fn by_looks(
    client: &Client,
    index: usize,
    record: &TableRecord,
    now: &Relation,
    looks: &Stage,
) -> Result<Option<u64>> {
    let (Some(columns), Some(keys)) = (beside(record, now), keys(record, now)) else {
        return Ok(None);
    };
    let same = record.key.iter().zip(&keys);
    let same: Vec<String> = same.map(|(n, key)| format!("l.k{n} = {key}")).collect();
    let looks_so = |c: &&Column| {
        let hash = digests::of_value("t", c);
        format!(
            " AND l.h{} IS NOT DISTINCT FROM {hash}::pg_catalog.text",
            c.number
        )
    };
    let looks_so: String = columns
        .iter()
        .filter(|c| !c.generated)
        .map(looks_so)
        .collect();
    let key = format!(
        "SELECT FROM {} AS l WHERE {}",
        looks.table,
        same.join(" AND ")
    );
    let which = format!("NOT EXISTS ({key}{looks_so})");
    let new = format!("NOT EXISTS ({key})");
    let noted = note(client, index, record, now, (&which, &new)).await;
    noted.map(Some)
}

/// Notes the keys of rows of `now` that were written since the rollback, whose own transaction is `xid`;
/// none was by a transaction that was over by `running`. Returns how many there are.
pub async fn by_transaction(
    client: &Client,
    index: usize,
    record: &TableRecord,
    now: &Relation,
    (running, xid): (u64, u64),
) -> Result<u64> {
    let own = xid % (1 << 32);
    let which = format!(
        "{} AND t.xmin::pg_catalog.text <> '{own}'",
        snapshot::written_since(running)
    );
    let new = "NULL::pg_catalog.bool";
    note(client, index, record, now, (&which, new)).await
}

async fn note(
    client: &Client,
    index: usize,
    record: &TableRecord,
    now: &Relation,
    (which, new): (&str, &str),
) -> Result<u64> {
    let touched = stage("touched", index);
    let keys = keys(record, now).unwrap_or_default();
    let keys = record.key.iter().zip(keys);
    let keys: Vec<String> = keys.map(|(n, key)| format!("{key} AS k{n}")).collect();
    let sql = format!(
        "CREATE TEMP TABLE {touched} AS SELECT {}, {new} AS new FROM ONLY {} AS t WHERE {which}; \
         ANALYZE {touched}",
        keys.join(", "),
        quote::table(&now.name),
    );
    let failed = "could not look for the rows that are newer";
    as_user::batch(client, &sql).await.pg(failed)?;
    let count = format!("SELECT pg_catalog.count(*) FROM {touched}");
    let row = client.query_one(&count, &[]).await.pg(failed)?;
    Ok(row.get::<_, i64>(0).unsigned_abs())
}
