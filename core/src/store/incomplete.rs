//! What can be said of a backup without a valid manifest.

use chrono::NaiveDateTime;

use crate::clock::Timestamp;
use crate::ident::BackupId;
use crate::model::backup::BackupFacts;
use crate::model::backup::BackupKind;
use crate::store::folder::Folder;
use crate::store::layout;
use crate::store::sidecar;
use crate::store::wire;

/// No `begin.json` is larger.
const CAP: u64 = 64 * 1024;

/// The facts of the backup called `id`: from its `begin.json`, else from its name.
pub fn facts(folder: &Folder, id: &BackupId, database: &str) -> BackupFacts {
    let begin = folder.get(layout::BEGIN, CAP).ok().flatten();
    let begin = begin.and_then(|json| wire::from_json::<wire::Begin>(layout::BEGIN, &json).ok());
    let kind = id.as_str().split('-').nth(1).unwrap_or_default();
    BackupFacts {
        id: id.clone(),
        kind: BackupKind::from_word(kind),
        complete: false,
        started: begin.as_ref().map_or_else(|| time_of(id), |b| b.started.0),
        finished: None,
        database: database.to_owned(),
        name: begin.as_ref().and_then(|b| b.name.clone()),
        reason: begin.and_then(|b| b.reason),
        revision: None,
        target: None,
        continues: None,
        server_version: String::new(),
        whole: false,
        tables: Vec::new(),
        skipped: Vec::new(),
        bytes: 0,
        objects: 0,
        recipients: Vec::new(),
        passphrases: 0,
        manifest: None,
        verified: None,
        failed: None,
        pinned: sidecar::pinned(folder),
        signer: None,
        signature: None,
    }
}

/// The database that a `begin.json` names.
pub fn database(begin: &[u8]) -> Option<String> {
    let begin: wire::Begin = wire::from_json(layout::BEGIN, begin).ok()?;
    Some(begin.database).filter(|name| !name.is_empty())
}

/// True when the id begins with a time, as those of backups do.
pub fn has_time(id: &BackupId) -> bool {
    time_of(id) != Timestamp::default()
}

/// The time in an id; the epoch when there is none.
fn time_of(id: &BackupId) -> Timestamp {
    let time = id.as_str().split('-').next().unwrap_or_default();
    NaiveDateTime::parse_from_str(time, "%Y%m%dT%H%M%SZ")
        .map(|time| time.and_utc())
        .unwrap_or_default()
}
