//! `validate`: find out beforehand.

mod cli;
mod drift;
mod explain;
mod migrations;
mod production;
mod rules;

use std::process::ExitCode;

use cli::{Cli, Command};
use console::commands::{backup_verify, completions, rollback_validate, roundtrip};

fn main() -> ExitCode {
    let cli: Cli = match console::parse() {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    console::run::<Cli, _>(cli.shared, async |shell| match cli.command {
        Command::Migrations(args) => migrations::run(shell, &args),
        Command::Rollback(args) => rollback_validate::run(shell, args).await,
        Command::Roundtrip(args) => roundtrip::run(shell, args).await,
        Command::Production(args) => production::run(shell, args).await,
        Command::Drift(args) => drift::run(shell, args).await,
        Command::Backup(args) => backup_verify::run(shell, args).await,
        Command::Rules(args) => Ok(rules::run(shell, &args)),
        Command::Explain(args) => explain::run(shell, &args),
        Command::Completions(args) => completions::run::<Cli>(shell, &args),
    })
}
