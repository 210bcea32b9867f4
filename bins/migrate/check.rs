//! `migrate check`: is anything pending?

use console::report::history;
use console::{Ending, Exit, Flow, Shell};
use pgbelay_core::error::Result;
use pgbelay_core::ops::status::{self, Line, State};

/// Exit 4 when migrations are pending, or applied ones are edited, missing or failed
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  migrate check && deploy")]
pub struct Args {}

pub async fn run(shell: &Shell, _args: Args) -> Result<Ending> {
    let context = shell.context(Flow::Answer)?;
    let status = status::read(&context).await?;
    let open = |line: &&Line| line.state != State::Applied;
    let lines: Vec<Line> = status.lines.iter().filter(open).cloned().collect();
    let exit = Exit::found(!status.is_current());
    let wire = history::wire(&status, &lines, None);
    Ok(shell.answer(exit, &wire, |paint| {
        if exit == Exit::Done {
            "nothing pending\n".to_owned()
        } else {
            history::human(&lines, &status.drift, false, paint)
        }
    }))
}
