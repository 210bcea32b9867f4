//! `migrate history`: all migrations, newest first, and with -v every run.

use console::report::{history, runs};
use console::{Ending, Exit, Flow, Shell};
use pgbelay_core::error::Result;
use pgbelay_core::ops::status;

/// List migrations, newest first; with -v also every run that the journal knows
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  migrate history\n  migrate history -v")]
pub struct Args {}

pub async fn run(shell: &Shell, _args: Args) -> Result<Ending> {
    let context = shell.context(Flow::Answer)?;
    let verbose = shell.shared().verbose;
    let status = status::read(&context).await?;
    let mut records = if verbose {
        Some(status::runs(&context).await?)
    } else {
        None
    };
    if let Some(records) = &mut records {
        records.reverse();
    }
    let mut lines = status.lines.clone();
    lines.reverse();
    let wire = history::wire(&status, &lines, records.as_deref().map(runs::wire));
    Ok(shell.answer(Exit::Done, &wire, |paint| {
        let mut text = history::human(&lines, &status.drift, verbose, paint);
        if let Some(records) = &records {
            text.push('\n');
            text.push_str(&runs::human(records));
        }
        text
    }))
}
