//! Who stands in the way of a table lock.

use tokio_postgres::{Client, Row};

use crate::clock::Timestamp;
use crate::error::Result;
use crate::ident::TableName;
use crate::pg::error::PgContext as _;

/// How many are named; behind them stand others.
const MOST: usize = 3;

/// What every answer of [`of`] holds.
pub const SAYS: &str = " is locked by pid ";

/// The tables of this database that somebody has locked against everybody, or wants to lock so.
pub async fn exclusive(client: &Client) -> Result<Vec<TableName>> {
    let rows = client
        .query(
            "SELECT DISTINCT n.nspname, c.relname \
             FROM pg_catalog.pg_locks AS l \
             JOIN pg_catalog.pg_class AS c ON c.oid = l.relation \
             JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
             WHERE l.locktype = 'relation' AND l.mode = 'AccessExclusiveLock' \
               AND l.database = (SELECT oid FROM pg_catalog.pg_database \
                                 WHERE datname = pg_catalog.current_database()) \
               AND l.pid <> pg_catalog.pg_backend_pid() ORDER BY 1, 2",
            &[],
        )
        .await
        .pg("could not read who holds locks")?;
    let name = |row: &Row| TableName::new(row.get::<_, String>(0), row.get::<_, String>(1));
    Ok(rows.iter().map(name).collect())
}

/// What others hold on `tables` at this moment: `public.orders is locked by pid 7 (report), in a
/// transaction since …`. The longest transaction first.
pub async fn of(client: &Client, tables: &[TableName]) -> Result<Vec<String>> {
    let (schemas, names): (Vec<&str>, Vec<&str>) = tables
        .iter()
        .map(|t| (t.schema.as_str(), t.name.as_str()))
        .unzip();
    let rows = client
        .query(
            "SELECT l.pid, COALESCE(a.application_name, ''), a.xact_start, \
                    pg_catalog.min(n.nspname), pg_catalog.min(c.relname), a.backend_type \
             FROM pg_catalog.pg_locks AS l \
             JOIN pg_catalog.pg_class AS c ON c.oid = l.relation \
             JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
             JOIN ROWS FROM (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[])) \
                  AS wanted (schema, name) \
               ON wanted.schema = n.nspname AND wanted.name = c.relname \
             LEFT JOIN pg_catalog.pg_stat_activity AS a ON a.pid = l.pid \
             WHERE l.locktype = 'relation' AND l.granted \
               AND l.database = (SELECT oid FROM pg_catalog.pg_database \
                                 WHERE datname = pg_catalog.current_database()) \
               AND l.pid <> pg_catalog.pg_backend_pid() \
             GROUP BY 1, 2, 3, 6 ORDER BY 3 NULLS LAST",
            &[&schemas, &names],
        )
        .await
        .pg("could not read who holds locks")?;
    let told = rows.iter().take(MOST).map(|row| {
        let (pid, application): (i32, String) = (row.get(0), row.get(1));
        let since: Option<Timestamp> = row.get(2);
        let table = TableName::new(row.get::<_, String>(3), row.get::<_, String>(4));
        let kind: Option<String> = row.get(5);
        let who = match (application.is_empty(), kind) {
            (false, _) => format!(" ({application})"),
            (true, Some(kind)) if kind != "client backend" => format!(" ({kind})"),
            _ => String::new(),
        };
        let since = since.map_or_else(String::new, |since| {
            format!(", in a transaction since {}", since.format("%F %T UTC"))
        });
        format!("{table}{SAYS}{pid}{who}{since}")
    });
    Ok(told.collect())
}
