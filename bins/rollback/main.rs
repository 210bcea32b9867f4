//! `rollback`: take a database back to an earlier revision, after showing what that costs.

mod cli;
mod list;
mod undo;

use std::process::ExitCode;

use cli::{Cli, Command};
use console::commands::{
    backup_create, backup_list, backup_show, completions, rollback_to, rollback_validate,
};

fn main() -> ExitCode {
    let cli: Cli = match console::parse_or("to") {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    console::run::<Cli, _>(cli.shared, async |shell| match cli.command {
        Command::To(args) => Box::pin(rollback_to::run(shell, args)).await,
        Command::Validate(args) => rollback_validate::run(shell, args).await,
        Command::Undo(args) => Box::pin(undo::run(shell, args)).await,
        Command::List(args) => list::run(shell, args).await,
        Command::Backup(args) => backup_create::run(shell, args).await,
        Command::ListBackups(args) => backup_list::run(shell, &args),
        Command::ShowBackup(args) => backup_show::run(shell, &args),
        Command::Completions(args) => completions::run::<Cli>(shell, &args),
    })
}
