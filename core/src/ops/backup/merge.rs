//! Rows of a backup into tables that exist: what is missing is added, what is there stays.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::ident::TableName;
use crate::model::backup::{Part, PartRole};
use crate::model::event::{Event, Phase};
use crate::model::lock::LockMode;
use crate::model::relation::{Oid, Relation, RelationKind, World};
use crate::ops::backup::restore::{How, Outcome, RestorePlan, Restored};
use crate::ops::context::Context;
use crate::ops::snapshot::written;
use crate::ops::stream;
use crate::pg::error::sqlstate;
use crate::pg::lock::Locked;
use crate::pg::merge::{self, Merge};
use crate::pg::reconcile::apply;
use crate::pg::session::Client;
use crate::pg::stage::{self, Stage};
use crate::pg::{inspect, retry, sequences, transaction};

/// Adds what is missing, in one transaction, in several attempts if need be.
pub async fn merge(ctx: &Context, locked: &mut Locked, plan: &RestorePlan) -> Result<Outcome> {
    let mut number = 1;
    loop {
        locked.check_held().await?;
        let client = locked.session().client();
        let error = match inside(ctx, client, plan).await {
            Ok(outcome) => return Ok(outcome),
            Err(error) => error,
        };
        transaction::abandon(client).await;
        if !retry::again(&error, number) {
            return Err(explained(retry::give_up(error, number)));
        }
        retry::pause(&error, number, ctx.observer.as_ref()).await;
        number += 1;
    }
}

fn explained(error: Error) -> Error {
    match sqlstate(&error).as_deref() {
        Some("23503") => error
            .hint("rows that these refer to are gone too: name their tables with --table as well"),
        _ => error,
    }
    .hint("nothing was changed")
}

async fn inside(ctx: &Context, client: &Client, plan: &RestorePlan) -> Result<Outcome> {
    transaction::begin(client, ctx.lock_timeout, None).await?;
    transaction::ours(client).await?;
    ctx.observer.observe(Event::Phase(Phase::Restore));
    let world = inspect::world(client, Vec::new()).await?;
    let merges = merges(plan, &world)?;
    for (merge, number) in merges.iter().zip(&plan.parts) {
        stage_rows(ctx, client, plan, merge, *number).await?;
    }
    ctx.observer.observe(Event::Phase(Phase::TableLocks));
    let names: Vec<TableName> = merges.iter().map(|m| m.live.name.clone()).collect();
    transaction::lock(client, &names, LockMode::ShareRowExclusive).await?;
    let now = inspect::world(client, Vec::new()).await?;
    for merge in &merges {
        let same = now.relations.get(&merge.live.oid);
        if same.is_none_or(|r| r.columns != merge.live.columns || r.uniques != merge.live.uniques) {
            return Err(Error::busy(format!(
                "{} was being changed",
                merge.live.name
            )));
        }
        let must_be_empty = plan.how == How::Rows || merge.key.is_empty();
        if must_be_empty && !merge::is_empty(client, &merge.live.name).await? {
            return Err(not_empty(merge, plan.how));
        }
    }
    ctx.observer.observe(Event::Phase(Phase::Reconcile));
    let oids: Vec<Oid> = merges.iter().map(|m| m.live.oid).collect();
    let off = apply::switch_off(client, &oids).await?;
    let counts = merge::apply(client, &merges).await?;
    off.back_on(client).await?;
    let mut owners = oids;
    owners.extend(merges.iter().flat_map(|m| above(&world, m.live)));
    let raised = sequences::raise(client, &plan.verified.sequences()?, &owners).await?;
    ctx.observer.observe(Event::Phase(Phase::Commit));
    transaction::commit(client).await?;
    let tables = merges.iter().zip(counts).map(|(m, rows)| Restored {
        table: m.live.name.clone(),
        added: rows.added,
        present: rows.present,
        differing: rows.differing,
    });
    Ok(Outcome {
        tables: tables.collect(),
        sequences: raised.len() as u64,
        not_validated: Vec::new(),
        not_filled: Vec::new(),
    })
}

fn not_empty(merge: &Merge<'_>, how: How) -> Error {
    let table = &merge.live.name;
    if how == How::Rows {
        return Error::refused(format!("{table} is not empty"))
            .hint("a backup of rows alone is loaded into tables that hold none")
            .hint("--table adds rows that are missing to tables in use");
    }
    Error::refused(format!(
        "{table} has no key, so rows that are there can't be told from rows that are missing"
    ))
    .hint("restore into an empty table, or into another database with --into")
}

/// The tables that `live` is a part of: they may own its sequences.
fn above(world: &World, live: &Relation) -> Vec<Oid> {
    let families = world.relations.keys().copied();
    families
        .filter(|oid| *oid != live.oid && world.family(*oid).contains(&live.oid))
        .collect()
}

/// Finds the live table of each part, and how its rows are told apart.
fn merges<'a>(plan: &RestorePlan, world: &'a World) -> Result<Vec<Merge<'a>>> {
    let stored = plan.verified.parts();
    let parts = plan.parts.iter().filter_map(|n| stored.get(*n));
    parts
        .enumerate()
        .map(|(index, stored)| {
            let part = &stored.part;
            let live = live(world, part)?;
            let columns: Vec<String> = part.columns.iter().map(|c| c.name.clone()).collect();
            let fits = |key: &&Vec<String>| key.iter().all(|c| columns.contains(c));
            let key = (live.keys.iter().find(|k| **k == part.key))
                .or_else(|| live.keys.iter().find(fits));
            Ok(Merge {
                index,
                live,
                key: key.cloned().unwrap_or_default(),
                columns,
            })
        })
        .collect()
}

fn live<'a>(world: &'a World, part: &Part) -> Result<&'a Relation> {
    let table = &part.table;
    let live = world.find(&table.schema, &table.name);
    let live = live
        .filter(|r| r.kind == RelationKind::Table)
        .ok_or_else(|| {
            Error::refused(format!("there is no table {table} in the database")).hint(
                "restore into another database with --into, or undo the rollback that dropped it",
            )
        })?;
    let gone =
        (part.columns.iter()).find(|c| live.column(&c.name).is_none_or(|live| live.generated));
    if let Some(column) = gone {
        return Err(Error::refused(format!(
            "{table} has no column {} any more, and the backup has values for it",
            column.name.escape_debug()
        ))
        .hint("restore into another database with --into"));
    }
    let saved = |name: &str| part.columns.iter().any(|c| c.name == name);
    if part.role == PartRole::Values && !written(live).all(|c| saved(&c.name)) {
        return Err(
            Error::refused(format!("the backup holds only some columns of {table}"))
                .hint("`rollback undo` puts them back"),
        );
    }
    Ok(live)
}

/// Loads the rows of one part into a temporary table.
async fn stage_rows(
    ctx: &Context,
    client: &Client,
    plan: &RestorePlan,
    merge: &Merge<'_>,
    number: usize,
) -> Result<()> {
    let table = &merge.live.name;
    ctx.observer.observe(Event::Progress {
        phase: Phase::Restore,
        what: table.to_string(),
        done: 0,
        total: plan.verified.parts().get(number).map_or(0, |p| p.rows),
    });
    let name = merge.stage_name();
    let staged = Stage::like(client, &name, table, &merge.columns).await?;
    let (pieces, reading) = stream::rows(Arc::clone(&plan.verified), number);
    let loaded = stage::fill(client, &staged, &merge.columns, pieces, None).await;
    let ended = reading.end().await;
    loaded.map_err(|e| e.wrap(format!("could not load the rows of {table}")))?;
    ended?;
    staged.analyze(client).await
}
