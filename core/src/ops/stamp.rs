//! `migrate stamp` and `migrate baseline`: say where a database stands, without running a script.

use crate::error::{Error, Result};
use crate::ident::Revision;
use crate::model::consent::Consent;
use crate::model::ledger::{Entry, Verb};
use crate::model::migration::{Migration, Target};
use crate::ops::beside;
use crate::ops::context::Context;
use crate::ops::marking::Marking;
use crate::ops::task::Task;
use crate::pg::connect;
use crate::pg::ledger;
use crate::pg::lock;
use crate::pg::progress;
use crate::pg::session;
use crate::source;

/// What is to be marked.
#[derive(Debug, Clone)]
pub enum Ask {
    /// Exactly the migrations up to a revision, whatever the ledger says now.
    Stamp(String),
    /// The migrations up to a revision, on a database that has no ledger yet; all without one.
    Baseline(Option<String>),
}

impl Ask {
    const fn verb(&self) -> Verb {
        match self {
            Self::Stamp(_) => Verb::Stamp,
            Self::Baseline(_) => Verb::Baseline,
        }
    }
}

/// What would be marked.
#[derive(Debug, Clone)]
pub struct StampPlan {
    /// The database, as the server names it.
    pub database: String,
    /// The revision that is current in the ledger.
    pub from: Option<Revision>,
    /// The revision that will be.
    pub to: Option<Revision>,
    /// What is marked as applied, in this order.
    pub add: Vec<Migration>,
    /// What is marked as not applied.
    pub remove: Vec<Entry>,
    ask: Ask,
}

/// Finds out what would be marked. Only reads.
pub fn plan(ctx: &Context, ask: Ask) -> Task<'_, StampPlan> {
    Box::pin(async move {
        let mut session = connect::connect(&ctx.database, "pgbelay stamp").await?;
        let database = session.database().to_owned();
        let transaction = session::reading(session.client_mut(), ctx.lock_timeout).await?;
        let entries = ledger::read(&transaction).await?;
        planned(ctx, database, &entries, ask)
    })
}

fn planned(ctx: &Context, database: String, entries: &[Entry], ask: Ask) -> Result<StampPlan> {
    let migrations = ctx.read_migrations()?;
    let target = match &ask {
        Ask::Stamp(target) => target.as_str(),
        Ask::Baseline(target) => target.as_deref().unwrap_or("head"),
    };
    if let (Ask::Baseline(_), Some(last)) = (&ask, entries.last()) {
        return Err(Error::usage(format!(
            "this database has a ledger already, and is at {}",
            last.revision
        ))
        .hint("to say that it stands elsewhere: migrate stamp REV"));
    }
    if let (Ask::Baseline(_), true) = (&ask, migrations.is_empty()) {
        return Err(Error::usage("there is no migration to begin with").hint(
            "write the first one with `migrate create`; `pg_dump --schema-only` gives its text",
        ));
    }
    let known: Vec<(Revision, String)> = migrations
        .iter()
        .map(|m| (m.revision.clone(), m.full_name()))
        .collect();
    let current = entries.last().map(|entry| &entry.revision);
    let end = match source::resolve(target, &known, current)? {
        Target::Base => 0,
        Target::Revision(revision) => {
            let place = migrations.iter().position(|m| m.revision == revision);
            place.map_or(0, |place| place + 1)
        }
    };
    let wanted = &migrations[..end];
    let is = |m: &Migration, entry: &Entry| m.revision == entry.revision;
    Ok(StampPlan {
        database,
        from: current.cloned(),
        to: wanted.last().map(|m| m.revision.clone()),
        add: wanted
            .iter()
            .filter(|m| !entries.iter().any(|entry| is(m, entry)))
            .cloned()
            .collect(),
        remove: entries
            .iter()
            .filter(|entry| !wanted.iter().any(|m| is(m, entry)))
            .cloned()
            .collect(),
        ask,
    })
}

/// Marks, under the migration lock. Returns the revision that is current then.
pub fn apply(
    ctx: &Context,
    plan: StampPlan,
    consent: Consent,
    reason: Option<String>,
) -> Task<'_, Option<Revision>> {
    Box::pin(async move {
        consent.check(&plan.database)?;
        let observer = ctx.observer.as_ref();
        let mut locked = lock::connect(&ctx.database, "pgbelay stamp", ctx.wait, observer).await?;
        let entries = ledger::read(locked.client()).await?;
        let now = planned(ctx, plan.database.clone(), &entries, plan.ask.clone())?;
        let shape = |plan: &StampPlan| {
            let add: Vec<Revision> = plan.add.iter().map(|m| m.revision.clone()).collect();
            let remove: Vec<Revision> = plan.remove.iter().map(|e| e.revision.clone()).collect();
            (add, remove)
        };
        let (added, removed) = shape(&now);
        if (&added, &removed) != (&shape(&plan).0, &shape(&plan).1) {
            return Err(Error::refused("the ledger changed since the plan was made")
                .hint("nothing was changed; run the command again"));
        }
        let marking = Marking {
            ctx,
            verb: plan.ask.verb(),
            reason,
            consent: consent.by().to_owned(),
        };
        let mut transaction = marking.begin(&mut locked).await?;
        beside::refuse_marking(transaction.client()).await?;
        let by = marking.by(&transaction).await?;
        marking.remove(&transaction, &now.remove).await?;
        for revision in &removed {
            progress::clear(&transaction, revision, false).await?;
        }
        let entries = now.add.iter().map(|m| Entry::of(m, 0, &by)).collect();
        marking.add(&mut transaction, entries).await?;
        let current = marking
            .commit(transaction, now.from, &added, &removed)
            .await?;
        locked.release().await?;
        Ok(current)
    })
}
