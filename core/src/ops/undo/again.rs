//! Applying the migrations again, watched and guarded.
//!
//! Scripts that ran well on yesterday's rows may fail on today's: a NOT NULL column without a
//! default can only be added to an empty table, and an index that is built CONCURRENTLY can't be
//! built in a transaction. Then nothing of the scripts is kept, and the definitions come back
//! from the snapshot instead.

use std::collections::BTreeSet;

use crate::error::{Error, Result};
use crate::model::event::{Event, Phase};
use crate::model::relation::{Oid, Relation, RelationKind, World};
use crate::ops::context::Context;
use crate::ops::run_scripts;
use crate::ops::undo::plan::UndoPlan;
use crate::ops::undo::split;
use crate::pg::capture::Captured;
use crate::pg::guard::{self, Known, State};
use crate::pg::reconcile::moved::Moved;
use crate::pg::record::TableRecord;
use crate::pg::session::Client;
use crate::pg::{event_triggers, extent, inspect, retry, session, transaction};

/// Runs the scripts of `plan` with capture triggers on the tables `watched`; of those that they move into
/// partitions, it is known what is newer. `None`: the scripts could not run on what is there, and nothing of
/// them is kept.
pub async fn apply(
    ctx: &Context,
    client: &Client,
    plan: &UndoPlan,
    (earlier, moved): (&World, &[Moved]),
    watched: &[Oid],
) -> Result<Option<Captured>> {
    let mut look_at = BTreeSet::new();
    let error = loop {
        transaction::savepoint(client).await?;
        let run = Run {
            ctx,
            plan,
            earlier,
            moved,
            watched,
            look_at: &look_at,
        };
        match run.scripts(client).await {
            Ok(Ran::Explained(captured)) => {
                transaction::ours(client).await?;
                return Ok(Some(captured));
            }
            Ok(Ran::Unexplained(tables)) => {
                look_at.extend(tables);
                if !transaction::back_to_savepoint(client).await {
                    return Err(Error::failed("could not take the scripts back"));
                }
                transaction::ours(client).await?;
            }
            Err(error) => break error,
        }
    };
    if retry::is_lock(&error)
        || retry::is_cancelled(&error)
        || !transaction::back_to_savepoint(client).await
    {
        return Err(error);
    }
    transaction::ours(client).await?;
    ctx.observer.observe(Event::Warning(format!(
        "the migrations can't be applied again to what is there now ({}); their definitions are \
         put back from the snapshot instead",
        reason(&error)
    )));
    Ok(None)
}

/// The table of `earlier` in whose place the scripts put another one. What they copied into that
/// can't be told from what somebody wrote.
async fn remade<'a>(
    client: &Client,
    plan: &UndoPlan,
    (earlier, moved): (&'a World, &[Moved]),
    applied: &World,
) -> Result<Option<&'a Relation>> {
    let tables = earlier.relations.values();
    let gone =
        tables.filter(|r| r.kind == RelationKind::Table && !applied.relations.contains_key(&r.oid));
    for relation in gone {
        let mut records = plan.details.tables.iter();
        let record = records.find(|r| r.name_after().as_ref() == Some(&relation.name));
        let name = record.map_or_else(|| relation.name.clone(), TableRecord::name_before);
        let Some(remade) = applied.find(&name.schema, &name.name) else {
            continue;
        };
        if moved.iter().any(|moved| moved.oid == relation.oid)
            && remade.kind == RelationKind::Partitioned
            && split::is_known(plan, earlier, applied, remade.oid)
        {
            continue;
        }
        // The rollback dropped this one, and nothing was copied.
        let mut records = plan.details.tables.iter();
        let dropped = records.any(|r| r.name_after().is_none() && r.name_before() == name);
        if !dropped || extent::empty(client, &[remade.oid]).await?.is_empty() {
            return Ok(Some(relation));
        }
    }
    Ok(None)
}

fn reason(error: &Error) -> String {
    let mut reason = error.to_string();
    for cause in error.causes() {
        reason = format!("{reason}: {cause}");
    }
    reason
}

/// What came of the scripts.
enum Ran {
    /// All that they did was recorded.
    Explained(Captured),
    /// Of these tables the server counted something else; a look at their rows will tell.
    Unexplained(Vec<Oid>),
}

/// One run of the scripts.
struct Run<'a> {
    ctx: &'a Context,
    plan: &'a UndoPlan,
    earlier: &'a World,
    moved: &'a [Moved],
    watched: &'a [Oid],
    /// Tables whose rows are to be looked at.
    look_at: &'a BTreeSet<Oid>,
}

impl Run<'_> {
    async fn scripts(&self, client: &Client) -> Result<Ran> {
        let Run {
            ctx, plan, earlier, ..
        } = self;
        let tables: Vec<(&Relation, bool)> = self
            .watched
            .iter()
            .filter(|oid| !plan.drops(**oid))
            .filter_map(|oid| Some((earlier.relations.get(oid)?, false)))
            .collect();
        let first = guard::marks(client).await?;
        let look = guard::begin_look(client, earlier, self.look_at.iter().copied()).await?;
        let mut captured = Captured::install(client, &tables).await?;
        let marks = guard::marks(client).await?;

        ctx.observer.observe(Event::Phase(Phase::Scripts));
        for (step, statements) in plan.steps.iter().zip(&plan.analysis.statements) {
            run_scripts::run(ctx, client, step, statements, &mut captured, false).await?;
        }

        // What was deferred to the end belongs to the scripts; rows put back may come in any order.
        session::settle(client).await?;
        transaction::defer(client).await?;
        ctx.observer.observe(Event::Phase(Phase::Guard));
        transaction::ours(client).await?;
        let after_marks = guard::marks(client).await?;
        let applied = inspect::world(client, earlier.search_path.clone()).await?;
        if let Some(table) = remade(client, plan, (earlier, self.moved), &applied).await? {
            return Err(Error::refused(format!(
                "they would put another table in the place of {}",
                table.name
            )));
        }
        let [was, is] = [(*earlier, &marks), (&applied, &after_marks)]
            .map(|(world, marks)| State { world, marks });
        let event_triggers = event_triggers::enabled(client).await?;
        let known = Known {
            coverage: &plan.analysis.covered.coverage,
            recorded: &captured.recorded(client).await?,
            counted: &guard::count(client, &look, &applied).await?,
            event_triggers: &event_triggers,
        };
        let mut surplus = guard::surplus(was, is, known);
        captured.remove(client).await?;
        let last = guard::marks(client).await?;
        for (was, is) in [(&first, &marks), (&after_marks, &last)] {
            let [was, is] = [was, is].map(|marks| State {
                world: earlier,
                marks,
            });
            let beside = guard::beside(was, is, &BTreeSet::new(), &event_triggers);
            surplus.what.extend(beside);
        }
        if !surplus.what.is_empty() {
            return Err(Error::refused(format!(
                "applying the migrations again did more than was announced and saved: {}",
                surplus.what.join("; ")
            ))
            .hint("nothing was changed"));
        }
        if !surplus.unexplained.is_empty() {
            return Ok(Ran::Unexplained(surplus.unexplained));
        }
        Ok(Ran::Explained(captured))
    }
}
