//! `backup pin` and `backup unpin`.

use console::{Ending, Exit, Flow, Shell};
use pgbelay_core::error::Result;
use pgbelay_core::store::Store;
use serde_json::json;

// The help text stands at the two variants of the command line.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Id, unambiguous prefix, latest, or a path to the backup's folder or manifest.json
    #[arg(value_name = "BACKUP")]
    backup: String,

    /// Why
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

pub fn run(shell: &Shell, args: &Args, pinned: bool) -> Result<Ending> {
    let context = shell.offline(Flow::Answer)?;
    let backup = Store::open(&context.backups)?.find(&args.backup, None)?;
    if pinned {
        backup.pin(
            args.reason.as_deref().unwrap_or_default(),
            &context.actor,
            None,
        )?;
    } else {
        backup.unpin()?;
    }
    let id = &backup.facts().id;
    let document = json!({"backup": id.as_str(), "pinned": pinned});
    let word = if pinned {
        "pinned"
    } else {
        "not pinned any more"
    };
    Ok(shell.answer(Exit::Done, &document, |_| format!("{id} is {word}\n")))
}
