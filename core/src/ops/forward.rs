//! Applying migrations under the lock: script, fingerprints, ledger and journal as one.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::error::{Error, Result};
use crate::ident::{Digest, Revision};
use crate::model::event::Event;
use crate::model::ledger::{Entry, Verb};
use crate::model::migration;
use crate::model::migration::Migration;
use crate::ops::context::Context;
use crate::pg::catalog;
use crate::pg::journal;
use crate::pg::journal::NewRecord;
use crate::pg::ledger;
use crate::pg::lock::Locked;
use crate::pg::progress;
use crate::pg::retry;
use crate::pg::script;
use crate::pg::script::Script;
use crate::pg::session;
use crate::pg::session::Transaction;
use crate::pg::steps;
use crate::sql::parse;
use crate::sql::statement::Statement;

/// One run of an upgrade: what is the same for all its migrations.
pub struct Run<'a> {
    ctx: &'a Context,
    /// The number of the run.
    pub batch: i64,
    applied_by: String,
    reason: Option<String>,
    consent: String,
}

/// A migration that was applied.
#[derive(Debug, Clone)]
pub struct Applied {
    /// The revision.
    pub revision: Revision,
    /// Its name.
    pub name: String,
    /// How long its script ran.
    pub took: Duration,
    /// Fingerprint of the schema after it.
    pub fingerprint: Digest,
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
        Ok(Self {
            ctx,
            batch,
            applied_by: format!("{role} ({})", ctx.actor),
            reason,
            consent: consent.to_owned(),
        })
    }
}

/// The up script of a migration, cut into statements.
struct Forward<'a> {
    migration: &'a Migration,
    statements: Vec<Statement>,
}

impl<'a> Forward<'a> {
    fn new(migration: &'a Migration) -> Self {
        Self {
            migration,
            statements: parse::script(&migration.up.text),
        }
    }

    /// The script; inside a transaction of ours, without its own BEGIN and COMMIT.
    fn script(&self) -> Script<'_> {
        let own = parse::own_transaction(&self.statements)
            .filter(|_| self.migration.transactional)
            .unwrap_or(&self.statements);
        Script {
            revision: &self.migration.revision,
            path: &self.migration.up.path,
            text: &self.migration.up.text,
            statements: own,
        }
    }
}

/// Refuses a migration that could not run as it is marked, before anything runs.
pub fn check(migration: &Migration) -> Result<()> {
    let forward = Forward::new(migration);
    let script = forward.script();
    if migration.transactional {
        return script::check(&script);
    }
    script
        .statements
        .iter()
        .try_for_each(|statement| script::check_copy(&script, statement))
}

/// Applies `migrations` in this order, each in a transaction of its own. A failure says which
/// were applied before it, and stay.
pub async fn one_by_one(
    locked: &mut Locked,
    run: &Run<'_>,
    migrations: &[&Migration],
    mut head: Option<Revision>,
) -> Result<Vec<Applied>> {
    let mut applied: Vec<Applied> = Vec::new();
    for migration in migrations {
        // The fingerprint after one migration is that before the next: under our lock, nobody
        // who goes through us comes in between.
        let before = applied.last().map(|last| last.fingerprint);
        let from = head.take();
        let result = if migration.transactional {
            transactional(locked, run, &[*migration], from, before).await
        } else {
            step_by_step(locked, run, migration, from, before).await
        };
        match result {
            Ok(more) => applied.extend(more),
            Err(error) => return Err(applied.iter().fold(error, |e, a| e.done(said(a)))),
        }
        head = Some(migration.revision.clone());
    }
    Ok(applied)
}

fn said(applied: &Applied) -> String {
    format!("{} {} was applied", applied.revision, applied.name)
}

/// Applies `migrations` in one transaction: all or none.
pub async fn together(
    locked: &mut Locked,
    run: &Run<'_>,
    migrations: &[&Migration],
    head: Option<Revision>,
) -> Result<Vec<Applied>> {
    match migrations.iter().find(|m| !m.transactional) {
        Some(outside) => Err(Error::usage(format!(
            "{} runs outside a transaction, so it can't be part of a single one",
            outside.up.path
        ))
        .hint("leave out --single-transaction, or upgrade up to the migration before it")),
        None if migrations.is_empty() => Ok(Vec::new()),
        None => transactional(locked, run, migrations, head, None).await,
    }
}

/// Tries one transaction, again when a table lock was not had in time.
async fn transactional(
    locked: &mut Locked,
    run: &Run<'_>,
    migrations: &[&Migration],
    head: Option<Revision>,
    before: Option<Digest>,
) -> Result<Vec<Applied>> {
    let before = match before {
        Some(before) => before,
        None => fingerprint(locked, run).await?,
    };
    let mut attempt = 1;
    loop {
        match attempt_once(locked, run, migrations, head.clone(), before).await {
            Err(error) if retry::again(&error, attempt) => {
                retry::pause(&error, attempt, run.ctx.observer.as_ref()).await;
                attempt += 1;
            }
            result => return result.map_err(|error| retry::give_up(error, attempt)),
        }
    }
}

async fn attempt_once(
    locked: &mut Locked,
    run: &Run<'_>,
    migrations: &[&Migration],
    mut head: Option<Revision>,
    mut before: Digest,
) -> Result<Vec<Applied>> {
    session::refresh(locked.client()).await?;
    locked.check_held().await?;
    let mut transaction = session::begin(locked.client()).await?;
    let mut applied = Vec::new();
    for migration in migrations {
        session::reset(&transaction).await?;
        limit(&transaction, run).await?;
        let forward = Forward::new(migration);
        let began = start(run, migration);
        let observer = run.ctx.observer.as_ref();
        script::run(&transaction, &forward.script(), observer, run.ctx.echo_sql).await?;
        session::settle(&transaction)
            .await
            .map_err(|error| error.wrap(format!("{}: the script ran", migration.up.path)))?;
        let took = began.elapsed();
        let after = {
            // Rolled back, so that the pinned settings end with it.
            let inner = session::nested(&mut transaction).await?;
            session::pin(&inner).await?;
            catalog::read(inner.client()).await?.fingerprint()
        };
        let from = head.replace(migration.revision.clone());
        let fingerprints = (before, after);
        record(&transaction, run, migration, from, took, fingerprints).await?;
        applied.push(finished(migration, took, after));
        before = after;
    }
    session::commit(transaction).await.map_err(|error| {
        error.hint("whether it was committed is not known: look at migrate status; running the same command again is safe")
    })?;
    for (migration, applied) in migrations.iter().zip(&applied) {
        told(run, migration, applied.took);
    }
    Ok(applied)
}

/// Runs a script outside a transaction, then records it.
async fn step_by_step(
    locked: &mut Locked,
    run: &Run<'_>,
    migration: &Migration,
    from: Option<Revision>,
    before: Option<Digest>,
) -> Result<Vec<Applied>> {
    let before = match before {
        Some(before) => before,
        None => fingerprint(locked, run).await?,
    };
    let ctx = run.ctx;
    session::refresh(locked.client()).await?;
    session::set_statement_timeout(locked.client(), ctx.statement_timeout, false).await?;
    let forward = Forward::new(migration);
    let began = start(run, migration);
    steps::run(
        locked,
        &forward.script(),
        false,
        ctx.lock_timeout,
        ctx.observer.as_ref(),
        ctx.echo_sql,
    )
    .await?;
    let took = began.elapsed();
    let all_ran = |error: Error| {
        error
            .done(format!("every statement of {} ran", migration.up.path))
            .hint("run the same command again: it only records the migration")
    };
    session::refresh(locked.client()).await.map_err(all_ran)?;
    let after = fingerprint(locked, run).await.map_err(all_ran)?;
    let record = async {
        locked.check_held().await?;
        let transaction = session::begin(locked.client()).await?;
        limit(&transaction, run).await?;
        record(&transaction, run, migration, from, took, (before, after)).await?;
        progress::clear(&transaction, &migration.revision, false).await?;
        session::commit(transaction).await
    };
    record.await.map_err(all_ran)?;
    told(run, migration, took);
    Ok(vec![finished(migration, took, after)])
}

async fn limit(transaction: &Transaction<'_>, run: &Run<'_>) -> Result<()> {
    session::set_lock_timeout(transaction, run.ctx.lock_timeout, true).await?;
    session::set_statement_timeout(transaction, run.ctx.statement_timeout, true).await
}

/// The schema's fingerprint now, read in a transaction of its own.
async fn fingerprint(locked: &mut Locked, run: &Run<'_>) -> Result<Digest> {
    let transaction = session::reading(locked.client(), run.ctx.lock_timeout).await?;
    Ok(catalog::read(transaction.client()).await?.fingerprint())
}

fn start(run: &Run<'_>, migration: &Migration) -> Instant {
    run.ctx.observer.observe(Event::MigrationStarted {
        revision: migration.revision.clone(),
        name: migration.name.clone(),
        back: false,
    });
    Instant::now()
}

/// Tells that a migration is committed.
fn told(run: &Run<'_>, migration: &Migration, took: Duration) {
    run.ctx.observer.observe(Event::MigrationFinished {
        revision: migration.revision.clone(),
        name: migration.name.clone(),
        back: false,
        took,
    });
}

async fn record(
    transaction: &Transaction<'_>,
    run: &Run<'_>,
    migration: &Migration,
    from: Option<Revision>,
    took: Duration,
    (before, after): (Digest, Digest),
) -> Result<()> {
    let entry = Entry {
        sequence: 0,
        revision: migration.revision.clone(),
        name: migration.name.clone(),
        up_checksum: migration.up.checksum(),
        up_text: migration.up.text.clone(),
        down_checksum: migration.down.as_ref().map(migration::Script::checksum),
        down_text: migration.down.as_ref().map(|down| down.text.clone()),
        transactional: migration.transactional,
        batch: run.batch,
        applied_at: crate::clock::now(),
        applied_by: run.applied_by.clone(),
        duration_ms: took.as_millis() as i64,
        fingerprint_before: Some(before),
        fingerprint_after: Some(after),
    };
    let sequence = ledger::insert(transaction, &entry).await?;
    let details = json!({
        "batch": run.batch,
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
        from,
        to: Some(migration.revision.clone()),
        by: run.applied_by.clone(),
        reason: run.reason.clone(),
        consent: run.consent.clone(),
        backups: Vec::new(),
        manifests: Vec::new(),
        reverses: None,
        details: details.to_string(),
    };
    journal::append(transaction, record).await?;
    Ok(())
}

fn finished(migration: &Migration, took: Duration, after: Digest) -> Applied {
    Applied {
        revision: migration.revision.clone(),
        name: migration.name.clone(),
        took,
        fingerprint: after,
    }
}
