//! `validate migrations`: what the rules find in the files alone.

use console::args::written::Written;
use console::report::{findings, notes};
use console::{Ending, Exit, Shell};
use pgbelay_core::error::Result;
use pgbelay_core::{rules, source};

/// Check the migration files against the rules, without a database
///
/// Exits 4 when a finding is worse than info.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  validate migrations
  validate migrations --migrations db/migrations --json
  validate migrations --format github                 beside the lines of a pull request
  validate migrations --format sarif --output migrations.sarif")]
pub struct Args {
    #[command(flatten)]
    written: Written,
}

pub fn run(shell: &Shell, args: &Args) -> Result<Ending> {
    args.written.check(shell)?;
    let folder = shell.settings()?.migrations;
    let migrations = source::read(&folder)?;
    let found = rules::check_folder(&migrations);
    let notes = notes::of_files(&migrations, &found);
    let human = |paint| findings::human(&found, paint) + &findings::summary(&found);
    let text = args.written.write(&notes, human)?;
    let exit = Exit::found(notes.found);
    Ok(shell.answer(exit, &notes.whole, |paint| text.or(|| human(paint))))
}
