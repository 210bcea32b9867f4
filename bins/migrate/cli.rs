//! The command line of `migrate`.

use clap::{Parser, Subcommand};
use console::args::Shared;
use console::commands::{completions, rollback_to, roundtrip};

use crate::{
    adopt, check, current, fresh, heads, history, lock, repair, revision, seed, stamp, status,
    upgrade,
};

/// Take a PostgreSQL database forward, and see where it stands
#[derive(Debug, Parser)]
#[command(name = "migrate", version, arg_required_else_help = true)]
#[command(after_help = "Examples:
  migrate revision -m 'add users'   create a migration and its way back
  migrate status                    what is applied, what is pending
  migrate upgrade                   apply all that is pending
  migrate downgrade -1              take the newest back, keeping what that destroys")]
pub struct Cli {
    #[command(flatten)]
    pub shared: Shared,

    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    Upgrade(upgrade::Args),
    Downgrade(rollback_to::Args),
    Current(current::Args),
    Status(status::Args),
    History(history::Args),
    Heads(heads::Args),
    Revision(revision::Args),
    Create(revision::CreateArgs),
    Check(check::Args),
    Test(roundtrip::Args),
    Stamp(stamp::StampArgs),
    Baseline(stamp::BaselineArgs),
    Adopt(adopt::Args),
    Repair(repair::Args),
    Seed(seed::Args),
    Fresh(fresh::Args),
    Lock(lock::Args),
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
