//! `migrate history`: all migrations, newest first.

use console::pending::status;
use console::report::history;
use console::{Ending, Exit, Flow, Shell};
use pgbelay_core::error::Result;

use crate::rows;

/// List migrations, newest first
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  migrate history\n  migrate history -v")]
pub struct Args {}

pub async fn run(shell: &Shell, _args: Args) -> Result<Ending> {
    let context = shell.context(Flow::Answer)?;
    let status = status::read(&context).await?;
    let (mut rows, head) = (rows::rows(&status), rows::head(&status));
    rows.reverse();
    let wire = history::wire(&context.database.database, head.as_deref(), &rows);
    let verbose = shell.shared().verbose;
    Ok(shell.answer(Exit::Done, &wire, |paint| {
        history::human(&rows, verbose, paint)
    }))
}
