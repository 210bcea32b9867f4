//! How far a script got that can't run in a transaction: one row per statement, written before
//! and after it, so that an interruption leaves a record and the next run goes on from there.

use tokio_postgres::GenericClient;

use crate::error::Result;
use crate::ident::{Digest, Revision};

use super::error::PgContext as _;
use super::ledger;

/// One statement of an unfinished script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Position in the script, from 0.
    pub step: i32,
    /// One-based line.
    pub line: i32,
    /// Digest of the statement's text.
    pub checksum: Digest,
    /// False when it was begun and did not end well, as far as is known.
    pub finished: bool,
}

/// The recorded steps of the script of `revision` (the way back when `back`), in order.
pub async fn read(
    client: &impl GenericClient,
    revision: &Revision,
    back: bool,
) -> Result<Vec<Step>> {
    if !ledger::table_exists(client, "progress").await? {
        return Ok(Vec::new());
    }
    let rows = client
        .query(
            "SELECT step, line, checksum, finished_at IS NOT NULL FROM pgbelay.progress \
             WHERE revision = $1 AND back = $2 ORDER BY step",
            &[&revision.as_str(), &back],
        )
        .await
        .pg("could not read how far the script got")?;
    rows.iter()
        .map(|row| {
            Ok(Step {
                step: row.get(0),
                line: row.get(1),
                checksum: row.get::<_, &str>(2).parse()?,
                finished: row.get(3),
            })
        })
        .collect()
}

/// The revisions with an unfinished script, and whether it is the way back.
pub async fn unfinished(client: &impl GenericClient) -> Result<Vec<(Revision, bool)>> {
    if !ledger::table_exists(client, "progress").await? {
        return Ok(Vec::new());
    }
    let rows = client
        .query(
            "SELECT DISTINCT revision, back FROM pgbelay.progress ORDER BY revision",
            &[],
        )
        .await
        .pg("could not read how far the script got")?;
    rows.iter()
        .map(|row| Ok((row.get::<_, &str>(0).parse()?, row.get(1))))
        .collect()
}

/// Records that a statement is about to run.
pub async fn begin(
    client: &impl GenericClient,
    revision: &Revision,
    back: bool,
    step: &Step,
) -> Result<()> {
    client
        .execute(
            "INSERT INTO pgbelay.progress (revision, back, step, line, checksum, started_at) \
             VALUES ($1, $2, $3, $4, $5, pg_catalog.clock_timestamp()) \
             ON CONFLICT (revision, back, step) DO UPDATE \
             SET line = EXCLUDED.line, checksum = EXCLUDED.checksum, \
                 started_at = EXCLUDED.started_at, finished_at = NULL",
            &[
                &revision.as_str(),
                &back,
                &step.step,
                &step.line,
                &step.checksum.to_string(),
            ],
        )
        .await
        .pg("could not record that a statement begins")?;
    Ok(())
}

/// Records that a statement ran.
pub async fn finish(
    client: &impl GenericClient,
    revision: &Revision,
    back: bool,
    step: i32,
) -> Result<()> {
    client
        .execute(
            "UPDATE pgbelay.progress SET finished_at = pg_catalog.clock_timestamp() \
             WHERE revision = $1 AND back = $2 AND step = $3",
            &[&revision.as_str(), &back, &step],
        )
        .await
        .pg("could not record that a statement ran")?;
    Ok(())
}

/// Forgets the steps, in the transaction that records the whole script.
pub async fn clear(client: &impl GenericClient, revision: &Revision, back: bool) -> Result<()> {
    client
        .execute(
            "DELETE FROM pgbelay.progress WHERE revision = $1 AND back = $2",
            &[&revision.as_str(), &back],
        )
        .await
        .pg("could not clear how far the script got")?;
    Ok(())
}
