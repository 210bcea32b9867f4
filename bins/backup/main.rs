//! `backup`: save a database, encrypted and verified, and put it back.

mod cli;
mod export;
mod import;
mod keygen;
mod pin;
mod prune;
mod rekey;
mod restore;

use std::process::ExitCode;

use cli::{Cli, Command};
use console::commands::{backup_create, backup_list, backup_show, backup_verify, completions};

fn main() -> ExitCode {
    let cli: Cli = match console::parse() {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    console::run::<Cli, _>(cli.shared, async |shell| match cli.command {
        Command::Create(args) => backup_create::run(shell, args).await,
        Command::List(args) => backup_list::run(shell, &args),
        Command::Show(args) => backup_show::run(shell, &args),
        Command::Verify(args) => backup_verify::run(shell, args).await,
        Command::Restore(args) => restore::run(shell, args).await,
        Command::Pin(args) => pin::run(shell, &args, true),
        Command::Unpin(args) => pin::run(shell, &args, false),
        Command::Prune(args) => prune::run(shell, args).await,
        Command::Export(args) => export::run(shell, &args),
        Command::Import(args) => import::run(shell, &args),
        Command::Rekey(args) => rekey::run(shell, args).await,
        Command::Keygen(args) => keygen::run(shell, args),
        Command::Completions(args) => completions::run::<Cli>(shell, &args),
    })
}
