//! What may be added to a complete backup: pins and results of verifications.

use crate::clock;
use crate::clock::Timestamp;
use crate::error::Result;
use crate::model::backup::BackupFacts;
use crate::model::backup::VerifyLevel;
use crate::store::folder::{Entry, Folder};
use crate::store::layout;
use crate::store::reach;
use crate::store::wire;

/// No sidecar is larger.
const CAP: u64 = 64 * 1024;

/// What verifications of a backup have found.
#[derive(Debug, Default)]
pub struct Verifications {
    /// Deepest and then latest one that passed after the last that failed.
    pub passed: Option<(VerifyLevel, Timestamp)>,
    /// The last that failed, unless one as deep passed later.
    pub failed: Option<(VerifyLevel, Timestamp)>,
}

/// The verifications of the backup in `folder`. A sidecar that can't be read tells nothing and is
/// passed over.
pub fn verifications(folder: &Folder) -> Result<Verifications> {
    let mut all = Vec::new();
    let entries = match folder.within("verify") {
        Err(e) if reach::is_out_of_reach(&e) => return Err(e),
        entries => entries.unwrap_or_default(),
    };
    for Entry { name, .. } in entries {
        let json = match folder.get(&name, CAP) {
            Ok(Some(json)) => json,
            // One that failed may be among them.
            Err(e) if reach::is_out_of_reach(&e) => return Err(e),
            _ => continue,
        };
        let Ok(result) = wire::from_json::<wire::Verification>(&name, &json) else {
            continue;
        };
        if let Some(level) = level_of(&result.level) {
            all.push((result.at.0, level, result.result == "passed"));
        }
    }
    all.sort();
    let mut found = Verifications::default();
    for (at, level, passed) in all {
        if passed {
            found.passed = found.passed.max(Some((level, at)));
            if found.failed.is_some_and(|(failed, _)| failed <= level) {
                found.failed = None;
            }
        } else {
            (found.passed, found.failed) = (None, Some((level, at)));
        }
    }
    Ok(found)
}

fn level_of(word: &str) -> Option<VerifyLevel> {
    [
        VerifyLevel::Listed,
        VerifyLevel::Hashed,
        VerifyLevel::Decrypted,
        VerifyLevel::Restored,
    ]
    .into_iter()
    .find(|level| level.as_str() == word)
}

/// True while the backup in `folder` is pinned. A pin that can't be read still holds.
pub fn pinned(folder: &Folder) -> bool {
    match folder.get(layout::PIN, CAP) {
        Ok(None) => false,
        Ok(Some(json)) => wire::from_json::<wire::Pin>(layout::PIN, &json)
            .ok()
            .and_then(|pin| pin.until)
            .is_none_or(|until| until.0 > clock::now()),
        Err(_) => true,
    }
}

/// Pins the backup in `folder`, in place of an earlier pin.
pub fn write_pin(
    folder: &Folder,
    reason: &str,
    actor: &str,
    until: Option<Timestamp>,
) -> Result<()> {
    let pin = wire::Pin {
        reason: reason.to_owned(),
        actor: actor.to_owned(),
        at: wire::Time(clock::now()),
        until: until.map(wire::Time),
    };
    let json = wire::to_json(&pin)?;
    if folder.has(layout::PIN)? {
        return folder.replace(layout::PIN, &json);
    }
    folder.put(layout::PIN, &json)?;
    folder.place().sync()
}

/// Notes the result of a verification.
pub fn write_verification(
    folder: &Folder,
    facts: &BackupFacts,
    level: VerifyLevel,
    passed: bool,
    actor: &str,
    server_version: Option<&str>,
) -> Result<()> {
    let at = clock::now();
    let verification = wire::Verification {
        level: level.as_str().to_owned(),
        result: if passed { "passed" } else { "failed" }.to_owned(),
        actor: actor.to_owned(),
        at: wire::Time(at),
        tool: wire::Tool::this(),
        server_version: server_version.map(str::to_owned),
        objects: facts.objects,
        tables: facts.tables.len() as u64,
        rows: facts.tables.iter().map(|t| t.rows).sum(),
    };
    folder.put(&layout::verification(at), &wire::to_json(&verification)?)?;
    folder.place().sync()
}
