//! `migrate check`: is anything pending?

use console::pending::status;
use console::report::history::{self, State};
use console::{Ending, Exit, Flow, Shell};
use pgbelay_core::error::Result;

use crate::rows;

/// Exit 4 when migrations are pending, or applied ones are edited, missing or failed
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  migrate check && deploy")]
pub struct Args {}

pub async fn run(shell: &Shell, _args: Args) -> Result<Ending> {
    let context = shell.context(Flow::Answer)?;
    let status = status::read(&context).await?;
    let head = rows::head(&status);
    let mut rows = rows::rows(&status);
    rows.retain(|row| row.state != State::Applied);
    let wire = history::wire(&context.database.database, head.as_deref(), &rows);
    let exit = Exit::found(!rows.is_empty());
    Ok(shell.answer(exit, &wire, |paint| {
        if rows.is_empty() {
            "nothing pending\n".to_owned()
        } else {
            history::human(&rows, false, paint)
        }
    }))
}
