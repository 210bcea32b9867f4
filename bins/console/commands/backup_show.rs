//! `backup show` and `rollback show-backup`.

use pgbelay_core::error::Result;
use pgbelay_core::ops::backup::open;

use crate::report::backups;
use crate::shell::{Ending, Exit, Flow, Shell};

/// Show what a backup holds
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  backup show latest
  backup show 20261121T1015")]
pub struct Args {
    /// Id, unambiguous prefix, latest, or a path to the backup's folder or manifest.json
    #[arg(value_name = "BACKUP")]
    backup: String,
}

/// Shows one backup.
pub fn run(shell: &Shell, args: &Args) -> Result<Ending> {
    let context = shell.offline(Flow::Answer)?;
    let backup = open::seen(&context, &args.backup)?;
    let facts = backup.facts();
    let wire = backups::wire_one(facts);
    Ok(shell.answer(Exit::Done, &wire, |paint| backups::human_one(facts, paint)))
}
