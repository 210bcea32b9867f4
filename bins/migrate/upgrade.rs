//! `migrate upgrade`: apply what is pending.

use console::args::value;
use console::consent::{self, Stakes};
use console::recipients::{self, Change};
use console::report::upgrade as report;
use console::text::{many, safe};
use console::{Ending, Exit, Flow, Shell};
use pgbelay_core::error::{Error, Result};
use pgbelay_core::ident::{BackupId, Revision};
use pgbelay_core::model::consent::Consent;
use pgbelay_core::ops::backup::create::{self, Create};
use pgbelay_core::ops::context::Context;
use pgbelay_core::ops::forward::Applied;
use pgbelay_core::ops::upgrade::{self, Options, Request, UpgradePlan};
use pgbelay_core::ops::{drift, offline, preview};
use serde_json::{Value, json};

/// Apply pending migrations, up to REV or all of them
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
#[command(after_help = "Examples:
  migrate upgrade
  migrate upgrade +1 --dry-run
  migrate upgrade 0042 --backup --reason 'release 7'
  migrate upgrade --sql > release-7.sql       a script for psql, from where the database is
  migrate upgrade base:0042 --sql             the same from the files alone")]
pub struct Args {
    /// Revision to go to: a version or unambiguous prefix, head, or +N [default: head]
    #[arg(value_name = "REV", value_parser = value::revisions)]
    revision: Option<String>,

    /// The same as REV
    #[arg(long, value_name = "REV", value_parser = value::revision, conflicts_with = "revision")]
    target: Option<String>,

    /// Show the scripts, the locks they take and what they destroy, and stop
    #[arg(long)]
    dry_run: bool,

    /// Write a script for psql that also keeps the ledger, and stop
    #[arg(long, conflicts_with = "dry_run")]
    sql: bool,

    /// Apply all of it in one transaction: all or nothing
    #[arg(long)]
    single_transaction: bool,

    /// First back up what the pending migrations touch, and stop if that fails
    #[arg(long)]
    backup: bool,

    /// Apply migrations too that come before one that is applied
    #[arg(long)]
    allow_out_of_order: bool,

    /// Why, for the journal
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

pub async fn run(shell: &Shell, args: Args) -> Result<Ending> {
    let target = args.revision.or(args.target);
    let range = target.as_deref().and_then(|target| target.split_once(':'));
    if let Some((from, to)) = range {
        return between(shell, args.sql, from, to);
    }
    let flow = if args.sql { Flow::Answer } else { Flow::Work };
    let mut context = shell.context(flow)?;
    let request = Request {
        target,
        allow_out_of_order: args.allow_out_of_order,
    };
    let plan = upgrade::plan(&context, &request).await?;
    if let Some(refusal) = drift::refusal(&plan.drift).filter(|_| !args.dry_run) {
        return Err(refusal);
    }
    if args.sql {
        let script = offline::forward(&plan, &context.actor);
        let document = report::scripts(&plan, &script);
        return Ok(shell.answer(Exit::Done, &document, |_| script.clone()));
    }
    if args.dry_run {
        let preview = preview::of(&context, &plan).await?;
        shell.part("plan", &report::wire(&plan, Some(&preview)), |paint| {
            shell.heading() + &report::human(&plan, Some(&preview), paint)
        });
    }
    if let Some(refusal) = drift::refusal(&plan.drift) {
        return Err(refusal);
    }
    if args.backup && !plan.pending.is_empty() {
        let change = if args.dry_run {
            Change::Said
        } else {
            Change::Asked
        };
        recipients::announce(shell, &mut context, change).await?;
    }
    if args.dry_run || plan.is_empty() {
        let fields = done(&[], plan.current.as_ref(), None);
        let nothing = if args.dry_run { "" } else { "nothing to do\n" };
        return Ok(shell.done(Exit::Done, &fields, |_| nothing.to_owned()));
    }
    let consent = consent(shell, &plan, context.production).await?;
    let backup = match (&plan.target, args.backup) {
        (Some(target), true) if !plan.pending.is_empty() => Some(backup(&context, target).await?),
        _ => None,
    };
    let options = Options {
        consent,
        single_transaction: args.single_transaction,
        reason: args.reason,
    };
    let outcome = upgrade::apply(&context, plan, options).await?;
    let fields = done(&outcome.applied, outcome.current.as_ref(), backup.as_ref());
    Ok(shell.done(Exit::Done, &fields, |_| {
        let number = many(outcome.applied.len() as u64, "migration", "migrations");
        let current = console::text::base(outcome.current.as_ref());
        let repeated = outcome.repeated.iter();
        let repeated: String = repeated
            .map(|name| format!("{} ran again\n", safe(name)))
            .collect();
        format!("{repeated}{number} applied; now at {current}\n")
    }))
}

/// The script from one revision to another; no database is asked.
fn between(shell: &Shell, sql: bool, from: &str, to: &str) -> Result<Ending> {
    if !sql {
        return Err(Error::usage("FROM:TO is for scripts, with --sql")
            .hint("an upgrade starts where the database is: name the revision to go to"));
    }
    let context = shell.offline(Flow::Answer)?;
    let named = |revision: &'_ str| (!revision.is_empty()).then(|| revision.to_owned());
    let (from, to) = (named(from), named(to));
    let script = offline::between(&context, from.as_deref(), to.as_deref())?;
    let document = json!({ "script": script });
    Ok(shell.answer(Exit::Done, &document, |_| script.clone()))
}

async fn consent(shell: &Shell, plan: &UpgradePlan, production: bool) -> Result<Option<Consent>> {
    match &shell.shared().confirm {
        _ if production => {
            shell.announce("plan", &report::wire(plan, None), |paint| {
                report::human(plan, None, paint)
            });
            let consent = consent::obtain(shell, &plan.database, Stakes::Production).await?;
            Ok(Some(consent))
        }
        Some(name) => Ok(Some(Consent::by_flag(name, &plan.database)?)),
        None => Ok(None),
    }
}

/// Saves what the migrations up to `target` touch.
async fn backup(context: &Context, target: &Revision) -> Result<BackupId> {
    let options = Create {
        before: Some(target.to_string()),
        ..Create::default()
    };
    let facts = Box::pin(create::create(context, options)).await;
    let facts = facts.map_err(|error| error.hint("nothing was applied"))?;
    Ok(facts.id)
}

fn done(applied: &[Applied], current: Option<&Revision>, backup: Option<&BackupId>) -> Value {
    let applied: Vec<&str> = applied.iter().map(|a| a.revision.as_str()).collect();
    json!({
        "applied": applied,
        "revision": current.map(Revision::as_str),
        "backup": backup.map(BackupId::as_str),
    })
}
