//! One read-only query, and what its failure says.

use tokio_postgres::Client;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use tokio_postgres::types::Type;

use crate::error::Error;
use crate::error::Result;
use crate::pg::error;
use crate::pg::error::PgContext as _;

/// The rows of `sql`, in one round trip and without a named statement (poolers lose those).
/// `what` completes "failed to read …".
pub(super) async fn rows(
    client: &Client,
    what: &str,
    sql: &str,
    params: &[(&(dyn ToSql + Sync), Type)],
) -> Result<Vec<Row>> {
    let rows = client.query_typed(sql, params).await;
    rows.map_err(|error| error::within(format!("failed to read {what}"), &error, sql))
}

/// Runs `sql`, which prepares for reading.
pub(super) async fn run(client: &Client, sql: &str) -> Result<()> {
    client
        .batch_execute(sql)
        .await
        .pg("failed to prepare for reading")
}

/// `server_version_num`: 150018 is 15.18.
pub(super) async fn server_version(client: &Client) -> Result<i32> {
    let sql = "SELECT pg_catalog.current_setting('server_version_num')::int4";
    let rows = rows(client, "the server's version", sql, &[]).await?;
    rows.first()
        .map(|row| row.get(0))
        .ok_or_else(|| Error::failed("the server did not say its version"))
}
