//! `rollback validate --rehearse`: the scripts run, on a copy that exists for nothing else.
//!
//! What comes out is told as findings of the plan, so that every report has it. A copy of the
//! definitions tells whether the scripts run and where they end; its tables are empty, so branches
//! that look at rows are not taken: it tells "at least this", never "only this". A restored backup
//! tells what becomes of the rows, too.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::error::{Error, Kind as ErrorKind, Result};
use crate::model::content::{Became, Content};
use crate::model::event::{Event, Phase, Silent};
use crate::model::loss::{Finding, Severity, Verdict};
use crate::model::plan::{Coverage, Fate, Step};
use crate::model::proof::{Bounds, Proof};
use crate::ops::analysis;
use crate::ops::backup::{open, verify, vouch};
use crate::ops::context::Context;
use crate::ops::loading::after;
use crate::ops::rollback::{self, Planned, Request};
use crate::ops::task::Task;
use crate::ops::trial::Trial;
use crate::pg::held::{Held, Watch};
use crate::pg::inspect::{self, Scope};
use crate::pg::restore::{self, Settings};
use crate::pg::scratch::Scratch;
use crate::pg::session::Client;
use crate::pg::{catalog, connect, dump, rehearsal, retry, server, snapshot, transaction};
use crate::schema::{Catalog, Entry, diff, dump_entries};
use crate::sql::statement::{Kind, Statement};
use crate::sql::words::Words;
use crate::store::Passing;

const APPLICATION: &str = "pgbelay rehearsal";

/// The rule that all of it is told under.
const RULE: &str = "RB-REHEARSED";

/// How long an undo may take that is tried on a copy: nobody waits for its locks.
const PROOF: Duration = Duration::from_mins(30);

/// What stands in the way of a rollback and not of a rehearsal: that it is hard to judge or to undo.
/// All else might reach beyond the copy, or leave no whole way back to try.
const HARMLESS: [&str; 5] = [
    "RB-OPAQUE",
    "RB-CASCADE-HIDDEN",
    "RB-NO-KEY",
    "RB-NON-TX",
    "RB-DRIFT",
];

/// What to rehearse on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stage {
    /// A copy of the definitions.
    Clone,
    /// A restored backup.
    Backup(String),
}

/// What the copy holds at a moment: definitions, and rows by table where it has any.
struct State {
    catalog: Catalog,
    content: Content,
}

/// Runs the scripts of `planned` on `stage` and adds to the plan what came of it. What the undo needs is
/// kept in a folder in `room`, for as long as this takes.
pub fn run<'a>(
    ctx: &'a Context,
    planned: &'a mut Planned,
    stage: &'a Stage,
    room: &'a Path,
) -> Task<'a, ()> {
    Box::pin(async move {
        if ctx.production {
            return Err(Error::refused(
                "this database is production: scripts are not run on its server",
            )
            .hint("rehearse against a copy on a server for development"));
        }
        let mut refusals = planned.plan.refusals.iter();
        if let Some(refusal) = refusals.find(|refusal| !HARMLESS.contains(&refusal.rule)) {
            return Err(Error::refused(format!(
                "not rehearsed: {}:{}: {}",
                refusal.path, refusal.line, refusal.reason
            ))
            .hint("without --rehearse, the report tells what can be told from reading"));
        }
        if planned.plan.steps.is_empty() {
            return Ok(());
        }
        let session = connect::connect(&ctx.database, APPLICATION).await?;
        let server = server::read(session.client()).await?;
        stays_inside(ctx, session.client(), &planned.plan.steps, stage).await?;
        drop(session);
        let scratch = Scratch::create(&ctx.database, &server.encoding, &server.collation).await?;
        let outcome = match stage {
            Stage::Clone => on_clone(ctx, planned, &scratch, server.version_num).await,
            Stage::Backup(selector) => on_backup(ctx, planned, &scratch, (selector, room)).await,
        };
        let removed = scratch.remove().await;
        outcome?;
        removed
    })
}

/// Refuses scripts that may run what reaches beyond the database: on a copy, too, it would reach
/// the same files, servers and sessions.
async fn stays_inside(ctx: &Context, client: &Client, steps: &[Step], stage: &Stage) -> Result<()> {
    let mut words = Words::default();
    for step in steps {
        words.add(&step.script.text);
        let opaque = analysis::statements(step);
        let mut opaque = opaque
            .iter()
            .filter(|s| matches!(s.kind, Kind::Opaque { .. }));
        if let Some((statement, what)) = opaque.find_map(|s| Some((s, inspect::beyond(&s.text)?))) {
            return Err(beyond(&format!(
                "{}:{}: {what}",
                step.script.path, statement.line
            )));
        }
    }
    let scope = match stage {
        Stage::Clone => Scope::Named,
        Stage::Backup(_) => Scope::Everything,
    };
    snapshot::begin_reading(client, ctx.lock_timeout).await?;
    let found = async {
        transaction::ours(client).await?;
        inspect::reaching(client, &words, scope).await
    };
    let found = retry::end_reading(client, found.await).await?;
    found.first().map_or(Ok(()), |what| Err(beyond(what)))
}

fn beyond(what: &str) -> Error {
    Error::refused(format!(
        "not rehearsed: {what} reaches beyond the database, or may, and the scripts may run it"
    ))
    .hint("without --rehearse, the report tells what can be told from reading")
}

async fn on_clone(
    ctx: &Context,
    planned: &mut Planned,
    scratch: &Scratch,
    version_num: i32,
) -> Result<()> {
    let dumped = dump::schema(&ctx.database, &ctx.pg_bin, version_num, None).await?;
    let session = connect::connect(scratch.options(), APPLICATION).await?;
    let client = session.client();
    let text = |bytes: Vec<u8>| {
        String::from_utf8(bytes).map_err(|_| Error::failed("the definitions are no UTF-8 text"))
    };
    let (pre, post) = (text(dumped.pre)?, text(dumped.post)?);
    let settings = Settings {
        recorded: &[],
        standard_strings: !(pre.lines().take(40))
            .any(|line| line == "SET standard_conforming_strings = off;"),
    };
    restore::begin(client, settings).await?;
    let subscription =
        |entry: &Entry| entry.kind == "SUBSCRIPTION" || entry.name.starts_with("SUBSCRIPTION ");
    let entries = dump_entries(&pre).into_iter().chain(dump_entries(&post));
    for entry in entries.filter(|entry| !subscription(entry)) {
        after::make(client, &entry).await?;
    }
    restore::commit(client).await?;
    rehearse(ctx, planned, client, "a copy of the definitions", false).await
}

async fn on_backup(
    ctx: &Context,
    planned: &mut Planned,
    scratch: &Scratch,
    (selector, room): (&str, &Path),
) -> Result<()> {
    let backup = open::find(ctx, selector)?;
    let facts = backup.facts().clone();
    if facts.revision != planned.plan.from {
        let say = |r: &Option<crate::ident::Revision>| {
            r.as_ref().map_or("base".to_owned(), ToString::to_string)
        };
        return Err(Error::usage(format!(
            "backup {} is of revision {}, and the database is at {}",
            facts.id,
            say(&facts.revision),
            say(&planned.plan.from)
        ))
        .hint("take a new one: backup create"));
    }
    let verified = open::for_loading(ctx, backup).await?;
    let voucher = vouch::voucher(ctx, &facts).await?;
    vouch::permit(ctx, &facts, voucher)
        .map_err(|e| e.hint("`backup verify` with --expect remembers it"))?;
    let (locked, _) = verify::fill(ctx, scratch, verified, false, false).await?;
    drop(locked.release().await);
    let on = format!("backup {}", facts.id);
    let (severity, message) = undo(ctx, planned, scratch, room).await;
    if severity == Severity::Block {
        planned.plan.verdict = planned.plan.verdict.max(Verdict::Unknown);
    }
    (planned.plan.findings).push(told(&on, severity, (String::new(), 0), &message));
    let session = connect::connect(scratch.options(), APPLICATION).await?;
    rehearse(ctx, planned, session.client(), &on, true).await
}

/// Carries the rollback out on the copy as in earnest, as far as COMMIT, its undo tried whatever that takes.
async fn undo(
    ctx: &Context,
    planned: &Planned,
    scratch: &Scratch,
    room: &Path,
) -> (Severity, String) {
    let passing = Passing::new(room);
    let copy = Context {
        database: scratch.options().clone(),
        backups: passing.location(),
        // What goes again at once needs nobody's word.
        signing_key: None,
        proof: Bounds {
            time: PROOF,
            bytes: u64::MAX / 8,
        },
        observer: Arc::new(Silent),
        ..ctx.clone()
    };
    // What can't be judged is kept whole.
    let force = !planned.plan.refusals.is_empty();
    let with = if force { "with --force, " } else { "" };
    let request = Request {
        force,
        accept_drift: true,
        measure: false,
        ..planned.request.clone()
    };
    match rollback::rehearse(&copy, request).await {
        Ok(None) => (Severity::Info, "there is nothing to undo".to_owned()),
        Ok(Some(Proof::Proved)) => {
            let message = format!("{with}the undo was tried: all rows come back");
            (Severity::Info, message)
        }
        Ok(Some(Proof::Sampled(why))) => {
            (Severity::Info, format!("{with}the undo was tried: {why}"))
        }
        Ok(Some(Proof::Unproved(why))) => (
            Severity::Warn,
            format!("{with}the undo is not proved: {why}"),
        ),
        Err(error) if error.kind() == ErrorKind::Refused => (
            Severity::Block,
            format!("it would be refused: {}", error.in_full()),
        ),
        Err(error) => {
            let message = format!("the undo was not tried: {}", error.in_full());
            (Severity::Warn, message)
        }
    }
}

/// What came of it, about a line of a file, if about any.
fn told(on: &str, severity: Severity, (path, line): (String, u32), message: &str) -> Finding {
    Finding {
        rule: RULE,
        severity,
        path,
        line,
        message: format!("rehearsed on {on}: {message}"),
    }
}

async fn rehearse(
    ctx: &Context,
    planned: &mut Planned,
    client: &Client,
    on: &str,
    rows: bool,
) -> Result<()> {
    ctx.observer.observe(Event::Phase(Phase::Scripts));
    let before = look(ctx, client, rows).await?;
    let mut watch = Watch::begin(client).await?;
    let began = Instant::now();
    let ran = scripts(ctx, &planned.plan.steps, client, &mut watch).await;
    let ended = Instant::now();
    if client.is_closed() {
        return Err(Error::failed(
            "the connection was lost during the rehearsal",
        ));
    }
    let plan = &mut planned.plan;
    let mut tell = |severity, path: String, line, message: String| {
        let finding = told(on, severity, (path, line), &message);
        plan.findings.push(finding);
    };
    if let Err((path, error)) = ran {
        let message = format!("it fails: {}", error.in_full());
        tell(Severity::Block, path, 0, message);
        plan.verdict = plan.verdict.max(Verdict::WillFail);
        return Ok(());
    }
    let seconds = ended.duration_since(began).as_secs_f64();
    let message = format!("the scripts run, in {seconds:.1} s");
    tell(Severity::Info, String::new(), 0, message);
    for step in &plan.steps {
        if outside(step, &analysis::statements(step)) {
            let message = "what it locks isn't measured, since it runs outside a transaction";
            tell(
                Severity::Info,
                step.script.path.clone(),
                0,
                message.to_owned(),
            );
        }
    }
    let names = watch.former_names(client).await?;
    for held in &watch.end() {
        let mut foretold = plan.locks.iter();
        let foreseen = foretold.any(|l| l.table == held.table && l.mode >= held.mode);
        if let Some((severity, message)) = locked(held, ended, foreseen, rows) {
            tell(severity, held.path.clone(), held.line, message);
        }
    }
    let after = look(ctx, client, rows).await?;
    let elsewhere = plan
        .expected
        .is_some_and(|expected| expected != after.catalog.fingerprint());
    if elsewhere {
        let difference = planned.target.as_ref().map_or_else(String::new, |target| {
            format!(":\n{}", diff(target, &after.catalog).render())
        });
        let message = format!("the scripts end in another schema than the one before{difference}");
        tell(Severity::Warn, String::new(), 0, message);
    }
    if !rows {
        return Ok(());
    }
    let moves = |coverage: &&Coverage| coverage.fate == Fate::Dropped || coverage.rows_change;
    let covered = plan.coverage.values().filter(moves);
    let covered: BTreeSet<String> = covered.map(|c| c.table.to_string()).collect();
    let after = after.content.called(&names);
    let told = judged(before.content.became(&after), &covered);
    let unforeseen = told
        .iter()
        .any(|(severity, _)| *severity == Severity::Block);
    for (severity, effect) in told {
        tell(severity, String::new(), 0, effect);
    }
    if unforeseen {
        plan.verdict = plan.verdict.max(Verdict::Unknown);
    }
    Ok(())
}

/// Runs the scripts of `steps` until one fails: its file, then.
async fn scripts(
    ctx: &Context,
    steps: &[Step],
    client: &Client,
    watch: &mut Watch,
) -> Result<(), (String, Error)> {
    for step in steps {
        let trial = Trial {
            ctx,
            client,
            revision: &step.revision,
        };
        let statements = analysis::statements(step);
        let ran = if outside(step, &statements) {
            trial.commit(&step.script, false).await
        } else {
            trial.watched(&step.script, &statements, watch).await
        };
        ran.map_err(|error| (step.script.path.clone(), error))?;
    }
    Ok(())
}

/// True for a script that a rollback can't run in its transaction, and this can. Its locks end with
/// each statement.
fn outside(step: &Step, statements: &[Statement]) -> bool {
    let must = |s: &Statement| matches!(s.kind, Kind::NonTransactional { .. });
    !step.transactional && statements.iter().any(must)
}

/// What there is to say about a lock that the scripts held until they `ended`. How long is told
/// only where tables have rows.
fn locked(held: &Held, ended: Instant, foreseen: bool, rows: bool) -> Option<(Severity, String)> {
    let lock = format!("{} on {}", held.mode.as_str(), held.table);
    let seconds = ended.duration_since(held.since).as_secs_f64();
    match (foreseen, rows) {
        (true, false) => None,
        (true, true) => Some((Severity::Info, format!("{lock} for {seconds:.2} s"))),
        (false, false) => Some((Severity::Warn, format!("{lock}, which was not foreseen"))),
        (false, true) => Some((
            Severity::Warn,
            format!("{lock} for {seconds:.2} s, which was not foreseen"),
        )),
    }
}

/// What there is to say about what became of tables, when the rows of those `covered` were known to
/// change.
fn judged(became: Vec<(&str, Became)>, covered: &BTreeSet<String>) -> Vec<(Severity, String)> {
    let judge = |(table, became): (&str, Became)| {
        let (effect, moved) = match became {
            Became::Gone { rows } => (format!("gone, with {rows} rows"), rows > 0),
            Became::Counted { before, after } => {
                (format!("{before} rows before, {after} after"), true)
            }
            Became::Rewritten { rows } => {
                (format!("{rows} rows, with other values or columns"), false)
            }
        };
        if moved && !covered.contains(table) {
            let text = format!("table {table}: {effect}, which was not foreseen");
            return (Severity::Block, text);
        }
        (Severity::Info, format!("table {table}: {effect}"))
    };
    became.into_iter().map(judge).collect()
}

async fn look(ctx: &Context, client: &Client, rows: bool) -> Result<State> {
    transaction::begin(client, ctx.lock_timeout, None).await?;
    let state = async {
        Ok(State {
            catalog: catalog::read_aside(client).await?,
            content: if rows {
                rehearsal::content(client).await?
            } else {
                Content::default()
            },
        })
    };
    let state = state.await;
    transaction::abandon(client).await;
    state
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_that_move_unforeseen_block() {
        let became = vec![
            (
                "b",
                Became::Counted {
                    before: 2,
                    after: 1,
                },
            ),
            ("c", Became::Rewritten { rows: 1 }),
            ("d", Became::Gone { rows: 0 }),
            ("e", Became::Gone { rows: 1 }),
        ];
        let told = judged(became, &["b".to_owned()].into());
        let expected = [
            (Severity::Info, "table b: 2 rows before, 1 after"),
            (
                Severity::Info,
                "table c: 1 rows, with other values or columns",
            ),
            (Severity::Info, "table d: gone, with 0 rows"),
            (
                Severity::Block,
                "table e: gone, with 1 rows, which was not foreseen",
            ),
        ];
        assert_eq!(
            told,
            expected.map(|(severity, text)| (severity, text.to_owned()))
        );
    }
}
