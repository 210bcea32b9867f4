//! `completions SHELL`, of every tool.

use clap::CommandFactory;
use clap_complete::{Shell as Kind, generate};
use pgbelay_core::error::{Error, Result};

use crate::shell::{Ending, Shell};

/// Write completions for a shell to standard output
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  rollback completions bash > /etc/bash_completion.d/rollback")]
pub struct Args {
    /// The shell
    #[arg(value_enum)]
    shell: Kind,
}

/// Writes the completions of the tool `C`.
pub fn run<C: CommandFactory>(shell: &Shell, args: &Args) -> Result<Ending> {
    let mut command = C::command();
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    generate(args.shell, &mut command, name, &mut script);
    let script = String::from_utf8(script)
        .map_err(|e| Error::failed("completions can't be written").caused_by(e))?;
    Ok(shell.text(&script))
}
