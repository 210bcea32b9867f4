//! The frame of a transaction that changes things: its beginning, its locks, its end.

use std::time::Duration;

use tokio_postgres::Client;
use tokio_postgres::error::Severity;

use crate::error::{Error, Result};
use crate::ident::TableName;
use crate::model::lock::LockMode;
use crate::pg::as_user;
use crate::pg::error::PgContext as _;
use crate::pg::options::ConnectOptions;
use crate::pg::session::UNHURRIED;
use crate::pg::{connect, error, session, settings};
use crate::sql::quote;

/// Begins a transaction with bounds on waiting for locks and on each statement.
pub async fn begin(
    client: &Client,
    lock_timeout: Duration,
    statement_timeout: Option<Duration>,
) -> Result<()> {
    client
        .batch_execute(&format!(
            "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; {UNHURRIED}"
        ))
        .await
        .pg("could not begin a transaction")?;
    session::set_lock_timeout(client, lock_timeout, true).await?;
    session::set_statement_timeout(client, statement_timeout, true).await
}

/// Settings for our own reading: a fixed way of writing values, nothing on the search path, and
/// UTC, so that texts of two sessions can be compared.
pub async fn ours(client: &Client) -> Result<()> {
    let row = client.query_one(
        "SELECT pg_catalog.current_setting('statement_timeout')",
        &[],
    );
    let timeout: String = row.await.pg("could not read a setting")?.get(0);
    session::pin(client).await?;
    let back = format!("SET LOCAL statement_timeout = {}", quote::literal(&timeout));
    client
        .batch_execute(&back)
        .await
        .pg("could not fix the settings for reading")
}

/// Settings for a script: whatever the role, the database and the server say.
pub async fn script(client: &Client) -> Result<()> {
    let sql = format!(
        "{}SELECT pg_catalog.set_config(name, reset_val, true) FROM pg_catalog.pg_settings \
         WHERE name IN ('restrict_nonsystem_relation_kind', 'jit')",
        settings::release()
    );
    client
        .batch_execute(&sql)
        .await
        .pg("could not set the settings for the script")
}

/// Has a reading fail that row-level security would leave rows out of: no policy is computed.
pub async fn see_all(client: &Client) -> Result<()> {
    client
        .batch_execute("SET LOCAL row_security TO off")
        .await
        .pg("could not turn row-level security off for reading")
}

/// Takes `mode` on each of `tables` (without their children), in the order given.
pub async fn lock(client: &Client, tables: &[TableName], mode: LockMode) -> Result<()> {
    let mode = mode.as_str();
    for some in tables.chunks(200) {
        let names: Vec<String> = some
            .iter()
            .map(|t| format!("ONLY {}", quote::table(t)))
            .collect();
        let sql = format!("LOCK TABLE {} IN {mode} MODE", names.join(", "));
        client
            .batch_execute(&sql)
            .await
            .pg("could not lock the tables")?;
    }
    Ok(())
}

/// Lets constraints that may wait wait until the end.
pub async fn defer(client: &Client) -> Result<()> {
    client
        .batch_execute("SET CONSTRAINTS ALL DEFERRED")
        .await
        .pg("could not defer constraints")
}

/// Makes everything final. Deferred constraints are checked first, so that their failure is told
/// from a failure of the commit itself.
pub async fn commit(client: &Client) -> Result<()> {
    client
        .batch_execute("SET CONSTRAINTS ALL IMMEDIATE")
        .await
        .pg("could not fulfil the deferred constraints")?;
    // Temporary tables and functions would outlive a server that dies right after COMMIT.
    discard_temporary(client).await?;
    let Err(failure) = client.batch_execute("COMMIT").await else {
        return Ok(());
    };
    // What the server answers with an ordinary error it has not committed. A connection that
    // ends, with or without a last word, says nothing.
    let answered = failure
        .as_db_error()
        .is_some_and(|answer| answer.parsed_severity() == Some(Severity::Error));
    let error = error::failed("could not commit", &failure);
    Err(if answered { error } else { error.done(UNKNOWN) })
}

/// Drops all temporary tables and functions of the session.
pub async fn discard_temporary(client: &Client) -> Result<()> {
    as_user::batch(client, "DISCARD TEMP")
        .await
        .pg("could not drop the temporary tables")
}

/// What is done when the answer to COMMIT never came.
const UNKNOWN: &str = "COMMIT was sent; whether it took effect is not known";

/// True for a failure of [`commit`] after which the transaction may have committed.
pub fn may_have_committed(error: &Error) -> bool {
    error.already_done().iter().any(|done| done == UNKNOWN)
}

/// What became of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It took effect.
    Committed,
    /// It did not, and never will.
    Aborted,
}

/// Asks the server, on a connection of its own, what became of transaction `id`. `None` when it
/// can't be asked.
pub async fn fate(options: &ConnectOptions, id: &str) -> Option<Fate> {
    for pause in [0, 100, 400, 1000, 2000] {
        tokio::time::sleep(Duration::from_millis(pause)).await;
        let Ok(session) = connect::connect(options, "pgbelay").await else {
            continue;
        };
        let question = "SELECT pg_catalog.pg_xact_status($1::pg_catalog.text::xid8)";
        let Ok(row) = session.client().query_one(question, &[&id]).await else {
            continue;
        };
        match row.get::<_, Option<&str>>(0) {
            Some("committed") => return Some(Fate::Committed),
            Some("aborted") => return Some(Fate::Aborted),
            _ => {} // its backend has not noticed yet that we are gone
        }
    }
    None
}

/// Marks a point to which the transaction can go back.
pub async fn savepoint(client: &Client) -> Result<()> {
    client
        .batch_execute("SAVEPOINT pgbelay")
        .await
        .pg("could not set a savepoint")
}

/// Goes back to the last [`savepoint`]. False when that is impossible: the transaction or the
/// connection is gone.
pub async fn back_to_savepoint(client: &Client) -> bool {
    let back = client.batch_execute("ROLLBACK TO SAVEPOINT pgbelay; RELEASE SAVEPOINT pgbelay");
    back.await.is_ok()
}

/// Marks the point that [`before_proof`] goes back to.
pub async fn proof(client: &Client) -> Result<()> {
    client
        .batch_execute("SAVEPOINT pgbelay_proof")
        .await
        .pg("could not set a savepoint")
}

/// Takes back all that was done since [`proof`], whatever state that has left behind.
pub async fn before_proof(client: &Client) -> Result<()> {
    client
        .batch_execute("ROLLBACK TO SAVEPOINT pgbelay_proof; RELEASE SAVEPOINT pgbelay_proof")
        .await
        .pg("could not take the undo back that was tried")
}

/// Takes everything back. A failure means that the connection is gone, and with it the
/// transaction.
pub async fn abandon(client: &Client) {
    drop(client.batch_execute("ROLLBACK").await);
}

/// The number of the open transaction, as 64 bits; assigned if it had none.
pub async fn id(client: &Client) -> Result<String> {
    let row = client
        .query_one(
            "SELECT pg_catalog.pg_current_xact_id()::pg_catalog.text",
            &[],
        )
        .await
        .pg("could not read the transaction's number")?;
    Ok(row.get(0))
}

/// Runs statements of our own that define something.
pub async fn define(client: &Client, sql: &str) -> Result<()> {
    as_user::batch(client, sql)
        .await
        .pg("could not make a definition again")
}
