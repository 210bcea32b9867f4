//! The command line of `validate`.

use clap::{Parser, Subcommand};
use console::args::Shared;
use console::commands::{backup_verify, completions, rollback_validate, roundtrip};

use crate::{drift, explain, migrations, production, rules};

/// Find out beforehand: what migrations, rollbacks and backups are worth
#[derive(Debug, Parser)]
#[command(name = "validate", version, arg_required_else_help = true)]
#[command(after_help = "Examples:
  validate migrations      read the files, no database needed
  validate rollback -1     what would the rollback of the newest migration destroy?
  validate roundtrip       does every rollback script lead back to where it should?
  validate production      is it fit for a change now?
  validate drift           is the schema what the migrations made?
  validate backup latest   can it be read back?")]
pub struct Cli {
    #[command(flatten)]
    pub shared: Shared,

    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    Migrations(migrations::Args),
    Rollback(rollback_validate::Args),
    Roundtrip(roundtrip::Args),
    Production(production::Args),
    Drift(drift::Args),
    Backup(backup_verify::Args),
    Rules(rules::Args),
    Explain(explain::Args),
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
