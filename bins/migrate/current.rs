//! `migrate current`: the newest applied revision.

use console::text::safe;
use console::{Ending, Exit, Flow, Shell};
use pgbelay_core::error::Result;
use pgbelay_core::ops::status;
use serde_json::json;

/// Show the newest applied revision
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  migrate current --json")]
pub struct Args {}

pub async fn run(shell: &Shell, _args: Args) -> Result<Ending> {
    let context = shell.context(Flow::Answer)?;
    let current = status::current(&context).await?;
    let current = current.as_ref().map(ToString::to_string);
    let document = json!({"database": context.database.database, "revision": current});
    Ok(shell.answer(Exit::Done, &document, |_| {
        format!("{}\n", current.as_deref().map_or("base".to_owned(), safe))
    }))
}
