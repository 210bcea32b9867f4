//! `rollback validate` and `validate rollback`: what a rollback would cost, changing nothing.

use std::path::PathBuf;

use clap::ValueEnum;
use pgbelay_core::error::Result;
use pgbelay_core::model::loss::Verdict;
use pgbelay_core::ops::rehearse::{self, Stage};
use pgbelay_core::ops::rollback::{self, Ask, Request};

use crate::args::value;
use crate::args::written::{one_format, to_file};
use crate::paint::Paint;
use crate::report::risk::RiskView;
use crate::report::{github, html, junit, lines, markdown, notes, plan, risk, sarif};
use crate::shell::{Ending, Exit, Flow, Shell};

/// Show what a rollback to REV would destroy, changing nothing
///
/// Exits 0 when nothing would be destroyed and 4 otherwise.
#[derive(Debug, clap::Args)]
#[expect(clippy::doc_markdown, reason = "help text is shown as it stands")]
#[command(after_help = "Examples:
  rollback validate 0041
  rollback validate 0041 --format markdown            for a pull request
  rollback validate 0041 --format html --output risk.html
  rollback validate 0041 --format sarif --output risk.sarif
  rollback validate 0041 --format junit --output risk.xml
  rollback validate 0041 --rehearse clone             do the scripts run, and where do they end?
  rollback validate 0041 --rehearse latest            and what becomes of the rows?
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

    /// Run the scripts on a copy: `clone` (the definitions alone) or a backup (restored), where the undo
    /// is tried as well. Takes a database on the same server, which is dropped at the end
    #[arg(long, value_name = "clone|BACKUP", value_parser = stage)]
    rehearse: Option<Stage>,

    /// Exit 4 only from this verdict on: NO_LOSS, LOSS_RECOVERABLE, LOSS_UNRECOVERABLE, UNKNOWN,
    /// WILL_FAIL, MISSING
    #[arg(long, value_name = "VERDICT", value_parser = value::verdict)]
    #[arg(default_value = "LOSS_RECOVERABLE", hide_default_value = true)]
    fail_on: Verdict,
}

fn stage(text: &str) -> Result<Stage, String> {
    match text {
        "" => Err("it is empty".to_owned()),
        "clone" => Ok(Stage::Clone),
        backup => Ok(Stage::Backup(backup.to_owned())),
    }
}

/// How a report is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Human,
    /// For machines.
    Json,
    /// For a comment on a pull request.
    Markdown,
    /// A page for a browser, which stands alone.
    Html,
    /// For code scanning (SARIF 2.1.0): beside the lines.
    Sarif,
    /// For GitHub Actions (workflow commands): beside the lines.
    Github,
    /// For CI systems (XML of the `JUnit` kind): a test for each migration.
    Junit,
}

/// Validates a rollback.
pub async fn run(shell: &Shell, args: Args) -> Result<Ending> {
    let format = match args.format {
        Format::Human if shell.json() => Format::Json,
        format => format,
    };
    let fits = matches!(format, Format::Human | Format::Json) || args.output.is_some();
    one_format(shell, fits)?;
    let context = shell.context(Flow::Answer)?;
    let request = Request {
        ask: Ask::To(args.revision),
        force: false,
        accept_drift: false,
        measure: true,
    };
    let mut planned = rollback::plan(&context, request).await?;
    if let Some(stage) = &args.rehearse {
        let room = std::env::temp_dir();
        rehearse::run(&context, &mut planned, stage, &room).await?;
    }
    let plan = planned.plan;
    let view = plan::view(&plan, shell.target());
    let exit = Exit::found(plan.verdict >= args.fail_on);
    let Some(file) = &args.output else {
        let text = |paint| write(format, &view, paint);
        return Ok(shell.answer(exit, &risk::wire(&view), text));
    };
    to_file(file, &write(format, &view, Paint::default()))?;
    let verdict = serde_json::json!({"verdict": plan.verdict.as_str()});
    Ok(shell.answer(exit, &verdict, |_| String::new()))
}

fn write(format: Format, view: &RiskView<'_>, paint: Paint) -> String {
    match format {
        Format::Human => risk::human(view, paint),
        Format::Json => lines::document(&risk::wire(view), &view.target),
        Format::Markdown => markdown::document(view),
        Format::Html => html::document(view),
        Format::Sarif => sarif::document(&notes::of_risk(view)),
        Format::Github => github::document(&notes::of_risk(view)),
        Format::Junit => junit::document(&notes::of_risk(view)),
    }
}
