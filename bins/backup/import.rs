//! `backup import`: a backup out of one file.

use std::path::PathBuf;

use console::{Ending, Exit, Flow, Shell};
use pgbelay_core::error::Result;
use pgbelay_core::store::{Imported, Store};
use serde_json::json;

/// Take in a backup that `backup export` has written
///
/// Names, sizes and digests are checked before the backup counts. The id is the last line of the
/// output.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  backup import shop.tar
  backup import shop.tar --backups /mnt/elsewhere")]
pub struct Args {
    /// File to read
    #[arg(value_name = "FILE.tar")]
    file: PathBuf,
}

pub fn run(shell: &Shell, args: &Args) -> Result<Ending> {
    let context = shell.offline(Flow::Answer)?;
    let (facts, new) = match Store::open(&context.backups)?.import(&args.file)? {
        Imported::New(facts) => (facts, true),
        Imported::Known(facts) => (facts, false),
    };
    let document = json!({
        "backup": facts.id.as_str(),
        "database": facts.database,
        "imported": new,
    });
    Ok(shell.answer(Exit::Done, &document, |_| {
        let known = if new { "" } else { "it was here already:\n" };
        format!("{known}{}\n", facts.id)
    }))
}
