//! What trying scripts out takes: made-up rows, and what tables hold before and after.

use tokio_postgres::Client;

use crate::error::Result;
use crate::model::content::{Content, Rows};
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

/// What each table and sequence holds. The server reads every row. Within a transaction, whose
/// settings stay as they were.
pub async fn content(client: &Client) -> Result<Content> {
    query::run(client, "SAVEPOINT pgbelay_read").await?;
    query::run(client, inspect::SETTINGS).await?;
    let mut content = Content::default();
    let world = inspect::whole_world(client, Vec::new()).await?;
    let tables = world.relations.values();
    for table in tables.filter(|r| r.kind == RelationKind::Table) {
        let mut columns: Vec<&str> = table.columns.iter().map(|c| c.name.as_str()).collect();
        columns.sort_unstable();
        let sql = format!(
            "SELECT pg_catalog.count(*), \
               coalesce(pg_catalog.md5(pg_catalog.string_agg(h, '' ORDER BY h)), '') \
             FROM (SELECT pg_catalog.md5(ROW({})::pg_catalog.text) COLLATE \"C\" AS h \
                   FROM ONLY {}) AS rows",
            quote::idents(columns.into_iter()),
            quote::table(&table.name)
        );
        for row in query::rows(client, "what a table holds", &sql, &[]).await? {
            let rows = Rows {
                count: row.get(0),
                digest: row.get(1),
            };
            content.tables.insert(table.name.to_string(), rows);
        }
    }
    for sequence in inspect::all_sequences(client).await? {
        let at = format!("{:?}", sequence.state);
        content.sequences.insert(sequence.name.to_string(), at);
    }
    query::run(
        client,
        "ROLLBACK TO SAVEPOINT pgbelay_read; RELEASE SAVEPOINT pgbelay_read",
    )
    .await?;
    Ok(content)
}
