//! `migrate repair`: bring ledger and files in line, and find a way on after a failure.

use console::args::value;
use console::consent::{self, Stakes};
use console::report::repair as report;
use console::text::many;
use console::{Ending, Exit, Flow, Shell};
use pgbelay_core::error::{Error, Result};
use pgbelay_core::ops::repair::{self, Way};
use serde_json::json;

/// Show where files and ledger differ or a script stopped half-way, and mend it
///
/// Without a flag, edited files are accepted: the ledger takes their text. What a migration did
/// stays as it is; no script is run.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  migrate repair --dry-run           what differs, stored text against file
  migrate repair 0041                accept the file of 0041 as it is now
  migrate repair 0042 --applied      0042 failed half-way, and was finished by hand
  migrate repair 0042 --forget       0042 failed half-way: begin it anew
  migrate repair 0007 --forget       0007 has no file any more: take it out of the ledger")]
pub struct Args {
    /// Revisions to look at [default: all]
    #[arg(value_name = "REV", value_parser = value::revision)]
    revisions: Vec<String>,

    /// A migration that failed half-way was finished by hand: count it as applied
    #[arg(long, conflicts_with = "forget", requires = "revisions")]
    applied: bool,

    /// Begin a migration that failed half-way anew; take one without a file out of the ledger
    #[arg(long, requires = "revisions")]
    forget: bool,

    /// Show what is wrong, and stop
    #[arg(long)]
    dry_run: bool,

    /// Why, for the journal
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

pub async fn run(shell: &Shell, args: Args) -> Result<Ending> {
    let way = match (args.applied, args.forget) {
        (true, _) => Way::Applied,
        (_, true) => Way::Forget,
        _ => Way::Accept,
    };
    let context = shell.context(Flow::Work)?;
    let plan = repair::plan(&context, args.revisions, way).await?;
    if plan.items.is_empty() {
        let fields = json!({"repaired": []});
        return Ok(shell.done(Exit::Done, &fields, |_| "nothing to repair\n".to_owned()));
    }
    if args.dry_run {
        shell.part("plan", &report::wire(&plan), |paint| {
            report::human(&plan, paint)
        });
        return Ok(shell.done(Exit::Found, &json!({"repaired": []}), |_| String::new()));
    }
    shell.announce("plan", &report::wire(&plan), |paint| {
        report::human(&plan, paint)
    });
    if plan.mended() == 0 {
        return Err(
            Error::refused("nothing of this is repaired without a choice")
                .hint("the choices are named with each migration"),
        );
    }
    let stakes = Stakes::of(false, context.production);
    let consent = consent::obtain(shell, &plan.database, stakes).await?;
    let mended = plan.items.iter().filter(|item| item.mended);
    let mended: Vec<String> = mended.map(|item| item.revision.to_string()).collect();
    repair::apply(&context, plan, consent, args.reason).await?;
    Ok(shell.done(Exit::Done, &json!({"repaired": mended}), |_| {
        let number = many(mended.len() as u64, "migration", "migrations");
        format!("{number} repaired; no script was run\n")
    }))
}
