//! `rollback to` and `migrate downgrade`: take a database back, after showing what that costs.

use pgbelay_core::error::{Error, Result};
use pgbelay_core::ident::{Digest, Revision};
use pgbelay_core::model::consent::Consent;
use pgbelay_core::model::event::Event;
use pgbelay_core::model::loss::Verdict;
use pgbelay_core::model::proof::Proof;
use pgbelay_core::ops::offline;
use pgbelay_core::ops::rollback::{self, Ask, Options, Outcome, Planned, Request};
use serde::Serialize;
use serde_json::json;

use crate::args::value;
use crate::consent::{self, Stakes};
use crate::recipients::{self, Change};
use crate::report::{plan, risk};
use crate::shell::{Ending, Exit, Flow, Shell};
use crate::text::base;

/// Take the database back to REV, keeping what that destroys
///
/// REV is kept: what was applied after it is undone, newest applied first. What the scripts
/// destroy is saved first, encrypted and verified, and `rollback undo` puts it back.
#[derive(Debug, clap::Args)]
#[expect(clippy::doc_markdown, reason = "help text is shown as it stands")]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
#[command(after_help = "Examples:
  rollback to 0041 --dry-run      show what would go
  rollback to 0041                take back all that was applied after 0041
  rollback --steps 1              take back the newest migration
  rollback to 0041 --confirm shop consent without a terminal")]
pub struct Args {
    /// Revision to keep: a version or unambiguous prefix, version_name, base, or -N
    #[arg(value_name = "REV", value_parser = value::revision, allow_negative_numbers = true)]
    #[arg(required_unless_present_any = ["steps", "name"])]
    revision: Option<String>,

    /// Take back the N migrations applied last
    #[arg(long, value_name = "N", conflicts_with_all = ["revision", "name"])]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    steps: Option<u32>,

    /// With --steps: count runs of `migrate upgrade` instead of migrations
    #[arg(long, requires = "steps")]
    batch: bool,

    /// Take back this migration and all that was applied after it
    #[arg(long, value_name = "MIGRATION", conflicts_with = "revision")]
    name: Option<String>,

    /// Show what would happen, and stop
    #[arg(long)]
    dry_run: bool,

    /// Write a script for psql that takes it back and keeps the ledger, and stop; such a script
    /// saves nothing of what it destroys
    #[arg(long, conflicts_with = "dry_run")]
    sql: bool,

    /// Go on only if the plan is the one reviewed, with this hash
    #[arg(long, value_name = "HASH")]
    plan_hash: Option<String>,

    /// Answer yes to every risk, and don't refuse scripts that can't be judged
    #[arg(long)]
    force: bool,

    /// Save nothing of what goes; needs --force
    #[arg(long, requires = "force")]
    without_snapshot: bool,

    /// Don't try the undo before the rollback is made final
    #[arg(long)]
    without_proof: bool,

    /// Accept a schema that ends other than recorded
    #[arg(long)]
    accept_drift: bool,

    /// Why, for the journal
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

#[derive(Serialize)]
struct Done<'a> {
    revision: Option<&'a str>,
    undone: Vec<&'a str>,
    backup: Option<&'a str>,
    backups: Vec<&'a str>,
    drift: Option<&'a str>,
    undo: Option<&'a str>,
    undo_why: Option<&'a str>,
}

/// Rolls back.
pub async fn run(shell: &Shell, args: Args) -> Result<Ending> {
    let flow = if args.sql { Flow::Answer } else { Flow::Work };
    let mut context = shell.context(flow)?;
    let planned = rollback::plan(&context, args.request()?).await?;
    if args.sql {
        if let Some(refusal) = planned.refusal() {
            return Err(refusal);
        }
        let script = offline::back(&planned, &context.actor)?;
        let document = json!({ "script": script });
        return Ok(shell.answer(Exit::Done, &document, |_| script.clone()));
    }
    if planned.plan.steps.is_empty() && planned.plan.refusals.is_empty() {
        let at = planned.plan.from.as_ref().map(Revision::as_str);
        return Ok(shell.done(Exit::Done, &nothing(at), |_| "nothing to do\n".to_owned()));
    }
    let view = plan::view(&planned.plan, shell.target());
    if args.dry_run {
        shell.part("plan", &risk::wire(&view), |paint| {
            risk::human(&view, paint)
        });
    } else {
        shell.announce("plan", &risk::wire(&view), |paint| {
            risk::human(&view, paint)
        });
    }
    args.check_hash(planned.plan.hash)?;
    if let Some(refusal) = planned.refusal() {
        return Err(refusal);
    }
    planned.foretold_failure()?;
    if !args.without_snapshot {
        let change = if args.dry_run {
            Change::Said
        } else {
            Change::Asked
        };
        recipients::announce(shell, &mut context, change).await?;
    }
    if args.dry_run {
        let at = planned.plan.from.as_ref().map(Revision::as_str);
        return Ok(shell.done(Exit::Done, &nothing(at), |_| String::new()));
    }
    let consent = consent(shell, &planned, context.production).await?;
    let options = Options {
        rehearsed: false,
        plan_hash: args.plan_hash,
        without_snapshot: args.without_snapshot,
        without_proof: args.without_proof,
        reason: args.reason,
    };
    let outcome = Box::pin(rollback::apply(&context, planned, consent, options)).await?;
    if let Some(drift) = &outcome.drift {
        let message = format!("accepted: {drift}");
        context.observer.observe(Event::Warning(message));
    }
    Ok(shell.done(Exit::Done, &wire(&outcome), |_| human(&outcome)))
}

async fn consent(shell: &Shell, planned: &Planned, production: bool) -> Result<Consent> {
    let plan = &planned.plan;
    if planned.request.force && shell.shared().confirm.is_none() {
        return Ok(Consent::forced(&plan.database));
    }
    let stakes = Stakes::of(plan.verdict != Verdict::NoLoss, production);
    consent::obtain(shell, &plan.database, stakes).await
}

impl Args {
    fn request(&self) -> Result<Request> {
        let ask = match (&self.revision, self.steps, &self.name) {
            (Some(revision), None, None) => Ask::To(revision.clone()),
            (None, Some(steps), None) if self.batch => Ask::Batches(steps as usize),
            (None, Some(steps), None) => Ask::Steps(steps as usize),
            (None, None, Some(name)) => Ask::Named(name.clone()),
            _ => return Err(Error::usage("name one of REV, --steps and --name")),
        };
        Ok(Request {
            ask,
            force: self.force,
            accept_drift: self.accept_drift,
            measure: true,
        })
    }

    /// The core asks the same; here nobody is asked for consent to a plan that can't be.
    fn check_hash(&self, hash: Digest) -> Result<()> {
        let hash = hash.to_string();
        let is = |wanted: &String| wanted.len() >= 8 && hash.starts_with(wanted.as_str());
        if self.plan_hash.as_ref().is_none_or(is) {
            return Ok(());
        }
        Err(Error::refused("this is not the plan that was reviewed")
            .hint(format!("the hash is {hash} now; review it with --dry-run")))
    }
}

const fn nothing(at: Option<&str>) -> Done<'_> {
    Done {
        revision: at,
        undone: Vec::new(),
        backup: None,
        backups: Vec::new(),
        drift: None,
        undo: None,
        undo_why: None,
    }
}

fn wire(outcome: &Outcome) -> Done<'_> {
    let backups: Vec<&str> = outcome.backups.iter().map(|b| b.id.as_str()).collect();
    Done {
        revision: outcome.to.as_ref().map(Revision::as_str),
        undone: outcome.undone.iter().map(Revision::as_str).collect(),
        backup: backups.first().copied(),
        backups,
        drift: outcome.drift.as_deref(),
        undo: outcome.proof.as_ref().map(Proof::as_str),
        undo_why: outcome.proof.as_ref().and_then(Proof::why),
    }
}

/// What was done, and the snapshot's id as the last line.
fn human(outcome: &Outcome) -> String {
    let to = base(outcome.to.as_ref());
    match outcome.backups.first() {
        Some(backup) => format!(
            "now at {to}; `rollback undo` reverses this ({})\n{}\n",
            tried(outcome.proof.as_ref()),
            backup.id
        ),
        None => format!("now at {to}; no snapshot was taken\n"),
    }
}

fn tried(proof: Option<&Proof>) -> String {
    match proof {
        Some(Proof::Proved) => "tried: all rows come back".to_owned(),
        Some(Proof::Sampled(why)) => format!("tried, but {why}"),
        Some(Proof::Unproved(why)) => format!("not tried: {why}"),
        None => "not tried".to_owned(),
    }
}
