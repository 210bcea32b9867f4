//! `backup export`: a backup as one file.

use std::path::PathBuf;

use console::text::size;
use console::{Ending, Exit, Flow, Shell};
use pgbelay_core::error::Result;
use pgbelay_core::store::Store;
use serde_json::json;

/// Write a backup into one tar file
///
/// The objects stay as they are, encrypted; `backup import` takes the file in again. An existing
/// file is never overwritten.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  backup export latest shop.tar
  backup import shop.tar --backups /mnt/elsewhere")]
pub struct Args {
    /// Id, unambiguous prefix, latest, or a path to the backup's folder or manifest.json
    #[arg(value_name = "BACKUP")]
    backup: String,

    /// File to write
    #[arg(value_name = "FILE.tar")]
    file: PathBuf,
}

pub fn run(shell: &Shell, args: &Args) -> Result<Ending> {
    let context = shell.offline(Flow::Answer)?;
    let backup = Store::open(&context.backups)?.find(&args.backup, None)?;
    let id = backup.facts().id.clone();
    let bytes = backup.export(&args.file, context.observer.as_ref())?;
    let file = args.file.display().to_string();
    let document = json!({"backup": id.as_str(), "file": file, "bytes": bytes});
    Ok(shell.answer(Exit::Done, &document, |_| {
        format!("{id} is in {file}, {}\n", size(bytes))
    }))
}
