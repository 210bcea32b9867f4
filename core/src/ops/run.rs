//! One run of an upgrade: what all its migrations share, and how each is told and recorded.

use std::time::{Duration, Instant};

use futures_util::future::try_join;
use serde_json::json;

use crate::error::Result;
use crate::ident::{Digest, Revision};
use crate::model::event::Event;
use crate::model::ledger::{Entry, Verb};
use crate::model::migration::Migration;
use crate::ops::beside;
use crate::ops::context::Context;
use crate::ops::recipients;
use crate::ops::stored_catalog;
use crate::pg::catalog;
use crate::pg::catalog::Reading;
use crate::pg::foreign;
use crate::pg::foreign::Foreign;
use crate::pg::journal;
use crate::pg::journal::NewRecord;
use crate::pg::ledger;
use crate::pg::lock::Locked;
use crate::pg::session;
use crate::pg::session::Transaction;
use crate::schema::{Catalog, Delta};

/// A run of an upgrade.
pub struct Run<'a> {
    /// The surroundings.
    pub ctx: &'a Context,
    /// The number of the run.
    pub batch: i64,
    applied_by: String,
    reason: Option<String>,
    consent: String,
    /// The ledger that ours is kept in step with.
    beside: Option<Foreign>,
}

/// What is known of a migration once its script ran.
pub struct Done<'a> {
    /// The migration.
    pub migration: &'a Migration,
    /// Head of the ledger before it.
    pub from: Option<Revision>,
    /// How long its script ran.
    pub took: Duration,
    /// Fingerprint of the schema before.
    pub before: Digest,
    /// Fingerprint of the schema after.
    pub after: Digest,
    /// What it did to the schema.
    pub change: Delta,
}

impl<'a> Run<'a> {
    /// Makes sure there is a ledger, and takes the next number.
    pub async fn begin(
        ctx: &'a Context,
        locked: &mut Locked,
        reason: Option<String>,
        consent: &str,
    ) -> Result<Self> {
        let role = session::role(locked.client()).await?;
        let transaction = session::begin(locked.client()).await?;
        session::set_lock_timeout(&transaction, ctx.lock_timeout, true).await?;
        ledger::ensure(&transaction).await?;
        let batch = ledger::next_batch(&transaction).await?;
        session::commit(transaction).await?;
        let beside = foreign::beside(locked.client()).await?;
        Ok(Self {
            ctx,
            beside,
            batch,
            applied_by: format!("{role} ({})", ctx.actor),
            reason,
            consent: consent.to_owned(),
        })
    }

    /// Bounds the statements of `transaction`.
    pub async fn limit(&self, transaction: &Transaction<'_>) -> Result<()> {
        let waiting = session::set_lock_timeout(transaction, self.ctx.lock_timeout, true);
        let all = session::set_statement_timeout(transaction, self.ctx.statement_timeout, true);
        try_join(waiting, all).await.map(drop)
    }

    /// The schema now, read in a transaction of its own.
    pub async fn schema(&self, locked: &mut Locked) -> Result<Reading> {
        catalog::ready(locked.client()).await?;
        let transaction = session::reading(locked.client(), self.ctx.lock_timeout).await?;
        Reading::whole(transaction.client()).await
    }

    /// Reads the whole schema, where `known` was put together from what each migration changed. If
    /// they differ, what is on record of the schemas in between can't be relied on: it is forgotten,
    /// and this is false.
    pub async fn verify(&self, transaction: &Transaction<'_>, known: &Catalog) -> Result<bool> {
        if catalog::read_aside(transaction.client()).await? == *known {
            return Ok(true);
        }
        ledger::forget_schemas(transaction, self.batch).await?;
        self.ctx.observer.observe(Event::Warning(
            "the schema is not what the migrations of this run were seen to make of it, so what it \
             was after each is not on record: a rollback asks for --accept-drift"
                .to_owned(),
        ));
        Ok(false)
    }

    /// As [`verify`](Self::verify), in a transaction of its own.
    pub async fn verify_apart(&self, locked: &mut Locked, known: &Reading) -> Result<bool> {
        session::refresh(locked.client()).await?;
        locked.check_held().await?;
        let transaction = session::begin(locked.client()).await?;
        self.limit(&transaction).await?;
        let right = self.verify(&transaction, known.catalog()).await?;
        session::commit(transaction).await?;
        Ok(right)
    }

    /// Tells that the script of `migration` is about to run.
    pub fn started(&self, migration: &Migration) -> Instant {
        self.ctx.observer.observe(Event::MigrationStarted {
            revision: migration.revision.clone(),
            name: migration.name.clone(),
            back: false,
        });
        Instant::now()
    }

    /// Tells that `migration` is committed.
    pub fn committed(&self, migration: &Migration, took: Duration) {
        self.ctx.observer.observe(Event::MigrationFinished {
            revision: migration.revision.clone(),
            name: migration.name.clone(),
            back: false,
            took,
        });
    }

    /// Writes ledger and journal, in the transaction that holds the change itself if there is one.
    pub async fn record(&self, transaction: &Transaction<'_>, done: &Done<'_>) -> Result<()> {
        let migration = done.migration;
        let (before, after) = (done.before, done.after);
        let entry = Entry {
            duration_ms: done.took.as_millis() as i64,
            fingerprint_before: Some(before),
            fingerprint_after: Some(after),
            change: Some(stored_catalog::delta_to_json(&done.change)?),
            ..Entry::of(migration, self.batch, &self.applied_by)
        };
        let inserted = ledger::insert(transaction, &entry);
        let (sequence, end) = try_join(inserted, journal::open(transaction)).await?;
        let details = json!({
            "batch": self.batch,
            "sequence": sequence,
            "name": entry.name,
            "checksum": entry.up_checksum.to_string(),
            "transactional": entry.transactional,
            "duration_ms": entry.duration_ms,
            "fingerprint_before": before.to_string(),
            "fingerprint_after": after.to_string(),
        });
        let record = NewRecord {
            verb: Verb::Upgrade,
            from: done.from.clone(),
            to: Some(migration.revision.clone()),
            by: self.applied_by.clone(),
            reason: self.reason.clone(),
            consent: self.consent.clone(),
            backups: Vec::new(),
            manifests: Vec::new(),
            reverses: None,
            details: match &self.ctx.named.before {
                Some(_) => recipients::noted(self.ctx, &details.to_string()),
                None => details.to_string(),
            },
        };
        end.append(transaction, record).await?;
        match &self.beside {
            Some(foreign) => {
                beside::applied(foreign, transaction.client(), migration, done.took).await
            }
            None => Ok(()),
        }
    }
}
