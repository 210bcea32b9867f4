//! `backup restore`: load a backup into a database.

use console::args::value;
use console::consent::{self, Stakes};
use console::pending::backup;
use console::text::many;
use console::{Ending, Exit, Flow, Shell};
use pgbelay_core::error::Result;
use pgbelay_core::model::secret::Secret;
use serde_json::json;

/// Restore a backup, or some of its tables
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  backup restore latest --into postgres://localhost/shop_copy
  backup restore latest --table public.orders --confirm shop")]
pub struct Args {
    /// Id, unambiguous prefix, latest, or a path to the backup's folder or manifest.json
    #[arg(value_name = "BACKUP")]
    backup: String,

    /// Database to restore into, in place of the common --database-url
    #[arg(long, value_name = "URL", value_parser = value::secret)]
    into: Option<Secret>,

    /// Only tables that match PATTERN (repeatable)
    #[arg(long = "table", value_name = "PATTERN")]
    tables: Vec<String>,
}

pub async fn run(shell: &Shell, args: Args) -> Result<Ending> {
    let context = shell.context_for(Flow::Work, args.into.as_ref())?;
    let plan = backup::plan_restore(&context, &args.backup, &args.tables).await?;
    let tables = many(plan.tables.len() as u64, "table", "tables");
    let rows = many(plan.rows, "row", "rows");
    let fields = json!({"tables": plan.tables.len(), "rows": plan.rows});
    shell.announce("plan", &fields, |_| {
        format!("to be loaded: {tables}, {rows}\n")
    });
    let consent = consent::obtain(
        shell,
        &plan.database,
        Stakes::of(plan.destroys, context.production),
    )
    .await?;
    let loaded = backup::restore(&context, plan, consent).await?;
    Ok(shell.done(Exit::Done, &json!({"rows": loaded}), |_| {
        format!("{} restored\n", many(loaded, "row", "rows"))
    }))
}
