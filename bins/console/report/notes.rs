//! A report as notes to lines of the scripts: what code hosts and CI show is made of these.

use std::collections::BTreeMap;

use pgbelay_core::model::loss::{Finding, Loss, Severity, Verdict};
use pgbelay_core::model::migration::Migration;
use pgbelay_core::model::trip::Trip;
use pgbelay_core::ops::roundtrip::Trips;
use pgbelay_core::rules;
use serde_json::{Value, json};

use crate::report::risk::{self, RiskView};
use crate::report::{findings, lines, trips};
use crate::target::Target;
use crate::text::size;

/// One note.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note<'a> {
    /// The rule that it is about.
    pub rule: &'a str,
    /// How bad it is.
    pub severity: Severity,
    /// What there is to say; not yet fit to be shown.
    pub text: String,
    /// The script; empty: in none of them.
    pub path: &'a str,
    /// One-based line; 0 for the whole script.
    pub line: u32,
}

/// The notes about one migration, or about none of them.
#[derive(Debug)]
pub struct Case<'a> {
    /// What it is called among the others.
    pub name: String,
    /// What there is to say.
    pub notes: Vec<Note<'a>>,
}

/// All that a report says.
#[derive(Debug)]
pub struct Notes<'a> {
    /// What was looked at, in a word.
    pub what: &'static str,
    /// What came of it, in a word.
    pub verdict: String,
    /// Something was found.
    pub found: bool,
    /// Notes as bad as this are failures.
    pub failure: Severity,
    /// The notes.
    pub cases: Vec<Case<'a>>,
    /// The database, in words; empty where none was asked.
    pub place: String,
    /// The whole report for machines.
    pub whole: Value,
}

impl Notes<'_> {
    /// The same, about the database `target`.
    #[must_use]
    pub fn about(mut self, target: &Target) -> Self {
        self.place = target.words();
        let said = lines::missing(&self.whole, target);
        if let Value::Object(whole) = &mut self.whole {
            whole.extend(said);
        }
        self
    }

    /// All notes, one after the other.
    pub fn all(&self) -> impl Iterator<Item = &Note<'_>> {
        self.cases.iter().flat_map(|case| &case.notes)
    }
}

/// What there is to say of a rollback: losses, findings, and what stands in the way. By migration to
/// take back, and at the end what is in no script of theirs.
pub fn of_risk<'a>(view: &'a RiskView<'_>) -> Notes<'a> {
    let losses = view.losses.iter().map(loss);
    let refusals = view.refusals.iter().map(|refusal| Note {
        rule: &refusal.rule,
        severity: Severity::Block,
        text: format!(
            "in the way: {} ({})",
            refusal.reason,
            risk::way(refusal.forceable)
        ),
        path: &refusal.path,
        line: refusal.line,
    });
    let notes = losses.chain(view.untold().map(finding)).chain(refusals);
    let steps = view.steps.iter().zip(&view.scripts);
    let named =
        steps.map(|((revision, name), (path, _))| (format!("{revision} {name}"), vec![*path]));
    let notes = Notes {
        what: "rollback",
        verdict: view.verdict.as_str().to_owned(),
        found: view.verdict > Verdict::NoLoss,
        failure: Severity::Block,
        cases: cases(named, notes, Some("rollback")),
        place: String::new(),
        whole: json!(risk::wire(view)),
    };
    notes.about(&view.target)
}

/// What the rules `found` in the files of `migrations`.
pub fn of_files<'a>(migrations: &'a [Migration], found: &'a [Finding]) -> Notes<'a> {
    let named = migrations.iter().map(|migration| {
        let up = migration.up.path.as_str();
        let down = migration.down.as_ref().map(|down| down.path.as_str());
        let name = format!("{} {}", migration.revision, migration.name);
        (name, std::iter::once(up).chain(down).collect())
    });
    let bad = found.iter().any(|f| f.severity > Severity::Info);
    Notes {
        what: "migrations",
        verdict: findings::summary(found).trim_end().to_owned(),
        found: bad,
        failure: Severity::Warn,
        cases: cases(named, found.iter().map(finding), None),
        place: String::new(),
        whole: json!({"findings": findings::wire(found)}),
    }
}

/// How each migration that was tried came out.
pub fn of_trips(outcome: &Trips) -> Notes<'_> {
    let tried = &outcome.trips;
    let case = |trip: &'_ Trip| {
        let good = trips::is_good(trip);
        let note = Note {
            rule: trip.grade.as_str(),
            severity: if good {
                Severity::Info
            } else {
                Severity::Block
            },
            text: trips::in_words(trip),
            path: "",
            line: 0,
        };
        Case {
            name: format!("{} {}", trip.revision, trip.name),
            notes: vec![note],
        }
    };
    Notes {
        what: "roundtrip",
        verdict: trips::counted(tried),
        found: outcome.untried > 0 || !tried.iter().all(trips::is_good),
        failure: Severity::Block,
        cases: tried.iter().map(case).collect(),
        place: String::new(),
        whole: json!({"round_trips": tried.iter().map(trips::wire).collect::<Vec<_>>()}),
    }
}

/// `notes` by the case whose scripts they are about. What is left is in one called `rest`; without
/// a name for it, only if there is anything left.
fn cases<'a>(
    named: impl Iterator<Item = (String, Vec<&'a str>)>,
    notes: impl Iterator<Item = Note<'a>>,
    rest: Option<&str>,
) -> Vec<Case<'a>> {
    let mut by_path: BTreeMap<&str, Vec<Note<'a>>> = BTreeMap::new();
    for note in notes {
        by_path.entry(note.path).or_default().push(note);
    }
    let mut cases: Vec<Case<'a>> = Vec::new();
    for (name, paths) in named {
        let notes = paths.iter().filter_map(|path| by_path.remove(path));
        cases.push(Case {
            name,
            notes: notes.flatten().collect(),
        });
    }
    let left: Vec<Note<'a>> = by_path.into_values().flatten().collect();
    if rest.is_some() || !left.is_empty() {
        cases.push(Case {
            name: rest.unwrap_or("other files").to_owned(),
            notes: left,
        });
    }
    cases
}

fn finding(finding: &Finding) -> Note<'_> {
    Note {
        rule: finding.rule,
        severity: finding.severity,
        text: finding.message.clone(),
        path: &finding.path,
        line: finding.line,
    }
}

fn loss(loss: &Loss) -> Note<'_> {
    let columns = if loss.columns.is_empty() {
        String::new()
    } else {
        format!(" ({})", loss.columns.join(", "))
    };
    // Counted, and no row loses anything: worth knowing, and no more.
    let severity = match rules::by_id(loss.rule) {
        _ if !loss.is_real() => Severity::Info,
        Some(rule) => rule.severity,
        None => Severity::Warn,
    };
    Note {
        rule: loss.rule,
        severity,
        text: format!(
            "{}{columns}: rows that lose something: {} (table size {}); {}",
            loss.table,
            risk::rows(loss),
            size(loss.bytes),
            loss.why
        ),
        path: &loss.path,
        line: loss.line,
    }
}
