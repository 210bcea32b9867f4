//! How much the server has written to its log.

use tokio_postgres::Client;

use crate::error::Result;
use crate::pg::error::PgContext as _;

/// Bytes that the server has ever written to its log; `None` where the role may not ask.
pub async fn position(client: &Client) -> Result<Option<u64>> {
    let function = "pg_catalog.pg_current_wal_insert_lsn()";
    let may = client
        .query_one(
            "SELECT pg_catalog.has_function_privilege($1, 'EXECUTE')",
            &[&function],
        )
        .await
        .pg("could not ask for a privilege")?;
    if !may.get::<_, bool>(0) {
        return Ok(None);
    }
    let sql = format!("SELECT ({function} - '0/0'::pg_catalog.pg_lsn)::bigint");
    let row = client.query_one(&sql, &[]).await;
    let bytes: i64 = row
        .pg("could not read how much the server has written")?
        .get(0);
    Ok(u64::try_from(bytes).ok())
}
