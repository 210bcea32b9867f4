//! Who stands in the way of a table lock: sessions, and transactions that were prepared and belong to
//! no session any more.

use tokio_postgres::{Client, Row};

use crate::clock::Timestamp;
use crate::error::Result;
use crate::ident::TableName;
use crate::pg::error::PgContext as _;
use crate::sql::quote;

/// How many are named; behind them stand others.
const MOST: usize = 3;

/// What every answer of [`of`] holds.
pub const SAYS: &str = " is locked by ";

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
               AND l.pid IS DISTINCT FROM pg_catalog.pg_backend_pid() ORDER BY 1, 2",
            &[],
        )
        .await
        .pg("could not read who holds locks")?;
    let name = |row: &Row| TableName::new(row.get::<_, String>(0), row.get::<_, String>(1));
    Ok(rows.iter().map(name).collect())
}

/// What others hold on `tables` at this moment: `public.orders is locked by pid 7 (report), in a
/// transaction since …`. The longest transaction first, and before all others one that was prepared:
/// it doesn't end by itself.
pub async fn of(client: &Client, tables: &[TableName]) -> Result<Vec<String>> {
    let (schemas, names): (Vec<&str>, Vec<&str>) = tables
        .iter()
        .map(|t| (t.schema.as_str(), t.name.as_str()))
        .unzip();
    let rows = client
        .query(
            "SELECT l.pid, COALESCE(a.application_name, ''), \
                    COALESCE(p.prepared, a.xact_start), pg_catalog.min(n.nspname), \
                    pg_catalog.min(c.relname), a.backend_type, p.gid, p.owner::pg_catalog.text \
             FROM pg_catalog.pg_locks AS l \
             JOIN pg_catalog.pg_class AS c ON c.oid = l.relation \
             JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
             JOIN ROWS FROM (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[])) \
                  AS wanted (schema, name) \
               ON wanted.schema = n.nspname AND wanted.name = c.relname \
             LEFT JOIN pg_catalog.pg_stat_activity AS a ON a.pid = l.pid \
             LEFT JOIN pg_catalog.pg_prepared_xacts AS p ON l.pid IS NULL \
               AND EXISTS (SELECT FROM pg_catalog.pg_locks AS own \
                           WHERE own.pid IS NULL AND own.locktype = 'transactionid' \
                             AND own.virtualtransaction = l.virtualtransaction \
                             AND own.transactionid = p.transaction) \
             WHERE l.locktype = 'relation' AND l.granted \
               AND l.database = (SELECT oid FROM pg_catalog.pg_database \
                                 WHERE datname = pg_catalog.current_database()) \
               AND l.pid IS DISTINCT FROM pg_catalog.pg_backend_pid() \
             GROUP BY 1, 2, 3, 6, 7, 8 ORDER BY p.gid IS NULL, 3 NULLS LAST",
            &[&schemas, &names],
        )
        .await
        .pg("could not read who holds locks")?;
    let told = rows.iter().take(MOST).map(|row| {
        let (pid, application): (Option<i32>, String) = (row.get(0), row.get(1));
        let since: Option<Timestamp> = row.get(2);
        let table = TableName::new(row.get::<_, String>(3), row.get::<_, String>(4));
        let gid: Option<String> = row.get(6);
        if let Some(gid) = gid {
            return format!("{table}{SAYS}{}", prepared(&gid, row.get(7), since));
        }
        let Some(pid) = pid else {
            return format!("{table}{SAYS}a transaction that belongs to no session");
        };
        let kind: Option<String> = row.get(5);
        let who = match (application.is_empty(), kind) {
            (false, _) => format!(" ({application})"),
            (true, Some(kind)) if kind != "client backend" => format!(" ({kind})"),
            _ => String::new(),
        };
        let since = since.map_or_else(String::new, |since| {
            format!(", in a transaction since {}", since.format("%F %T UTC"))
        });
        format!("{table}{SAYS}pid {pid}{who}{since}")
    });
    Ok(told.collect())
}

/// A transaction that was prepared: what it is called, and how it ends.
pub(super) fn prepared(gid: &str, owner: Option<&str>, since: Option<Timestamp>) -> String {
    let owner = owner.map_or_else(String::new, |owner| format!(" of role {owner}"));
    let since = since.map_or_else(String::new, |since| {
        format!(", prepared at {}", since.format("%F %T UTC"))
    });
    let gid = quote::literal(gid);
    format!(
        "the prepared transaction {gid}{owner}{since}, which belongs to no session: whoever prepared it \
         must end it by COMMIT PREPARED {gid} or ROLLBACK PREPARED {gid}"
    )
}
