//! `migrate upgrade`: apply what is pending, each migration whole or not at all.

use crate::error::{Error, Result};
use crate::ident::Revision;
use crate::model::consent::Consent;
use crate::model::event::{Event, Phase};
use crate::model::ledger::Entry;
use crate::model::migration::{Migration, Target};
use crate::model::plan::Step;
use crate::ops::beside;
use crate::ops::context::Context;
use crate::ops::drift;
use crate::ops::drift::Drift;
use crate::ops::former;
use crate::ops::forward;
use crate::ops::forward::Applied;
use crate::ops::run::Run;
use crate::ops::seed;
use crate::ops::task::Task;
use crate::pg::connect;
use crate::pg::glance;
use crate::pg::glance::Glance;
use crate::pg::ledger;
use crate::pg::lock;
use crate::pg::lock::Locked;
use crate::source;

const APPLICATION: &str = "pgbelay upgrade";

/// What is asked of an upgrade.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// The last revision to apply: a version, a prefix, a name, `head`, `+N`; all without one.
    pub target: Option<String>,
    /// Apply migrations too that come before one that is applied.
    pub allow_out_of_order: bool,
}

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
    /// Repeatable scripts are new or were changed, and will run at the end.
    pub repeats: bool,
    /// Where ledger and files disagree; [`apply`] refuses unless this is empty.
    pub drift: Vec<Drift>,
    /// All migrations, as read from the folder.
    migrations: Vec<Migration>,
    allow_out_of_order: bool,
}

impl UpgradePlan {
    /// The scripts that would run.
    pub fn steps(&self) -> Vec<Step> {
        let step = |migration: &Migration| Step {
            revision: migration.revision.clone(),
            name: migration.name.clone(),
            script: migration.up.clone(),
            transactional: migration.transactional,
        };
        self.pending.iter().map(step).collect()
    }
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

impl UpgradePlan {
    /// True when there is nothing to do.
    pub const fn is_empty(&self) -> bool {
        self.pending.is_empty() && !self.repeats
    }
}

/// What an upgrade amounted to.
#[derive(Debug)]
pub struct Outcome {
    /// The number of this run; `None` when nothing was applied.
    pub batch: Option<i64>,
    /// What was applied, in this order.
    pub applied: Vec<Applied>,
    /// Repeatable scripts that ran.
    pub repeated: Vec<String>,
    /// What the plan held and somebody else had applied in the meantime.
    pub skipped: Vec<Revision>,
    /// The revision that is current now.
    pub current: Option<Revision>,
}

/// Finds out what is pending up to the target. Only reads.
pub fn plan<'a>(ctx: &'a Context, request: &'a Request) -> Task<'a, UpgradePlan> {
    Box::pin(async move {
        ctx.observer.observe(Event::Phase(Phase::Plan));
        // Files are read while the server gets ready and answers.
        let (options, lock_timeout) = (ctx.database.clone(), ctx.lock_timeout);
        let looking = tokio::spawn(async move {
            let session = connect::connect(&options, APPLICATION).await?;
            let glance = glance::look(&session, lock_timeout).await?;
            Ok::<_, Error>((session, glance))
        });
        let migrations = ctx.read_migrations()?;
        let looked = looking.await;
        let (session, glance) =
            looked.map_err(|e| Error::failed("could not connect").caused_by(e))??;
        let database = session.database().to_owned();
        let Glance { entries, beside } = glance;
        if let Some(foreign) = beside {
            beside::compare(session.client(), &foreign, &entries, &migrations).await?;
        }
        let current = entries.last().map(|entry| entry.revision.clone());
        let target = resolve(request.target.as_deref(), &migrations, &entries)?;
        let pending: Vec<Migration> = pending(&migrations, &entries, target.as_ref())
            .into_iter()
            .cloned()
            .collect();
        for migration in &pending {
            forward::check(migration)?;
        }
        // They belong to the newest state of the schema.
        let to_the_end = target.as_ref() == migrations.last().map(|m| &m.revision);
        let repeats = to_the_end && seed::is_due(ctx, session.client()).await?;
        Ok(UpgradePlan {
            database,
            current,
            target,
            pending,
            repeats,
            drift: disagreements(&migrations, &entries, request.allow_out_of_order),
            migrations,
            allow_out_of_order: request.allow_out_of_order,
        })
    })
}

fn disagreements(migrations: &[Migration], entries: &[Entry], any_order: bool) -> Vec<Drift> {
    let found = drift::find(migrations, entries);
    if any_order {
        drift::but_for_order(found)
    } else {
        found
    }
}

/// The revision to go to; `+N` counts what is pending.
fn resolve(
    target: Option<&str>,
    migrations: &[Migration],
    entries: &[Entry],
) -> Result<Option<Revision>> {
    let Some(target) = target else {
        return Ok(migrations.last().map(|m| m.revision.clone()));
    };
    let current = entries.last().map(|entry| &entry.revision);
    if let Some(steps) = target
        .strip_prefix('+')
        .and_then(|n| n.parse::<usize>().ok())
    {
        let pending = drift::pending(migrations, entries);
        let Some(last) = steps.checked_sub(1) else {
            return Ok(current.cloned());
        };
        let goal = pending.get(last).map(|m| Some(m.revision.clone()));
        return goal.ok_or_else(|| {
            Error::usage(format!("'{target}' goes beyond the newest migration")).hint(format!(
                "{} migrations are pending; `head` names the newest",
                pending.len()
            ))
        });
    }
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

/// What is not applied, up to `target`, in order: what a migration depends on comes before it.
fn pending<'a>(
    migrations: &'a [Migration],
    entries: &[Entry],
    target: Option<&Revision>,
) -> Vec<&'a Migration> {
    let end = migrations
        .iter()
        .position(|m| target == Some(&m.revision))
        .map_or(0, |place| place + 1);
    drift::pending(&migrations[..end], entries)
}

/// Applies `plan` under the migration lock. What somebody else applied since is skipped.
///
/// Dropping the future leaves nothing half-applied: an open transaction is rolled back, and what
/// runs outside one is recorded step by step.
pub fn apply(ctx: &Context, plan: UpgradePlan, options: Options) -> Task<'_, Outcome> {
    Box::pin(async move {
        if let Some(refusal) = drift::refusal(&plan.drift) {
            return Err(refusal);
        }
        consented(ctx, &plan, &options)?;
        if plan.is_empty() {
            return Ok(Outcome {
                batch: None,
                applied: Vec::new(),
                repeated: Vec::new(),
                skipped: Vec::new(),
                current: plan.current,
            });
        }
        let observer = ctx.observer.as_ref();
        let mut locked = lock::connect(&ctx.database, APPLICATION, ctx.wait, observer).await?;
        if locked.session().database() != plan.database {
            return Err(Error::refused(format!(
                "the plan was made for database '{}', and this is '{}'",
                plan.database,
                locked.session().database()
            )));
        }
        let outcome = under_lock(ctx, &mut locked, &plan, &options).await?;
        locked.release().await?;
        Ok(outcome)
    })
}

fn consented(ctx: &Context, plan: &UpgradePlan, options: &Options) -> Result<()> {
    match &options.consent {
        Some(consent) => consent.check(&plan.database),
        None if ctx.production && !plan.is_empty() => Err(Error::refused(format!(
            "database '{}' is production, and nobody confirmed the upgrade",
            plan.database
        ))
        .hint(format!("pass --confirm {}", plan.database))),
        None => Ok(()),
    }
}

async fn under_lock(
    ctx: &Context,
    locked: &mut Locked,
    plan: &UpgradePlan,
    options: &Options,
) -> Result<Outcome> {
    let entries = ledger::read(locked.client()).await?;
    beside::check(locked.client(), &entries, &plan.migrations).await?;
    if let Some(refusal) = drift::refusal(&disagreements(
        &plan.migrations,
        &entries,
        plan.allow_out_of_order,
    )) {
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
    former::accept(ctx, locked, &entries).await?;
    ctx.observer.observe(Event::Phase(Phase::Scripts));
    let applied = if options.single_transaction {
        forward::together(locked, &run, &pending, current.clone()).await?
    } else {
        forward::one_by_one(locked, &run, &pending, current.clone()).await?
    };
    let repeated = if plan.repeats {
        let consent = options.consent.as_ref().map_or("", Consent::by);
        let repeated = seed::repeat(ctx, locked, consent).await;
        repeated.map_err(|e| applied.iter().fold(e, |e, a| e.done(forward::said(a))))?
    } else {
        Vec::new()
    };
    Ok(Outcome {
        repeated,
        batch: (!applied.is_empty()).then_some(run.batch),
        current: applied.last().map(|a| a.revision.clone()).or(current),
        applied,
        skipped,
    })
}
