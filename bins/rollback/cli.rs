//! The command line of `rollback`.

use clap::{Parser, Subcommand};
use console::args::Shared;
use console::commands::{
    backup_create, backup_list, backup_show, completions, rollback_to, rollback_validate,
};

use crate::{list, undo};

/// Take a PostgreSQL database back to an earlier revision, and undo that
#[derive(Debug, Parser)]
#[command(name = "rollback", version, arg_required_else_help = true)]
#[command(override_usage = "rollback [OPTIONS] <REV>\n       rollback [OPTIONS] <COMMAND>")]
#[command(after_help = "Examples:
  rollback validate 0041   what would a rollback to 0041 destroy?
  rollback to 0041         take back what was applied after 0041, keeping what that destroys
  rollback 0041            the same
  rollback undo            put it all back")]
pub struct Cli {
    #[command(flatten)]
    pub shared: Shared,

    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    To(rollback_to::Args),
    Validate(rollback_validate::Args),
    Undo(undo::Args),
    List(list::Args),
    Backup(backup_create::Args),
    ListBackups(backup_list::Args),
    ShowBackup(backup_show::Args),
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
