//! `migrate stamp` and `migrate baseline`: say where a database stands, without running a script.

use console::args::value;
use console::consent::{self, Stakes};
use console::text::base;
use console::text::safe;
use console::{Ending, Exit, Flow, Shell};
use pgbelay_core::error::Result;
use pgbelay_core::ident::Revision;
use pgbelay_core::model::migration::Migration;
use pgbelay_core::ops::stamp::{self, Ask, StampPlan};
use serde_json::{Value, json};

/// Mark exactly the migrations up to REV as applied, without running anything
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  migrate stamp 0041
  migrate stamp base --yes")]
pub struct StampArgs {
    /// Revision that the schema is at: a version or unambiguous prefix, head, or base
    #[arg(value_name = "REV", value_parser = value::revision)]
    revision: String,

    /// Why, for the journal
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

/// Begin the ledger of a database that was there already: mark the migrations up to REV as applied
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  migrate baseline
  migrate baseline 0041")]
pub struct BaselineArgs {
    /// Revision that the schema is at [default: head]
    #[arg(value_name = "REV", value_parser = value::revision)]
    revision: Option<String>,

    /// Why, for the journal
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

pub async fn run(shell: &Shell, args: StampArgs) -> Result<Ending> {
    mark(shell, Ask::Stamp(args.revision), args.reason).await
}

pub async fn baseline(shell: &Shell, args: BaselineArgs) -> Result<Ending> {
    mark(shell, Ask::Baseline(args.revision), args.reason).await
}

async fn mark(shell: &Shell, ask: Ask, reason: Option<String>) -> Result<Ending> {
    let context = shell.context(Flow::Work)?;
    let plan = stamp::plan(&context, ask).await?;
    if plan.add.is_empty() && plan.remove.is_empty() {
        let fields = done(&plan, plan.from.as_ref());
        return Ok(shell.done(Exit::Done, &fields, |_| "nothing to do\n".to_owned()));
    }
    shell.announce("plan", &done(&plan, plan.to.as_ref()), |_| human(&plan));
    let stakes = Stakes::of(false, context.production);
    let consent = consent::obtain(shell, &plan.database, stakes).await?;
    let shown = plan.clone();
    let current = stamp::apply(&context, plan, consent, reason).await?;
    let fields = done(&shown, current.as_ref());
    Ok(shell.done(Exit::Done, &fields, |_| {
        format!("now at {}; no script was run\n", base(current.as_ref()))
    }))
}

fn done(plan: &StampPlan, current: Option<&Revision>) -> Value {
    let add: Vec<&str> = plan.add.iter().map(|m| m.revision.as_str()).collect();
    let remove: Vec<&str> = plan.remove.iter().map(|e| e.revision.as_str()).collect();
    json!({
        "applied": add,
        "not_applied": remove,
        "revision": current.map(Revision::as_str),
    })
}

fn human(plan: &StampPlan) -> String {
    let mut text = String::new();
    for (title, names) in [
        (
            "marked as applied, without running them",
            plan.add
                .iter()
                .map(Migration::full_name)
                .collect::<Vec<_>>(),
        ),
        (
            "marked as not applied, without taking them back",
            (plan
                .remove
                .iter()
                .map(|e| format!("{} {}", e.revision, e.name)))
            .collect(),
        ),
    ] {
        if !names.is_empty() {
            text.push_str(&format!("{title}\n"));
            text.extend(names.iter().map(|name| format!("  {}\n", safe(name))));
        }
    }
    text
}
