//! Scripts beside the migrations: seeds, and repeatable ones. Every run is kept; the newest of a
//! name says what is there.

use tokio_postgres::Client;
use tokio_postgres::types::{ToSql, Type};

use crate::clock::Timestamp;
use crate::error::Result;
use crate::ident::Digest;

use super::error::PgContext as _;
use super::ledger;

/// A script that ran.
#[derive(Debug, Clone)]
pub struct Ran {
    /// Its name.
    pub name: String,
    /// Checksum of what ran.
    pub checksum: Digest,
    /// What it changed in the schema, as JSON.
    pub change: Option<String>,
}

/// The newest run of each script of `kind`. Only reads.
pub async fn newest(client: &Client, kind: &str) -> Result<Vec<Ran>> {
    let sql = "SELECT DISTINCT ON (name) name, checksum, change FROM pgbelay.seeds \
               WHERE kind = $1 ORDER BY name, sequence DESC";
    read(client, sql, &[(&kind, Type::TEXT)]).await
}

/// Every run since `at`, newest first. Only reads.
pub async fn since(client: &Client, at: Timestamp) -> Result<Vec<Ran>> {
    let sql = "SELECT name, checksum, change FROM pgbelay.seeds WHERE at > $1 \
               ORDER BY sequence DESC";
    read(client, sql, &[(&at, Type::TIMESTAMPTZ)]).await
}

async fn read(
    client: &Client,
    sql: &str,
    values: &[(&(dyn ToSql + Sync), Type)],
) -> Result<Vec<Ran>> {
    if !ledger::table_exists(client, "seeds").await? {
        return Ok(Vec::new());
    }
    let rows = client.query_typed(sql, values).await;
    let rows = rows.pg("could not read which scripts ran")?;
    rows.iter()
        .map(|row| {
            Ok(Ran {
                name: row.get(0),
                checksum: row.get::<_, &str>(1).parse()?,
                change: row.get(2),
            })
        })
        .collect()
}

/// Adds a run, in the transaction of the script itself.
pub async fn add(client: &Client, kind: &str, ran: &Ran, by: &str) -> Result<()> {
    client
        .batch_execute(
            "CREATE TABLE IF NOT EXISTS pgbelay.seeds ( \
               sequence bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, kind text NOT NULL, \
               name text NOT NULL, checksum text NOT NULL, at timestamptz NOT NULL \
                 DEFAULT pg_catalog.clock_timestamp(), by text NOT NULL, change text)",
        )
        .await
        .pg("could not create the list of scripts that ran")?;
    client
        .query_typed(
            "INSERT INTO pgbelay.seeds (kind, name, checksum, by, change) \
             VALUES ($1, $2, $3, $4, $5)",
            &[
                (&kind, Type::TEXT),
                (&ran.name, Type::TEXT),
                (&ran.checksum.to_string(), Type::TEXT),
                (&by, Type::TEXT),
                (&ran.change, Type::TEXT),
            ],
        )
        .await
        .pg("could not record that a script ran")?;
    Ok(())
}
