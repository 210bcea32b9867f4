//! `validate migrations`: what the rules find in the files alone.

use console::report::findings;
use console::{Ending, Exit, Shell};
use pgbelay_core::error::Result;
use pgbelay_core::model::loss::Severity;
use pgbelay_core::{rules, source};
use serde_json::json;

/// Check the migration files against the rules, without a database
///
/// Exits 4 when a finding is worse than info.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  validate migrations
  validate migrations --migrations db/migrations --json")]
pub struct Args {}

pub fn run(shell: &Shell, _args: &Args) -> Result<Ending> {
    let folder = shell.settings()?.migrations;
    let found = rules::check_folder(&source::read(&folder)?);
    let exit = Exit::found(
        found
            .iter()
            .any(|finding| finding.severity > Severity::Info),
    );
    let document = json!({"findings": findings::wire(&found)});
    Ok(shell.answer(exit, &document, |paint| {
        findings::human(&found, paint) + &findings::summary(&found)
    }))
}
