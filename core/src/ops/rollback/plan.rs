//! Finding out what a rollback would do. Only reads.

use crate::error::{Context as _, Error, Kind, Result};
use crate::ident::{Digest, Revision};
use crate::model::event::{Event, Phase};
use crate::model::ledger::Entry;
use crate::model::loss::{Finding, Severity, Verdict};
use crate::model::migration::{Migration, Script, Target};
use crate::model::plan::{Refusal, RollbackPlan, Step};
use crate::ops::analysis::{self, Analysis};
use crate::ops::beside;
use crate::ops::context::Context;
use crate::ops::former;
use crate::ops::rollback::graded;
use crate::ops::rollback::look::look;
use crate::ops::stored_catalog;
use crate::ops::task::Task;
use crate::pg::session::Session;
use crate::pg::{connect, retry, snapshot};
use crate::schema::Catalog;
use crate::schema::bookkeeping::{self, UnknownOption};
use crate::source;
use crate::sql::code;

/// Where to go back to.
#[derive(Debug, Clone)]
pub enum Ask {
    /// To a revision, which is kept: a version, a prefix, a name, `base`, `-N`.
    To(String),
    /// This many migrations back.
    Steps(usize),
    /// This many runs of `migrate upgrade` back.
    Batches(usize),
    /// The migration of this name, and all applied after it.
    Named(String),
}

/// What was asked for.
#[derive(Debug, Clone)]
pub struct Request {
    /// Where to.
    pub ask: Ask,
    /// Skip refusals for scripts that can't be judged; every table is saved instead.
    pub force: bool,
    /// Accept a schema that ends other than recorded, and files that differ from what was applied.
    pub accept_drift: bool,
    /// Count what is lost. Without, only what is needed to go ahead is found out.
    pub measure: bool,
}

/// A plan with what it was made from.
#[derive(Debug, Clone)]
pub struct Planned {
    /// What was asked for.
    pub request: Request,
    /// The plan.
    pub plan: RollbackPlan,
    /// What the scripts would do.
    pub analysis: Analysis,
    /// The ledger rows to be taken back, newest first.
    pub entries: Vec<Entry>,
    /// The schema now.
    pub catalog: Catalog,
    /// The schema that there has to be afterwards, as far as it was recorded what the migrations
    /// changed.
    pub target: Option<Catalog>,
    /// The entries of the ledger, as it is to keep them, whose schemas were recorded with options
    /// of the server's own.
    pub restated: Vec<Entry>,
    /// Options that nobody knows.
    pub unknown: Vec<UnknownOption>,
}

/// Plans a rollback. Nothing above ACCESS SHARE is locked and nothing is written.
pub fn plan(ctx: &Context, request: Request) -> Task<'_, Planned> {
    Box::pin(async move {
        ctx.observer.observe(Event::Phase(Phase::Plan));
        let session = connect::connect(&ctx.database, "pgbelay plan").await?;
        let planned = on(ctx, &session, request).await?;
        former::tell(ctx, &planned.restated, &planned.unknown);
        Ok(planned)
    })
}

/// Plans on a session that is there already.
pub async fn on(ctx: &Context, session: &Session, request: Request) -> Result<Planned> {
    let client = session.client();
    snapshot::begin_reading(client, ctx.lock_timeout).await?;
    let planned = read(ctx, session, request).await;
    retry::end_reading(client, planned).await
}

async fn read(ctx: &Context, session: &Session, request: Request) -> Result<Planned> {
    let client = session.client();
    // The folder is read while the server is asked, and two of its processes answer.
    let reading = ctx.reading_migrations();
    let (mut all, world, recorded) = look(ctx, session).await?;
    let (catalog, unknown) = bookkeeping::strip_catalog(&recorded);
    let restated = former::restate(&mut all, &recorded, &catalog)?;
    let migrations = if ctx.migrations.exists() || all.is_empty() {
        reading.await?
    } else {
        Vec::new() // no obstacle as long as the ledger knows the scripts
    };
    beside::check(client, &all, &migrations).await?;
    let target = resolve(&request.ask, &all, &migrations)?;
    let entries = undone(&all, target.as_ref());
    let mut refusals = Vec::new();
    let mut findings = Vec::new();
    let mut missing = false;
    let mut steps = Vec::new();
    for entry in &entries {
        let file = migrations.iter().find(|m| m.revision == entry.revision);
        compare(entry, file, &request, &mut refusals, &mut findings);
        if let Some(script) = script(entry, file) {
            steps.push(Step {
                revision: entry.revision.clone(),
                name: entry.name.clone(),
                script,
                transactional: file.map_or(entry.transactional, |m| m.down_transactional),
            });
        } else {
            missing = true;
            let why = "there is no rollback script";
            refusals.push(no_way_back(entry, why, "RB-MISSING"));
        }
    }
    for step in &steps {
        if analysis::statements(step).is_empty() {
            missing = true;
            let entry = entries.iter().find(|e| e.revision == step.revision);
            refusals.extend(
                entry.map(|e| no_way_back(e, "the rollback script holds no statement", "RB-EMPTY")),
            );
        }
    }
    let mut analysis =
        analysis::analyse(client, world, &steps, request.force, request.measure).await?;
    refusals.append(&mut analysis.refusals);
    findings.append(&mut analysis.findings);
    match graded::findings(client, &steps, &entries).await? {
        Some(graded) => findings.extend(graded),
        None => analysis.not_evaluated.push(UNGRADED.to_owned()),
    }
    analysis.refusals.clone_from(&refusals);
    let fingerprint = catalog.fingerprint();
    let recorded = all.last().and_then(|entry| entry.fingerprint_after);
    if recorded.is_some_and(|recorded| recorded != fingerprint) && !entries.is_empty() {
        findings.push(drifted());
    }
    let verdict = if missing {
        Verdict::Missing
    } else {
        analysis.verdict()
    };
    let plan = RollbackPlan {
        database: session.database().to_owned(),
        from: all.last().map(|e| e.revision.clone()),
        to: target,
        hash: hash(
            session.database(),
            &entries,
            &steps,
            &analysis,
            &fingerprint,
        ),
        steps,
        coverage: analysis.covered.coverage.clone(),
        capture: analysis.covered.capture.clone(),
        losses: analysis.losses.clone(),
        findings,
        refusals,
        cascades: analysis.cascades.clone(),
        locks: analysis.locks.clone(),
        not_evaluated: analysis.not_evaluated.clone(),
        verdict,
        fingerprint,
        expected: entries.last().and_then(|entry| entry.fingerprint_before),
    };
    Ok(Planned {
        request,
        plan,
        analysis,
        target: target_schema(&catalog, &entries)?,
        entries,
        catalog,
        restated,
        unknown,
    })
}

/// What is not known to a role that may not read the grades.
const UNGRADED: &str = "the grades of round trips: no right to read them";

fn drifted() -> Finding {
    Finding {
        rule: "RB-DRIFT",
        severity: Severity::Warn,
        path: String::new(),
        line: 0,
        message: "the schema was changed outside of the migrations since the last one was \
                  applied; the rollback may end in another schema than recorded"
            .to_owned(),
    }
}

/// `catalog` without what `entries`, newest first, changed.
fn target_schema(catalog: &Catalog, entries: &[Entry]) -> Result<Option<Catalog>> {
    let mut target = catalog.clone();
    for entry in entries {
        let Some(change) = &entry.change else {
            return Ok(None);
        };
        stored_catalog::delta_from_json(change)?.take_back(&mut target);
    }
    Ok(Some(target))
}

fn resolve(ask: &Ask, entries: &[Entry], migrations: &[Migration]) -> Result<Option<Revision>> {
    let head = entries.last().map(|e| &e.revision);
    match ask {
        Ask::To(arg) => {
            let known: Vec<(Revision, String)> = entries
                .iter()
                .map(|e| (e.revision.clone(), full_name(&e.revision, &e.name)))
                .collect();
            match source::resolve(arg, &known, head) {
                Ok(Target::Base) => Ok(None),
                Ok(Target::Revision(revision)) => Ok(Some(revision)),
                Err(error) => Err(explain(error, arg, migrations, head)),
            }
        }
        Ask::Steps(steps) => {
            if *steps > entries.len() {
                let message = format!(
                    "{steps} migrations can't be taken back: {} are applied",
                    entries.len()
                );
                return Err(Error::usage(message).hint("`migrate status` lists them"));
            }
            let kept = entries.len() - steps;
            Ok(kept.checked_sub(1).map(|i| entries[i].revision.clone()))
        }
        Ask::Batches(batches) => {
            let mut numbers: Vec<i64> = entries.iter().rev().map(|e| e.batch).collect();
            numbers.dedup();
            if *batches > numbers.len() {
                let message = format!(
                    "{batches} runs can't be taken back: there were {}",
                    numbers.len()
                );
                return Err(Error::usage(message).hint("`migrate history -v` lists them"));
            }
            let gone = &numbers[..*batches];
            let kept = entries.iter().rev().find(|e| !gone.contains(&e.batch));
            Ok(kept.map(|e| e.revision.clone()))
        }
        Ask::Named(name) => {
            let is = |e: &&Entry| {
                e.name == *name
                    || full_name(&e.revision, &e.name) == *name
                    || e.revision.as_str() == name
            };
            let place = entries.iter().position(|e| is(&e)).ok_or_else(|| {
                Error::usage(format!("no applied migration is called '{name}'"))
                    .hint("`migrate status` lists them")
            })?;
            Ok(place.checked_sub(1).map(|i| entries[i].revision.clone()))
        }
    }
}

fn full_name(revision: &Revision, name: &str) -> String {
    if name.is_empty() {
        revision.to_string()
    } else {
        format!("{revision}_{name}")
    }
}

/// A revision that has a file but isn't applied deserves another answer than one nobody knows.
fn explain(error: Error, arg: &str, migrations: &[Migration], head: Option<&Revision>) -> Error {
    let pending = migrations
        .iter()
        .any(|m| arg.parse().is_ok_and(|r: Revision| r == m.revision) || m.full_name() == arg);
    if error.kind() == Kind::Usage && pending {
        let at = head.map_or("nothing is applied".to_owned(), |h| format!("it is at {h}"));
        Error::usage(format!(
            "revision {arg} is not applied to this database: {at}"
        ))
        .hint("`migrate status` shows what is applied")
    } else {
        error
    }
}

/// What was applied after `target`, newest first.
fn undone(entries: &[Entry], target: Option<&Revision>) -> Vec<Entry> {
    let kept = target.and_then(|t| entries.iter().position(|e| e.revision == *t));
    let from = kept.map_or(0, |place| place + 1);
    entries[from..].iter().rev().cloned().collect()
}

fn compare(
    entry: &Entry,
    file: Option<&Migration>,
    request: &Request,
    refusals: &mut Vec<Refusal>,
    findings: &mut Vec<Finding>,
) {
    let Some(file) = file else {
        findings.push(Finding {
            rule: "RB-NO-FILE",
            severity: Severity::Warn,
            path: entry.name.clone(),
            line: 0,
            message: format!(
                "{} has no file here; the script stored when it was applied is used",
                full_name(&entry.revision, &entry.name)
            ),
        });
        return;
    };
    let edited =
        file.up.checksum() != entry.up_checksum && !code::same(&file.up.text, &entry.up_text);
    if edited && !request.accept_drift {
        refusals.push(Refusal {
            rule: "RB-DRIFT",
            path: file.up.path.clone(),
            line: 0,
            reason: "the file was edited after it was applied; pass --accept-drift to go by what \
                     was applied"
                .to_owned(),
            forceable: false,
        });
    }
    let stored = entry.down_checksum;
    let now = file.down.as_ref().map(Script::checksum);
    if now.is_some() && stored.is_some() && now != stored {
        findings.push(Finding {
            rule: "RB-EDITED",
            severity: Severity::Info,
            path: file
                .down
                .as_ref()
                .map_or_else(String::new, |d| d.path.clone()),
            line: 0,
            message: "the rollback script was edited since the migration was applied; the file \
                      is used"
                .to_owned(),
        });
    }
}

/// The script that takes `entry` back: the file's, else the one stored at the time.
fn script(entry: &Entry, file: Option<&Migration>) -> Option<Script> {
    let stored = || {
        let text = entry.down_text.as_ref()?;
        let path = format!("ledger:{}", full_name(&entry.revision, &entry.name));
        Some(Script::new(path, text))
    };
    file.and_then(|m| m.down.clone()).or_else(stored)
}

fn no_way_back(entry: &Entry, reason: &str, rule: &'static str) -> Refusal {
    Refusal {
        rule,
        path: full_name(&entry.revision, &entry.name),
        line: 0,
        reason: reason.to_owned(),
        forceable: false,
    }
}

/// Digest of everything that a review of the plan was about. Rows come and go; their numbers are
/// left out.
fn hash(
    database: &str,
    entries: &[Entry],
    steps: &[Step],
    analysis: &Analysis,
    fingerprint: &Digest,
) -> Digest {
    let mut text = format!("pgbelay plan 1\n{database}\n{fingerprint}\n");
    for entry in entries {
        text += &format!("{} {}\n", entry.sequence, entry.revision);
    }
    for step in steps {
        text += &format!("{} {}\n", step.revision, step.script.checksum());
    }
    for (table, coverage) in &analysis.covered.coverage {
        text += &format!("{table} {coverage:?}\n");
    }
    text += &format!("{:?}\n", analysis.covered.capture);
    Digest::of(text)
}

impl Planned {
    /// The refusals that stand, given what was asked for.
    pub fn standing_refusals(&self) -> Vec<&Refusal> {
        let force = self.request.force;
        let all = self.plan.refusals.iter();
        all.filter(|r| !(force && r.forceable)).collect()
    }

    /// An error that names everything that stands in the way.
    pub fn refusal(&self) -> Option<Error> {
        let standing = self.standing_refusals();
        let first = standing.first()?;
        let place = |r: &Refusal| {
            if r.line > 0 {
                format!("{}:{}: {} [{}]", r.path, r.line, r.reason, r.rule)
            } else {
                format!("{}: {} [{}]", r.path, r.reason, r.rule)
            }
        };
        let mut message = format!("the rollback is refused: {}", place(first));
        for more in &standing[1..] {
            message += &format!("; {}", place(more));
        }
        let mut error = Error::refused(message);
        if standing.iter().all(|r| r.forceable) {
            error = error.hint(
                "if you have read the script: --force runs it anyway and saves every table first",
            );
        } else if standing
            .iter()
            .any(|r| r.rule == "RB-MISSING" || r.rule == "RB-EMPTY")
        {
            error = error.hint("write the rollback script, or go back with a backup");
        }
        Some(error.hint("nothing was changed"))
    }

    /// An error when a failure is foretold.
    pub fn foretold_failure(&self) -> Result<()> {
        if self.plan.verdict != Verdict::WillFail || self.request.force {
            return Ok(());
        }
        let reasons: Vec<String> = self
            .plan
            .findings
            .iter()
            .filter(|f| f.rule == "RB-WILL-FAIL")
            .map(|f| format!("{}:{}: {}", f.path, f.line, f.message))
            .collect();
        Err(
            Error::refused(format!("the rollback would fail: {}", reasons.join("; ")))
                .hint("nothing was changed; correct the rollback script"),
        )
        .context("the plan did not pass")
    }
}
