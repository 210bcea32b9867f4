//! `backup list` and `rollback list-backups`.

use pgbelay_core::error::Result;
use pgbelay_core::store::Store;

use crate::report::backups;
use crate::shell::{Ending, Exit, Flow, Shell};

/// List backups, oldest first
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  backup list
  backup list --json --backups s3://bucket/shop")]
pub struct Args {}

/// Lists backups.
pub fn run(shell: &Shell, _args: &Args) -> Result<Ending> {
    let context = shell.offline(Flow::Answer)?;
    let listing = Store::open(&context.backups)?.survey(None)?;
    let wire = backups::wire_listing(&listing);
    Ok(shell.answer(Exit::Done, &wire, |_| backups::human_listing(&listing)))
}
