//! The command line of `backup`.

use clap::{Parser, Subcommand};
use console::args::Shared;
use console::commands::{backup_create, backup_list, backup_show, backup_verify, completions};

use crate::{export, import, keygen, pin, prune, rekey, restore};

/// Back up a PostgreSQL database, encrypted and verified, and put it back
#[derive(Debug, Parser)]
#[command(name = "backup", version, arg_required_else_help = true)]
#[command(after_help = "Examples:
  backup keygen            make a key, once
  backup create            back up the database
  backup verify latest     read it back
  backup prune --keep-daily 7 --keep-weekly 4 --dry-run
  backup restore latest --into postgres://localhost/shop_copy")]
pub struct Cli {
    #[command(flatten)]
    pub shared: Shared,

    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    Create(backup_create::Args),
    #[command(visible_alias = "list-backups")]
    List(backup_list::Args),
    #[command(visible_alias = "show-backup")]
    Show(backup_show::Args),
    Verify(backup_verify::Args),
    Restore(restore::Args),
    /// Keep a backup from pruning
    Pin(pin::Args),
    /// Let pruning have a backup again
    Unpin(pin::Args),
    Prune(prune::Args),
    Keygen(keygen::Args),
    Rekey(rekey::Args),
    Export(export::Args),
    Import(import::Args),
    Completions(completions::Args),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_sound() {
        super::Cli::command().debug_assert();
    }
}
