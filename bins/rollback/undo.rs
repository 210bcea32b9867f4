//! `rollback undo`: reverse a rollback.

use console::pending::undo::{self, Options, UndoPlan};
use console::text::{many, safe};
use console::{Ending, Exit, Flow, Shell, consent};
use pgbelay_core::error::Result;
use serde_json::json;

/// Reverse a rollback: apply its migrations again and put back what it destroyed
///
/// Without BACKUP, the newest rollback in the journal is reversed. Nothing is destroyed.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  rollback undo
  rollback undo --yes
  rollback undo 20261121T101500Z-prerollback-0042-7f3a9c")]
pub struct Args {
    /// Backup that the rollback took: id, unambiguous prefix, latest, or a path
    #[arg(value_name = "BACKUP")]
    backup: Option<String>,

    /// Accept a schema that ends other than recorded
    #[arg(long)]
    accept_drift: bool,

    /// Why, for the journal
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

pub async fn run(shell: &Shell, args: Args) -> Result<Ending> {
    let context = shell.context(Flow::Work)?;
    let plan = undo::plan(&context, args.backup.as_deref()).await?;
    let steps: Vec<String> = plan.steps.iter().map(|(r, _)| r.to_string()).collect();
    let fields = json!({
        "backup": plan.backup.as_str(),
        "from": plan.from.as_ref().map(ToString::to_string),
        "to": plan.to.as_ref().map(ToString::to_string),
        "steps": steps,
    });
    shell.announce("plan", &fields, |_| human(&plan));
    let question = format!("put this back into database {}?", safe(&plan.database));
    consent::agree(shell, &question, &plan.database).await?;
    let options = Options {
        accept_drift: args.accept_drift,
        reason: args.reason,
    };
    let outcome = undo::apply(&context, plan, options).await?;
    let head = outcome.head.as_ref().map(ToString::to_string);
    let fields = json!({"revision": head, "rows": outcome.restored});
    Ok(shell.done(Exit::Done, &fields, |_| {
        let rows = many(outcome.restored, "row", "rows");
        format!(
            "{rows} put back; now at {}\n",
            head.as_deref().map_or("base".to_owned(), safe)
        )
    }))
}

fn human(plan: &UndoPlan) -> String {
    let steps = plan.steps.iter();
    let lines = steps.map(|(revision, name)| format!("  {revision} {}", safe(name)));
    let lines: Vec<String> = lines.collect();
    format!(
        "from backup {}, applied again in this order\n{}\n",
        plan.backup,
        lines.join("\n")
    )
}
