//! `migrate status`: what is applied and what is pending.

use console::report::history;
use console::{Ending, Exit, Flow, Shell};
use pgbelay_core::error::Result;
use pgbelay_core::ops::status;

/// Show what is applied, pending, edited or missing
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  migrate status\n  migrate status --json")]
pub struct Args {}

pub async fn run(shell: &Shell, _args: Args) -> Result<Ending> {
    let context = shell.context(Flow::Answer)?;
    let status = status::read(&context).await?;
    let wire = history::wire(&status, &status.lines, None);
    let verbose = shell.shared().verbose;
    Ok(shell.answer(Exit::Done, &wire, |paint| {
        shell.heading() + &history::human(&status.lines, &status.drift, verbose, paint)
    }))
}
