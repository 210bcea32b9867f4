//! `backup pin` and `backup unpin`.

use console::pending::backup;
use console::{Ending, Exit, Flow, Shell};
use pgbelay_core::error::Result;
use serde_json::json;

// The help text stands at the two variants of the command line.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Id, unambiguous prefix, latest, or a path to the backup's folder or manifest.json
    #[arg(value_name = "BACKUP")]
    backup: String,
}

pub async fn run(shell: &Shell, args: Args, pinned: bool) -> Result<Ending> {
    let context = shell.offline(Flow::Answer)?;
    let facts = backup::pin(&context, &args.backup, pinned).await?;
    let document = json!({"backup": facts.id.as_str(), "pinned": pinned});
    let word = if pinned {
        "pinned"
    } else {
        "not pinned any more"
    };
    Ok(shell.answer(Exit::Done, &document, |_| {
        format!("{} is {word}\n", facts.id)
    }))
}
