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

/// Takes rows of every table away again.
const CLEAR: &str = include_str!("rehearsal/clear.sql");

/// Empties every table at once, since they may refer to each other in a circle. A trigger may forbid
/// it: that is meant for applications.
const EMPTY: &str = include_str!("rehearsal/empty.sql");

/// The numbers of the transactions that made rows up: none but these wrote to the database between
/// the first and the one before the last.
#[derive(Debug, Clone, Copy)]
pub struct MadeUp {
    first: i64,
    end: i64,
}

/// Puts a few made-up rows into every table of a database that is there for nothing else, in a
/// transaction of its own. Tables whose constraints ask for more than types say may stay empty.
pub async fn fill(client: &Client) -> Result<MadeUp> {
    let begin = "BEGIN; SELECT setseed(0.5)";
    query::run(client, begin).await?;
    let first = number(client, "pg_catalog.pg_current_xact_id()::xid").await?;
    query::run(client, &format!("{ROWS} COMMIT")).await?;
    let end = "pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot())::xid";
    Ok(MadeUp {
        first,
        end: number(client, end).await?,
    })
}

async fn number(client: &Client, what: &str) -> Result<i64> {
    let sql = format!("SELECT ({what})::pg_catalog.text::int8");
    let rows = query::rows(client, "the number of a transaction", &sql, &[]).await?;
    Ok(rows.first().map(|row| row.get(0)).unwrap_or_default())
}

/// Takes away the rows that were `made_up`, where nothing else refers to them; all rows for `None`.
/// In a transaction of its own.
pub async fn clear(client: &Client, made_up: Option<&[MadeUp]>) -> Result<()> {
    let Some(made_up) = made_up else {
        return query::run(client, EMPTY).await;
    };
    let one = |m: &MadeUp| {
        format!(
            "xmin::pg_catalog.text::int8 >= {} AND xmin::pg_catalog.text::int8 < {}",
            m.first, m.end
        )
    };
    let which: Vec<String> = made_up.iter().map(one).collect();
    query::run(client, &CLEAR.replace("{which}", &which.join(" OR "))).await
}

/// What each table and sequence holds. The server reads every row. Within a transaction, whose
/// settings stay as they were.
pub async fn content(client: &Client) -> Result<Content> {
    query::run(client, "SAVEPOINT pgbelay_read").await?;
    query::run(client, &inspect::settings()).await?;
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
