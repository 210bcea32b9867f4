//! How many rows there may be where nobody can count them, and whose are hidden.

use tokio_postgres::Client;
use tokio_postgres::types::Type;

use crate::error::Result;
use crate::model::relation::Oid;
use crate::pg::query;

// A row takes a pointer of 4 bytes, a head of 24, and what can't be left out: values of a fixed
// length in columns that were there when it was written and are never NULL.
const MOST: &str = "
SELECT sum(CASE WHEN c.relkind = 'p' THEN 0
                WHEN c.relkind = 'r' AND m.amname = 'heap' THEN
                    pg_relation_size(c.oid) / current_setting('block_size')::int8
                    * ((current_setting('block_size')::int8 - 24) / (28 + f.fixed)) END)::int8,
       bool_and(c.relkind = 'p' OR c.relkind = 'r' AND m.amname = 'heap')
FROM pg_class c LEFT JOIN pg_am m ON m.oid = c.relam
CROSS JOIN LATERAL (
    SELECT coalesce(sum(a.attlen), 0)::int8 AS fixed FROM pg_attribute a
    WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attnotnull
      AND NOT a.atthasmissing AND a.attlen > 0 AND a.attgenerated <> 'v'
      AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conrelid = c.oid AND k.contype = 'n'
                      AND k.conkey[1] = a.attnum AND NOT k.convalidated)) f
WHERE c.oid = ANY ($1)";

/// More rows than `tables` can hold together, by their sizes; `None`: that can't be told. Assumes an
/// empty search path.
pub async fn most(client: &Client, tables: &[Oid]) -> Result<Option<u64>> {
    let what = "how many rows tables may hold";
    let rows = query::rows(client, what, MOST, &[(&tables, Type::OID_ARRAY)]).await?;
    let told = |row: &tokio_postgres::Row| {
        let sure = row.get::<_, Option<bool>>(1) == Some(true);
        row.get::<_, Option<i64>>(0).filter(|_| sure)
    };
    Ok(rows.first().and_then(told).map(i64::unsigned_abs))
}

/// Those of `tables` of which row-level security may hide rows from the role of the session.
/// Assumes an empty search path.
pub async fn hidden(client: &Client, tables: &[Oid]) -> Result<Vec<Oid>> {
    let sql = "SELECT c.oid FROM pg_class c WHERE c.oid = ANY ($1) AND c.relrowsecurity \
               AND row_security_active(c.oid) ORDER BY c.oid";
    let what = "which tables have rows that are hidden";
    let rows = query::rows(client, what, sql, &[(&tables, Type::OID_ARRAY)]).await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// Those of `tables` that have rules, which write other statements. Assumes an empty search path.
pub async fn ruled(client: &Client, tables: &[Oid]) -> Result<Vec<Oid>> {
    let sql = "SELECT DISTINCT r.ev_class FROM pg_rewrite r \
               WHERE r.ev_class = ANY ($1) AND r.ev_type <> '1' AND r.ev_enabled <> 'D' ORDER BY 1";
    let rows = query::rows(client, "the rules", sql, &[(&tables, Type::OID_ARRAY)]).await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// Event triggers that are on, and run code that somebody wrote for this database.
pub async fn event_triggers(client: &Client) -> Result<Vec<String>> {
    let sql = "SELECT e.evtname::text FROM pg_event_trigger e \
               JOIN pg_proc p ON p.oid = e.evtfoid JOIN pg_language l ON l.oid = p.prolang \
               WHERE e.evtenabled IN ('O', 'A') AND e.evtevent <> 'login' \
                 AND l.lanname NOT IN ('c', 'internal') ORDER BY 1";
    let rows = query::rows(client, "the event triggers", sql, &[]).await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// What those of `views` that hold rows were filled with: their queries.
pub async fn stored_queries(client: &Client, views: &[Oid]) -> Result<Vec<(Oid, String)>> {
    let sql = "SELECT c.oid, pg_get_viewdef(c.oid) FROM pg_class c \
               WHERE c.oid = ANY ($1) AND c.relkind = 'm' AND c.relispopulated ORDER BY c.oid";
    let what = "the queries of materialized views";
    let rows = query::rows(client, what, sql, &[(&views, Type::OID_ARRAY)]).await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}
