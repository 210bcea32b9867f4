//! Statements of ours while which code of users may run: functions in indexes, checks, generated
//! columns, domains and event triggers. They find what they name along the search path that they would
//! have without us; only the server's own names come first, and temporary tables last.
//!
//! Such statements name everything with its schema, operators between values of users' types too. How
//! values of some types are written depends on the path (`regclass` and its like): where a table has
//! such a column, ours stays.

use tokio_postgres::{Client, Error, Row};

use crate::error::Result;
use crate::pg::error::PgContext as _;
use crate::pg::settings;

// Types that are made of others are looked through: arrays, domains, ranges, rows.
const PREPARE: &str = "\
SELECT pg_catalog.set_config('pgbelay.users_path', CASE WHEN EXISTS ( \
    WITH RECURSIVE t (oid) AS ( \
      SELECT oid FROM pg_catalog.pg_type WHERE oid = ANY (ARRAY['regclass', 'regproc', \
        'regprocedure', 'regoper', 'regoperator', 'regtype', 'regconfig', 'regdictionary', \
        'regcollation']::pg_catalog.regtype[]) \
      UNION \
      SELECT m.oid FROM t CROSS JOIN LATERAL ( \
        SELECT y.oid FROM pg_catalog.pg_type y WHERE y.typelem = t.oid OR y.typbasetype = t.oid \
        UNION SELECT r.rngtypid FROM pg_catalog.pg_range r WHERE r.rngsubtype = t.oid \
        UNION SELECT y.oid FROM pg_catalog.pg_type y \
          JOIN pg_catalog.pg_attribute a ON a.attrelid = y.typrelid \
          JOIN pg_catalog.pg_class c ON c.oid = a.attrelid AND c.relkind = 'c' \
          WHERE a.atttypid = t.oid AND a.attnum > 0 AND NOT a.attisdropped) AS m (oid)) \
    SELECT FROM pg_catalog.pg_attribute a JOIN t ON t.oid = a.atttypid \
    JOIN pg_catalog.pg_class c ON c.oid = a.attrelid AND c.relkind IN ('r', 'p') \
    WHERE a.attnum > 0 AND NOT a.attisdropped AND c.oid >= 16384) \
  THEN '' ELSE ( \
    SELECT pg_catalog.concat_ws(', ', 'pg_catalog', NULLIF(reset_val, ''), 'pg_temp') \
    FROM pg_catalog.pg_settings WHERE name = 'search_path') END, true)";

const PATH: &str = "SELECT pg_catalog.set_config('search_path', coalesce(NULLIF( \
     pg_catalog.current_setting('pgbelay.users_path', true), ''), 'pg_catalog, pg_temp'), true)";

/// Finds out what the path is, for the open transaction. Before this was asked, the path is ours.
pub async fn prepare(client: &Client) -> Result<()> {
    let asked = client.batch_execute(PREPARE).await;
    asked.pg("could not find out along which path users' code finds what it names")
}

/// Runs statements.
pub async fn batch(client: &Client, sql: &str) -> Result<(), Error> {
    let sql = format!("{PATH}; {sql}; {}", settings::PATH);
    client.batch_execute(&sql).await
}

/// Runs a statement and returns how many rows it wrote.
pub async fn execute(client: &Client, sql: &str) -> Result<u64, Error> {
    client.batch_execute(PATH).await?;
    let rows = client.execute(sql, &[]).await?;
    client.batch_execute(settings::PATH).await?;
    Ok(rows)
}

/// Runs a statement that answers with one row.
pub async fn query_one(client: &Client, sql: &str) -> Result<Row, Error> {
    client.batch_execute(PATH).await?;
    let row = client.query_one(sql, &[]).await?;
    client.batch_execute(settings::PATH).await?;
    Ok(row)
}

/// Runs a statement that answers with one number.
pub async fn number(client: &Client, sql: &str) -> Result<i64, Error> {
    query_one(client, sql).await.map(|row| row.get(0))
}

/// Begins a stretch of them, up to [`end`].
pub async fn begin(client: &Client) -> Result<()> {
    let begun = client.batch_execute(PATH).await;
    begun.pg("could not set the search path of users' code")
}

/// Ends it.
pub async fn end(client: &Client) -> Result<()> {
    let ended = client.batch_execute(settings::PATH).await;
    ended.pg("could not set the search path back")
}
