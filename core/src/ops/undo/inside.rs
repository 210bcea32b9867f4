//! The transaction of an undo: look, apply again, compare, put back.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::{Error, Result};
use crate::ident::TableName;
use crate::model::backup::BackupFacts;
use crate::model::event::{Event, Phase};
use crate::model::lock::LockMode;
use crate::model::plan::{Coverage, Extent, Fate};
use crate::model::relation::{Oid, RelationKind, World};
use crate::ops::analysis;
use crate::ops::attempts::TakenBack;
use crate::ops::beside;
use crate::ops::context::Context;
use crate::ops::keep::Continuation;
use crate::ops::provisional::{self, Provisional};
use crate::ops::undo::again;
use crate::ops::undo::apply::{self, Options, Outcome, Own};
use crate::ops::undo::follow;
use crate::ops::undo::plan::UndoPlan;
use crate::ops::undo::record;
use crate::ops::undo::renames;
use crate::ops::undo::repair::{self, Repaired};
use crate::ops::undo::rescue::{self, Rescued};
use crate::ops::undo::rows::{self, Inserts, PutBack, Source};
use crate::ops::undo::split;
use crate::ops::undo::staging::{self, Backups};
use crate::ops::undo::stored;
use crate::pg::capture::Captured;
use crate::pg::guard::{self, Marks, State};
use crate::pg::reconcile::conflicts::Conflict;
use crate::pg::reconcile::moved::Moved;
use crate::pg::reconcile::{Target, before, room, unmet};
use crate::pg::record::TableRecord;
use crate::pg::session::Client;
use crate::pg::{
    as_user, event_triggers, extent, inspect, matviews, retry, sequences, session, transaction,
};
use crate::schema::fillings::{self, Filling};
use crate::schema::rebuild::Judge;
use crate::schema::{Catalog, ObjectKey, ObjectKind};

/// Everything that the tries have in common.
pub struct Attempt<'a> {
    /// The surroundings.
    pub ctx: &'a Context,
    /// Nobody has changed the schema since the rollback.
    pub unchanged: bool,
    /// The plan.
    pub plan: &'a UndoPlan,
    /// The verified backups.
    pub backups: &'a Backups,
    /// How.
    pub options: &'a Options,
    /// What was saved of what applying the migrations again destroys, if anything.
    pub own: Option<&'a Own>,
    /// Its backup, as what goes when nothing is committed.
    pub provisional: Option<&'a Provisional>,
    /// What is inserted and taken back is added to it. `None`: the rollback itself tries its undo; nobody
    /// has written anything since, and all is taken back.
    pub taken_back: Option<&'a TakenBack>,
}

impl Attempt<'_> {
    const fn source(&self) -> Source<'_> {
        Source {
            ctx: self.ctx,
            details: &self.plan.details,
            backups: self.backups,
        }
    }
}

/// Tries once. On failure the transaction is rolled back.
pub async fn attempt(client: &Client, context: &Attempt<'_>) -> Result<Outcome> {
    match inside(client, context).await {
        Ok(outcome) => Ok(outcome),
        Err(error) => {
            if let Some(taken_back) = context.taken_back {
                taken_back.add(client).await;
            }
            transaction::abandon(client).await;
            let records = context.plan.details.tables.iter();
            let tables: Vec<TableName> = records.filter_map(TableRecord::name_after).collect();
            Err(retry::name_blockers(client, error, &tables).await)
        }
    }
}

async fn inside(client: &Client, context: &Attempt<'_>) -> Result<Outcome> {
    let ctx = context.ctx;
    transaction::begin(client, ctx.lock_timeout, ctx.statement_timeout).await?;
    let (outcome, second) = reverse(client, context).await?;
    let id = transaction::id(client).await?;
    ctx.observer.observe(Event::Phase(Phase::Commit));
    let own = context.provisional.into_iter().chain(&second).collect();
    provisional::commit(ctx, client, &id, own).await?;
    Ok(outcome)
}

/// Reverses the rollback in the open transaction, as far as COMMIT. Returns besides the backup that
/// must be durable by then, if there is one.
pub async fn reverse(
    client: &Client,
    context: &Attempt<'_>,
) -> Result<(Outcome, Option<Provisional>)> {
    let Attempt {
        ctx, plan, backups, ..
    } = context;
    let observer = ctx.observer.as_ref();
    prepare(client).await?;
    // Before anything of ours can fire code.
    let first = guard::marks(client).await?;
    observer.observe(Event::Phase(Phase::TableLocks));
    let path = plan.analysis.world.search_path.clone();
    let earlier = inspect::world(client, path.clone()).await?;
    let watched = watched(plan, &earlier);
    let mut locked = lock(client, plan, &earlier, &watched).await?;
    let empty = extent::empty(client, &locked).await?;
    let tried = context.taken_back.is_none();
    let second = if tried {
        None
    } else {
        save_again(context, client, &earlier).await?
    };

    observer.observe(Event::Phase(Phase::Restore));
    let now = inspect::sequences(client).await?;
    let filled = matviews::all(client).await?;
    rows::names_are_free(&plan.details, &earlier, |oid| plan.drops(oid))?;
    let inserts = look(context, client, &earlier, &watched, &empty).await?;
    let (schema, expected) = repair::before(backups.first(), plan.details.fingerprint_before()?)?;
    let moved = split::look(
        context.source(),
        client,
        plan,
        &earlier,
        schema.as_ref(),
        tried,
    )
    .await?;
    let prepared = guard::marks(client).await?;
    let captured = apply_again(context, client, &earlier, &watched, &moved).await?;
    let scripts_ran = guard::marks(client).await?;
    let mut repaired = definitions(context, client, &earlier, schema.as_ref()).await?;
    let live = inspect::world(client, path).await?;

    observer.observe(Event::Phase(Phase::Reconcile));
    let source = context.source();
    let lifted = unmet::lift(client, &concerned(plan, &live, &watched)).await?;
    let seen = (&empty, &inserts);
    let targets = rows::targets(source, client, &earlier, &live, &captured, seen).await?;
    sequences::ahead(client, &now, &plan.details).await?;
    let mut newer = with_newer_rows(client, backups, &targets, &live).await?;
    let PutBack {
        changed,
        mut conflicts,
        renumbered,
    } = rows::put_back(
        source,
        client,
        &earlier,
        &live,
        &targets,
        &empty,
        (&moved, &repaired.fillings),
    )
    .await?;
    newer.extend(renumbered);
    let mut rescued = lay_aside(context, client, &live, &mut conflicts).await?;
    lifted.make_again(client).await?;
    locked.extend(targets.iter().map(|t| t.live.oid));
    let accept = context.options.accept_drift;
    repair::finish(client, &mut repaired, schema.as_ref(), expected, accept).await?;
    // Identities that came back with their columns have their sequences only now.
    let numbered = numbered(&repaired.fillings, &live, &newer);
    sequences::put_back_new(client, &now, &plan.details, &newer, &numbered).await?;
    sequences::put_back(client, &now, &plan.details, &locked).await?;
    let views = (&filled[..], &live);
    rescued.extend(stored::compute(source, client, &plan.record, views, &mut conflicts).await?);
    let own: Vec<&Provisional> = context.provisional.into_iter().chain(&second).collect();
    let facts: Vec<BackupFacts> = own.iter().map(|b| b.facts().clone()).collect();
    record::write(client, context, &facts).await?;
    session::settle(client).await?;
    let ends = guard::marks(client).await?;
    let expected = expected_to_change(client, plan, &watched, &targets, &earlier).await?;
    guard_ours(
        client,
        &earlier,
        [
            (&first, &prepared, &BTreeSet::new()),
            (&scripts_ran, &ends, &expected),
        ],
    )
    .await?;
    let outcome = Outcome {
        to: plan.record.from.clone(),
        applied: plan.steps.iter().map(|s| s.revision.clone()).collect(),
        changed,
        conflicts,
        rescued,
        made: repaired.made,
        reordered: repaired.reordered,
        drift: repaired.drift,
        backups: facts,
    };
    Ok((outcome, second))
}

/// Makes the open transaction one in which rows are put back.
async fn prepare(client: &Client) -> Result<()> {
    transaction::ours(client).await?;
    as_user::prepare(client).await?;
    guard::counting(client).await
}

/// Applies the migrations again. Where they can't run, what they would rename has its name again.
async fn apply_again(
    context: &Attempt<'_>,
    client: &Client,
    earlier: &World,
    watched: &[Oid],
    moved: &[Moved],
) -> Result<Captured> {
    let Attempt { ctx, plan, .. } = context;
    let known = (earlier, moved);
    if let Some(captured) = again::apply(ctx, client, plan, known, watched).await? {
        return Ok(captured);
    }
    rows::names_are_free(&plan.details, earlier, |_| false)?;
    renames::take_back(client, &plan.details).await?;
    Ok(Captured::default())
}

/// Makes definitions again that the scripts don't; `schema` is what was there before the rollback.
async fn definitions(
    context: &Attempt<'_>,
    client: &Client,
    earlier: &World,
    schema: Option<&Catalog>,
) -> Result<Repaired> {
    let plan = context.plan;
    let made_by_rollback = |key: &ObjectKey| context.unchanged && is_kept(plan, earlier, key);
    let meant = |key: &ObjectKey| follow::is_meant(&plan.details, key);
    let judge = Judge {
        unchanged: context.unchanged,
        may_go: &made_by_rollback,
        meant: &meant,
    };
    repair::begin(client, context.backups.first(), schema, &judge).await
}

/// Lays aside what has no place, or no place beside what is newer.
async fn lay_aside(
    context: &Attempt<'_>,
    client: &Client,
    live: &World,
    conflicts: &mut Vec<Conflict>,
) -> Result<Vec<Rescued>> {
    let (source, plan) = (context.source(), context.plan);
    let (recorded, sequence) = (&plan.recorded, plan.record.sequence);
    let mut rescued = rescue::dropped_since(source, client, sequence, recorded).await?;
    let beside = rescue::conflicting(source, client, sequence, recorded, live, conflicts).await?;
    rescued.extend(beside);
    conflicts.extend(rows::aside_before(&plan.details));
    Ok(rescued)
}

/// The sequences whose numbers `newer` rows got without them, and the columns that have those.
fn numbered(
    fillings: &[Filling],
    live: &World,
    newer: &[Oid],
) -> BTreeMap<TableName, (TableName, String)> {
    let drawn = |filling: &Filling| {
        let fillings::Source::Numbers(numbers) = &filling.with else {
            return None;
        };
        let column = (numbers.of.clone(), filling.column.clone());
        // A part may be none yet.
        let tables = [&numbers.of, &filling.table].into_iter();
        let mut found = tables.filter_map(|name| live.find(&name.schema, &name.name));
        found
            .any(|table| newer.contains(&table.oid))
            .then(|| (numbers.sequence.clone(), column))
    };
    fillings.iter().filter_map(drawn).collect()
}

/// The tables whose rows may be written.
fn concerned(plan: &UndoPlan, live: &World, watched: &[Oid]) -> Vec<Oid> {
    let records = plan.details.tables.iter().map(TableRecord::name_before);
    let recorded = records.filter_map(|name| Some(live.find(&name.schema, &name.name)?.oid));
    recorded.chain(watched.iter().copied()).collect()
}

/// The tables in which somebody wrote rows since, and those that they are parts of.
async fn with_newer_rows(
    client: &Client,
    backups: &Backups,
    targets: &[Target<'_>],
    live: &World,
) -> Result<Vec<Oid>> {
    let mut newer = Vec::new();
    // Of a sample nearly all rows would seem newer.
    for target in targets.iter().filter(|_| !backups.is_sample()) {
        if room::has_newer(client, target).await? {
            newer.push(target.live.oid);
        }
    }
    let mut next = 0;
    while let Some(part) = newer.get(next).and_then(|oid| live.relations.get(oid)) {
        next += 1;
        let wholes = part.parents.iter();
        let wholes: Vec<Oid> = wholes.filter(|oid| !newer.contains(oid)).copied().collect();
        newer.extend(wholes);
    }
    Ok(newer)
}

/// Beside the scripts nothing may have happened to tables of `earlier` but what is expected: what we
/// define fires event triggers, too. Each part is the signs before, those after, and what may change.
async fn guard_ours(
    client: &Client,
    earlier: &World,
    parts: [(&Marks, &Marks, &BTreeSet<Oid>); 2],
) -> Result<()> {
    let event_triggers = event_triggers::enabled(client).await?;
    let mut surplus = Vec::new();
    for (was, is, expected) in parts {
        let [was, is] = [was, is].map(|marks| State {
            world: earlier,
            marks,
        });
        surplus.extend(guard::beside(was, is, expected, &event_triggers));
    }
    if surplus.is_empty() {
        return Ok(());
    }
    Err(Error::refused(format!(
        "something beside the undo changes rows: {}",
        surplus.join("; ")
    )))
}

/// The tables of `earlier` whose rows an undo changes by itself.
async fn expected_to_change(
    client: &Client,
    plan: &UndoPlan,
    watched: &[Oid],
    targets: &[Target<'_>],
    earlier: &World,
) -> Result<BTreeSet<Oid>> {
    let records = plan.details.tables.iter();
    let named = records.filter_map(|record| {
        let name = record.name_after()?;
        Some(earlier.find(&name.schema, &name.name)?.oid)
    });
    let covered = plan.analysis.covered.coverage.keys().copied();
    let targets = targets.iter().map(|target| target.live.oid);
    let watched = watched.iter().copied();
    let other = beside::tables(client, earlier).await?;
    let all = watched.chain(targets).chain(covered).chain(named);
    Ok(all.chain(other).collect())
}

/// What was written between the backup of what goes and the lock goes into a second one. What
/// was not to be saved, since there was nothing, must still be nothing.
async fn save_again(
    context: &Attempt<'_>,
    client: &Client,
    earlier: &World,
) -> Result<Option<Provisional>> {
    let Attempt { ctx, plan, own, .. } = context;
    let covered = &plan.analysis.covered;
    let is_saved = |oid: &Oid| own.is_some_and(|own| own.taken.parts.contains_key(oid));
    let goes =
        |c: &Coverage| c.fate == Fate::Dropped || !c.dropped.is_empty() || !c.retyped.is_empty();
    if covered
        .coverage
        .iter()
        .any(|(oid, c)| goes(c) && !is_saved(oid))
    {
        let now = analysis::analyse(client, earlier.clone(), &plan.steps, false, true).await?;
        if apply::destroyed(&now).keys().any(|oid| !is_saved(oid)) {
            return Err(Error::refused(
                "somebody wrote what applying the migrations again would take away",
            )
            .hint("nothing was changed; run the command again, which saves it first"));
        }
    }
    let Some(own) = own else {
        return Ok(None);
    };
    let mut kept = Continuation::new(ctx, client, own.purpose.clone());
    kept.recapture(earlier, &covered.coverage, &own.taken)
        .await?;
    let second = kept.commit(&own.server, Some(&own.taken))?;
    second
        .map(|(facts, _)| Provisional::new(&ctx.backups, facts))
        .transpose()
}

/// True for what may go without a trace: definitions, and tables and columns whose content was
/// saved, since the scripts remove it too. A partitioned table has none but that of its partitions.
fn is_kept(plan: &UndoPlan, earlier: &World, key: &ObjectKey) -> bool {
    let saved = |table: &str, goes: &dyn Fn(&Coverage) -> bool| {
        let Some(relation) = earlier.find(&key.schema, table) else {
            return false;
        };
        let family = match relation.kind {
            RelationKind::Partitioned => earlier.family(relation.oid),
            _ => vec![relation.oid],
        };
        let holds = |oid: &Oid| {
            let relation = earlier.relations.get(oid);
            relation.is_none_or(|r| r.kind != RelationKind::Partitioned)
        };
        let coverage = &plan.analysis.covered.coverage;
        let mut parts = family.iter().filter(|oid| holds(oid));
        parts.all(|oid| coverage.get(oid).is_some_and(goes))
    };
    let whole = |c: &Coverage| c.fate == Fate::Dropped && c.extent == Extent::Full;
    match (key.kind, &key.table) {
        (ObjectKind::Table, _) => saved(&key.name, &whole),
        (ObjectKind::Column, Some(table)) => {
            saved(table, &|c| whole(c) || c.dropped.contains(&key.name))
        }
        _ => true,
    }
}

/// The tables whose rows the scripts may change: those that statements name and reach, or all.
fn watched(plan: &UndoPlan, world: &World) -> Vec<Oid> {
    let capture = &plan.analysis.covered.capture;
    let wanted = capture.watched(&plan.analysis.covered.coverage);
    let everything = capture.everything || !plan.analysis.refusals.is_empty();
    world
        .relations
        .values()
        .filter(|r| r.kind == RelationKind::Table)
        .map(|r| r.oid)
        .filter(|oid| everything || wanted.contains(oid))
        .collect()
}

/// Locks every table that the undo may change, and tells which.
async fn lock(
    client: &Client,
    plan: &UndoPlan,
    world: &World,
    watched: &[Oid],
) -> Result<Vec<Oid>> {
    let redefined = plan.analysis.covered.coverage.iter();
    let redefined = redefined.filter(|(_, c)| c.redefined);
    let mut exclusive: Vec<TableName> = redefined
        .filter_map(|(oid, _)| world.relations.get(oid))
        .map(|r| r.name.clone())
        .collect();
    exclusive.sort();
    transaction::lock(client, &exclusive, LockMode::AccessExclusive).await?;
    let concerned = plan
        .details
        .tables
        .iter()
        .filter_map(TableRecord::name_after);
    let watched = watched.iter().filter_map(|oid| world.relations.get(oid));
    let mut shared: Vec<TableName> = concerned
        .filter(|name| world.find(&name.schema, &name.name).is_some())
        .chain(watched.map(|r| r.name.clone()))
        .collect();
    shared.sort();
    shared.dedup();
    transaction::lock(client, &shared, LockMode::ShareRowExclusive).await?;
    let all = exclusive.iter().chain(&shared);
    let found = all.filter_map(|name| world.find(&name.schema, &name.name));
    Ok(found.map(|relation| relation.oid).collect())
}

/// What must be known of the rows before the scripts change them.
async fn look(
    context: &Attempt<'_>,
    client: &Client,
    earlier: &World,
    watched: &[Oid],
    empty: &BTreeSet<Oid>,
) -> Result<Inserts> {
    let plan = context.plan;
    let inserts = rows::look(context.source(), client, earlier, empty).await?;
    let Source { ctx, backups, .. } = context.source();
    if backups.is_sample() {
        for relation in earlier.relations.values() {
            if let Some(key) = relation
                .keys
                .first()
                .filter(|_| watched.contains(&relation.oid))
            {
                before::nothing_since(client, relation, key).await?;
            }
        }
        return Ok(inserts);
    }
    for relation in earlier.relations.values() {
        let Some(key) = relation.keys.first() else {
            continue;
        };
        let present = staging::present(ctx, client, backups, &relation.name, key).await?;
        if let Some(present) = present {
            before::since_present(client, relation, key, &present).await?;
            present.discard(client).await?;
        }
    }
    // Rollbacks of before kept no keys: what was written last by an older transaction was there.
    let redefined = plan.analysis.covered.coverage.iter();
    let redefined = redefined.filter(|(_, c)| c.redefined).map(|(oid, _)| oid);
    let concerned = watched.iter().chain(redefined);
    for oid in concerned.filter(|oid| !empty.contains(oid)) {
        if let Some(relation) = earlier.relations.get(oid)
            && let Some(key) = relation.keys.first()
        {
            before::since(client, relation, key, &plan.details.transaction).await?;
        }
    }
    rows::old_again(context.source(), client, earlier).await?;
    Ok(inserts)
}
