//! `validate drift`: is the schema what the migrations made of it?

use console::report::schema_drift as report;
use console::{Ending, Exit, Flow, Shell};
use pgbelay_core::error::Result;
use pgbelay_core::ops::schema_drift;

/// Compare the schema with what was recorded, and with what the migrations build
///
/// Tells what was changed beside the migrations. The database itself is only read; what the applied
/// scripts build is seen on a database made for it on the same server, and dropped at the end.
/// Never beside a production database.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  validate drift
  validate drift --no-build     only beside what was recorded
  validate drift --env production --json

Exit 4 when something differs, 3 when nothing can be compared.")]
pub struct Args {
    /// Build nothing: only compare with what was recorded
    #[arg(long)]
    no_build: bool,
}

pub async fn run(shell: &Shell, args: Args) -> Result<Ending> {
    let context = shell.context(Flow::Answer)?;
    let drift = schema_drift::find(&context, !args.no_build).await?;
    let exit = Exit::found(drift.found());
    Ok(shell.answer(exit, &report::wire(&drift), |paint| {
        shell.heading() + &report::human(&drift, paint)
    }))
}
