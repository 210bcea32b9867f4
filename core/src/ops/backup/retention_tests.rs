use chrono::NaiveDateTime;

use super::*;
use crate::ident::Digest;
use crate::model::backup::BackupKind;

const DAY: Duration = Duration::from_hours(24);

fn at(text: &str) -> Timestamp {
    NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M")
        .unwrap()
        .and_utc()
}

/// A complete, whole backup of `shop`, made at `time`; its name is the time.
fn made(time: &str) -> BackupFacts {
    let started = at(time);
    BackupFacts {
        id: started.format("%Y%m%dT%H%M").to_string().parse().unwrap(),
        kind: BackupKind::Manual,
        complete: true,
        started,
        finished: Some(started),
        database: "shop".to_owned(),
        name: None,
        reason: None,
        revision: None,
        target: None,
        continues: None,
        server_version: String::new(),
        whole: true,
        tables: Vec::new(),
        skipped: Vec::new(),
        bytes: 0,
        objects: 0,
        recipients: Vec::new(),
        passphrases: 0,
        manifest: Some(Digest::of(time)),
        verified: None,
        failed: None,
        pinned: false,
        signer: None,
        signature: None,
    }
}

/// What stays, and why: `20260105T1000: last 1, the newest`.
fn kept(backups: &[BackupFacts], rules: &Rules) -> Vec<String> {
    let now = at("2026-06-01 12:00");
    let since = |f: &BackupFacts| match f.name.as_deref() {
        Some("damaged") => Remains::Damaged,
        _ => Remains::Since(f.started),
    };
    let verdicts = judge(backups.to_vec(), rules, now, DAY, since);
    assert_eq!(verdicts.len(), backups.len());
    let stay = verdicts.iter().filter(|v| !v.reasons.is_empty());
    stay.map(|v| format!("{}: {}", v.facts.id, v.reasons.join(", ")))
        .collect()
}

fn last(n: u32) -> Rules {
    Rules {
        last: Some(n),
        ..Rules::default()
    }
}

#[test]
fn rules_keep_the_newest_of_each_slot() {
    let all: Vec<BackupFacts> = [
        "2025-12-31 23:59",
        "2026-01-01 00:00",
        "2026-01-04 10:00", // a Sunday
        "2026-01-05 10:00", // a Monday
        "2026-01-05 10:40",
        "2026-01-05 11:00",
    ]
    .map(made)
    .to_vec();
    let check = |rules: Rules, expected: &[&str]| {
        let kept = kept(&all, &rules);
        let expected: Vec<String> = expected
            .iter()
            .map(|e| match e.split_once(':') {
                _ if !e.starts_with("20260105T1100") => (*e).to_owned(),
                Some((id, why)) => format!("{id}:{why}, the newest, the newest whole one"),
                None => format!("{e}: the newest, the newest whole one"),
            })
            .collect();
        assert_eq!(kept, expected);
    };
    let none = Rules::default;
    check(last(2), &["20260105T1040: last 2", "20260105T1100: last 1"]);
    check(last(0), &["20260105T1100"]);
    let hourly = Some(3);
    check(
        Rules { hourly, ..none() },
        &[
            "20260104T1000: hourly 3",
            "20260105T1040: hourly 2",
            "20260105T1100: hourly 1",
        ],
    );
    let daily = Some(3);
    check(
        Rules { daily, ..none() },
        &[
            "20260101T0000: daily 3",
            "20260104T1000: daily 2",
            "20260105T1100: daily 1",
        ],
    );
    let weekly = Some(9);
    check(
        Rules { weekly, ..none() },
        &["20260104T1000: weekly 2", "20260105T1100: weekly 1"],
    );
    let monthly = Some(9);
    check(
        Rules { monthly, ..none() },
        &["20251231T2359: monthly 2", "20260105T1100: monthly 1"],
    );
    let within = Some(DAY);
    check(
        Rules { within, ..none() },
        &[
            "20260105T1000: within",
            "20260105T1040: within",
            "20260105T1100: within",
        ],
    );
}

#[test]
fn databases_and_kinds_do_not_push_each_other_out() {
    let mut other = made("2026-01-01 10:00");
    other.database = "blog".to_owned();
    let mut before = made("2026-01-02 10:00");
    before.kind = BackupKind::Premigrate;
    let all = [
        other,
        before,
        made("2026-01-03 10:00"),
        made("2026-01-04 10:00"),
    ];
    assert_eq!(
        kept(&all, &last(1)),
        [
            "20260101T1000: last 1, the newest, the newest whole one",
            "20260102T1000: last 1",
            "20260104T1000: last 1, the newest, the newest whole one",
        ]
    );
}

#[test]
fn what_is_incomplete_never_counts() {
    let mut failed = made("2026-01-05 10:00");
    failed.complete = false;
    let mut running = made("2026-06-01 11:00");
    running.complete = false;
    let mut damaged = made("2026-01-01 10:00");
    damaged.complete = false;
    damaged.name = Some("damaged".to_owned());
    let mut later = made("2026-01-02 10:00");
    later.manifest = None;
    let all = [damaged, later, made("2026-01-03 10:00"), failed, running];
    assert_eq!(
        kept(&all, &last(1)),
        [
            "20260101T1000: its manifest is damaged",
            "20260102T1000: made by a later version",
            "20260103T1000: last 1, the newest, the newest whole one",
            "20260601T1100: incomplete, and perhaps being written",
        ]
    );
}

#[test]
fn one_that_was_verified_always_stays() {
    let mut all: Vec<BackupFacts> = (1..=6)
        .map(|day| made(&format!("2026-01-0{day} 10:00")))
        .collect();
    let when = at("2026-01-07 10:00");
    all[0].verified = Some((VerifyLevel::Restored, when));
    all[1].verified = Some((VerifyLevel::Decrypted, when));
    all[2].verified = Some((VerifyLevel::Hashed, when));
    all[3].verified = Some((VerifyLevel::Listed, when));
    let newest = "20260106T1000: last 1, the newest, the newest whole one";
    assert_eq!(
        kept(&all, &last(1)),
        ["20260102T1000: the newest verified one", newest]
    );
    // A snapshot of a rollback is no substitute for a backup of everything.
    all[5].whole = false;
    all[5].kind = BackupKind::Prerollback;
    all[5].verified = Some((VerifyLevel::Decrypted, when));
    assert_eq!(
        kept(&all, &last(0)),
        [
            "20260102T1000: the newest verified one",
            "20260105T1000: the newest whole one",
            "20260106T1000: the newest",
        ]
    );
}

#[test]
fn pins_hold_and_pairs_stay_together() {
    let mut all: Vec<BackupFacts> = (1..=7)
        .map(|day| made(&format!("2026-01-0{day} 10:00")))
        .collect();
    all[0].pinned = true;
    all[1].continues = Some(all[0].id.clone());
    all[3].continues = Some(all[2].id.clone());
    all[5].continues = Some(all[4].id.clone());
    all[5].pinned = true;
    assert_eq!(
        kept(&all, &last(1)),
        [
            "20260101T1000: pinned",
            "20260102T1000: it continues 20260101T1000",
            "20260105T1000: 20260106T1000 continues it",
            "20260106T1000: pinned",
            "20260107T1000: last 1, the newest, the newest whole one",
        ]
    );
}
