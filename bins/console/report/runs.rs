//! Runs: what the journal knows of upgrades, rollbacks and undos.

use pgbelay_core::ident::{BackupId, Revision};
use pgbelay_core::model::ledger::{Record, Verb};
use serde::{Deserialize, Serialize};

use crate::table::Table;
use crate::text::{base, instant, when};

/// A run for machines.
#[derive(Debug, Serialize)]
pub struct RunWire<'a> {
    sequence: i64,
    verb: &'static str,
    from: Option<&'a str>,
    to: Option<&'a str>,
    at: String,
    by: &'a str,
    reason: Option<&'a str>,
    consent: &'a str,
    backups: Vec<&'a str>,
    reverses: Option<i64>,
    failure: Option<Failure>,
}

/// What a run that came to nothing was to do, and why it didn't.
#[derive(Debug, Serialize, Deserialize)]
struct Failure {
    attempted: String,
    exit_code: u8,
    error: String,
}

impl Failure {
    fn of(record: &Record) -> Option<Self> {
        let failed = record.verb == Verb::Failed;
        failed.then(|| serde_json::from_str(&record.details).ok())?
    }
}

/// The runs for machines, in the order given.
pub fn wire(records: &[Record]) -> Vec<RunWire<'_>> {
    records.iter().map(run).collect()
}

fn run(record: &Record) -> RunWire<'_> {
    let backups = record.backups.iter();
    RunWire {
        sequence: record.sequence,
        verb: record.verb.as_str(),
        from: record.from.as_ref().map(Revision::as_str),
        to: record.to.as_ref().map(Revision::as_str),
        at: instant(record.at),
        by: &record.by,
        reason: record.reason.as_deref(),
        consent: &record.consent,
        backups: backups.map(BackupId::as_str).collect(),
        reverses: record.reverses,
        failure: Failure::of(record),
    }
}

/// The runs for people, in the order given.
pub fn human(records: &[Record]) -> String {
    if records.is_empty() {
        return "no runs\n".to_owned();
    }
    let mut table = Table::new(&[
        ">run", "what", "from", "to", "at", "by", "consent", "why", "backup",
    ]);
    for record in records {
        let failure = Failure::of(record);
        let what = failure.as_ref().map_or_else(
            || record.verb.as_str().to_owned(),
            |failure| format!("{} failed", failure.attempted),
        );
        let why = (record.reason.clone()).or(failure.map(|failure| failure.error));
        let backups: Vec<&str> = record.backups.iter().map(BackupId::as_str).collect();
        table.row([
            record.sequence.to_string(),
            what,
            base(record.from.as_ref()),
            base(record.to.as_ref()),
            when(record.at),
            record.by.clone(),
            record.consent.clone(),
            why.unwrap_or_default(),
            backups.join(", "),
        ]);
    }
    table.render()
}
