//! Carrying an undo out.

use std::collections::BTreeMap;

use serde_json::json;

use crate::error::{Error, Result};
use crate::ident::{Revision, TableName};
use crate::model::backup::{BackupFacts, BackupKind};
use crate::model::consent::Consent;
use crate::model::ledger::Verb;
use crate::model::plan::Coverage;
use crate::model::relation::Oid;
use crate::ops::analysis::Analysis;
use crate::ops::attempts::{self, Attempted, TakenBack};
use crate::ops::context::Context;
use crate::ops::provisional::Provisional;
use crate::ops::snapshot::{self, Purpose, Taken};
use crate::ops::stored_catalog;
use crate::ops::task::Task;
use crate::ops::undo::inside::{Attempt, attempt};
use crate::ops::undo::kept;
use crate::ops::undo::labels;
use crate::ops::undo::plan::{self, UndoPlan};
use crate::ops::undo::rescue::Rescued;
use crate::pg::lock::{self, Locked};
use crate::pg::reconcile::apply::Applied;
use crate::pg::reconcile::conflicts::Conflict;
use crate::pg::server::Server;
use crate::pg::session::Client;
use crate::pg::{catalog, connect, retry, server, snapshot as snapshot_of, transaction};
use crate::store::NewBackup;

/// How to carry it out.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Accept a schema that ends other than it was before the rollback.
    pub accept_drift: bool,
    /// For the journal.
    pub reason: Option<String>,
    /// How consent was given, for the journal; filled by [`apply`].
    pub consent: String,
}

/// What happened to one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// The table.
    pub table: TableName,
    /// Rows put back, changed back, taken away.
    pub rows: Applied,
    /// Rows whose dropped or converted values were put back.
    pub values: u64,
}

/// What it amounted to.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Head of the ledger now.
    pub to: Option<Revision>,
    /// The migrations applied again, oldest first.
    pub applied: Vec<Revision>,
    /// What happened to tables.
    pub changed: Vec<Changed>,
    /// What was not put back, and why.
    pub conflicts: Vec<Conflict>,
    /// Where that lies now.
    pub rescued: Vec<Rescued>,
    /// Definitions made again that the scripts don't make.
    pub made: Vec<String>,
    /// Tables whose columns stand in another order than before.
    pub reordered: Vec<String>,
    /// A difference in the schema, when that was accepted.
    pub drift: Option<String>,
    /// Backups of what the undo itself took away.
    pub backups: Vec<BackupFacts>,
}

/// What was saved of what applying the migrations again takes away.
pub struct Own {
    /// The backup.
    pub taken: Taken,
    /// What it is for.
    pub purpose: Purpose,
    /// The server.
    pub server: Server,
}

/// Carries `plan` out. A failure is noted in the journal.
pub fn apply(
    ctx: &Context,
    plan: UndoPlan,
    consent: Consent,
    options: Options,
) -> Task<'_, Outcome> {
    Box::pin(async move {
        let taken_back = TakenBack::default();
        let attempted = Attempted {
            verb: Verb::Undo,
            from: plan.record.to.clone(),
            to: plan.record.from.clone(),
            reason: options.reason.clone(),
            consent: consent.by().to_owned(),
            inserted: taken_back.clone(),
        };
        attempts::noting(
            ctx,
            attempted,
            Box::pin(carry_out(ctx, plan, consent, options, &taken_back)),
        )
        .await
    })
}

async fn carry_out(
    ctx: &Context,
    plan: UndoPlan,
    consent: Consent,
    mut options: Options,
    taken_back: &TakenBack,
) -> Result<Outcome> {
    consent.check(&plan.database)?;
    consent.by().clone_into(&mut options.consent);
    let backups = kept::open(ctx, &plan.record).map_err(|e| e.hint("nothing was changed"))?;
    let observer = ctx.observer.as_ref();
    let mut locked = lock::connect(&ctx.database, "pgbelay undo", ctx.wait, observer).await?;
    let selector = plan.record.backups.first().map(ToString::to_string);
    // The schema is read again under the locks on tables.
    catalog::ready(locked.session().client()).await?;
    let now = plan::on(ctx, locked.session(), selector.as_deref(), false).await?;
    if now.record.sequence != plan.record.sequence {
        return Err(Error::refused("another run changed the journal meanwhile")
            .hint("nothing was changed; run the command again"));
    }
    // Until something is committed it protects nothing, and goes when this fails.
    let own = save_first(ctx, &plan, &locked).await?;
    let provisional = own.as_ref().map(|own| own.taken.facts.clone());
    let provisional = provisional.map(|facts| Provisional::new(&ctx.backups, facts));
    let provisional = provisional.transpose()?;
    let client = locked.session().client();
    let unchanged = schema_now(ctx, client).await? == now.details.after;
    labels::add(ctx, client, &now).await?;
    let context = Attempt {
        ctx,
        unchanged,
        plan: &now,
        backups: &backups,
        options: &options,
        own: own.as_ref(),
        provisional: provisional.as_ref(),
        taken_back: Some(taken_back),
    };
    match tries(&mut locked, &context).await {
        Ok(outcome) => {
            // It goes with the connection anyway; what is committed is no failure.
            drop(locked.release().await);
            Ok(outcome)
        }
        Err(error) if transaction::may_have_committed(&error) => Err(error),
        Err(error) => Err(error.hint("nothing was changed")),
    }
}

/// The fingerprint of the schema as it is.
async fn schema_now(ctx: &Context, client: &Client) -> Result<String> {
    snapshot_of::begin_reading(client, ctx.lock_timeout).await?;
    transaction::ours(client).await?;
    let catalog = catalog::read(client).await;
    transaction::abandon(client).await;
    Ok(catalog?.fingerprint().to_string())
}

async fn tries(locked: &mut Locked, context: &Attempt<'_>) -> Result<Outcome> {
    let mut number = 1;
    loop {
        locked.check_held().await?;
        match attempt(locked.session().client(), context).await {
            Ok(outcome) => return Ok(outcome),
            Err(error) if retry::again(&error, number) => {
                retry::pause(&error, number, context.ctx.observer.as_ref()).await;
                number += 1;
            }
            Err(error) => return Err(retry::give_up(error, number)),
        }
    }
}

/// An undo destroys nothing: what applying the migrations again would take away is saved first.
async fn save_first(ctx: &Context, plan: &UndoPlan, locked: &Locked) -> Result<Option<Own>> {
    let coverage = destroyed(&plan.analysis);
    if coverage.is_empty() {
        return Ok(None);
    }
    let client = locked.session().client();
    let server = server::read(client).await?;
    snapshot_of::begin_reading(client, ctx.lock_timeout).await?;
    transaction::ours(client).await?;
    let catalog = catalog::read(client).await?;
    transaction::abandon(client).await;
    let purpose = Purpose {
        new: NewBackup {
            kind: BackupKind::Prerollback,
            label: Some("undo".to_owned()),
            name: None,
            reason: Some("what an undo takes away".to_owned()),
            database: plan.database.clone(),
            recipients: ctx.recipients.clone(),
            signing_key: ctx.signing_key.clone(),
            compression: ctx.compression,
            actor: ctx.actor.clone(),
        },
        from: plan.record.to.clone(),
        to: plan.record.from.clone(),
        details: json!({ "catalog": stored_catalog::to_json(&catalog) }),
    };
    let reader = connect::connect(&ctx.database, "pgbelay snapshot").await?;
    let world = &plan.analysis.world;
    let again = purpose.clone();
    let taken = snapshot::take(ctx, reader.client(), &server, world, &coverage, again).await?;
    Ok(Some(Own {
        taken,
        purpose,
        server,
    }))
}

/// Tables of which applying the migrations again would take values that nothing brings back:
/// rows that it changes one by one are watched, and reverted anyway.
pub fn destroyed(analysis: &Analysis) -> BTreeMap<Oid, Coverage> {
    let by_definition = |rule: &str| !matches!(rule, "RB-DELETE" | "RB-UPDATE");
    let coverage = analysis.covered.coverage.iter();
    coverage
        .filter(|(_, coverage)| {
            let mut losses = analysis.losses.iter();
            losses.any(|l| l.table == coverage.table && by_definition(l.rule) && l.is_real())
        })
        .map(|(oid, coverage)| (*oid, coverage.clone()))
        .collect()
}
