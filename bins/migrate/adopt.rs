//! `migrate adopt`: take over what another tool has applied.

use console::consent::{self, Stakes};
use console::text::base;
use console::text::safe;
use console::{Ending, Exit, Flow, Shell};
use pgbelay_core::error::Result;
use pgbelay_core::ident::Revision;
use pgbelay_core::model::event::Event;
use pgbelay_core::ops::adopt::{self, AdoptPlan, Request};
use serde_json::{Value, json};

/// Take over what golang-migrate, sqlx, diesel, dbmate, goose, Flyway, tern or Alembic has applied
///
/// Their own ledger in the database is read, and the files are where they are. With --beside both
/// ledgers stay in use and say the same: the other tool goes on applying, and a rollback here is a
/// rollback there. Run it again after the other tool was used.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  migrate adopt --beside             go on with the other tool, roll back with this one
  migrate adopt                      from now on this one alone
  migrate adopt --table app_versions a ledger under another name")]
pub struct Args {
    /// Keep the other tool's ledger in step, so that it can go on being used
    #[arg(long)]
    beside: bool,

    /// Name of the other tool's table [default: found by looking]
    #[arg(long, value_name = "NAME")]
    table: Option<String>,

    /// Why, for the journal
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

pub async fn run(shell: &Shell, args: Args) -> Result<Ending> {
    let context = shell.context(Flow::Work)?;
    let request = Request {
        table: args.table,
        beside: args.beside,
    };
    let plan = adopt::plan(&context, request).await?;
    for path in &plan.edited {
        context.observer.observe(Event::Warning(format!(
            "{path} is not what {} applied: its checksum differs",
            plan.foreign.tool
        )));
    }
    if plan.is_done() {
        let fields = wire(&plan, None);
        return Ok(shell.done(Exit::Done, &fields, |_| "nothing to do\n".to_owned()));
    }
    shell.announce("plan", &wire(&plan, None), |_| human(&plan));
    let stakes = Stakes::of(false, context.production);
    let consent = consent::obtain(shell, &plan.database, stakes).await?;
    let shown = plan.clone();
    let current = adopt::apply(&context, plan, consent, args.reason).await?;
    let fields = wire(&shown, current.as_ref());
    Ok(shell.done(Exit::Done, &fields, |_| {
        let then = if args.beside {
            format!("{} can go on being used", shown.foreign.tool)
        } else {
            format!(
                "from now on, don't use {} on this database",
                shown.foreign.tool
            )
        };
        format!("now at {}; {then}\n", base(current.as_ref()))
    }))
}

fn wire(plan: &AdoptPlan, current: Option<&Revision>) -> Value {
    let words = |revisions: &mut dyn Iterator<Item = &Revision>| -> Vec<String> {
        revisions.map(ToString::to_string).collect()
    };
    json!({
        "tool": plan.foreign.tool.as_str(),
        "table": plan.foreign.table.to_string(),
        "beside": plan.beside.1,
        "applied": words(&mut plan.add.iter().map(|m| &m.revision)),
        "not_applied": words(&mut plan.remove.iter()),
        "edited": plan.edited,
        "revision": current.map(Revision::as_str),
    })
}

fn human(plan: &AdoptPlan) -> String {
    let (tool, table) = (plan.foreign.tool, safe(&plan.foreign.table.to_string()));
    let mut text = format!("{table} is the ledger of {tool}\n");
    if !plan.add.is_empty() {
        text.push_str("applied, as it says\n");
        let names = plan.add.iter();
        text.extend(names.map(|m| format!("  {}\n", safe(&m.full_name()))));
    }
    if !plan.remove.is_empty() {
        text.push_str("taken back, as it says\n");
        let names = plan.remove.iter();
        text.extend(names.map(|r| format!("  {}\n", safe(r.as_str()))));
    }
    text
}
