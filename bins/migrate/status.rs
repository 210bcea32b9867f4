//! `migrate status`: what is applied and what is pending.

use console::pending::status;
use console::report::history;
use console::{Ending, Exit, Flow, Shell};
use pgbelay_core::error::Result;

use crate::rows;

/// Show what is applied, pending, edited or missing
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  migrate status\n  migrate status --json")]
pub struct Args {}

pub async fn run(shell: &Shell, _args: Args) -> Result<Ending> {
    let context = shell.context(Flow::Answer)?;
    let status = status::read(&context).await?;
    let (rows, head) = (rows::rows(&status), rows::head(&status));
    let wire = history::wire(&context.database.database, head.as_deref(), &rows);
    let verbose = shell.shared().verbose;
    Ok(shell.answer(Exit::Done, &wire, |paint| {
        history::human(&rows, verbose, paint)
    }))
}
