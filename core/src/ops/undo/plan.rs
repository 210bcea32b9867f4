//! Finding the rollback to reverse and what that takes. Only reads.

use crate::error::{Error, Result};
use crate::ident::Revision;
use crate::model::event::{Event, Phase};
use crate::model::ledger::{Entry, Record, Verb};
use crate::model::plan::{Fate, Step};
use crate::model::relation::Oid;
use crate::ops::analysis::{self, Analysis};
use crate::ops::context::Context;
use crate::ops::task::Task;
use crate::ops::undo::follow;
use crate::pg::record::{Details, TableRecord};
use crate::pg::session::{Client, Session};
use crate::pg::{connect, inspect, journal, ledger, lookup, retry, snapshot, transaction};
use crate::sql::concurrently;

/// What an undo will do.
#[derive(Debug, Clone)]
pub struct UndoPlan {
    /// The database.
    pub database: String,
    /// The rollback that is reversed.
    pub record: Record,
    /// What it left behind for us, with the names that columns have now.
    pub details: Details,
    /// Its tables with the names that columns had.
    pub recorded: Vec<TableRecord>,
    /// The migrations to apply again, oldest first.
    pub steps: Vec<Step>,
    /// What applying them again would do.
    pub analysis: Analysis,
}

impl UndoPlan {
    /// True when applying the migrations again drops the table `oid`.
    pub fn drops(&self, oid: Oid) -> bool {
        let coverage = self.analysis.covered.coverage.get(&oid);
        coverage.is_some_and(|c| c.fate == Fate::Dropped)
    }
}

/// Plans the undo of the newest rollback that was not undone, or of the one that `selector` (the
/// id of one of its backups, or a prefix of it) names.
pub fn plan<'a>(ctx: &'a Context, selector: Option<&'a str>) -> Task<'a, UndoPlan> {
    Box::pin(async move {
        ctx.observer.observe(Event::Phase(Phase::Plan));
        let session = connect::connect(&ctx.database, "pgbelay plan").await?;
        on(ctx, &session, selector, true).await
    })
}

/// Plans on a session that is there already.
pub async fn on(
    ctx: &Context,
    session: &Session,
    selector: Option<&str>,
    measure: bool,
) -> Result<UndoPlan> {
    let client = session.client();
    snapshot::begin_reading(client, ctx.lock_timeout).await?;
    let planned = async {
        let path = lookup::search_path(client).await?;
        read(client, session.database(), path, selector, measure).await
    };
    retry::end_reading(client, planned.await).await
}

/// Plans in the open transaction. `path` is the search path that scripts have.
pub async fn read(
    client: &Client,
    database: &str,
    path: Vec<String>,
    selector: Option<&str>,
    measure: bool,
) -> Result<UndoPlan> {
    transaction::ours(client).await?;
    let records = journal::read(client).await?;
    let record = choose(&records, selector)?;
    let entries = ledger::read(client).await?;
    nothing_since(&record, &entries)?;
    let mut details = Details::of_rollback(&records, &record)?;
    let recorded = details.tables.clone();
    let steps = steps(&details)?;
    let world = inspect::world(client, path).await?;
    follow::columns(&mut details, &world)?;
    let mut analysis = analysis::analyse(client, world, &steps, false, measure).await?;
    for statement in analysis.statements.iter_mut().flatten() {
        if let Some(tolerant) = concurrently::unless_there(statement) {
            *statement = tolerant;
        }
    }
    Ok(UndoPlan {
        database: database.to_owned(),
        record,
        details,
        recorded,
        steps,
        analysis,
    })
}

/// The rollback that `selector` means, or the newest that was not undone.
pub fn choose(records: &[Record], selector: Option<&str>) -> Result<Record> {
    let undone = |r: &Record| is_undone(records, r);
    let mut rollbacks = records.iter().rev().filter(|r| r.verb == Verb::Rollback);
    let Some(selector) = selector else {
        return rollbacks.find(|r| !undone(r)).cloned().ok_or_else(|| {
            Error::usage("there is no rollback to undo")
                .hint("`migrate history -v` shows every run")
        });
    };
    let named = |r: &&Record| {
        let id = selector
            .rsplit('/')
            .find(|part| !part.is_empty() && *part != "manifest.json");
        let id = id.unwrap_or(selector);
        let latest = selector == "latest";
        latest && !undone(r) || r.backups.iter().any(|b| b.as_str().starts_with(id))
    };
    let record = rollbacks.find(named).ok_or_else(|| {
        Error::usage(format!(
            "no rollback in the journal used the backup '{selector}'"
        ))
        .hint("`backup list` shows the backups, `migrate history -v` the runs")
    })?;
    if undone(record) {
        return Err(Error::usage("that rollback has been undone already")
            .hint("`migrate history -v` shows every run"));
    }
    Ok(record.clone())
}

/// True when the journal has an undo of all of `rollback`.
pub fn is_undone(records: &[Record], rollback: &Record) -> bool {
    let mut undos = records.iter().filter(|r| r.verb == Verb::Undo);
    undos.any(|undo| undo.reverses == Some(rollback.sequence))
}

/// The ledger must still be where the rollback left it.
pub fn nothing_since(record: &Record, entries: &[Entry]) -> Result<()> {
    let head = entries.last().map(|e| e.revision.clone());
    if head == record.to {
        return Ok(());
    }
    let say = |r: &Option<Revision>| r.as_ref().map_or("base".to_owned(), ToString::to_string);
    Err(Error::refused(format!(
        "the rollback ended at {}, and the database is at {} now",
        say(&record.to),
        say(&head)
    ))
    .hint(format!(
        "roll back to {} first, then undo; what that takes away can be undone too",
        say(&record.to)
    )))
}

fn steps(details: &Details) -> Result<Vec<Step>> {
    details
        .entries
        .iter()
        .rev()
        .map(|entry| {
            let revision: Revision = entry.revision.parse()?;
            let (name, up) = (&entry.name, &entry.up_text);
            Ok(Step::from_ledger(revision, name, up, entry.transactional))
        })
        .collect()
}
