//! How many rows were ever inserted into tables, by the server's own count: whether a key may have gone
//! from one row to another, nothing else tells.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio_postgres::Client;
use tokio_postgres::types::{ToSql, Type};

use crate::error::{Error, Result};
use crate::model::relation::Oid;
use crate::pg::query;

/// How long a session that has just written may take to add its counts to those of the server, as far as
/// it is waited for. One that stays connected adds them after ten seconds at the latest.
const PATIENCE: Duration = Duration::from_secs(1);

/// A moment, as the server counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inserted {
    /// Which cluster and database it is: elsewhere, other numbers are counted.
    pub place: String,
    /// The oldest transaction that was running: rows of older ones were there.
    pub running: u64,
    /// Rows inserted into each table since the server counts, those that were taken back among them;
    /// `None`: nothing is counted.
    pub rows: Option<BTreeMap<Oid, i64>>,
}

/// Reads what is counted of `tables`, this session's own rows included. `None` before PostgreSQL 15: what
/// sessions have counted gets about at leisure there.
pub async fn read(client: &Client, tables: &[Oid]) -> Result<Option<Inserted>> {
    let sql = "SELECT pg_catalog.concat_ws(' ', \
           CASE WHEN pg_catalog.has_function_privilege('pg_catalog.pg_control_system()', 'EXECUTE') \
             THEN (SELECT c.system_identifier FROM pg_catalog.pg_control_system() AS c) END, \
           (SELECT d.oid FROM pg_catalog.pg_database AS d \
            WHERE d.datname = pg_catalog.current_database())), \
         pg_catalog.pg_snapshot_xmin(pg_catalog.pg_current_snapshot())::pg_catalog.text, \
         pg_catalog.current_setting('track_counts')::pg_catalog.bool, \
         pg_catalog.current_setting('server_version_num')::pg_catalog.int4 >= 150000";
    let rows = query::rows(client, "what the server counts", sql, &[]).await?;
    let row = rows.first();
    let row = row.ok_or_else(|| Error::failed("the server did not say what it counts"))?;
    if !row.get::<_, bool>(3) {
        return Ok(None);
    }
    let running: &str = row.get(1);
    let counts = if row.get(2) {
        Some(counts(client, tables).await?)
    } else {
        None
    };
    Ok(Some(Inserted {
        place: row.get(0),
        running: running.parse().unwrap_or(0),
        rows: counts,
    }))
}

async fn counts(client: &Client, tables: &[Oid]) -> Result<BTreeMap<Oid, i64>> {
    let sql = "SELECT c.oid, pg_catalog.pg_stat_get_tuples_inserted(c.oid) \
           + pg_catalog.pg_stat_get_xact_tuples_inserted(c.oid) \
         FROM pg_catalog.unnest($1) AS c (oid), \
           (SELECT pg_catalog.pg_stat_clear_snapshot()) AS fresh";
    let tables: &[(&(dyn ToSql + Sync), Type)] = &[(&tables, Type::OID_ARRAY)];
    let rows = query::rows(client, "what the server counts", sql, tables).await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// Rows that the open transaction has inserted: they are counted, even if they are taken back.
pub async fn own(client: &Client) -> Result<BTreeMap<Oid, i64>> {
    let sql = "SELECT c.oid, pg_catalog.pg_stat_get_xact_tuples_inserted(c.oid) \
         FROM pg_catalog.pg_class AS c \
         WHERE c.relkind = 'r' AND pg_catalog.pg_stat_get_xact_tuples_inserted(c.oid) > 0";
    let rows = query::rows(client, "what the server counts", sql, &[]).await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// Waits, for a short while, until sessions that wrote a moment ago have added to the server's counts.
/// Nobody writes meanwhile: to be called under locks.
pub async fn settled(client: &Client) -> Result<()> {
    let sql = "SELECT EXISTS (SELECT FROM pg_catalog.pg_stat_get_activity(NULL) AS a, \
           (SELECT pg_catalog.pg_stat_clear_snapshot()) AS fresh \
         WHERE a.backend_type = 'client backend' AND a.pid <> pg_catalog.pg_backend_pid() \
           AND a.application_name NOT LIKE 'pgbelay %' \
           AND a.datid = (SELECT d.oid FROM pg_catalog.pg_database AS d \
                          WHERE d.datname = pg_catalog.current_database()) \
           AND coalesce(a.state_change > pg_catalog.clock_timestamp() - interval '11 s', true))";
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        let rows = query::rows(client, "who wrote a moment ago", sql, &[]).await?;
        if rows.first().is_some_and(|row| !row.get::<_, bool>(0)) {
            break;
        }
        tokio::time::sleep(PATIENCE / 20).await;
    }
    Ok(())
}
