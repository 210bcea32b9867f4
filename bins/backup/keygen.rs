//! `backup keygen`: a new key to encrypt backups with.

use std::path::PathBuf;

use console::environment::Environment;
use console::settings::config_folder_files;
use console::{Ending, Exit, Shell};
use pgbelay_core::error::{Error, Result};
use pgbelay_core::store::keygen;
use serde_json::json;

/// Make an age identity, and print its recipient
///
/// The identity opens backups: keep it safe, and not only on this machine. An existing file is
/// never overwritten.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  backup keygen                        into the config folder, and use it from now on
  backup keygen --output identity.txt  into a file")]
pub struct Args {
    /// File to write the identity to [default: identity.txt in the config folder]
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub fn run(shell: &Shell, args: Args) -> Result<Ending> {
    let (identity, recipients) = if let Some(file) = args.output {
        (file, None)
    } else {
        let files = config_folder_files(shell.environment());
        let (identity, recipients) = files.ok_or_else(|| {
            Error::usage("there is no home folder to put the identity in")
                .hint("name a file with --output")
        })?;
        (identity, Some(recipients))
    };
    let recipient = keygen::generate(&identity)?;
    if let Some(file) = &recipients {
        keygen::append_recipient(file, &recipient, &Environment::actor())
            .map_err(|e| e.done(format!("the identity {} was made", identity.display())))?;
    }
    let document = json!({
        "recipient": recipient,
        "identity": identity.display().to_string(),
        "recipients_file": recipients.map(|file| file.display().to_string()),
    });
    Ok(shell.answer(Exit::Done, &document, |_| format!("{recipient}\n")))
}
