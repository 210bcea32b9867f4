//! A whole backup into an empty database: definitions, rows, sequences, indexes and constraints,
//! materialized views, statistics. When asked to, every table is read again and compared.
//!
//! What is done is noted in the database itself, in the same transactions: a run that was
//! interrupted is gone on with by the next one.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::model::event::{Event, Phase};
use crate::ops::backup::humble;
use crate::ops::backup::large_objects;
use crate::ops::backup::matviews;
use crate::ops::backup::restore::{Outcome, RestorePlan, Restored};
use crate::ops::backup::routing;
use crate::ops::context::Context;
use crate::ops::loading::{Loader, after, chunks, comparing, fence, flow};
use crate::ops::saving;
use crate::pg::large_objects as lo;
use crate::pg::options::ConnectOptions;
use crate::pg::restore;
use crate::pg::resume::{self, Restoring};
use crate::pg::sequences;
use crate::pg::session::Client;
use crate::schema::{Entry, dump_entries};

/// The step that sets the sequences.
const SEQUENCES: &str = "sequences";

/// The note that there were no large objects before.
const NO_LARGE_OBJECTS: &str = "no large objects";

/// The step that makes the large objects.
const LARGE_OBJECTS: &str = "large objects";

/// The step after which all rows are known to be there.
const COMPARED: &str = "compared";

/// What is said when rows read otherwise after they were loaded.
pub const DIFFERS: &str = "what was loaded reads otherwise than what was saved";

/// Loads everything into the database of `client`, which `target` leads to as well.
pub async fn load(
    ctx: &Context,
    client: &Client,
    target: ConnectOptions,
    plan: &RestorePlan,
) -> Result<Outcome> {
    ctx.observer.observe(Event::Phase(Phase::Restore));
    let (pre, post) = plan.verified.schema()?.unwrap_or_default();
    let standard_strings =
        !(pre.lines().take(40)).any(|line| line == "SET standard_conforming_strings = off;");
    let (pre, post) = (dump_entries(&pre), dump_entries(&post));
    for entries in [&pre, &post] {
        fence::check(&plan.backup.id, entries, standard_strings)?;
    }
    let begun = resume::begun(client).await?;
    let mut loader = Loader {
        target,
        jobs: plan.jobs.unwrap_or_else(saving::usual_jobs),
        verified: Arc::clone(&plan.verified),
        recorded: Arc::new(plan.verified.commit_facts()?.settings.clone()),
        standard_strings,
        done: Arc::default(),
        observer: Arc::clone(&ctx.observer),
    };
    if begun.is_some() {
        let done = resume::done(client).await?;
        ctx.observer.observe(Event::Note(format!(
            "going on with a restore that was interrupted: {} steps are done",
            done.len()
        )));
        loader.done = Arc::new(done.into_iter().collect());
    } else {
        definitions(client, &loader, plan, pre)
            .await
            .map_err(|e| e.hint("nothing was changed: the database is as empty as before"))
            .map_err(|e| beyond(e, plan))?;
    }
    let mut outcome = Outcome::default();
    let filled = fill(ctx, client, plan, &loader, post, &mut outcome).await;
    filled.map_err(|error| beyond(unfinished(error, plan), plan))?;
    Ok(outcome)
}

/// What is noted in the database while `plan` is carried out.
pub fn restoring(plan: &RestorePlan) -> Restoring {
    Restoring {
        backup: plan.backup.id.to_string(),
        manifest: (plan.backup.manifest).map_or_else(String::new, |digest| digest.to_string()),
    }
}

/// Says that it isn't all, and how to go on.
fn unfinished(error: Error, plan: &RestorePlan) -> Error {
    error.done("the definitions were made").hint(format!(
        "database '{}' is incomplete: run the same command again to go on where it stopped, or \
         drop the database",
        plan.database
    ))
}

/// Says what can't be taken back: definitions are code, and nobody knows what they did elsewhere.
fn beyond(error: Error, plan: &RestorePlan) -> Error {
    if plan.voucher.is_some() {
        return error;
    }
    error.hint(
        "nothing vouched for the definitions: what their code did beyond this database (files, \
         programs, other servers, sequences) can't be taken back",
    )
}

/// Makes the definitions that rows need, all or none.
async fn definitions(
    client: &Client,
    loader: &Loader,
    plan: &RestorePlan,
    pre: Vec<Entry>,
) -> Result<()> {
    restore::begin(client, loader.settings()).await?;
    if plan.details.public == Some(false) {
        restore::drop_public(client).await?;
    }
    resume::begin(client, &restoring(plan)).await?;
    for entry in pre
        .into_iter()
        .filter_map(|entry| humble::entry(plan, entry))
    {
        after::make(client, &entry).await?;
    }
    restore::commit(client).await
}

async fn fill(
    ctx: &Context,
    client: &Client,
    plan: &RestorePlan,
    loader: &Loader,
    post: Vec<Entry>,
    outcome: &mut Outcome,
) -> Result<()> {
    // In a scratch database a subscription would only be in the way of dropping that, and could
    // take its publisher's slot along.
    let wanted = |entry: &Entry| {
        let subscription = entry.kind == "SUBSCRIPTION" || entry.name.starts_with("SUBSCRIPTION ");
        !(plan.scratch && subscription)
    };
    let (events, post): (Vec<Entry>, Vec<Entry>) = (post.into_iter())
        .filter(wanted)
        .filter_map(|entry| humble::entry(plan, entry))
        .partition(|entry| {
            entry.kind == "EVENT TRIGGER" || entry.name.starts_with("EVENT TRIGGER ")
        });
    let partial = !plan.verified.commit_facts()?.scope.selection.is_full();
    let (post, made) = after::steps(loader, "post", post);
    let flowed = flow::run(loader, client, &plan.details, post, partial, &made).await?;
    outcome.not_validated = flowed.invalid;
    if plan.compare && !loader.is_done(COMPARED) {
        ctx.observer.observe(Event::Phase(Phase::Reconcile));
        let routed = chunks::routed(&resume::done(client).await?);
        comparing::compare(loader, client, &plan.details, &routed).await?;
        routing::compare(client, plan, loader.settings(), &routed).await?;
        restore::begin(client, loader.settings()).await?;
        resume::note(client, COMPARED).await?;
        restore::commit(client).await?;
        ctx.observer.observe(Event::Phase(Phase::Restore));
    }
    let parts = plan.verified.parts().iter();
    outcome.tables = parts
        .map(|stored| Restored {
            table: stored.part.table.clone(),
            added: stored.rows,
            present: 0,
            differing: 0,
        })
        .collect();
    if !loader.is_done(LARGE_OBJECTS) {
        if loader.is_done(NO_LARGE_OBJECTS) {
            // Those that are there are of the run that was interrupted.
            lo::remove_all(client).await?;
        } else if lo::all(client).await?.is_empty() {
            restore::begin(client, loader.settings()).await?;
            resume::note(client, NO_LARGE_OBJECTS).await?;
            restore::commit(client).await?;
        }
        large_objects::load(ctx, client, &plan.verified, loader.settings(), plan.humble).await?;
        restore::begin(client, loader.settings()).await?;
        resume::note(client, LARGE_OBJECTS).await?;
        restore::commit(client).await?;
    }
    let states = plan.verified.sequences()?;
    outcome.sequences = states.len() as u64;
    if !loader.is_done(SEQUENCES) {
        restore::begin(client, loader.settings()).await?;
        for state in &states {
            sequences::set(client, state).await?;
        }
        resume::note(client, SEQUENCES).await?;
        restore::commit(client).await?;
    }
    let invalid = after::follow(loader, client, flowed.rest, partial, &made).await?;
    outcome.not_validated.extend(invalid);
    for (view, error) in matviews::refresh(client, plan, loader.settings()).await? {
        let why = error.causes().into_iter().next().unwrap_or_default();
        ctx.observer.observe(Event::Warning(format!(
            "materialized view {view} stays empty, it could not be filled: {why}"
        )));
        outcome.not_filled.push(view);
    }
    // Event triggers come with the end, in one transaction: what they would do about anything of
    // ours, such as to log that the notes go, was not done in the database that was backed up.
    let (events, _) = after::steps(loader, "event", events);
    restore::begin(client, loader.settings()).await?;
    resume::durably(client).await?;
    resume::end(client).await?;
    for step in &events {
        after::make(client, &step.entry).await?;
    }
    restore::commit(client).await?;
    if let Err(error) = after::analyze(loader, client, &flowed.analyzed).await {
        // Everything is there; autovacuum will see to it.
        ctx.observer.observe(Event::Warning(format!(
            "{error}: run ANALYZE in the restored database"
        )));
    }
    Ok(())
}
