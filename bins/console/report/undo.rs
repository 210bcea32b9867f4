//! An undo: what it is about to do, and what it amounted to.

use pgbelay_core::ident::{BackupId, Revision};
use pgbelay_core::ops::undo::part::{Aside, PartPlan, PartTable};
use pgbelay_core::ops::undo::{Outcome, UndoPlan};
use serde::Serialize;

use crate::paint::Paint;
use crate::table::Table;
use crate::text::{base, count, many, safe};

#[derive(Serialize)]
struct PlanWire<'a> {
    database: &'a str,
    from: Option<&'a str>,
    to: Option<&'a str>,
    steps: Vec<StepWire<'a>>,
    backup: Option<&'a str>,
    backups: Vec<&'a str>,
}

#[derive(Serialize)]
struct StepWire<'a> {
    revision: &'a str,
    name: &'a str,
}

#[derive(Serialize)]
struct DoneWire<'a> {
    revision: Option<&'a str>,
    applied: Vec<&'a str>,
    rows: u64,
    tables: Vec<TableWire>,
    conflicts: Vec<ConflictWire<'a>>,
    rescued: Vec<RescuedWire>,
    made: &'a [String],
    reordered: &'a [String],
    drift: Option<&'a str>,
    backups: Vec<&'a str>,
}

#[derive(Serialize)]
struct TableWire {
    table: String,
    added: u64,
    changed: u64,
    removed: u64,
    values: u64,
}

#[derive(Serialize)]
struct ConflictWire<'a> {
    table: String,
    rows: u64,
    reason: &'a str,
}

#[derive(Serialize)]
struct RescuedWire {
    table: String,
    into: String,
    rows: u64,
}

#[derive(Serialize)]
struct PartWire<'a> {
    database: &'a str,
    revision: Option<&'a str>,
    tables: Vec<PartTableWire<'a>>,
    backup: Option<&'a str>,
}

#[derive(Serialize)]
struct PartTableWire<'a> {
    table: String,
    back: bool,
    aside: Option<AsideWire<'a>>,
    /// The run of the journal that put its rows back before.
    put_back_by: Option<i64>,
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum AsideWire<'a> {
    Table,
    Columns(&'a [String]),
}

/// The plan of an undo of some tables, for machines.
pub fn part_wire(plan: &PartPlan) -> impl Serialize + '_ {
    let tables = plan.tables.iter().map(|table| PartTableWire {
        table: table.table.to_string(),
        back: table.back,
        aside: table.aside.as_ref().map(|aside| match aside {
            Aside::Table => AsideWire::Table,
            Aside::Columns(names) => AsideWire::Columns(names),
        }),
        put_back_by: table.before,
    });
    PartWire {
        database: &plan.database,
        revision: plan.at.as_ref().map(Revision::as_str),
        tables: tables.collect(),
        backup: plan.record.backups.first().map(BackupId::as_str),
    }
}

/// The plan of an undo of some tables, for people.
pub fn part_human(plan: &PartPlan) -> String {
    let mut text = format!(
        "undo of a part of the rollback from {} to {}; schema and revision stay as they are\n\n",
        base(plan.record.from.as_ref()),
        base(plan.record.to.as_ref())
    );
    let mut shown = Table::new(&["table", "rows", "laid aside"]);
    for table in &plan.tables {
        let rows = match table.before {
            _ if table.back => "put back".to_owned(),
            Some(run) => format!("put back before, by run {run}"),
            None => String::new(),
        };
        shown.row([table.table.to_string(), rows, aside(table)]);
    }
    text.push_str(&format!("{}\n", shown.render()));
    text
}

fn aside(table: &PartTable) -> String {
    match &table.aside {
        None => String::new(),
        Some(Aside::Table) => "all that was saved".to_owned(),
        Some(Aside::Columns(names)) => safe(&names.join(", ")),
    }
}

/// The plan for machines. An undo goes from where the rollback ended to where it began.
pub fn plan_wire(plan: &UndoPlan) -> impl Serialize + '_ {
    let step = |(revision, name)| StepWire { revision, name };
    let steps = plan.steps.iter().map(|s| (s.revision.as_str(), &*s.name));
    let backups: Vec<&str> = plan.record.backups.iter().map(BackupId::as_str).collect();
    PlanWire {
        database: &plan.database,
        from: plan.record.to.as_ref().map(Revision::as_str),
        to: plan.record.from.as_ref().map(Revision::as_str),
        steps: steps.map(step).collect(),
        backup: backups.first().copied(),
        backups,
    }
}

/// The plan for people.
pub fn plan_human(plan: &UndoPlan) -> String {
    let steps = plan.steps.iter();
    let steps = steps.map(|step| format!("  {} {}\n", step.revision, safe(&step.name)));
    let backup = plan.record.backups.first().map(ToString::to_string);
    format!(
        "undo of the rollback from {} to {}\n\napplied again, in this order\n{}\n\
         put back from\n  {}\n",
        base(plan.record.from.as_ref()),
        base(plan.record.to.as_ref()),
        steps.collect::<String>(),
        backup.unwrap_or_else(|| "nothing: no snapshot was taken".to_owned())
    )
}

/// What it amounted to, for machines.
pub fn wire(outcome: &Outcome) -> impl Serialize + '_ {
    let tables = outcome.changed.iter().map(|changed| TableWire {
        table: changed.table.to_string(),
        added: changed.rows.added,
        changed: changed.rows.changed,
        removed: changed.rows.removed,
        values: changed.values,
    });
    let conflicts = outcome.conflicts.iter().map(|conflict| ConflictWire {
        table: conflict.table.to_string(),
        rows: conflict.rows,
        reason: &conflict.reason,
    });
    let rescued = outcome.rescued.iter().map(|rescued| RescuedWire {
        table: rescued.table.to_string(),
        into: rescued.into.to_string(),
        rows: rescued.rows,
    });
    DoneWire {
        revision: outcome.to.as_ref().map(Revision::as_str),
        applied: outcome.applied.iter().map(Revision::as_str).collect(),
        rows: rows(outcome),
        tables: tables.collect(),
        conflicts: conflicts.collect(),
        rescued: rescued.collect(),
        made: &outcome.made,
        reordered: &outcome.reordered,
        drift: outcome.drift.as_deref(),
        backups: outcome.backups.iter().map(|b| b.id.as_str()).collect(),
    }
}

/// What it amounted to, for people.
pub fn human(outcome: &Outcome, paint: Paint) -> String {
    let mut text = String::new();
    if !outcome.changed.is_empty() {
        let mut table = Table::new(&["table", ">rows back", ">changed", ">removed", ">values"]);
        for changed in &outcome.changed {
            table.row([
                changed.table.to_string(),
                count(changed.rows.added),
                count(changed.rows.changed),
                count(changed.rows.removed),
                count(changed.values),
            ]);
        }
        text.push_str(&format!("{}\n", table.render()));
    }
    for made in &outcome.made {
        text.push_str(&format!("made again: {}\n", safe(made)));
    }
    for table in &outcome.reordered {
        let table = safe(table);
        text.push_str(&format!("columns stand in another order: {table}\n"));
    }
    for conflict in &outcome.conflicts {
        let label = paint.yellow("not put back:");
        let number = many(conflict.rows, "row", "rows");
        let (table, reason) = (conflict.table.to_string(), safe(&conflict.reason));
        text.push_str(&format!("{label} {number} of {table}: {reason}\n"));
    }
    for rescued in &outcome.rescued {
        let number = many(rescued.rows, "row", "rows");
        let (table, into) = (rescued.table.to_string(), rescued.into.to_string());
        text.push_str(&format!("laid aside: {number} of {table}, in {into}\n"));
    }
    for backup in &outcome.backups {
        text.push_str(&format!("saved first: {}\n", backup.id));
    }
    let at = base(outcome.to.as_ref());
    if outcome.applied.is_empty() {
        text.push_str(&format!("undone for these tables; still at {at}\n"));
    } else {
        text.push_str(&format!("undone; now at {at}\n"));
    }
    text
}

/// How many rows got something back.
fn rows(outcome: &Outcome) -> u64 {
    let changed = outcome.changed.iter();
    changed
        .map(|c| c.rows.added + c.rows.changed + c.values)
        .sum()
}
