//! The undo of a rollback, tried before the rollback is committed: in a savepoint, from the very
//! backups, and taken back again.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time;

use crate::error::{Error, Result};
use crate::ident::TableName;
use crate::model::backup::BackupFacts;
use crate::model::event::{Event, Phase, Silent};
use crate::model::proof::{Bounds, Proof};
use crate::model::relation::{Oid, Relation, RelationKind, World};
use crate::ops::context::Context;
use crate::ops::rollback::attempt::Attempt;
use crate::ops::rollback::record::write_ledger;
use crate::ops::undo::{self, COMPUTED, Outcome, Trial, Tried};
use crate::pg::digests::{self, Digests};
use crate::pg::reconcile::absent::DELETED;
use crate::pg::reconcile::conflicts::Conflict;
use crate::pg::record::Details;
use crate::pg::session::Client;
use crate::pg::{event_triggers, inspect, retry, sequences, session, transaction, wal};
use crate::schema::{self, Catalog};
use crate::store::BackupKey;

/// A table lock that an undo needs besides those that are held may take this long: others wait.
const LOCK: Duration = Duration::from_millis(500);

/// Of each table so many rows are put back where all of them would be more than is allowed.
const SAMPLE: u64 = 1000;

/// How many rows an undo reads and puts back in a millisecond, or more.
const ROWS_A_MILLISECOND: u128 = 25;

/// What is known before the scripts run.
pub struct Before {
    began: Instant,
    wal: Option<u64>,
    rows: Digests,
}

/// Looks at what an undo will be compared with, where it will be tried.
pub async fn look(client: &Client, context: &Attempt<'_>, world: &World) -> Result<Before> {
    let bounds = context.ctx.proof;
    let plan = &context.planned.plan;
    let rows = if context.taken.is_none() || context.options.without_proof {
        Digests::default()
    } else {
        let watched = plan.capture.watched(&plan.coverage);
        let concerned = |oid: &Oid| watched.contains(oid) || plan.coverage.contains_key(oid);
        let tables = world.relations.values();
        let tables = tables.filter(|r| r.kind == RelationKind::Table && concerned(&r.oid));
        // What event triggers note grows with whatever we define.
        let event_triggers = event_triggers::enabled(client).await?;
        let logs = |r: &&Relation| event_triggers.iter().any(|e| e.mentions(&r.name.name));
        let (noted, tables): (Vec<_>, Vec<_>) = tables.partition(logs);
        let mut rows = digests::read(client, tables, bounds.bytes / 2).await?;
        rows.left_out.extend(noted.iter().map(|r| r.name.clone()));
        rows
    };
    Ok(Before {
        began: Instant::now(),
        wal: wal::position(client).await?,
        rows,
    })
}

/// What the rollback has done.
pub struct Ready<'a> {
    /// Its backups, and what opens them.
    pub backups: &'a [(BackupFacts, BackupKey)],
    /// What goes into the journal.
    pub details: &'a Details,
    /// The schema now.
    pub now: &'a Catalog,
}

/// How one try ended.
enum Ended {
    /// This is known by it.
    Known(Proof),
    /// It would have taken longer than it may.
    TooLong,
    /// The undo failed.
    Failed(Error),
}

/// Tries the undo, and takes it back: with all rows, or, where that is more than is allowed, with the first
/// rows of each table. A rollback whose undo can't work is refused.
pub async fn prove(
    client: &Client,
    context: &Attempt<'_>,
    before: &Before,
    ready: &Ready<'_>,
) -> Result<Proof> {
    if context.options.without_proof {
        return Ok(Proof::Unproved("--without-proof was given".to_owned()));
    }
    let bounds = context.ctx.proof;
    context.ctx.observer.observe(Event::Phase(Phase::Proof));
    let Some(beyond) = too_much(client, before, ready, bounds).await? else {
        return match once(client, context, before, ready, (bounds, None)).await? {
            Ended::Known(proof) => Ok(proof),
            Ended::Failed(error) => hopeless(context, &error),
            Ended::TooLong => {
                let seconds = bounds.time.as_secs_f32();
                Ok(Proof::Unproved(format!("it takes more than {seconds} s")))
            }
        };
    };
    let part = Bounds {
        time: bounds.time / 2,
        ..bounds
    };
    match once(client, context, before, ready, (part, Some(SAMPLE))).await? {
        Ended::Known(Proof::Unproved(why)) => Ok(Proof::Unproved(format!("{beyond}; {why}"))),
        Ended::Known(proof) => Ok(proof),
        // The rest of the rows may be what is missed.
        Ended::Failed(error) if retry::is_integrity(&error) => Ok(Proof::Unproved(format!(
            "{beyond}; and whether the first {SAMPLE} rows of each table fit can't be told without the \
             others ({error})"
        ))),
        Ended::Failed(error) => hopeless(context, &error),
        Ended::TooLong => Ok(Proof::Unproved(format!(
            "{beyond}; with the first {SAMPLE} rows of each table it takes more than {} s",
            part.time.as_secs_f32()
        ))),
    }
}

/// Carries the undo out once, within some bounds and of all rows or some of each table, and takes it back.
async fn once(
    client: &Client,
    context: &Attempt<'_>,
    before: &Before,
    ready: &Ready<'_>,
    (bounds, sample): (Bounds, Option<u64>),
) -> Result<Ended> {
    let positions = inspect::sequences(client).await?;
    let began = Instant::now();
    transaction::proof(client).await?;
    let extent = (bounds, sample);
    let trying = Box::pin(within(client, context, &positions, before, ready, extent));
    let tried = time::timeout(bounds.time, trying).await;
    transaction::before_proof(client).await?;
    sequences::not_back(client, &positions).await?;
    let error = match tried {
        Ok(Ok(proof)) => return Ok(Ended::Known(proof)),
        Ok(Err(error)) => error,
        Err(_) => return Ok(Ended::TooLong),
    };
    if retry::is_cancelled(&error) && began.elapsed() >= bounds.time {
        return Ok(Ended::TooLong);
    }
    if retry::is_cancelled(&error) || client.is_closed() {
        return Err(error);
    }
    if retry::is_lock(&error) {
        let why = format!("a lock was not free: {error}");
        return Ok(Ended::Known(Proof::Unproved(why)));
    }
    Ok(Ended::Failed(error))
}

/// The undo can't work: the rollback is refused, unless that is forced.
fn hopeless(context: &Attempt<'_>, error: &Error) -> Result<Proof> {
    let reason = [error.to_string()].into_iter().chain(error.causes());
    let reason = reason.collect::<Vec<_>>().join(": ");
    let why = format!(
        "`rollback undo` could not reverse this rollback: {}",
        reason.trim_end()
    );
    if context.planned.request.force {
        context.ctx.observer.observe(Event::Warning(why.clone()));
        return Ok(Proof::Unproved(why));
    }
    Err(Error::refused(why)
        .hint("the transaction was rolled back")
        .hint(
            "--without-proof rolls back all the same; what goes stays in the backup, from which \
             `backup restore` puts rows back",
        ))
}

/// Why the undo is not tried with all rows.
async fn too_much(
    client: &Client,
    before: &Before,
    ready: &Ready<'_>,
    bounds: Bounds,
) -> Result<Option<String>> {
    let mib = |bytes: u64| bytes.div_ceil(1 << 20);
    // Compressed, they are a quarter of what is put back, or less.
    let saved: u64 = ready.backups.iter().map(|(facts, _)| facts.bytes).sum();
    if saved.saturating_mul(4) > bounds.bytes {
        return Ok(Some(format!(
            "{} MiB are saved, compressed, which may be more than the {} MiB that are allowed",
            mib(saved),
            mib(bounds.bytes)
        )));
    }
    let tables = ready.backups.iter().flat_map(|(facts, _)| &facts.tables);
    let rows: u128 = tables.map(|table| u128::from(table.rows)).sum();
    let most = bounds.time.as_millis() * ROWS_A_MILLISECOND;
    if rows > most {
        return Ok(Some(format!(
            "{rows} rows are saved, and in {} s some {most} come back",
            bounds.time.as_secs_f32()
        )));
    }
    // To put rows back takes longer than to take them away.
    let took = before.began.elapsed();
    if took > bounds.time / 2 {
        return Ok(Some(format!(
            "the rollback itself took {:.1} s under its locks, and its undo may take no more than {:.1} s",
            took.as_secs_f32(),
            bounds.time.as_secs_f32()
        )));
    }
    let now = wal::position(client).await?;
    let written = now
        .zip(before.wal)
        .map(|(now, then)| now.saturating_sub(then));
    Ok(written.filter(|w| *w > bounds.bytes).map(|written| {
        format!(
            "the server wrote {} MiB during the rollback, and {} MiB are allowed",
            mib(written),
            mib(bounds.bytes)
        )
    }))
}

/// All that is taken back.
async fn within(
    client: &Client,
    context: &Attempt<'_>,
    positions: &[inspect::SequenceFacts],
    before: &Before,
    ready: &Ready<'_>,
    (bounds, sample): (Bounds, Option<u64>),
) -> Result<Proof> {
    let planned = context.planned;
    session::set_lock_timeout(client, LOCK.min(context.ctx.lock_timeout), true).await?;
    session::set_statement_timeout(client, Some(bounds.time), true).await?;
    let facts: Vec<BackupFacts> = ready
        .backups
        .iter()
        .map(|(facts, _)| facts.clone())
        .collect();
    write_ledger(client, context, &facts, ready.details).await?;
    let ctx = Context {
        observer: Arc::new(Silent),
        statement_timeout: Some(bounds.time),
        echo_sql: false,
        ..context.ctx.clone()
    };
    let trial = Trial {
        ctx: &ctx,
        database: &planned.plan.database,
        path: planned.analysis.world.search_path.clone(),
        backups: ready.backups,
        sequences: positions,
        difference: &schema::diff(&planned.catalog, ready.now),
        accept_drift: planned.request.accept_drift,
        sample,
    };
    match undo::carry_out(client, &trial).await? {
        Tried::NotHere(why) => Ok(Proof::Unproved(why)),
        Tried::Done(outcome, short) if sample.is_some() => Ok(sampled(&outcome, &short)),
        Tried::Done(outcome, _) => compare(client, before, &outcome).await,
    }
}

/// The definitions are there again, and the first rows of each table.
fn sampled(outcome: &Outcome, short: &BTreeSet<TableName>) -> Proof {
    let mut left = (outcome.conflicts.iter()).filter(|c| c.reason != DELETED);
    if let Some(Conflict { table, reason, .. }) = left.next() {
        return Proof::Unproved(format!(
            "of the first {SAMPLE} rows of {table} not all would be put back: {reason}"
        ));
    }
    let names: Vec<String> = short.iter().map(ToString::to_string).collect();
    Proof::Sampled(match names.as_slice() {
        [] => "what rows hold was not compared".to_owned(),
        names => format!("with the first {SAMPLE} rows of {} alone", names.join(", ")),
    })
}

/// Nobody has written anything since: all must be as it was.
async fn compare(client: &Client, before: &Before, outcome: &Outcome) -> Result<Proof> {
    // Rows may have been deleted between the snapshot and the lock: they weren't there any more.
    let mut left =
        (outcome.conflicts.iter()).filter(|c| c.reason != DELETED && c.reason != COMPUTED);
    if let Some(conflict) = left.next() {
        return Err(Error::refused(format!(
            "{}: {} rows would not be put back: {}",
            conflict.table, conflict.rows, conflict.reason
        )));
    }
    if outcome.drift.is_some() {
        let why = "it ends in another schema than there was, which `--accept-drift` accepts again";
        return Ok(Proof::Sampled(why.to_owned()));
    }
    if let Some((table, then, now)) = before.rows.differing(client).await?.first() {
        return Err(Error::refused(format!(
            "{table} would not hold what it held ({then} rows before, {now} then)"
        )));
    }
    let stored = outcome.conflicts.iter().filter(|c| c.reason == COMPUTED);
    let stored: Vec<String> = stored.map(|c| c.table.to_string()).collect();
    if !stored.is_empty() {
        return Ok(Proof::Sampled(format!(
            "what {} holds is kept, and can't be written into it again",
            stored.join(", ")
        )));
    }
    if before.rows.left_out.is_empty() {
        return Ok(Proof::Proved);
    }
    let names: Vec<String> = before
        .rows
        .left_out
        .iter()
        .map(ToString::to_string)
        .collect();
    Ok(Proof::Sampled(format!(
        "the rows of {} were not compared",
        names.join(", ")
    )))
}
