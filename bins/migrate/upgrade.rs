//! `migrate upgrade`: apply what is pending.

use console::args::value;
use console::pending::upgrade::{self, Options, UpgradePlan};
use console::text::{many, safe};
use console::{Ending, Exit, Flow, Shell, consent};
use pgbelay_core::error::{Error, Result};
use serde_json::json;

/// Apply pending migrations, up to REV or all of them
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  migrate upgrade
  migrate upgrade +1 --dry-run
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

    /// Why, for the journal
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

pub async fn run(shell: &Shell, args: Args) -> Result<Ending> {
    let context = shell.context(Flow::Work)?;
    let target = args.revision.or(args.target);
    let plan = upgrade::plan(&context, target.as_deref()).await?;
    if plan.steps.is_empty() {
        let fields = json!({"applied": []});
        return Ok(shell.done(Exit::Done, &fields, |_| "nothing to apply\n".to_owned()));
    }
    let steps: Vec<String> = plan
        .steps
        .iter()
        .map(|step| step.revision.to_string())
        .collect();
    if args.dry_run {
        shell.part("plan", &json!({"steps": steps}), |_| human(&plan));
        return Ok(shell.done(Exit::Done, &json!({"applied": []}), |_| String::new()));
    }
    let consent = if context.production {
        shell.announce("plan", &json!({"steps": steps}), |_| human(&plan));
        Some(production(shell, &plan).await?)
    } else {
        None
    };
    let reason = args.reason;
    let outcome = upgrade::apply(&context, plan, Options { reason, consent }).await?;
    let applied: Vec<String> = outcome.applied.iter().map(|(r, _)| r.to_string()).collect();
    let head = outcome.head.as_ref().map(ToString::to_string);
    let fields = json!({"applied": applied, "revision": head});
    Ok(shell.done(Exit::Done, &fields, |_| {
        let number = many(applied.len() as u64, "migration", "migrations");
        format!(
            "{number} applied; now at {}\n",
            head.as_deref().map_or("base".to_owned(), safe)
        )
    }))
}

/// On production the database has to be named, although nothing here is meant to destroy.
async fn production(
    shell: &Shell,
    plan: &UpgradePlan,
) -> Result<pgbelay_core::model::consent::Consent> {
    consent::obtain(shell, &plan.database, true)
        .await
        .map_err(|e: Error| e.wrap("change a production database"))
}

fn human(plan: &UpgradePlan) -> String {
    let lines = plan
        .steps
        .iter()
        .map(|step| format!("  {}", safe(&step.full_name())));
    let lines: Vec<String> = lines.collect();
    format!("to be applied, in this order\n{}\n", lines.join("\n"))
}
