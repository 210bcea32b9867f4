//! `validate production`: is the database fit for a change now?

use console::report::fitness as report;
use console::{Ending, Exit, Flow, Shell};
use pgbelay_core::error::Result;
use pgbelay_core::model::fitness::Light;
use pgbelay_core::ops::fitness;

/// See whether the database is fit for a change now, changing nothing
///
/// Looks at the server, the role, what others are doing, the migrations, the backups and the room
/// for them. What can't be told is amber.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  validate production --env production
  validate production --strict && migrate upgrade

Exit 4 when something is red; with --strict, when something is not green.")]
pub struct Args {
    /// Exit 4 for amber, too
    #[arg(long)]
    strict: bool,
}

pub async fn run(shell: &Shell, args: Args) -> Result<Ending> {
    let context = shell.context(Flow::Answer)?;
    let fitness = fitness::check(&context).await?;
    let amber = args.strict && fitness.count(Light::Amber) > 0;
    let exit = Exit::found(amber || fitness.count(Light::Red) > 0);
    Ok(shell.answer(exit, &report::wire(&fitness), |paint| {
        shell.heading() + &report::human(&fitness, paint)
    }))
}
