//! `backup prune`: old backups go, by rules.

use std::time::Duration;

use console::args::value;
use console::consent;
use console::table::Table;
use console::text::{many, size};
use console::{Ending, Exit, Flow, Shell};
use pgbelay_core::error::Result;
use pgbelay_core::ident::BackupId;
use pgbelay_core::model::backup::BackupFacts;
use pgbelay_core::ops::backup::prune::{self, PrunePlan};
use pgbelay_core::ops::backup::retention::{Rules, Verdict};
use serde_json::{Value, json};

/// Delete backups that no rule keeps
///
/// The rules count per database and kind, and a backup stays when any of them asks for it. Pinned
/// ones stay until they are unpinned; so does a backup that another continues. The newest backup
/// of a database always stays, and so does the newest one that was verified. Incomplete ones
/// never count.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  backup prune --keep-daily 7 --keep-weekly 4 --keep-monthly 12 --dry-run
  backup prune --keep-within 30d --keep-last 10")]
pub struct Args {
    /// Keep the N newest
    #[arg(long, value_name = "N")]
    keep_last: Option<u32>,

    /// Keep the newest of each of the last N hours that have one
    #[arg(long, value_name = "N")]
    keep_hourly: Option<u32>,

    /// Keep the newest of each of the last N days that have one (UTC)
    #[arg(long, value_name = "N")]
    keep_daily: Option<u32>,

    /// Keep the newest of each of the last N weeks that have one
    #[arg(long, value_name = "N")]
    keep_weekly: Option<u32>,

    /// Keep the newest of each of the last N months that have one
    #[arg(long, value_name = "N")]
    keep_monthly: Option<u32>,

    /// Keep all that are no older than DUR, counted from the newest: 36h, 30d, 8w, 1y
    #[arg(long, value_name = "DUR", value_parser = value::span)]
    keep_within: Option<Duration>,

    /// Delete incomplete backups that nobody has written to for DUR
    #[arg(long, value_name = "DUR", value_parser = value::span, default_value = "24h")]
    grace: Duration,

    /// Only show what would stay and what would go
    #[arg(long)]
    dry_run: bool,
}

pub async fn run(shell: &Shell, args: Args) -> Result<Ending> {
    let context = shell.offline(Flow::Answer)?;
    let rules = Rules {
        last: args.keep_last,
        hourly: args.keep_hourly,
        daily: args.keep_daily,
        weekly: args.keep_weekly,
        monthly: args.keep_monthly,
        within: args.keep_within,
    };
    let plan = prune::plan(&context, &rules, args.grace)?;
    let going: Vec<&BackupFacts> = plan.going().collect();
    let gone = if args.dry_run || going.is_empty() {
        Vec::new()
    } else {
        let databases: Vec<&str> = going.iter().map(|f| f.database.as_str()).collect();
        // The rules on the command line are what was asked for; at a terminal they are shown
        // with what comes of them.
        if consent::can_ask() && !shell.shared().yes {
            shell.announce("plan", &document(&plan, &[], true), |_| human(&plan, true));
        }
        let backups = many(going.len() as u64, "backup", "backups");
        consent::deletion(shell, &format!("delete {backups}?"), &databases).await?;
        prune::apply(&context, &plan)?
    };
    let document = document(&plan, &gone, args.dry_run);
    Ok(shell.answer(Exit::Done, &document, |_| human(&plan, args.dry_run)))
}

/// Why an entry stays that nobody can judge.
const UNREADABLE: &str = "can't be read";

fn document(plan: &PrunePlan, gone: &[BackupFacts], dry_run: bool) -> Value {
    let kept = plan.verdicts.iter().filter(|v| !v.reasons.is_empty());
    let kept = kept.map(|v| {
        json!({
            "id": v.facts.id.as_str(),
            "database": v.facts.database,
            "kind": v.facts.kind.as_str(),
            "reasons": v.reasons,
        })
    });
    let unreadable = plan.unreadable.iter().map(|entry| {
        json!({
            "id": entry.id.as_ref().map(BackupId::as_str),
            "database": entry.database,
            "path": entry.place,
            "reasons": [UNREADABLE],
        })
    });
    let kept = kept.chain(unreadable);
    let removed = plan.going().map(|f| {
        json!({
            "id": f.id.as_str(),
            "database": f.database,
            "kind": f.kind.as_str(),
            "state": if f.complete { "complete" } else { "incomplete" },
            "bytes": f.bytes,
            "deleted": gone.iter().any(|g| g.id == f.id && g.database == f.database),
        })
    });
    json!({
        "dry_run": dry_run,
        "kept": kept.collect::<Vec<Value>>(),
        "removed": removed.collect::<Vec<Value>>(),
    })
}

fn human(plan: &PrunePlan, dry_run: bool) -> String {
    if plan.verdicts.is_empty() && plan.unreadable.is_empty() {
        return "no backups\n".to_owned();
    }
    let mut table = Table::new(&["backup", "database", "", "why"]);
    for Verdict { facts, reasons } in &plan.verdicts {
        let why = match (reasons.is_empty(), facts.complete) {
            (false, _) => reasons.join(", "),
            (true, true) => "no rule keeps it".to_owned(),
            (true, false) => "incomplete".to_owned(),
        };
        let what = if reasons.is_empty() { "goes" } else { "stays" };
        table.row([facts.id.as_str(), &facts.database, what, &why]);
    }
    for entry in &plan.unreadable {
        let id = entry.id.as_ref().map_or("", BackupId::as_str);
        let why = format!("{UNREADABLE}: {}: {}", entry.place, entry.why);
        table.row([id, &entry.database, "stays", &why]);
    }
    let (number, bytes) = plan.going().fold((0, 0), |(n, b), f| (n + 1, b + f.bytes));
    let word = if dry_run { "to be deleted" } else { "deleted" };
    let backups = many(number, "backup", "backups");
    format!("{}{backups} {word}, {}\n", table.render(), size(bytes))
}
