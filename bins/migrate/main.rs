//! `migrate`: take a database forward, and see where it stands.

mod adopt;
mod check;
mod cli;
mod current;
mod fresh;
mod heads;
mod history;
mod lock;
mod repair;
mod revision;
mod seed;
mod stamp;
mod status;
mod upgrade;

use std::process::ExitCode;

use cli::{Cli, Command};
use console::commands::{completions, rollback_to, roundtrip};

fn main() -> ExitCode {
    let cli: Cli = match console::parse() {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    console::run::<Cli, _>(cli.shared, async |shell| match cli.command {
        Command::Upgrade(args) => upgrade::run(shell, args).await,
        Command::Downgrade(args) => Box::pin(rollback_to::run(shell, args)).await,
        Command::Current(args) => current::run(shell, args).await,
        Command::Status(args) => status::run(shell, args).await,
        Command::History(args) => history::run(shell, args).await,
        Command::Heads(args) => heads::run(shell, args),
        Command::Revision(args) => Box::pin(revision::run(shell, args)).await,
        Command::Create(args) => Box::pin(revision::run(shell, args.into())).await,
        Command::Test(args) => roundtrip::run(shell, args).await,
        Command::Check(args) => check::run(shell, args).await,
        Command::Stamp(args) => stamp::run(shell, args).await,
        Command::Baseline(args) => stamp::baseline(shell, args).await,
        Command::Adopt(args) => adopt::run(shell, args).await,
        Command::Repair(args) => repair::run(shell, args).await,
        Command::Seed(args) => seed::run(shell, args).await,
        Command::Fresh(args) => Box::pin(fresh::run(shell, args)).await,
        Command::Lock(args) => lock::run(shell, args).await,
        Command::Completions(args) => completions::run::<Cli>(shell, &args),
    })
}
