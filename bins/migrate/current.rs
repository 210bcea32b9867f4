//! `migrate current`: the newest applied revision.

use console::pending::status;
use console::text::safe;
use console::{Ending, Exit, Flow, Shell};
use pgbelay_core::error::Result;
use serde_json::json;

use crate::rows;

/// Show the newest applied revision
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  migrate current --json")]
pub struct Args {}

pub async fn run(shell: &Shell, _args: Args) -> Result<Ending> {
    let context = shell.context(Flow::Answer)?;
    let status = status::read(&context).await?;
    let head = rows::head(&status);
    let document = json!({"database": context.database.database, "revision": head});
    Ok(shell.answer(Exit::Done, &document, |_| {
        format!("{}\n", head.as_deref().map_or("base".to_owned(), safe))
    }))
}
