//! `backup restore`: load a backup into a database.

use std::fmt::Write as _;

use console::args::{Vouch, value};
use console::consent::{self, Stakes};
use console::report::signature;
use console::text::{count, many, safe};
use console::{Ending, Exit, Flow, Shell};
use pgbelay_core::error::Result;
use pgbelay_core::model::backup::Voucher;
use pgbelay_core::model::secret::Secret;
use pgbelay_core::ops::backup::restore::{self, How, Outcome, Restore};
use serde_json::{Value, json};

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

    /// Connections that load at the same time [default: one for each processor, at most 4]
    #[arg(long, value_name = "N", value_parser = value::jobs)]
    jobs: Option<usize>,

    /// Read every table again once it is loaded, and compare it with what was saved
    #[arg(long, conflicts_with = "tables")]
    compare: bool,

    #[command(flatten)]
    vouch: Vouch,
}

pub async fn run(shell: &Shell, args: Args) -> Result<Ending> {
    let into = args.into.as_ref().map(|url| ("--into", url));
    let mut context = shell.context_for(Flow::Work, into)?;
    args.vouch.apply(&mut context);
    if args.into.is_some() {
        // The database that was backed up may still be there, and its journal with it.
        context.vouching.journal = shell.usual_database();
    }
    let options = Restore {
        backup: args.backup,
        tables: args.tables,
        jobs: args.jobs,
        compare: args.compare,
    };
    let plan = restore::plan(&context, options).await?;
    let size = (plan.tables.len() as u64, plan.rows);
    let fields = json!({
        "backup": plan.backup.id.as_str(),
        "database": plan.database,
        "tables": size.0,
        "rows": size.1,
        "vouched_for_by": plan.voucher.map(Voucher::as_str),
        "signature": signature::wire(&plan.backup),
    });
    let vouched = plan
        .voucher
        .map_or("not vouched for".to_owned(), |voucher| {
            format!("vouched for by {}", voucher.describe())
        });
    shell.announce("plan", &fields, |_| {
        let tables = many(size.0, "table", "tables");
        let rows = many(size.1, "row", "rows");
        let into = shell.target().words();
        let signed = signature::human(&plan.backup).map_or(String::new(), |s| format!("; {s}"));
        format!("to be loaded into {into}: {tables}, {rows}; {vouched}{signed}\n")
    });
    let how = plan.how;
    let stakes = Stakes::of(false, context.production);
    let consent = consent::obtain(shell, &plan.database, stakes).await?;
    let outcome = restore::apply(&context, plan, consent).await?;
    let rows: u64 = outcome.tables.iter().map(|t| t.added).sum();
    let tables: Vec<Value> = (outcome.tables.iter())
        .map(|t| {
            json!({
                "table": t.table.to_string(),
                "added": t.added,
                "present": t.present,
                "differing": t.differing,
            })
        })
        .collect();
    let fields = json!({
        "rows": rows,
        "tables": tables,
        "sequences": outcome.sequences,
        "not_validated": outcome.not_validated,
        "not_filled": outcome.not_filled.iter().map(ToString::to_string).collect::<Vec<_>>(),
    });
    Ok(shell.done(Exit::Done, &fields, |_| human(&outcome, how, rows)))
}

fn human(outcome: &Outcome, how: How, rows: u64) -> String {
    let mut text = String::new();
    if how == How::Missing {
        for table in &outcome.tables {
            let name = safe(&table.table.to_string());
            let _ = writeln!(
                text,
                "{name}: {} added, {} there already, {} differ and were left alone",
                count(table.added),
                count(table.present),
                count(table.differing)
            );
        }
    }
    for key in &outcome.not_validated {
        let _ = writeln!(text, "foreign key {} is not valid", safe(key));
    }
    let _ = writeln!(text, "{} restored", many(rows, "row", "rows"));
    text
}
