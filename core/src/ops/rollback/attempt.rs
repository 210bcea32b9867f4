//! One try of the transaction that rolls back: locks, re-capture, scripts, guard, ledger, COMMIT.

use std::cell::RefCell;
use std::collections::BTreeSet;

use crate::error::{Error, Result};
use crate::ident::TableName;
use crate::model::backup::BackupFacts;
use crate::model::consent::Consent;
use crate::model::event::{Event, Phase};
use crate::model::lock::LockMode;
use crate::model::relation::{Oid, Relation, World};
use crate::ops::analysis::MOST_STORED;
use crate::ops::beside;
use crate::ops::context::Context;
use crate::ops::keep::Continuation;
use crate::ops::provisional::{self, Provisional};
use crate::ops::rollback::again;
use crate::ops::rollback::apply::{Options, Outcome};
use crate::ops::rollback::plan::Planned;
use crate::ops::rollback::proof;
use crate::ops::rollback::record::{self, write_ledger};
use crate::ops::run_scripts;
use crate::ops::snapshot::{Purpose, Taken};
use crate::ops::stored_catalog;
use crate::pg::capture::{self, Captured};
use crate::pg::guard::{self, Known, Look, Marks, State};
use crate::pg::lock::Locked;
use crate::pg::record::{Details, SequenceRecord, TableRecord};
use crate::pg::server::Server;
use crate::pg::session::Client;
use crate::pg::{
    as_user, catalog, event_triggers, extent, inserted, inspect, lock_room, matviews, reconcile,
    retry, seeds, sequences, session, transaction,
};
use crate::schema;
use crate::store::BackupKey;

/// Everything that the tries have in common.
pub struct Attempt<'a> {
    /// The surroundings.
    pub ctx: &'a Context,
    /// The plan.
    pub planned: &'a Planned,
    /// Who agreed.
    pub consent: &'a Consent,
    /// How.
    pub options: &'a Options,
    /// The server.
    pub server: &'a Server,
    /// The snapshot.
    pub taken: Option<&'a Taken>,
    /// The snapshot again, as what goes when nothing is committed.
    pub snapshot: Option<&'a Provisional>,
    /// What a second backup would be for.
    pub purpose: Purpose,
    /// Tables whose rows are to be looked at, since an earlier try left something unexplained.
    pub look_at: RefCell<BTreeSet<Oid>>,
}

/// Tries once. On failure the transaction is rolled back.
pub async fn attempt(locked: &mut Locked, context: &Attempt<'_>) -> Result<Outcome> {
    locked.check_held().await?;
    let client = &*locked.client();
    match Box::pin(inside(client, context)).await {
        Ok(ready) if context.options.rehearsed => {
            transaction::abandon(client).await;
            Ok(ready.outcome)
        }
        Ok(ready) => {
            let snapshot = context.snapshot.into_iter();
            let backups = snapshot.chain(ready.second.as_ref()).collect();
            context.ctx.observer.observe(Event::Phase(Phase::Commit));
            provisional::commit(context.ctx, client, &ready.transaction, backups).await?;
            Ok(ready.outcome)
        }
        Err(error) => {
            transaction::abandon(client).await;
            let locks = context.planned.plan.locks.iter();
            let tables: Vec<TableName> = locks.map(|lock| lock.table.clone()).collect();
            Err(retry::name_blockers(client, error, &tables).await)
        }
    }
}

/// A transaction that only waits for its COMMIT.
struct Ready {
    outcome: Outcome,
    second: Option<Provisional>,
    transaction: String,
}

async fn inside(client: &Client, context: &Attempt<'_>) -> Result<Ready> {
    let Attempt { ctx, planned, .. } = context;
    let observer = ctx.observer.as_ref();
    transaction::begin(client, ctx.lock_timeout, ctx.statement_timeout).await?;
    transaction::ours(client).await?;
    as_user::prepare(client).await?;
    guard::counting(client).await?;
    // Before anything of ours can fire code.
    let begun = guard::marks(client).await?;
    observer.observe(Event::Phase(Phase::TableLocks));
    lock_tables(client, planned).await?;
    let path = planned.analysis.world.search_path.clone();
    let before = inspect::world(client, path.clone()).await?;
    same_structure(&planned.analysis.world, &before)?;
    let mut kept = Continuation::new(ctx, client, context.purpose.clone());
    if let Some(taken) = context.taken {
        kept.recapture(&before, &planned.plan.coverage, taken)
            .await?;
    }
    kept.prepare(&before, &planned.plan.coverage).await?;
    hold_sequences(client, planned).await?;
    // Read under the locks: inserts of others can't take numbers any more.
    let sequences_before = positions(client).await?;
    let populated = matviews::populated(client).await?;
    if context.taken.is_some() {
        let views = matviews::holding(&populated, &planned.analysis.stored);
        kept.stored(&before, &views, MOST_STORED).await?;
    }
    let look_at = context.look_at.borrow().clone();
    let look = guard::begin_look(client, &before, look_at).await?;
    let mut captured = watch(client, planned, &before).await?;
    let proven = proof::look(client, context, &before).await?;
    let marks = guard::marks(client).await?;

    observer.observe(Event::Phase(Phase::Scripts));
    for (step, statements) in planned.plan.steps.iter().zip(&planned.analysis.statements) {
        run_scripts::run(ctx, client, step, statements, &mut captured, true).await?;
    }

    // What was deferred to the end belongs to the scripts: it is captured and compared too.
    session::settle(client).await?;
    observer.observe(Event::Phase(Phase::Guard));
    transaction::ours(client).await?;
    let after_marks = guard::marks(client).await?;
    let after = inspect::world(client, path.clone()).await?;
    let scripts = Guarded {
        was: State {
            world: &before,
            marks: &marks,
        },
        is: State {
            world: &after,
            marks: &after_marks,
        },
        look: &look,
    };
    guard_effects(client, context, scripts, &captured).await?;
    let tables = kept
        .aftermath(
            &before,
            &after,
            &planned.plan.coverage,
            &captured,
            context.taken,
        )
        .await?;
    keep_keys(client, context, &mut kept, [&before, &after]).await?;
    room_for_undo(client, context, &before, &tables).await?;
    let now = catalog::read(client).await?;
    let drift = check_fingerprint(context, client, &now).await?;
    let refilled = matviews::refilled(client, &populated).await?;
    let transaction = transaction::id(client).await?;
    let sequences = [sequences_before, positions(client).await?];
    let mut details = record::details(planned, &now, tables, &transaction, &populated, sequences);
    details.refilled = refilled;
    let kept = kept.commit(context.server, context.taken)?;
    let second = kept.as_ref().map(|(facts, _)| facts.clone());
    let second = second.map(|facts| Provisional::new(&ctx.backups, facts));
    let second = second.transpose()?;
    let first = context.taken.map(|t| (t.facts.clone(), t.key.clone()));
    let backups: Vec<_> = first.into_iter().chain(kept).collect();
    let saved = last_marks(client).await?;
    try_undo(client, context, &proven, (&backups, &now), &mut details).await?;
    // What was tried and taken back is counted by the server, too.
    let tried = guard::marks(client).await?;
    let backups: Vec<BackupFacts> = backups.into_iter().map(|(facts, _)| facts).collect();
    write_ledger(client, context, &backups, &details).await?;
    let last = last_marks(client).await?;
    let ours = [
        (&before, &begun, &marks),
        (&after, &after_marks, &saved),
        (&after, &tried, &last),
    ];
    guard_ours(client, context, &ours).await?;

    Ok(Ready {
        outcome: Outcome {
            to: planned.plan.to.clone(),
            undone: planned.entries.iter().map(|e| e.revision.clone()).collect(),
            backups,
            drift,
            proof: details.proof,
        },
        second,
        transaction,
    })
}

/// Tries the undo by the backups and what goes into the journal, and notes what came of it there.
async fn try_undo(
    client: &Client,
    context: &Attempt<'_>,
    before: &proof::Before,
    (backups, now): (&[(BackupFacts, BackupKey)], &schema::Catalog),
    details: &mut Details,
) -> Result<()> {
    if context.taken.is_none() {
        return Ok(());
    }
    details.inserted = inserted::read(client, &details.finding_rows()).await?;
    let ready = proof::Ready {
        backups,
        details,
        now,
    };
    let proof = Box::pin(proof::prove(client, context, before, &ready)).await?;
    details.proof = Some(proof);
    // Numbers may have been drawn meanwhile, and what was taken back is counted, too.
    details.sequences_after = positions(client).await?;
    details.inserted = inserted::read(client, &details.finding_rows()).await?;
    Ok(())
}

/// Keeps the keys that tell, once the migrations are applied again, which rows were there.
async fn keep_keys(
    client: &Client,
    context: &Attempt<'_>,
    kept: &mut Continuation<'_>,
    [before, after]: [&World; 2],
) -> Result<()> {
    if context.taken.is_none() {
        return Ok(());
    }
    let touched = again::touched(client, &context.planned.entries, before, after).await?;
    kept.present(after, &touched).await
}

/// The scripts' part of the transaction.
struct Guarded<'a> {
    was: State<'a>,
    is: State<'a>,
    look: &'a Look,
}

/// What the scripts did must lie within what was announced and saved. Takes the capture triggers
/// away.
async fn guard_effects(
    client: &Client,
    context: &Attempt<'_>,
    scripts: Guarded<'_>,
    captured: &Captured,
) -> Result<()> {
    let recorded = captured.recorded(client).await?;
    let counted = guard::count(client, scripts.look, scripts.is.world).await?;
    let event_triggers = event_triggers::enabled(client).await?;
    captured.remove(client).await?;
    let known = Known {
        coverage: &context.planned.plan.coverage,
        recorded: &recorded,
        counted: &counted,
        event_triggers: &event_triggers,
    };
    let surplus = guard::surplus(scripts.was, scripts.is, known);
    if context.taken.is_none() {
        return Ok(());
    }
    if surplus.what.is_empty() && !surplus.unexplained.is_empty() {
        context.look_at.borrow_mut().extend(surplus.unexplained);
        return Err(Error::failed(
            "what the server counted is not what was recorded",
        ));
    }
    refuse(
        "the scripts did more than was announced and saved",
        &surplus.what,
    )
}

/// The signs after the last statement of ours that may fire code.
async fn last_marks(client: &Client) -> Result<Marks> {
    session::settle(client).await?;
    guard::marks(client).await
}

/// Beside the scripts nothing may have happened: what we define fires event triggers, too. Each part
/// is the tables, the signs before and the signs after.
async fn guard_ours(
    client: &Client,
    context: &Attempt<'_>,
    parts: &[(&World, &Marks, &Marks)],
) -> Result<()> {
    if context.taken.is_none() {
        return Ok(());
    }
    let event_triggers = event_triggers::enabled(client).await?;
    let Some((first, ..)) = parts.first() else {
        return Ok(());
    };
    let expected = beside::tables(client, first).await?;
    let mut surplus = Vec::new();
    for (world, first, last) in parts.iter().copied() {
        let [was, is] = [first, last].map(|marks| State { world, marks });
        surplus.extend(guard::beside(was, is, &expected, &event_triggers));
    }
    refuse(
        "something beside the scripts changes rows that are not saved",
        &surplus,
    )
}

fn refuse(what: &str, surplus: &[String]) -> Result<()> {
    if surplus.is_empty() {
        return Ok(());
    }
    Err(Error::refused(format!("{what}: {}", surplus.join("; ")))
        .hint("the transaction was rolled back"))
}

/// The undo must fit into the server's table of locks: it locks what this transaction has locked,
/// and its own temporary tables.
async fn room_for_undo(
    client: &Client,
    context: &Attempt<'_>,
    before: &World,
    tables: &[TableRecord],
) -> Result<()> {
    let Some(taken) = context.taken else {
        return Ok(());
    };
    let has_rows = |record: &&TableRecord| {
        let name = record.name_before();
        let relation = before.find(&name.schema, &name.name);
        let saved = relation.and_then(|r| taken.rows.get(&r.oid));
        !record.effects.is_empty() || saved.is_none_or(|rows| *rows > 0)
    };
    let concerned = tables.iter().filter(has_rows);
    let temporary: u64 = concerned.map(reconcile::locks).sum();
    let room = lock_room::read(client).await?;
    let needed = room.own + temporary;
    if needed <= room.all || context.planned.request.force {
        return Ok(());
    }
    Err(Error::refused(format!(
        "an undo of this rollback may need {needed} locks at once, and the server has room for {}",
        room.all
    ))
    .hint(format!(
        "the transaction was rolled back; set max_locks_per_transaction to {} (it is {}) and start \
         the server anew",
        room.wanted(needed),
        room.per_transaction
    ))
    .hint("or roll fewer migrations back at a time"))
}

async fn positions(client: &Client) -> Result<Vec<SequenceRecord>> {
    let sequences = inspect::sequences(client).await?;
    Ok(sequences
        .iter()
        .map(|s| SequenceRecord::of(&s.state))
        .collect())
}

/// Positions belong to no transaction: what the scripts set would stay if this one fails.
async fn hold_sequences(client: &Client, planned: &Planned) -> Result<()> {
    let set = &planned.analysis.sequences;
    if set.is_empty() {
        return Ok(());
    }
    let now = inspect::sequences(client).await?;
    let others = sequences::hold(client, &now, |s| set.contains(&s.oid)).await?;
    let Some(name) = others.first() else {
        return Ok(());
    };
    Err(Error::refused(format!(
        "the scripts set the sequence {name}, which belongs to another role: it could not be put back \
         if the transaction fails"
    ))
    .hint("nothing was changed by this run; run it as the owner of the sequence"))
}

async fn lock_tables(client: &Client, planned: &Planned) -> Result<()> {
    for mode in [LockMode::AccessExclusive, LockMode::ShareRowExclusive] {
        let mut names: Vec<TableName> = planned
            .plan
            .locks
            .iter()
            .filter(|lock| lock.ahead == Some(mode))
            .map(|lock| lock.table.clone())
            .collect();
        names.sort();
        names.dedup();
        transaction::lock(client, &names, mode).await?;
    }
    Ok(())
}

/// Sizes and estimates may differ, nothing else.
fn same_structure(planned: &World, now: &World) -> Result<()> {
    let shape = |world: &World| {
        let relations = world.relations.values().map(|r| Relation {
            estimated_rows: 0,
            ..r.clone()
        });
        let relations: Vec<Relation> = relations.collect();
        (
            relations,
            world.views.clone(),
            world.foreign_keys.clone(),
            world.types.clone(),
        )
    };
    if shape(planned) == shape(now) {
        Ok(())
    } else {
        Err(
            Error::refused("the schema changed while the snapshot was taken")
                .hint("run the command again to see the new plan"),
        )
    }
}

async fn watch(client: &Client, planned: &Planned, world: &World) -> Result<Captured> {
    let tables = planned.plan.capture.watched(&planned.plan.coverage);
    let tables: Vec<(&Relation, bool)> = tables
        .iter()
        .filter_map(|oid| {
            let whole = planned.plan.coverage.get(oid);
            let whole = whole.is_some_and(|c| c.extent == crate::model::plan::Extent::Full);
            Some((world.relations.get(oid)?, whole))
        })
        .collect();
    let covered = planned.plan.coverage.keys();
    for relation in covered.filter_map(|oid| world.relations.get(oid)) {
        if let Err(too_wide) = capture::fits(relation)
            && extent::empty(client, &[relation.oid]).await?.is_empty()
        {
            return Err(too_wide);
        }
    }
    Captured::install(client, &tables).await
}

/// The schema must now be the one that was recorded when the target revision was current.
///
/// Scripts that ran since beside the migrations (seeds, repeatable ones) stay: what they changed
/// is known, and taken out before the comparison.
async fn check_fingerprint(
    context: &Attempt<'_>,
    client: &Client,
    now: &schema::Catalog,
) -> Result<Option<String>> {
    let planned = context.planned;
    let fingerprint = now.fingerprint();
    if planned.plan.expected == Some(fingerprint) {
        return Ok(None);
    }
    if let Some(oldest) = planned.entries.last() {
        let mut without = now.clone();
        for ran in seeds::since(client, oldest.applied_at).await? {
            if let Some(change) = &ran.change {
                stored_catalog::delta_from_json(change)?.take_back(&mut without);
            }
        }
        if planned.plan.expected == Some(without.fingerprint()) {
            return Ok(None);
        }
    }
    let what = match (planned.plan.expected, &planned.target) {
        (Some(_), Some(target)) if target.fingerprint() == fingerprint => {
            "the scripts take back what the migrations did, but the schema was changed beside the \
             migrations since they were applied: it is not the one that was recorded"
                .to_owned()
        }
        (Some(_), Some(target)) => format!(
            "the scripts end in another schema than the one that was there before the migrations \
             were applied:\n{}",
            schema::diff(target, now).render()
        ),
        (Some(_), None) => "the scripts end in another schema than the one that was there before \
                            the migrations were applied"
            .to_owned(),
        (None, _) => {
            "the schema before these migrations was not recorded, so it can't be checked".to_owned()
        }
    };
    if planned.request.accept_drift {
        return Ok(Some(what));
    }
    Err(Error::refused(what)
        .hint("the transaction was rolled back; correct the rollback script")
        .hint("or pass --accept-drift to accept the schema as it ends"))
}
