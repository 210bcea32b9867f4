//! `rollback list`: what can be reversed.

use console::report::rollbacks;
use console::{Ending, Exit, Flow, Shell};
use pgbelay_core::error::Result;
use pgbelay_core::ops::undo;

/// List the rollbacks of this database, newest first, and whether each can be undone
///
/// Of the backups that an undo needs only the manifests are looked at; `backup verify` reads all.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  rollback list\n  rollback list --json")]
pub struct Args {}

pub async fn run(shell: &Shell, _args: Args) -> Result<Ending> {
    let context = shell.context(Flow::Answer)?;
    let listed = undo::list(&context).await?;
    let wire = rollbacks::wire(&listed);
    Ok(shell.answer(Exit::Done, &wire, |_| rollbacks::human(&listed)))
}
