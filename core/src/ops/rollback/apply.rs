//! Carrying a rollback out: snapshot, then one transaction, tried again when locks aren't had.

use std::cell::RefCell;

use serde_json::json;

use crate::error::{Error, Result};
use crate::ident::Revision;
use crate::model::backup::{BackupFacts, BackupKind};
use crate::model::consent::Consent;
use crate::model::event::{Event, Phase};
use crate::model::ledger::Verb;
use crate::model::proof::Proof;
use crate::ops::attempts::{self, Attempted, TakenBack};
use crate::ops::context::Context;
use crate::ops::provisional::Provisional;
use crate::ops::rollback::attempt::{Attempt, attempt};
use crate::ops::rollback::plan::{self, Planned, Request};
use crate::ops::rollback::record;
use crate::ops::snapshot::{self, Purpose};
use crate::ops::stored_catalog;
use crate::ops::task::Task;
use crate::pg::lock::{self, Locked};
use crate::pg::{catalog, connect, retry, server, transaction};
use crate::store::NewBackup;

/// How to carry it out.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Only if the plan's hash begins with this.
    pub plan_hash: Option<String>,
    /// With `force`: take no snapshot.
    pub without_snapshot: bool,
    /// Commit without trying the undo before.
    pub without_proof: bool,
    /// Take everything back instead of committing.
    pub rehearsed: bool,
    /// For the journal.
    pub reason: Option<String>,
}

/// What it amounted to.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Head of the ledger now.
    pub to: Option<Revision>,
    /// The migrations taken back, newest first.
    pub undone: Vec<Revision>,
    /// The backups that an undo needs.
    pub backups: Vec<BackupFacts>,
    /// What differs from the schema recorded, when that was accepted.
    pub drift: Option<String>,
    /// Whether the undo was tried; `None` where there is nothing to undo from.
    pub proof: Option<Proof>,
}

/// Carries `planned` out. Somebody has named the database. A failure is noted in the journal.
pub fn apply(
    ctx: &Context,
    planned: Planned,
    consent: Consent,
    options: Options,
) -> Task<'_, Outcome> {
    Box::pin(async move {
        let attempted = Attempted {
            verb: Verb::Rollback,
            from: planned.plan.from.clone(),
            to: planned.plan.to.clone(),
            reason: options.reason.clone(),
            consent: record::given(&planned, &consent, &options),
            inserted: TakenBack::default(),
        };
        attempts::noting(
            ctx,
            attempted,
            Box::pin(carry_out(ctx, planned, consent, options)),
        )
        .await
    })
}

/// Carries a rollback out on a copy of the database, as far as COMMIT, its undo tried, and takes everything
/// back. Says what is known of the undo; where the rollback would be refused, that is the error.
pub fn rehearse(ctx: &Context, request: Request) -> Task<'_, Option<Proof>> {
    Box::pin(async move {
        let planned = plan::plan(ctx, request).await?;
        let consent = Consent::agreed(&planned.plan.database);
        let options = Options {
            rehearsed: true,
            ..Options::default()
        };
        let outcome = Box::pin(carry_out(ctx, planned, consent, options)).await?;
        Ok(outcome.proof)
    })
}

async fn carry_out(
    ctx: &Context,
    planned: Planned,
    consent: Consent,
    options: Options,
) -> Result<Outcome> {
    check(&planned, &consent, &options)?;
    if planned.entries.is_empty() {
        return Ok(Outcome {
            to: planned.plan.to,
            undone: Vec::new(),
            backups: Vec::new(),
            drift: None,
            proof: None,
        });
    }
    let observer = ctx.observer.as_ref();
    let mut locked = lock::connect(&ctx.database, "pgbelay rollback", ctx.wait, observer).await?;
    let planned = same_world(ctx, &locked, planned).await?;
    let server = server::read(locked.session().client()).await?;
    let purpose = purpose(ctx, &planned, &options);
    let taken = if options.without_snapshot && planned.request.force {
        None
    } else {
        let reader = connect::connect(&ctx.database, "pgbelay snapshot").await?;
        let world = &planned.analysis.world;
        let coverage = &planned.plan.coverage;
        Some(
            snapshot::take(
                ctx,
                reader.client(),
                &server,
                world,
                coverage,
                purpose.clone(),
            )
            .await
            .map_err(|e| e.hint("nothing was changed"))?,
        )
    };
    let snapshot = taken.as_ref().map(|t| t.facts.clone());
    let snapshot = snapshot.map(|facts| Provisional::new(&ctx.backups, facts));
    let snapshot = snapshot.transpose()?;
    let context = Attempt {
        ctx,
        planned: &planned,
        consent: &consent,
        options: &options,
        server: &server,
        taken: taken.as_ref(),
        snapshot: snapshot.as_ref(),
        purpose,
        look_at: RefCell::default(),
    };
    let outcome = Box::pin(tries(&mut locked, &context)).await;
    match outcome {
        Ok(outcome) => {
            // It goes with the connection anyway; what is committed is no failure.
            drop(locked.release().await);
            Ok(outcome)
        }
        Err(error) => Err(clean_up(snapshot, error)),
    }
}

async fn tries(locked: &mut Locked, context: &Attempt<'_>) -> Result<Outcome> {
    let mut number = 1;
    loop {
        let looked_at = context.look_at.borrow().len();
        match Box::pin(attempt(locked, context)).await {
            Ok(outcome) => return Ok(outcome),
            // Something is to be looked at that wasn't yet.
            Err(_) if context.look_at.borrow().len() > looked_at => {}
            Err(error) if retry::again(&error, number) => {
                retry::pause(&error, number, context.ctx.observer.as_ref()).await;
                number += 1;
            }
            Err(error) => return Err(retry::give_up(error, number)),
        }
    }
}

fn check(planned: &Planned, consent: &Consent, options: &Options) -> Result<()> {
    consent.check(&planned.plan.database)?;
    if let Some(refusal) = planned.refusal() {
        return Err(refusal);
    }
    planned.foretold_failure()?;
    if options.without_snapshot && !planned.request.force {
        return Err(
            Error::refused("a rollback without a snapshot can't be undone")
                .hint("only --force together with --without-snapshot goes without one"),
        );
    }
    if let Some(wanted) = &options.plan_hash {
        let hash = planned.plan.hash.to_string();
        if wanted.len() < 8 || !hash.starts_with(wanted.as_str()) {
            return Err(Error::refused(format!(
                "this is not the plan that was reviewed: its hash is {hash}"
            ))
            .hint("scripts, ledger or schema changed since; review the new plan"));
        }
    }
    Ok(())
}

/// The plan again, under the migration lock: it must be the one that was shown.
async fn same_world(ctx: &Context, locked: &Locked, planned: Planned) -> Result<Planned> {
    ctx.observer.observe(Event::Phase(Phase::Plan));
    let mut request = planned.request.clone();
    request.measure = false;
    // The schema is read again under the locks on tables.
    catalog::ready(locked.session().client()).await?;
    let now = plan::on(ctx, locked.session(), request).await?;
    if now.plan.hash == planned.plan.hash {
        Ok(now)
    } else {
        Err(
            Error::refused("scripts, ledger or schema changed between the plan and the rollback")
                .hint("nothing was changed; run the command again to see the new plan"),
        )
    }
}

fn purpose(ctx: &Context, planned: &Planned, options: &Options) -> Purpose {
    let to = planned.plan.to.as_ref();
    Purpose {
        new: NewBackup {
            kind: BackupKind::Prerollback,
            label: Some(to.map_or_else(|| "base".to_owned(), ToString::to_string)),
            name: None,
            reason: options.reason.clone(),
            database: planned.plan.database.clone(),
            recipients: ctx.recipients.clone(),
            signing_key: ctx.signing_key.clone(),
            compression: ctx.compression,
            actor: ctx.actor.clone(),
        },
        from: planned.plan.from.clone(),
        to: planned.plan.to.clone(),
        details: json!({
            "plan_hash": planned.plan.hash.to_string(),
            "fingerprint": planned.plan.fingerprint.to_string(),
            "catalog": stored_catalog::to_json(&planned.catalog),
        }),
    }
}

/// Nothing was destroyed, so the snapshot protects nothing: it is taken away again. After a
/// commit whose outcome is not known it stays, as it does when something happened nevertheless.
fn clean_up(snapshot: Option<Provisional>, error: Error) -> Error {
    if transaction::may_have_committed(&error) {
        return error;
    }
    let Some(snapshot) = snapshot else {
        return match error.already_done() {
            [] => error.hint("nothing was changed"),
            _ => error,
        };
    };
    if !error.already_done().is_empty() {
        snapshot.keep(true);
        let kept = format!("the snapshot {} was kept", snapshot.facts().id);
        return error.hint(kept);
    }
    let id = snapshot.facts().id.clone();
    match snapshot.discard() {
        Ok(()) => error.hint("nothing was changed; the snapshot was taken away again"),
        Err(_) => error.hint(format!(
            "nothing was changed; the snapshot {id} is still there"
        )),
    }
}
