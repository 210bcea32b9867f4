//! Changing what the ledger says without running a script: what `stamp`, `baseline`, `repair` and
//! `adopt` have in common.

use serde_json::json;

use crate::error::Result;
use crate::ident::Revision;
use crate::model::ledger::{Entry, Verb};
use crate::ops::context::Context;
use crate::pg::catalog;
use crate::pg::journal;
use crate::pg::journal::NewRecord;
use crate::pg::ledger;
use crate::pg::lock::Locked;
use crate::pg::progress;
use crate::pg::session;
use crate::pg::session::Transaction;

/// Who marks, and why.
pub struct Marking<'a> {
    /// The surroundings.
    pub ctx: &'a Context,
    /// For the journal.
    pub verb: Verb,
    /// `--reason`.
    pub reason: Option<String>,
    /// How consent was given.
    pub consent: String,
}

impl Marking<'_> {
    /// Begins the transaction in which all of it happens, with a ledger.
    pub async fn begin<'l>(&self, locked: &'l mut Locked) -> Result<Transaction<'l>> {
        locked.check_held().await?;
        let transaction = session::begin(locked.client()).await?;
        session::set_lock_timeout(&transaction, self.ctx.lock_timeout, true).await?;
        ledger::ensure(&transaction).await?;
        Ok(transaction)
    }

    /// Who does this, as the ledger has it.
    pub async fn by(&self, transaction: &Transaction<'_>) -> Result<String> {
        let role = session::role(transaction).await?;
        Ok(format!("{role} ({})", self.ctx.actor))
    }

    /// Adds `entries`, in this order, as one run. The schema as it is now is taken for that of the
    /// last one.
    pub async fn add(&self, transaction: &mut Transaction<'_>, entries: Vec<Entry>) -> Result<()> {
        let batch = ledger::next_batch(transaction).await?;
        let last = entries.len().saturating_sub(1);
        let fingerprint = {
            // Rolled back, so that the pinned settings end with it.
            let inner = session::nested(transaction).await?;
            session::pin(&inner).await?;
            catalog::read(inner.client()).await?.fingerprint()
        };
        for (place, entry) in entries.into_iter().enumerate() {
            let entry = Entry {
                batch,
                fingerprint_after: (place == last).then_some(fingerprint),
                ..entry
            };
            ledger::insert(transaction, &entry).await?;
            progress::clear(transaction, &entry.revision, false).await?;
        }
        Ok(())
    }

    /// Takes `entries` out.
    pub async fn remove(&self, transaction: &Transaction<'_>, entries: &[Entry]) -> Result<()> {
        for entry in entries {
            ledger::remove(transaction, &entry.revision).await?;
        }
        Ok(())
    }

    /// Writes the journal and commits.
    pub async fn commit(
        self,
        transaction: Transaction<'_>,
        from: Option<Revision>,
        added: &[Revision],
        removed: &[Revision],
    ) -> Result<Option<Revision>> {
        let words = |revisions: &[Revision]| -> Vec<String> {
            revisions.iter().map(ToString::to_string).collect()
        };
        let to = ledger::head(&transaction).await?;
        let record = NewRecord {
            verb: self.verb,
            from,
            to: to.clone(),
            by: self.by(&transaction).await?,
            reason: self.reason,
            consent: self.consent,
            backups: Vec::new(),
            manifests: Vec::new(),
            reverses: None,
            details: json!({"added": words(added), "removed": words(removed)}).to_string(),
        };
        journal::append(&transaction, record).await?;
        session::commit(transaction).await?;
        Ok(to)
    }
}
