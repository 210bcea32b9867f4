//! `migrate adopt`: take over what another tool has applied, by its own ledger.

use crate::error::{Error, Result};
use crate::ident::Revision;
use crate::model::consent::Consent;
use crate::model::ledger::{Entry, Verb};
use crate::model::migration::Migration;
use crate::ops::beside;
use crate::ops::beside::Taken;
use crate::ops::context::Context;
use crate::ops::marking::Marking;
use crate::ops::task::Task;
use crate::pg::connect;
use crate::pg::foreign;
use crate::pg::foreign::Foreign;
use crate::pg::ledger;
use crate::pg::lock;
use crate::pg::session;
use crate::pg::session::Client;
use crate::source;

/// What is asked of an adoption.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// The name of the other tool's table, where it isn't the usual one or there are several.
    pub table: Option<String>,
    /// Keep both ledgers in step from now on; else ours alone counts.
    pub beside: bool,
}

/// What would be adopted.
#[derive(Debug, Clone)]
pub struct AdoptPlan {
    /// The database, as the server names it.
    pub database: String,
    /// The other tool's ledger.
    pub foreign: Foreign,
    /// What it has applied and our ledger doesn't know.
    pub add: Vec<Migration>,
    /// What our ledger has and it has taken back.
    pub remove: Vec<Revision>,
    /// Files that aren't what the other tool applied.
    pub edited: Vec<String>,
    /// Whether both ledgers stay in use, now and then.
    pub beside: (bool, bool),
    request: Request,
    entries: Vec<Entry>,
}

impl AdoptPlan {
    /// True when nothing would change.
    pub fn is_done(&self) -> bool {
        self.add.is_empty() && self.remove.is_empty() && self.beside.0 == self.beside.1
    }
}

/// Finds out what another tool has applied. Only reads.
pub fn plan(ctx: &Context, request: Request) -> Task<'_, AdoptPlan> {
    Box::pin(async move {
        let mut session = connect::connect(&ctx.database, "pgbelay adopt").await?;
        let database = session.database().to_owned();
        let transaction = session::reading(session.client_mut(), ctx.lock_timeout).await?;
        read(ctx, transaction.client(), database, request).await
    })
}

async fn read(
    ctx: &Context,
    client: &Client,
    database: String,
    request: Request,
) -> Result<AdoptPlan> {
    let known = foreign::beside(client).await?;
    let foreign = match (&known, &request.table) {
        (Some(known), None) => known.clone(),
        _ => choose(&foreign::find(client, request.table.as_deref()).await?)?,
    };
    let migrations = ctx.read_migrations()?;
    let says = foreign.read(client).await?;
    let taken = beside::taken(&foreign, &says, &migrations)?;
    let entries = ledger::read(client).await?;
    let ours = |m: &Migration| entries.iter().any(|e| e.revision == m.revision);
    let theirs = |e: &Entry| taken.iter().any(|t| t.migration.revision == e.revision);
    let mut edited = Vec::new();
    for Taken { migration, applied } in &taken {
        let recorded = applied.as_ref().and_then(|a| a.checksum.as_ref());
        let now = source::checksum(&migration.up.path, foreign.tool)?;
        if recorded.is_some() && now.is_some() && recorded != now.as_ref() {
            edited.push(migration.up.path.clone());
        }
    }
    let add: Vec<&Taken> = taken.iter().filter(|t| !ours(&t.migration)).collect();
    let remove = entries.iter().filter(|e| !theirs(e));
    let by = format!("{} {}", foreign.tool, foreign.table);
    Ok(AdoptPlan {
        database,
        add: add.iter().map(|t| t.migration.clone()).collect(),
        remove: remove.map(|e| e.revision.clone()).collect(),
        edited,
        beside: (known.is_some(), request.beside),
        entries: add.iter().map(|t| entry(t, &by)).collect(),
        request,
        foreign,
    })
}

fn choose(found: &[Foreign]) -> Result<Foreign> {
    match found {
        [one] => Ok(one.clone()),
        [] => Err(Error::usage("no ledger of another tool was found in this database").hint(
            "name its table with --table; or say where the database stands with migrate baseline",
        )),
        several => {
            let told = several.iter().map(|f| format!("{} ({})", f.table, f.tool));
            Err(Error::usage("there are ledgers of several tools")
                .hint("name the one to adopt with --table")
                .hint(format!("found: {}", told.collect::<Vec<_>>().join(", "))))
        }
    }
}

fn entry(taken: &Taken, by: &str) -> Entry {
    let entry = Entry::of(&taken.migration, 0, by);
    let at = taken.applied.as_ref().and_then(|a| a.at);
    Entry {
        applied_at: at.unwrap_or(entry.applied_at),
        ..entry
    }
}

/// Adopts, under the migration lock. Returns the revision that is current then.
pub fn apply(
    ctx: &Context,
    plan: AdoptPlan,
    consent: Consent,
    reason: Option<String>,
) -> Task<'_, Option<Revision>> {
    Box::pin(async move {
        consent.check(&plan.database)?;
        let observer = ctx.observer.as_ref();
        let mut locked = lock::connect(&ctx.database, "pgbelay adopt", ctx.wait, observer).await?;
        let marking = Marking {
            ctx,
            verb: Verb::Adopt,
            reason,
            consent: consent.by().to_owned(),
        };
        let mut transaction = marking.begin(&mut locked).await?;
        let database = plan.database.clone();
        let now = read(ctx, transaction.client(), database, plan.request.clone()).await?;
        let shape = |plan: &AdoptPlan| {
            let add: Vec<Revision> = plan.add.iter().map(|m| m.revision.clone()).collect();
            (plan.foreign.clone(), add, plan.remove.clone())
        };
        if shape(&now) != shape(&plan) {
            return Err(
                Error::refused("the ledgers changed since the plan was made")
                    .hint("nothing was changed; run the command again"),
            );
        }
        let from = ledger::head(&transaction).await?;
        for revision in &now.remove {
            ledger::remove(&transaction, revision).await?;
        }
        let (_, added, removed) = shape(&now);
        marking.add(&mut transaction, now.entries).await?;
        let stay = now.request.beside.then_some(&now.foreign);
        foreign::stay_beside(transaction.client(), stay).await?;
        let current = marking.commit(transaction, from, &added, &removed).await?;
        locked.release().await?;
        Ok(current)
    })
}
