//! What trying scripts out takes: made-up rows, and what tables hold before and after.

use std::collections::BTreeMap;

use tokio_postgres::Client;

use crate::error::Result;
use crate::model::relation::RelationKind;
use crate::pg::inspect;
use crate::pg::query;
use crate::sql::quote;

/// Puts a few rows into every table, where types and constraints let it.
const ROWS: &str = include_str!("rehearsal/rows.sql");

/// Puts a few made-up rows into every table of a database that is there for nothing else, in a
/// transaction of its own. Tables whose constraints ask for more than types say may stay empty.
pub async fn fill(client: &Client) -> Result<()> {
    query::run(
        client,
        &format!("BEGIN; SELECT setseed(0.5); {ROWS} COMMIT"),
    )
    .await
}

/// What each table and sequence holds, by name: as many rows as small tables have are read by the
/// server. Neither the order of rows nor that of columns counts. Within a transaction, whose
/// settings stay as they were.
pub async fn content(client: &Client) -> Result<BTreeMap<String, String>> {
    query::run(client, "SAVEPOINT pgbelay_read").await?;
    query::run(client, inspect::SETTINGS).await?;
    let mut content = BTreeMap::new();
    let world = inspect::whole_world(client, Vec::new()).await?;
    let tables = world.relations.values();
    for table in tables.filter(|r| r.kind == RelationKind::Table) {
        let mut columns: Vec<&str> = table.columns.iter().map(|c| c.name.as_str()).collect();
        columns.sort_unstable();
        let sql = format!(
            "SELECT pg_catalog.count(*), pg_catalog.md5(pg_catalog.string_agg(h, '' ORDER BY h)) \
             FROM (SELECT pg_catalog.md5(ROW({})::pg_catalog.text) COLLATE \"C\" AS h \
                   FROM ONLY {}) AS rows",
            quote::idents(columns.into_iter()),
            quote::table(&table.name)
        );
        let rows = query::rows(client, "what a table holds", &sql, &[]).await?;
        let text = rows.first().map(|row| {
            let digest: Option<String> = row.get(1);
            format!(
                "{} rows {}",
                row.get::<_, i64>(0),
                digest.unwrap_or_default()
            )
        });
        content.insert(format!("table {}", table.name), text.unwrap_or_default());
    }
    for sequence in inspect::all_sequences(client).await? {
        let at = format!("{:?}", sequence.state);
        content.insert(format!("sequence {}", sequence.name), at);
    }
    query::run(
        client,
        "ROLLBACK TO SAVEPOINT pgbelay_read; RELEASE SAVEPOINT pgbelay_read",
    )
    .await?;
    Ok(content)
}
