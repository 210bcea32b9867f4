//! Rollbacks: what can be reversed.

use pgbelay_core::ident::{BackupId, Revision};
use pgbelay_core::ops::undo::Listed;
use serde::Serialize;

use crate::table::Table;
use crate::text::{base, instant, when};

#[derive(Serialize)]
struct ListWire<'a> {
    runs: Vec<RowWire<'a>>,
}

#[derive(Serialize)]
struct RowWire<'a> {
    run: i64,
    kind: &'static str,
    from: Option<&'a str>,
    to: Option<&'a str>,
    at: String,
    by: &'a str,
    reason: Option<&'a str>,
    backups: Vec<&'a str>,
    undo: &'static str,
    undo_why: Option<&'a str>,
    reversible: bool,
    barrier: Option<&'a str>,
}

/// The rollbacks for machines, in the order given.
pub fn wire(listed: &[Listed]) -> impl Serialize + '_ {
    ListWire {
        runs: listed.iter().map(row).collect(),
    }
}

fn row(listed: &Listed) -> RowWire<'_> {
    let record = &listed.record;
    RowWire {
        run: record.sequence,
        kind: record.verb.as_str(),
        from: record.from.as_ref().map(Revision::as_str),
        to: record.to.as_ref().map(Revision::as_str),
        at: instant(record.at),
        by: &record.by,
        reason: record.reason.as_deref(),
        backups: record.backups.iter().map(BackupId::as_str).collect(),
        undo: listed.proof.as_str(),
        undo_why: listed.proof.why(),
        reversible: listed.barrier.is_none(),
        barrier: listed.barrier.as_deref(),
    }
}

/// The rollbacks for people, in the order given.
pub fn human(listed: &[Listed]) -> String {
    if listed.is_empty() {
        return "no rollbacks\n".to_owned();
    }
    let mut table = Table::new(&[
        ">run",
        "from",
        "to",
        "at",
        "by",
        "why",
        "undo",
        "can be undone",
        "backup",
    ]);
    for Listed {
        record,
        proof,
        barrier,
    } in listed
    {
        let backups: Vec<&str> = record.backups.iter().map(BackupId::as_str).collect();
        let barrier = barrier.as_ref();
        table.row([
            record.sequence.to_string(),
            base(record.from.as_ref()),
            base(record.to.as_ref()),
            when(record.at),
            record.by.clone(),
            record.reason.clone().unwrap_or_default(),
            proof.as_str().to_owned(),
            barrier.map_or_else(|| "yes".to_owned(), |why| format!("no: {why}")),
            backups.join(", "),
        ]);
    }
    table.render()
}
