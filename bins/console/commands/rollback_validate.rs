//! `rollback validate` and `validate rollback`: what a rollback would cost, changing nothing.

use std::path::PathBuf;

use clap::ValueEnum;
use pgbelay_core::error::{Error, Result};
use pgbelay_core::model::loss::Verdict;
use pgbelay_core::ops::rollback::{self, Ask, Request};

use crate::args::value;
use crate::paint::Paint;
use crate::report::{lines, plan, risk};
use crate::shell::{Ending, Exit, Flow, Shell};

/// Show what a rollback to REV would destroy, changing nothing
///
/// Exits 0 when nothing would be destroyed and 4 otherwise.
#[derive(Debug, clap::Args)]
#[expect(clippy::doc_markdown, reason = "help text is shown as it stands")]
#[command(after_help = "Examples:
  rollback validate 0041
  rollback validate 0041 --format json --output risk.json
  rollback validate -1 --fail-on LOSS_UNRECOVERABLE")]
pub struct Args {
    /// Revision that a rollback would keep
    #[arg(value_name = "REV", value_parser = value::revision, allow_negative_numbers = true)]
    revision: String,

    /// How to write the report
    #[arg(long, value_enum, default_value_t)]
    format: Format,

    /// Write the report to FILE instead of standard output
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Exit 4 only from this verdict on: NO_LOSS, LOSS_RECOVERABLE, LOSS_UNRECOVERABLE, UNKNOWN,
    /// WILL_FAIL, MISSING
    #[arg(long, value_name = "VERDICT", value_parser = value::verdict)]
    #[arg(default_value = "LOSS_RECOVERABLE", hide_default_value = true)]
    fail_on: Verdict,
}

/// How a report is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Human,
    /// For machines.
    Json,
}

/// Validates a rollback.
pub async fn run(shell: &Shell, args: Args) -> Result<Ending> {
    let context = shell.context(Flow::Answer)?;
    let request = Request {
        ask: Ask::To(args.revision),
        force: false,
        accept_drift: false,
        measure: true,
    };
    let plan = rollback::plan(&context, request).await?.plan;
    let view = plan::view(&plan);
    let exit = Exit::found(plan.verdict >= args.fail_on);
    let wire = risk::wire(&view);
    if let Some(file) = &args.output {
        let json = shell.json() || args.format == Format::Json;
        let human = || risk::human(&view, Paint::default());
        let text = if json {
            lines::document(&wire)
        } else {
            human()
        };
        std::fs::write(file, text).map_err(|e| {
            Error::usage(format!("the report can't be written to {}", file.display())).caused_by(e)
        })?;
        let verdict = serde_json::json!({"verdict": plan.verdict.as_str()});
        return Ok(shell.answer(exit, &verdict, |_| String::new()));
    }
    Ok(shell.answer(exit, &wire, |paint| match args.format {
        Format::Human => risk::human(&view, paint),
        Format::Json => lines::document(&wire),
    }))
}
