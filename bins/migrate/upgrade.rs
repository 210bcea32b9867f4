//! `migrate upgrade`: apply what is pending.

use console::args::value;
use console::consent::{self, Stakes};
use console::text::{many, safe, safe_lines};
use console::{Ending, Exit, Flow, Shell};
use pgbelay_core::error::Result;
use pgbelay_core::ident::Revision;
use pgbelay_core::model::consent::Consent;
use pgbelay_core::model::migration::Migration;
use pgbelay_core::ops::drift;
use pgbelay_core::ops::forward::Applied;
use pgbelay_core::ops::upgrade::{self, Options, UpgradePlan};
use serde_json::{Value, json};

/// Apply pending migrations, up to REV or all of them
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  migrate upgrade
  migrate upgrade +1 --dry-run
  migrate upgrade --sql
  migrate upgrade 0042 --reason 'release 7'")]
pub struct Args {
    /// Revision to go to: a version or unambiguous prefix, head, or +N [default: head]
    #[arg(value_name = "REV", value_parser = value::revision)]
    revision: Option<String>,

    /// The same as REV
    #[arg(long, value_name = "REV", value_parser = value::revision, conflicts_with = "revision")]
    target: Option<String>,

    /// Show what would be applied, and stop
    #[arg(long)]
    dry_run: bool,

    /// Show the statements that would be run, and stop
    #[arg(long)]
    sql: bool,

    /// Apply all of it in one transaction: all or nothing
    #[arg(long)]
    single_transaction: bool,

    /// Why, for the journal
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

pub async fn run(shell: &Shell, args: Args) -> Result<Ending> {
    let flow = if args.sql { Flow::Answer } else { Flow::Work };
    let context = shell.context(flow)?;
    let target = args.revision.or(args.target);
    let plan = upgrade::plan(&context, target.as_deref()).await?;
    if args.sql {
        return Ok(shell.answer(Exit::Done, &scripts(&plan), |_| sql(&plan)));
    }
    if args.dry_run {
        shell.part("plan", &wire(&plan), |_| human(&plan));
    }
    if let Some(refusal) = drift::refusal(&plan.drift) {
        return Err(refusal);
    }
    if args.dry_run || plan.pending.is_empty() {
        let fields = done(&[], plan.current.as_ref());
        let nothing = if args.dry_run { "" } else { "nothing to do\n" };
        return Ok(shell.done(Exit::Done, &fields, |_| nothing.to_owned()));
    }
    let consent = match &shell.shared().confirm {
        _ if context.production => {
            shell.announce("plan", &wire(&plan), |_| human(&plan));
            Some(consent::obtain(shell, &plan.database, Stakes::Production).await?)
        }
        Some(name) => Some(Consent::by_flag(name, &plan.database)?),
        None => None,
    };
    let options = Options {
        consent,
        single_transaction: args.single_transaction,
        reason: args.reason,
    };
    let outcome = upgrade::apply(&context, plan, options).await?;
    let fields = done(&outcome.applied, outcome.current.as_ref());
    Ok(shell.done(Exit::Done, &fields, |_| {
        let number = many(outcome.applied.len() as u64, "migration", "migrations");
        format!(
            "{number} applied; now at {}\n",
            base(outcome.current.as_ref())
        )
    }))
}

fn wire(plan: &UpgradePlan) -> Value {
    let step = |m: &Migration| json!({"revision": m.revision.as_str(), "name": m.name});
    json!({
        "database": plan.database,
        "from": plan.current.as_ref().map(Revision::as_str),
        "to": plan.target.as_ref().map(Revision::as_str),
        "steps": plan.pending.iter().map(step).collect::<Vec<Value>>(),
    })
}

fn done(applied: &[Applied], current: Option<&Revision>) -> Value {
    let applied: Vec<&str> = applied.iter().map(|a| a.revision.as_str()).collect();
    json!({"applied": applied, "revision": current.map(Revision::as_str)})
}

fn human(plan: &UpgradePlan) -> String {
    if plan.pending.is_empty() {
        return format!("nothing to do; now at {}\n", base(plan.current.as_ref()));
    }
    let lines = plan.pending.iter();
    let lines = lines.map(|step| format!("  {}\n", safe(&step.full_name())));
    format!(
        "to be applied, in this order\n{}",
        lines.collect::<String>()
    )
}

fn scripts(plan: &UpgradePlan) -> Value {
    let script = |m: &Migration| json!({"revision": m.revision.as_str(), "sql": m.up.text});
    json!({"scripts": plan.pending.iter().map(script).collect::<Vec<Value>>()})
}

/// The scripts one after the other. Running them by hand would leave no trace in the ledger.
fn sql(plan: &UpgradePlan) -> String {
    let script = |m: &Migration| {
        let text = safe_lines(&m.up.text.replace('\t', "    "));
        format!("-- {}\n{}\n", safe(&m.full_name()), text.trim_end())
    };
    let scripts: Vec<String> = plan.pending.iter().map(script).collect();
    scripts.join("\n")
}

fn base(revision: Option<&Revision>) -> String {
    revision.map_or("base".to_owned(), ToString::to_string)
}
