//! `rollback undo`: reverse a rollback.

use console::report::undo as report;
use console::text::safe;
use console::{Ending, Exit, Flow, Shell, consent};
use pgbelay_core::error::Result;
use pgbelay_core::model::event::Event;
use pgbelay_core::ops::undo::{self, Options};

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
    shell.announce("plan", &report::plan_wire(&plan), |_| {
        report::plan_human(&plan)
    });
    let question = format!("put this back into database {}?", safe(&plan.database));
    let consent = consent::agree(shell, &question, &plan.database).await?;
    let options = Options {
        accept_drift: args.accept_drift,
        reason: args.reason,
        ..Options::default()
    };
    let outcome = Box::pin(undo::apply(&context, plan, consent, options)).await?;
    if let Some(drift) = &outcome.drift {
        let message = format!("accepted: {drift}");
        context.observer.observe(Event::Warning(message));
    }
    Ok(shell.done(Exit::Done, &report::wire(&outcome), |paint| {
        report::human(&outcome, paint)
    }))
}
