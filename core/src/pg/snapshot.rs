//! One instant of a database, held open and shared by several readers.

use std::time::Duration;

use tokio_postgres::Client;

use crate::error::{Context as _, Result};
use crate::ident::TableName;
use crate::model::relation::Oid;
use crate::pg::as_user;
use crate::pg::copy;
use crate::pg::error::PgContext as _;
use crate::pg::session::UNHURRIED;
use crate::sql::quote;

/// An instant that other connections (and `pg_dump`) can read too, for as long as the transaction
/// that made it lasts.
#[derive(Debug, Clone)]
pub struct ExportedSnapshot {
    /// For `SET TRANSACTION SNAPSHOT` and `pg_dump --snapshot`.
    pub id: String,
    /// The oldest transaction that was running: rows whose `xmin` is older were seen.
    pub xmin: u64,
}

/// Begins a read-only transaction that sees one instant, with `tables` locked against change of
/// definition **before** the instant is taken: a snapshot taken first would see an old row count
/// under a new definition.
pub async fn begin(
    client: &Client,
    tables: &[TableName],
    lock_timeout: Duration,
) -> Result<ExportedSnapshot> {
    let start = format!(
        "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL lock_timeout = {}; \
         SET LOCAL statement_timeout = 0; {UNHURRIED}",
        lock_timeout.as_millis()
    );
    client
        .batch_execute(&start)
        .await
        .pg("could not begin a snapshot")?;
    for some in tables.chunks(200) {
        let names: Vec<String> = some
            .iter()
            .map(|t| format!("ONLY {}", quote::table(t)))
            .collect();
        let lock = format!("LOCK TABLE {} IN ACCESS SHARE MODE", names.join(", "));
        client
            .batch_execute(&lock)
            .await
            .pg("could not lock tables for reading")?;
    }
    let row = client
        .query_one(
            "SELECT pg_catalog.pg_export_snapshot(), \
             pg_catalog.pg_snapshot_xmin(pg_catalog.pg_current_snapshot())::text",
            &[],
        )
        .await
        .pg("could not export a snapshot")?;
    let xmin: String = row.get(1);
    Ok(ExportedSnapshot {
        id: row.get(0),
        xmin: xmin.parse().unwrap_or(0),
    })
}

/// The snapshot that the transaction of `client` reads from, for [`share`].
pub async fn id(client: &Client) -> Result<String> {
    let sql = "SELECT pg_catalog.pg_export_snapshot()";
    let row = client.query_one(sql, &[]).await;
    Ok(row.pg("could not export a snapshot")?.get(0))
}

/// Has the transaction of `client`, which has read nothing yet, read from the snapshot `id`.
pub async fn share(client: &Client, id: &str) -> Result<()> {
    let sql = format!("SET TRANSACTION SNAPSHOT {}", quote::literal(id));
    (client.batch_execute(&sql).await).pg("could not share the instant that is read")
}

/// What tells the server that `client` is connected to from any other, and from itself before it
/// was started anew.
pub async fn instance(client: &Client) -> Result<String> {
    let row = client
        .query_one(
            "SELECT (extract(epoch FROM pg_catalog.pg_postmaster_start_time()) * 1000000)::pg_catalog.int8::pg_catalog.text \
             || CASE WHEN pg_catalog.has_function_privilege('pg_catalog.pg_control_system()', \
                                                            'EXECUTE') \
                THEN (SELECT ' ' || system_identifier FROM pg_catalog.pg_control_system()) \
                ELSE '' END",
            &[],
        )
        .await
        .pg("could not tell which server this is")?;
    Ok(row.get(0))
}

/// Ends a transaction that only read.
pub async fn end(client: &Client) -> Result<()> {
    client
        .batch_execute("COMMIT")
        .await
        .pg("could not end reading")
}

/// Streams `columns` of all rows of `table` itself as COPY text.
pub async fn rows(
    client: &Client,
    table: &TableName,
    columns: &[String],
    sink: copy::Sink<'_>,
) -> Result<u64> {
    let query = format!(
        "SELECT {} FROM ONLY {}",
        quote::idents(columns.iter().map(String::as_str)),
        quote::table(table)
    );
    copy::out(client, &query, sink)
        .await
        .context(format!("read {table}"))
}

/// A condition that holds for every row written since the snapshot whose `xmin` is given.
///
/// `xmin` of the row against that of the snapshot: a test of visibility would miss rows written
/// in a savepoint of a transaction that was running. Rows that were not written since may match
/// too, never the other way round. The snapshot's age is a subquery, which is asked once and not
/// for every row.
pub fn written_since(xmin: u64) -> String {
    let low = xmin % (1 << 32);
    format!("pg_catalog.age(xmin) <= (SELECT pg_catalog.age('{low}'::pg_catalog.xid))")
}

/// How many rows `table` itself holds.
pub async fn count(client: &Client, table: &TableName) -> Result<u64> {
    let sql = format!(
        "SELECT pg_catalog.count(*) FROM ONLY {}",
        quote::table(table)
    );
    let row = client.query_one(&sql, &[]).await;
    let row = row.pg(format!("could not count the rows of {table}"))?;
    Ok(row.get::<_, i64>(0).unsigned_abs())
}

/// True when a row of `table` itself may have been written since the snapshot whose `xmin` is
/// given, or when it doesn't hold `rows` rows any more.
pub async fn changed(client: &Client, table: &TableName, xmin: u64, rows: u64) -> Result<bool> {
    // One look at each row, as cheap as can be: writers wait for it.
    let sql = format!(
        "SELECT pg_catalog.count(*), pg_catalog.count(*) FILTER (WHERE {}) FROM ONLY {}",
        written_since(xmin),
        quote::table(table)
    );
    let row = as_user::query_one(client, &sql).await;
    let row = row.pg(format!("could not look for changes in {table}"))?;
    let (now, written): (i64, i64) = (row.get(0), row.get(1));
    Ok(now.unsigned_abs() != rows || written > 0)
}

/// The files that hold the tables' rows now: another number means that all rows were rewritten or
/// removed at once.
pub async fn files(client: &Client, tables: &[Oid]) -> Result<Vec<(Oid, u32)>> {
    let rows = client
        .query(
            "SELECT oid, relfilenode FROM pg_catalog.pg_class WHERE oid = ANY ($1) ORDER BY oid",
            &[&tables],
        )
        .await
        .pg("could not read the tables' file numbers")?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// Begins a read-only transaction that sees one instant, for plans and reports.
pub async fn begin_reading(client: &Client, lock_timeout: Duration) -> Result<()> {
    let start = format!(
        "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL lock_timeout = {}; \
         SET LOCAL statement_timeout = '30s'; {UNHURRIED}",
        lock_timeout.as_millis()
    );
    client
        .batch_execute(&start)
        .await
        .pg("could not begin reading")
}
