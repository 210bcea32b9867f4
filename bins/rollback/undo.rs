//! `rollback undo`: reverse a rollback.

use console::recipients::{self, Change};
use console::report::undo as report;
use console::{Ending, Exit, Flow, Shell, consent};
use pgbelay_core::error::Result;
use pgbelay_core::model::event::Event;
use pgbelay_core::ops::undo::{self, Options, part};

/// Reverse a rollback: apply its migrations again and put back what it destroyed
///
/// Without BACKUP, the newest rollback in the journal is reversed. Nothing is destroyed.
///
/// With --table only the rows of those tables come back; schema and revision stay as they are. What
/// has no place then (a table or column that is gone, or of another type) is laid aside, in tables
/// pgbelay.rescued_...
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  rollback undo
  rollback undo --yes
  rollback undo --table orders --table audit.*
  rollback undo 20261121T101500Z-prerollback-0042-7f3a9c")]
pub struct Args {
    /// Backup that the rollback took: id, unambiguous prefix, latest, or a path
    #[arg(value_name = "BACKUP")]
    backup: Option<String>,

    /// Put back only the rows of tables that match PATTERN (repeatable)
    #[arg(
        long = "table",
        value_name = "PATTERN",
        conflicts_with = "accept_drift"
    )]
    tables: Vec<String>,

    /// Accept a schema that ends other than recorded
    #[arg(long)]
    accept_drift: bool,

    /// Why, for the journal
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

pub async fn run(shell: &Shell, args: Args) -> Result<Ending> {
    let mut context = shell.context(Flow::Work)?;
    let options = Options {
        accept_drift: args.accept_drift,
        reason: args.reason,
        ..Options::default()
    };
    let selector = args.backup.as_deref();
    let outcome = if args.tables.is_empty() {
        let plan = undo::plan(&context, selector).await?;
        shell.announce("plan", &report::plan_wire(&plan), |_| {
            report::plan_human(&plan)
        });
        recipients::announce(shell, &mut context, Change::Asked).await?;
        let question = format!(
            "put this back into {}?",
            consent::named(shell, &plan.database)
        );
        let consent = consent::agree(shell, &question, &plan.database).await?;
        Box::pin(undo::apply(&context, plan, consent, options)).await?
    } else {
        let plan = part::plan(&context, selector, &args.tables).await?;
        shell.announce("plan", &report::part_wire(&plan), |_| {
            report::part_human(&plan)
        });
        let question = format!(
            "put this back into {}?",
            consent::named(shell, &plan.database)
        );
        let consent = consent::agree(shell, &question, &plan.database).await?;
        Box::pin(part::apply(&context, plan, &args.tables, consent, options)).await?
    };
    if let Some(drift) = &outcome.drift {
        let message = format!("accepted: {drift}");
        context.observer.observe(Event::Warning(message));
    }
    Ok(shell.done(Exit::Done, &report::wire(&outcome), |paint| {
        report::human(&outcome, paint)
    }))
}
