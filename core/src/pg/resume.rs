//! What of a restore is done: kept in the database that it goes to, in the same transactions, so
//! that one that was interrupted goes on where it stopped, and nothing is loaded twice.

use tokio_postgres::Client;

use crate::error::Result;
use crate::pg::error::PgContext as _;

/// The schema of the notes. It is gone once the restore is complete.
pub const SCHEMA: &str = "pgbelay_restoring";

/// Which backup is being restored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restoring {
    /// Its id.
    pub backup: String,
    /// The digest of its manifest.
    pub manifest: String,
}

/// Begins the notes, in the transaction that makes the first definitions.
pub async fn begin(client: &Client, what: &Restoring) -> Result<()> {
    client
        .batch_execute(&format!(
            "CREATE SCHEMA {SCHEMA}; \
             CREATE TABLE {SCHEMA}.backup (id text NOT NULL, manifest text NOT NULL); \
             CREATE TABLE {SCHEMA}.done (step text PRIMARY KEY)"
        ))
        .await
        .pg("could not make the notes of what is restored")?;
    let sql = format!("INSERT INTO {SCHEMA}.backup VALUES ($1, $2)");
    client
        .execute(&sql, &[&what.backup, &what.manifest])
        .await
        .pg("could not note what is restored")?;
    Ok(())
}

/// The restore that was begun in this database and not completed.
pub async fn begun(client: &Client) -> Result<Option<Restoring>> {
    let there: bool = client
        .query_one(
            "SELECT pg_catalog.to_regclass($1) IS NOT NULL",
            &[&format!("{SCHEMA}.backup")],
        )
        .await
        .pg("could not look for a restore that was interrupted")?
        .get(0);
    if !there {
        return Ok(None);
    }
    let sql = format!("SELECT id, manifest FROM {SCHEMA}.backup");
    let row = client.query_opt(&sql, &[]).await;
    let row = row.pg("could not read which restore was interrupted")?;
    Ok(row.map(|row| Restoring {
        backup: row.get(0),
        manifest: row.get(1),
    }))
}

/// The steps that are done.
pub async fn done(client: &Client) -> Result<Vec<String>> {
    let sql = format!("SELECT step FROM {SCHEMA}.done");
    let rows = client.query(&sql, &[]).await;
    let rows = rows.pg("could not read what is restored already")?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// Notes a step in the transaction that does it. It can be done only once.
pub async fn note(client: &Client, step: &str) -> Result<()> {
    let sql = format!("INSERT INTO {SCHEMA}.done VALUES ($1)");
    client
        .execute(&sql, &[&step])
        .await
        .pg("could not note what is restored")?;
    Ok(())
}

/// Notes something that others may note too.
pub async fn note_also(client: &Client, step: &str) -> Result<()> {
    let sql = format!("INSERT INTO {SCHEMA}.done VALUES ($1) ON CONFLICT DO NOTHING");
    client
        .execute(&sql, &[&step])
        .await
        .pg("could not note what is restored")?;
    Ok(())
}

/// Ends the notes.
pub async fn end(client: &Client) -> Result<()> {
    client
        .batch_execute(&format!("DROP SCHEMA {SCHEMA} CASCADE"))
        .await
        .pg("could not remove the notes of what is restored")
}

/// Has commits of this transaction return before they are durable. The last one of a restore
/// makes all that came before it durable too.
pub async fn lazily(client: &Client) -> Result<()> {
    client
        .batch_execute("SET LOCAL synchronous_commit = off")
        .await
        .pg("could not fix the settings for loading")
}

/// Has this transaction durable when it returns, and so all before it.
pub async fn durably(client: &Client) -> Result<()> {
    client
        .batch_execute("SET LOCAL synchronous_commit = on")
        .await
        .pg("could not fix the settings for loading")
}
