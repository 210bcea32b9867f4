//! Backups: a list of them, and one of them in full.

use pgbelay_core::clock::Timestamp;
use pgbelay_core::ident::BackupId;
use pgbelay_core::model::backup::{BackupFacts, Listing, VerifyLevel};
use serde::Serialize;

use crate::paint::Paint;
use crate::report::signature;
use crate::table::Table;
use crate::text::{count, instant, many, safe, size, when};

#[derive(Serialize)]
struct ListWire<'a> {
    backups: Vec<EntryWire<'a>>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum EntryWire<'a> {
    Backup(RowWire<'a>),
    Unreadable(UnreadableWire<'a>),
}

/// What can't be read: nothing is known of it but where it lies.
#[derive(Serialize)]
struct UnreadableWire<'a> {
    id: Option<&'a str>,
    state: &'static str,
    database: &'a str,
    path: &'a str,
    why: &'a str,
}

#[derive(Serialize)]
struct RowWire<'a> {
    id: &'a str,
    kind: &'a str,
    state: &'static str,
    created_at: String,
    database: &'a str,
    revision: Option<&'a str>,
    tables: usize,
    rows: u64,
    bytes: u64,
    verified: Option<VerifiedWire>,
    verification_failed: Option<VerifiedWire>,
    pinned: bool,
    signer: Option<&'a str>,
}

#[derive(Serialize)]
struct VerifiedWire {
    level: &'static str,
    at: String,
}

#[derive(Serialize)]
struct ShowWire<'a> {
    #[serde(flatten)]
    row: RowWire<'a>,
    name: Option<&'a str>,
    reason: Option<&'a str>,
    finished_at: Option<String>,
    target: Option<&'a str>,
    continues: Option<&'a str>,
    server_version: &'a str,
    objects: u64,
    recipients: &'a [String],
    passphrases: u64,
    manifest: Option<String>,
    signature: Option<signature::Wire<'a>>,
    contents: Vec<TableWire>,
    skipped: Vec<SkippedWire<'a>>,
}

#[derive(Serialize)]
struct TableWire {
    table: String,
    rows: u64,
    chunks: u64,
}

#[derive(Serialize)]
struct SkippedWire<'a> {
    table: String,
    reason: &'a str,
}

/// The list for machines.
pub fn wire_listing(listing: &Listing) -> impl Serialize + '_ {
    let backups = listing.backups.iter().map(|b| EntryWire::Backup(row(b)));
    let unreadable = listing.unreadable.iter().map(|entry| {
        EntryWire::Unreadable(UnreadableWire {
            id: entry.id.as_ref().map(BackupId::as_str),
            state: "unreadable",
            database: &entry.database,
            path: &entry.place,
            why: &entry.why,
        })
    });
    ListWire {
        backups: backups.chain(unreadable).collect(),
    }
}

/// One backup for machines: the fields of the list, and more.
pub fn wire_one(facts: &BackupFacts) -> impl Serialize + '_ {
    let tables = facts.tables.iter().map(|t| TableWire {
        table: t.table.to_string(),
        rows: t.rows,
        chunks: t.chunks,
    });
    let skipped = facts.skipped.iter().map(|s| SkippedWire {
        table: s.table.to_string(),
        reason: &s.reason,
    });
    ShowWire {
        row: row(facts),
        name: facts.name.as_deref(),
        reason: facts.reason.as_deref(),
        finished_at: facts.finished.map(instant),
        target: facts
            .target
            .as_ref()
            .map(pgbelay_core::ident::Revision::as_str),
        continues: facts.continues.as_ref().map(BackupId::as_str),
        server_version: &facts.server_version,
        objects: facts.objects,
        recipients: &facts.recipients,
        passphrases: facts.passphrases,
        manifest: facts.manifest.map(|digest| digest.to_string()),
        signature: signature::wire(facts),
        contents: tables.collect(),
        skipped: skipped.collect(),
    }
}

fn row(facts: &BackupFacts) -> RowWire<'_> {
    RowWire {
        id: facts.id.as_str(),
        kind: facts.kind.as_str(),
        state: state(facts),
        created_at: instant(facts.started),
        database: &facts.database,
        revision: facts
            .revision
            .as_ref()
            .map(pgbelay_core::ident::Revision::as_str),
        tables: facts.tables.len(),
        rows: rows(facts),
        bytes: facts.bytes,
        verified: facts.verified.map(verified_wire),
        verification_failed: facts.failed.map(verified_wire),
        pinned: facts.pinned,
        signer: facts.signer.as_deref(),
    }
}

fn verified_wire((level, at): (VerifyLevel, Timestamp)) -> VerifiedWire {
    VerifiedWire {
        level: level.as_str(),
        at: instant(at),
    }
}

const fn state(facts: &BackupFacts) -> &'static str {
    if facts.complete {
        "complete"
    } else {
        "incomplete"
    }
}

fn rows(facts: &BackupFacts) -> u64 {
    facts.tables.iter().map(|table| table.rows).sum()
}

/// Who can open a backup, in words.
pub fn openers(facts: &BackupFacts) -> String {
    let mut who = facts.recipients.clone();
    match facts.passphrases {
        0 => {}
        1 => who.push("a passphrase".to_owned()),
        n => who.push(format!("{n} passphrases")),
    }
    who.join(", ")
}

/// The list for people, in the order given; what can't be read comes last, with its path.
pub fn human_listing(listing: &Listing) -> String {
    if listing.backups.is_empty() && listing.unreadable.is_empty() {
        return "no backups\n".to_owned();
    }
    let heads = [
        "backup", "database", "revision", ">tables", ">rows", ">size", "verified", "",
    ];
    let mut table = Table::new(&heads);
    for facts in &listing.backups {
        let mut remarks = Vec::new();
        if !facts.complete {
            remarks.push("incomplete");
        }
        if facts.pinned {
            remarks.push("pinned");
        }
        table.row([
            facts.id.to_string(),
            facts.database.clone(),
            facts
                .revision
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default(),
            facts.tables.len().to_string(),
            count(rows(facts)),
            size(facts.bytes),
            match (facts.failed, facts.verified) {
                (Some(_), _) => "FAILED",
                (None, Some((level, _))) => level.as_str(),
                (None, None) => "never",
            }
            .to_owned(),
            remarks.join(", "),
        ]);
    }
    for entry in &listing.unreadable {
        let id = entry.id.as_ref().map(BackupId::as_str);
        let unknown = String::new;
        table.row([
            id.unwrap_or_default().to_owned(),
            entry.database.clone(),
            unknown(),
            unknown(),
            unknown(),
            unknown(),
            unknown(),
            format!("can't be read: {}: {}", entry.place, entry.why),
        ]);
    }
    table.render()
}

/// One backup for people.
pub fn human_one(facts: &BackupFacts, paint: Paint) -> String {
    let mut text = format!("{}\n", paint.bold(facts.id.as_str()));
    let mut fact = |label: &str, value: Option<String>| {
        if let Some(value) = value {
            text.push_str(&format!("  {label:<12}{}\n", safe(&value)));
        }
    };
    let level = |(level, at): (VerifyLevel, Timestamp)| format!("{}, {}", level.as_str(), when(at));
    let openers = openers(facts);
    fact("kind", Some(facts.kind.as_str().to_owned()));
    fact("state", Some(state(facts).to_owned()));
    fact("name", facts.name.clone());
    fact("reason", facts.reason.clone());
    fact("database", Some(facts.database.clone()));
    fact("server", Some(facts.server_version.clone()));
    fact("revision", facts.revision.as_ref().map(ToString::to_string));
    fact("back to", facts.target.as_ref().map(ToString::to_string));
    fact(
        "continues",
        facts.continues.as_ref().map(ToString::to_string),
    );
    fact("begun", Some(when(facts.started)));
    fact("finished", facts.finished.map(when));
    let objects = many(facts.objects, "object", "objects");
    fact("size", Some(format!("{} in {objects}", size(facts.bytes))));
    fact("opened by", (!openers.is_empty()).then_some(openers));
    fact(
        "verified",
        Some(facts.verified.map_or("never".to_owned(), level)),
    );
    fact(
        "FAILED",
        facts.failed.map(|f| format!("verification {}", level(f))),
    );
    fact("signature", signature::human(facts));
    fact("pinned", facts.pinned.then(|| "yes".to_owned()));
    if !facts.tables.is_empty() {
        let mut table = Table::new(&["table", ">rows", ">chunks"]);
        for facts in &facts.tables {
            table.row([
                facts.table.to_string(),
                count(facts.rows),
                count(facts.chunks),
            ]);
        }
        text.push_str(&format!("\n{}", table.render()));
    }
    if !facts.skipped.is_empty() {
        let mut table = Table::new(&["left out", "why"]);
        for skipped in &facts.skipped {
            table.row([&skipped.table.to_string(), &skipped.reason]);
        }
        text.push_str(&format!("\n{}", table.render()));
    }
    text
}

#[cfg(test)]
#[path = "backups_tests.rs"]
mod tests;
