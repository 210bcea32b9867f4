//! A whole backup into an empty database: definitions, rows, sequences, indexes and constraints,
//! materialized views, statistics. Every table is read again and compared before it counts.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::model::event::{Event, Phase};
use crate::ops::backup::large_objects;
use crate::ops::backup::matviews;
use crate::ops::backup::reading::rows_query;
use crate::ops::backup::restore::{Outcome, RestorePlan, Restored};
use crate::ops::backup::routing::Routed;
use crate::ops::context::Context;
use crate::ops::stream;
use crate::pg::error::sqlstate;
use crate::pg::restore::{self, Settings};
use crate::pg::session::Client;
use crate::pg::{copy, sequences, transaction};
use crate::schema::{Entry, dump_entries};
use crate::store::{RowHash, StoredPart};

/// What is said when rows read otherwise after they were loaded.
pub const DIFFERS: &str = "what was loaded reads otherwise than what was saved";

/// Loads everything.
pub async fn load(ctx: &Context, client: &Client, plan: &RestorePlan) -> Result<Outcome> {
    ctx.observer.observe(Event::Phase(Phase::Restore));
    let (pre, post) = plan.verified.schema()?.unwrap_or_default();
    let settings = Settings {
        recorded: &plan.verified.commit_facts()?.settings,
        standard_strings: !(pre.lines().take(40))
            .any(|line| line == "SET standard_conforming_strings = off;"),
    };
    definitions(client, plan, settings, &pre)
        .await
        .map_err(|e| e.hint("nothing was changed: the database is as empty as before"))?;
    let mut outcome = Outcome::default();
    let filled = fill(ctx, client, plan, settings, &post, &mut outcome).await;
    filled.map_err(|error| unfinished(error, plan, &outcome))?;
    Ok(outcome)
}

/// Says what was done, and that it isn't all.
fn unfinished(error: Error, plan: &RestorePlan, outcome: &Outcome) -> Error {
    error
        .done("the definitions were made")
        .done(format!(
            "{} of {} tables were loaded",
            outcome.tables.len(),
            plan.parts.len()
        ))
        .hint(format!(
            "database '{}' is incomplete: drop it, and restore into a new one",
            plan.database
        ))
}

/// Makes the definitions that rows need, all or none.
async fn definitions(
    client: &Client,
    plan: &RestorePlan,
    settings: Settings<'_>,
    pre: &str,
) -> Result<()> {
    restore::begin(client, settings).await?;
    if plan.details.public == Some(false) {
        restore::drop_public(client).await?;
    }
    for entry in dump_entries(pre) {
        make(client, &entry).await?;
    }
    restore::commit(client).await
}

async fn make(client: &Client, entry: &Entry) -> Result<()> {
    let what = format!(
        "{} {}",
        entry.kind.to_lowercase(),
        entry.name.escape_debug()
    );
    let made = restore::run(client, &what, &entry.sql).await;
    made.map_err(|error| match sqlstate(&error).as_deref() {
        // Roles, tablespaces and foreign servers' programs belong to the server.
        Some("42704") => error.hint(
            "roles and tablespaces belong to the server, not to a database: create those that \
             the backup's database used",
        ),
        Some("58P01" | "0A000") => error.hint("install the extension's files on the server"),
        _ => error,
    })
}

async fn fill(
    ctx: &Context,
    client: &Client,
    plan: &RestorePlan,
    settings: Settings<'_>,
    post: &str,
    outcome: &mut Outcome,
) -> Result<()> {
    let stored = plan.verified.parts();
    let mut parts: Vec<(usize, &StoredPart)> = (plan.parts.iter())
        .filter_map(|n| Some((*n, stored.get(*n)?)))
        .collect();
    parts.sort_by_key(|(_, part)| std::cmp::Reverse(part.rows));
    let mut routed = Routed::default();
    for (number, part) in parts {
        restore::begin(client, settings).await?;
        let mut added = match routed.root_of(plan, part) {
            Some(root) => routed.load(client, plan, number, root).await,
            None => table(ctx, client, plan, number, part).await,
        };
        if let Err(error) = added {
            added = routed
                .load_again(client, plan, settings, number, error)
                .await;
        }
        let added = added.map_err(|e| e.wrap(format!("could not load {}", part.part.table)))?;
        restore::commit(client).await?;
        outcome.tables.push(Restored {
            table: part.part.table.clone(),
            added,
            present: 0,
            differing: 0,
        });
    }
    routed.compare(client, plan, settings).await?;
    large_objects::load(ctx, client, &plan.verified, settings).await?;
    restore::begin(client, settings).await?;
    for state in plan.verified.sequences()? {
        sequences::set(client, &state).await?;
        outcome.sequences += 1;
    }
    restore::commit(client).await?;
    // In a scratch database a subscription would only be in the way of dropping that, and could
    // take its publisher's slot along.
    let wanted = |entry: &Entry| {
        let subscription = entry.kind == "SUBSCRIPTION" || entry.name.starts_with("SUBSCRIPTION ");
        !(plan.scratch && subscription)
    };
    let (events, post): (Vec<Entry>, Vec<Entry>) = dump_entries(post)
        .into_iter()
        .filter(wanted)
        .partition(|entry| {
            entry.kind == "EVENT TRIGGER" || entry.name.starts_with("EVENT TRIGGER ")
        });
    follow(ctx, client, plan, settings, &post, outcome).await?;
    for (view, error) in matviews::refresh(client, plan, settings).await? {
        let why = error.causes().into_iter().next().unwrap_or_default();
        ctx.observer.observe(Event::Warning(format!(
            "materialized view {view} stays empty, it could not be filled: {why}"
        )));
        outcome.not_filled.push(view);
    }
    follow(ctx, client, plan, settings, &events, outcome).await?;
    if let Err(error) = restore::analyze(client).await {
        // Everything is there; autovacuum will see to it.
        ctx.observer.observe(Event::Warning(format!(
            "{error}: run ANALYZE in the restored database"
        )));
    }
    Ok(())
}

/// Loads one table and reads it again.
async fn table(
    ctx: &Context,
    client: &Client,
    plan: &RestorePlan,
    number: usize,
    stored: &StoredPart,
) -> Result<u64> {
    let (pieces, reading) = stream::rows(Arc::clone(&plan.verified), number);
    let what = stored.part.table.to_string();
    let progress = |done| {
        ctx.observer.observe(Event::Progress {
            phase: Phase::Restore,
            what: what.clone(),
            done,
            total: stored.rows,
        });
    };
    let copy = restore::load(client, &stored.part).await?;
    let loaded = restore::fill(copy, pieces, progress).await;
    let ended = reading.end().await;
    let loaded = loaded?;
    ended?;
    let mut hash = RowHash::default();
    let mut sink = |rows: &[u8]| {
        let lines = rows.strip_suffix(b"\n").unwrap_or(rows);
        lines.split(|b| *b == b'\n').for_each(|row| hash.add(row));
        Ok(())
    };
    let condition = plan.details.condition(&stored.part.table);
    let query = rows_query(&stored.part, condition);
    let rows = copy::out(client, &query, &mut sink).await?;
    if (rows, hash.value()) == (stored.rows, stored.row_hash) {
        Ok(loaded)
    } else {
        let counts = format!("{rows} rows were read, and {} saved", stored.rows);
        Err(Error::failed(DIFFERS).caused_by(Error::failed(counts)))
    }
}

/// Makes what comes after rows, one definition at a time.
async fn follow(
    ctx: &Context,
    client: &Client,
    plan: &RestorePlan,
    settings: Settings<'_>,
    entries: &[Entry],
    outcome: &mut Outcome,
) -> Result<()> {
    let full = plan.verified.commit_facts()?.scope.selection.is_full();
    for (place, entry) in entries.iter().enumerate() {
        ctx.observer.observe(Event::Progress {
            phase: Phase::Restore,
            what: "indexes, constraints and triggers".to_owned(),
            done: place as u64,
            total: entries.len() as u64,
        });
        restore::begin(client, settings).await?;
        match make(client, entry).await {
            Ok(()) => restore::commit(client).await?,
            Err(error) if !full && sqlstate(&error).as_deref() == Some("23503") => {
                transaction::abandon(client).await;
                unvalidated(ctx, client, settings, entry, outcome).await?;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// A foreign key in a backup of some tables: rows that it refers to may not be in it.
async fn unvalidated(
    ctx: &Context,
    client: &Client,
    settings: Settings<'_>,
    entry: &Entry,
    outcome: &mut Outcome,
) -> Result<()> {
    let sql = entry.sql.trim_end().trim_end_matches(';');
    restore::begin(client, settings).await?;
    let sql = format!("{sql} NOT VALID");
    if restore::run(client, &entry.name, &sql).await.is_ok() {
        restore::commit(client).await?;
    } else {
        // Not possible on a partitioned table.
        transaction::abandon(client).await;
    }
    let name = entry.name.escape_debug().to_string();
    ctx.observer.observe(Event::Warning(format!(
        "foreign key {name} is not valid: the backup holds rows without those they refer to"
    )));
    outcome.not_validated.push(name);
    Ok(())
}
