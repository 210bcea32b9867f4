//! Which backups stay, and why. Pure: a list in, a verdict on each out.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::{Datelike as _, TimeDelta, Timelike as _};

use crate::clock::Timestamp;
use crate::ident::BackupId;
use crate::model::backup::{BackupFacts, BackupKind, Unreadable, VerifyLevel};

/// What to keep, per database and kind. A backup stays when any rule asks for it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rules {
    /// The newest.
    pub last: Option<u32>,
    /// The newest of each of the last hours that have one.
    pub hourly: Option<u32>,
    /// The same by day.
    pub daily: Option<u32>,
    /// The same by week, from Monday.
    pub weekly: Option<u32>,
    /// The same by month.
    pub monthly: Option<u32>,
    /// All that are no older than this, counted from the newest.
    pub within: Option<Duration>,
}

impl Rules {
    /// True when they keep nothing at all.
    pub const fn is_empty(&self) -> bool {
        self.last.is_none()
            && self.hourly.is_none()
            && self.daily.is_none()
            && self.weekly.is_none()
            && self.monthly.is_none()
            && self.within.is_none()
    }
}

/// What was found out about an incomplete backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remains {
    /// Nobody has written to it since then: it was begun, or half deleted.
    Since(Timestamp),
    /// It was complete once, and its manifest is damaged.
    Damaged,
}

/// What becomes of one backup.
#[derive(Debug, Clone)]
pub struct Verdict {
    /// The backup.
    pub facts: BackupFacts,
    /// Why it stays; empty: it goes.
    pub reasons: Vec<String>,
}

/// A day, a week, … as a number that no other has.
type Slot = fn(Timestamp) -> i64;

const fn days(at: Timestamp) -> i64 {
    at.timestamp().div_euclid(86_400)
}

fn hour(at: Timestamp) -> i64 {
    days(at) * 24 + i64::from(at.hour())
}

fn week(at: Timestamp) -> i64 {
    // The epoch was a Thursday.
    (days(at) + 3).div_euclid(7)
}

fn month(at: Timestamp) -> i64 {
    i64::from(at.year()) * 12 + i64::from(at.month0())
}

/// Judges `backups` at the time `now`. `remains` is asked about those that are incomplete; they
/// never count, and go when nobody has written to them for `grace`.
pub fn judge(
    backups: Vec<BackupFacts>,
    rules: &Rules,
    now: Timestamp,
    grace: Duration,
    remains: impl Fn(&BackupFacts) -> Remains,
) -> Vec<Verdict> {
    let mut reasons: BTreeMap<BackupId, Vec<String>> = BTreeMap::new();
    let mut keep = |facts: &BackupFacts, why: String| {
        let known = reasons.entry(facts.id.clone()).or_default();
        if !known.contains(&why) {
            known.push(why);
        }
    };
    for facts in &backups {
        if facts.pinned {
            keep(facts, "pinned".to_owned());
        }
        if !facts.complete {
            let why = match remains(facts) {
                Remains::Damaged => Some("its manifest is damaged"),
                Remains::Since(at) if !older(at, now, grace) => {
                    Some("incomplete, and perhaps being written")
                }
                Remains::Since(_) => None,
            };
            if let Some(why) = why {
                keep(facts, why.to_owned());
            }
        } else if facts.manifest.is_none() {
            keep(facts, "made by a later version".to_owned());
        }
    }
    let counted = |facts: &&BackupFacts| facts.complete && facts.manifest.is_some();
    let mut groups: BTreeMap<(&str, &str), Vec<&BackupFacts>> = BTreeMap::new();
    let mut databases: BTreeMap<&str, Vec<&BackupFacts>> = BTreeMap::new();
    for facts in backups.iter().filter(counted) {
        let group = (facts.database.as_str(), facts.kind.as_str());
        groups.entry(group).or_default().push(facts);
        databases.entry(&facts.database).or_default().push(facts);
    }
    for group in groups.values_mut() {
        newest_first(group);
        for (facts, why) in by_rules(group, rules) {
            keep(facts, why);
        }
    }
    for all in databases.values_mut() {
        newest_first(all);
        for (facts, why) in always(all) {
            keep(facts, why.to_owned());
        }
    }
    together(&backups, &mut reasons);
    let verdict = |facts: BackupFacts| Verdict {
        reasons: reasons.remove(&facts.id).unwrap_or_default(),
        facts,
    };
    backups.into_iter().map(verdict).collect()
}

/// Keeps what may belong with an entry that can't be read: the backups that a run made just before
/// and after it. A backup and the one that continues it follow each other.
pub fn spare_neighbours(verdicts: &mut [Verdict], unreadable: &[Unreadable]) {
    let mut reasons: BTreeMap<BackupId, Vec<String>> = BTreeMap::new();
    for entry in unreadable {
        let Some(id) = &entry.id else { continue };
        let beside = |v: &&Verdict| v.facts.database == entry.database && is_of_run(&v.facts);
        let ids = || verdicts.iter().filter(beside).map(|v| &v.facts.id);
        let before = ids().filter(|other| *other < id).max();
        let after = ids().filter(|other| *other > id).min();
        for neighbour in [before, after].into_iter().flatten() {
            let why = format!("{id} may belong with it, and can't be read");
            reasons.insert(neighbour.clone(), vec![why]);
        }
    }
    if reasons.is_empty() {
        return;
    }
    for verdict in verdicts.iter().filter(|v| !v.reasons.is_empty()) {
        reasons.insert(verdict.facts.id.clone(), verdict.reasons.clone());
    }
    let backups: Vec<BackupFacts> = verdicts.iter().map(|v| v.facts.clone()).collect();
    together(&backups, &mut reasons);
    for verdict in verdicts {
        verdict.reasons = reasons.remove(&verdict.facts.id).unwrap_or_default();
    }
}

fn is_of_run(facts: &BackupFacts) -> bool {
    matches!(facts.kind, BackupKind::Premigrate | BackupKind::Prerollback)
}

fn newest_first(backups: &mut [&BackupFacts]) {
    backups.sort_by(|a, b| (b.started, &b.id).cmp(&(a.started, &a.id)));
}

/// True when `at` lies more than `span` before `now`.
fn older(at: Timestamp, now: Timestamp, span: Duration) -> bool {
    TimeDelta::from_std(span).is_ok_and(|span| now.signed_duration_since(at) > span)
}

/// Those of a group, newest first, that the rules ask for.
fn by_rules<'a>(group: &[&'a BackupFacts], rules: &Rules) -> Vec<(&'a BackupFacts, String)> {
    let mut kept = Vec::new();
    for (place, facts) in group
        .iter()
        .take(rules.last.unwrap_or(0) as usize)
        .enumerate()
    {
        kept.push((*facts, format!("last {}", place + 1)));
    }
    let slots: [(Option<u32>, &str, Slot); 4] = [
        (rules.hourly, "hourly", hour),
        (rules.daily, "daily", days),
        (rules.weekly, "weekly", week),
        (rules.monthly, "monthly", month),
    ];
    for (number, word, slot) in slots {
        let mut seen = BTreeSet::new();
        for facts in group {
            if seen.len() >= number.unwrap_or(0) as usize {
                break;
            }
            if seen.insert(slot(facts.started)) {
                kept.push((*facts, format!("{word} {}", seen.len())));
            }
        }
    }
    if let (Some(span), Some(newest)) = (rules.within, group.first()) {
        for facts in group {
            if !older(facts.started, newest.started, span) {
                kept.push((*facts, "within".to_owned()));
            }
        }
    }
    kept
}

/// Those of a database, newest first, that stay whatever the rules are.
fn always<'a>(all: &[&'a BackupFacts]) -> Vec<(&'a BackupFacts, &'static str)> {
    let is_verified = |f: &&&BackupFacts| f.verified.is_some_and(|v| v.0 >= VerifyLevel::Hashed);
    let whole = |f: &&&BackupFacts| f.whole;
    let mut kept = Vec::new();
    kept.extend(all.first().map(|f| (*f, "the newest")));
    kept.extend(all.iter().find(whole).map(|f| (*f, "the newest whole one")));
    // One that somebody has looked at; better if it was looked at deeply, and holds everything.
    let best = all.iter().filter(is_verified).max_by_key(|f| {
        let deep = f.verified.is_some_and(|v| v.0 >= VerifyLevel::Decrypted);
        (f.whole, deep, f.started)
    });
    kept.extend(best.map(|f| (*f, "the newest verified one")));
    kept
}

/// A backup and what adds to it stay together.
fn together(backups: &[BackupFacts], reasons: &mut BTreeMap<BackupId, Vec<String>>) {
    loop {
        let before = reasons.len();
        for facts in backups {
            let Some(earlier) = &facts.continues else {
                continue;
            };
            if reasons.contains_key(&facts.id) && !reasons.contains_key(earlier) {
                let why = format!("{} continues it", facts.id);
                reasons.insert(earlier.clone(), vec![why]);
            } else if reasons.contains_key(earlier) && !reasons.contains_key(&facts.id) {
                reasons.insert(facts.id.clone(), vec![format!("it continues {earlier}")]);
            }
        }
        if reasons.len() == before {
            return;
        }
    }
}

#[cfg(test)]
#[path = "retention_tests.rs"]
mod tests;
