//! `rollback list`: the rollbacks that the journal knows, and whether each can be undone now.

use crate::error::{Error, Result};
use crate::model::ledger::{Entry, Record, Verb};
use crate::model::proof::Proof;
use crate::ops::context::Context;
use crate::ops::task::Task;
use crate::ops::undo::{kept, plan};
use crate::pg::record::Details;
use crate::pg::{connect, journal, ledger, session};
use crate::store::Store;

/// A rollback.
#[derive(Debug, Clone)]
pub struct Listed {
    /// What the journal says of it.
    pub record: Record,
    /// Whether its undo was tried before it was made final.
    pub proof: Proof,
    /// What stands in the way of its undo; `None`: nothing that can be told without reading the backups.
    pub barrier: Option<String>,
}

/// The rollbacks, newest first. Reads the journal, and the manifests of their backups.
pub fn list(ctx: &Context) -> Task<'_, Vec<Listed>> {
    Box::pin(async move {
        let mut session = connect::connect(&ctx.database, "pgbelay list").await?;
        let transaction = session::reading(session.client_mut(), ctx.lock_timeout).await?;
        journal::verify_chain(&transaction).await?;
        let records = journal::read(&transaction).await?;
        let entries = ledger::read(&transaction).await?;
        drop(transaction);
        let rollbacks = records.iter().rev().filter(|r| r.verb == Verb::Rollback);
        let listed = rollbacks.map(|rollback| {
            let details = Details::of_rollback(&records, rollback);
            let barrier = details.as_ref().map_err(ToString::to_string).and_then(|_| {
                barrier(ctx, &records, &entries, rollback).map_err(|e| e.to_string())
            });
            let proof = details.ok().and_then(|details| details.proof);
            Listed {
                record: rollback.clone(),
                proof: proof.unwrap_or_else(|| Proof::Unproved("that was not recorded".to_owned())),
                barrier: barrier.err(),
            }
        });
        Ok(listed.collect())
    })
}

/// Fails with what stands in the way of an undo.
fn barrier(ctx: &Context, records: &[Record], entries: &[Entry], rollback: &Record) -> Result<()> {
    if plan::is_undone(records, rollback) {
        return Err(Error::usage("it has been undone"));
    }
    plan::nothing_since(rollback, entries)?;
    let store = Store::open(&ctx.backups)?;
    for backup in kept::find(&store, &ctx.database.database, rollback)? {
        let facts = backup.facts();
        if !facts.complete {
            return Err(Error::damaged(format!(
                "the backup {} is incomplete",
                facts.id
            )));
        }
    }
    Ok(())
}
