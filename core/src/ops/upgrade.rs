//! `migrate upgrade`: apply what is pending, each migration whole or not at all.

use crate::error::{Error, Result};
use crate::ident::Revision;
use crate::model::consent::Consent;
use crate::model::event::{Event, Phase};
use crate::model::ledger::Entry;
use crate::model::migration::{Migration, Target};
use crate::ops::context::Context;
use crate::ops::drift;
use crate::ops::drift::Drift;
use crate::ops::forward;
use crate::ops::forward::Applied;
use crate::ops::run::Run;
use crate::pg::connect;
use crate::pg::ledger;
use crate::pg::lock;
use crate::pg::lock::Locked;
use crate::pg::session;
use crate::source;

const APPLICATION: &str = "pgbelay upgrade";

/// What an upgrade would do.
#[derive(Debug, Clone)]
pub struct UpgradePlan {
    /// The database, as the server names it.
    pub database: String,
    /// The revision applied last.
    pub current: Option<Revision>,
    /// The last revision to apply; `None` when there is no migration at all.
    pub target: Option<Revision>,
    /// What will be applied, in this order.
    pub pending: Vec<Migration>,
    /// Where ledger and files disagree; [`apply`] refuses unless this is empty.
    pub drift: Vec<Drift>,
    /// All migrations, as read from the folder.
    migrations: Vec<Migration>,
}

/// How to apply a plan.
#[derive(Debug)]
pub struct Options {
    /// Needed in production.
    pub consent: Option<Consent>,
    /// All migrations in one transaction: all or nothing.
    pub single_transaction: bool,
    /// `--reason`, for the journal.
    pub reason: Option<String>,
}

/// What an upgrade amounted to.
#[derive(Debug)]
pub struct Outcome {
    /// The number of this run; `None` when nothing was applied.
    pub batch: Option<i64>,
    /// What was applied, in this order.
    pub applied: Vec<Applied>,
    /// What the plan held and somebody else had applied in the meantime.
    pub skipped: Vec<Revision>,
    /// The revision that is current now.
    pub current: Option<Revision>,
}

/// Finds out what is pending up to `target` (all of it without one). Only reads.
pub async fn plan(ctx: &Context, target: Option<&str>) -> Result<UpgradePlan> {
    ctx.observer.observe(Event::Phase(Phase::Plan));
    let migrations = source::read(&ctx.migrations)?;
    let mut session = connect::connect(&ctx.database, APPLICATION).await?;
    let database = session.database().to_owned();
    let transaction = session::reading(session.client_mut(), ctx.lock_timeout).await?;
    let entries = ledger::read(&transaction).await?;
    let current = entries.last().map(|entry| entry.revision.clone());
    let target = resolve(target, &migrations, current.as_ref())?;
    let pending: Vec<Migration> = pending(&migrations, &entries, target.as_ref())
        .into_iter()
        .cloned()
        .collect();
    for migration in &pending {
        forward::check(migration)?;
    }
    dependencies(&pending, &entries)?;
    Ok(UpgradePlan {
        database,
        current,
        target,
        pending,
        drift: drift::find(&migrations, &entries),
        migrations,
    })
}

fn resolve(
    target: Option<&str>,
    migrations: &[Migration],
    current: Option<&Revision>,
) -> Result<Option<Revision>> {
    let Some(target) = target else {
        return Ok(migrations.iter().map(|m| m.revision.clone()).max());
    };
    let known: Vec<(Revision, String)> = migrations
        .iter()
        .map(|m| (m.revision.clone(), m.full_name()))
        .collect();
    match source::resolve(target, &known, current)? {
        Target::Revision(revision) => Ok(Some(revision)),
        Target::Base => Err(Error::usage("an upgrade can't go to base")
            .hint("to take every migration back: rollback to base")),
    }
}

/// What is not applied, up to `target`, oldest first.
fn pending<'a>(
    migrations: &'a [Migration],
    entries: &[Entry],
    target: Option<&Revision>,
) -> Vec<&'a Migration> {
    let mut pending = drift::pending(migrations, entries);
    pending.retain(|m| target.is_some_and(|target| m.revision <= *target));
    pending
}

/// Every dependency must be applied, or come earlier in the same run.
fn dependencies(pending: &[Migration], entries: &[Entry]) -> Result<()> {
    for (index, migration) in pending.iter().enumerate() {
        let earlier = pending.iter().take(index).map(|m| &m.revision);
        let mut there = entries.iter().map(|e| &e.revision).chain(earlier);
        for needed in &migration.depends_on {
            if !there.by_ref().any(|revision| revision == needed) {
                return Err(Error::usage(format!(
                    "{}: depends on revision {needed}, which is neither applied nor due before it",
                    migration.up.path
                )));
            }
        }
    }
    Ok(())
}

/// Applies `plan` under the migration lock. What somebody else applied since is skipped.
///
/// Dropping the future leaves nothing half-applied: an open transaction is rolled back, and what
/// runs outside one is recorded step by step.
pub async fn apply(ctx: &Context, plan: UpgradePlan, options: Options) -> Result<Outcome> {
    if let Some(refusal) = drift::refusal(&plan.drift) {
        return Err(refusal);
    }
    consented(ctx, &plan, &options)?;
    if plan.pending.is_empty() {
        return Ok(Outcome {
            batch: None,
            applied: Vec::new(),
            skipped: Vec::new(),
            current: plan.current,
        });
    }
    let session = connect::connect(&ctx.database, APPLICATION).await?;
    if session.database() != plan.database {
        return Err(Error::refused(format!(
            "the plan was made for database '{}', and this is '{}'",
            plan.database,
            session.database()
        )));
    }
    let mut locked = lock::acquire(session, ctx.wait, ctx.observer.as_ref()).await?;
    let outcome = under_lock(ctx, &mut locked, &plan, &options).await?;
    locked.release().await?;
    Ok(outcome)
}

fn consented(ctx: &Context, plan: &UpgradePlan, options: &Options) -> Result<()> {
    match &options.consent {
        Some(consent) if consent.database() != plan.database => Err(Error::refused(format!(
            "consent was given for database '{}', and this is '{}'",
            consent.database(),
            plan.database
        ))),
        None if ctx.production && !plan.pending.is_empty() => Err(Error::refused(format!(
            "database '{}' is production, and nobody confirmed the upgrade",
            plan.database
        ))
        .hint(format!("pass --confirm {}", plan.database))),
        _ => Ok(()),
    }
}

async fn under_lock(
    ctx: &Context,
    locked: &mut Locked,
    plan: &UpgradePlan,
    options: &Options,
) -> Result<Outcome> {
    let entries = ledger::read(locked.client()).await?;
    if let Some(refusal) = drift::refusal(&drift::find(&plan.migrations, &entries)) {
        return Err(refusal);
    }
    let pending = pending(&plan.migrations, &entries, plan.target.as_ref());
    let planned = |m: &&Migration| plan.pending.iter().any(|p| p.revision == m.revision);
    if !pending.iter().all(planned) {
        return Err(
            Error::refused("migrations were taken back since the plan was made")
                .hint("nothing was changed; look at migrate status and run the command again"),
        );
    }
    let skipped = plan
        .pending
        .iter()
        .filter(|p| pending.iter().all(|m| m.revision != p.revision))
        .map(|p| p.revision.clone())
        .collect();
    let current = entries.last().map(|entry| entry.revision.clone());
    let run = Run::begin(
        ctx,
        locked,
        options.reason.clone(),
        options.consent.as_ref().map_or("", Consent::by),
    )
    .await?;
    ctx.observer.observe(Event::Phase(Phase::Scripts));
    let applied = if options.single_transaction {
        forward::together(locked, &run, &pending, current.clone()).await?
    } else {
        forward::one_by_one(locked, &run, &pending, current.clone()).await?
    };
    Ok(Outcome {
        batch: (!applied.is_empty()).then_some(run.batch),
        current: applied.last().map(|a| a.revision.clone()).or(current),
        applied,
        skipped,
    })
}
