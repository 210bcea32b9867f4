//! `migrate current`, `status`, `history` and `check`: what is applied, what is not, what is odd.

use crate::clock::Timestamp;
use crate::error::Result;
use crate::ident::{Digest, Revision};
use crate::model::ledger::{Entry, Record};
use crate::model::migration::{Migration, Script};
use crate::ops::context::Context;
use crate::ops::drift;
use crate::ops::drift::Drift;
use crate::ops::task::Task;
use crate::pg::connect;
use crate::pg::journal;
use crate::pg::ledger;
use crate::pg::progress;
use crate::pg::session;
use crate::source;
use crate::sql::code;

/// Where a migration stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Applied, and its file is what was applied.
    Applied,
    /// Not applied.
    Pending,
    /// A script outside a transaction was begun and not finished.
    Failed,
    /// Applied, without a file.
    Missing,
    /// Applied, and its file was edited since.
    Edited,
}

impl State {
    /// The stable word for machines.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Pending => "pending",
            Self::Failed => "failed",
            Self::Missing => "missing",
            Self::Edited => "edited",
        }
    }
}

/// One migration, applied or not.
#[derive(Debug, Clone)]
pub struct Line {
    /// The revision.
    pub revision: Revision,
    /// The name.
    pub name: String,
    /// From the file's header; empty when there is none.
    pub description: String,
    /// Where it stands.
    pub state: State,
    /// When it was applied.
    pub applied_at: Option<Timestamp>,
    /// Who applied it.
    pub applied_by: Option<String>,
    /// How long it took.
    pub duration_ms: Option<i64>,
    /// Checksum of what was applied, else of the file.
    pub checksum: Digest,
    /// True when there is a way back, in a file or in the ledger.
    pub has_rollback: bool,
    /// True when the rollback file is not the one recorded when the migration was applied.
    pub rollback_edited: bool,
    /// The run that applied it.
    pub batch: Option<i64>,
}

/// What ledger and files say together.
#[derive(Debug, Clone)]
pub struct Status {
    /// The database, as the server names it.
    pub database: String,
    /// The revision applied last.
    pub current: Option<Revision>,
    /// The last revision of the files, in the order in which they are applied.
    pub head: Option<Revision>,
    /// Every migration, in order of revision.
    pub lines: Vec<Line>,
    /// Where ledger and files disagree.
    pub drift: Vec<Drift>,
}

impl Status {
    /// How many migrations are not applied.
    pub fn pending(&self) -> usize {
        let open = |line: &&Line| matches!(line.state, State::Pending | State::Failed);
        self.lines.iter().filter(open).count()
    }

    /// True when everything is applied and nothing disagrees: what `check` asks.
    pub fn is_current(&self) -> bool {
        self.pending() == 0 && self.drift.iter().all(Drift::is_harmless)
    }
}

/// Reads where the database stands.
pub fn read(ctx: &Context) -> Task<'_, Status> {
    Box::pin(async move {
        let migrations = ctx.read_migrations()?;
        let mut session = connect::connect(&ctx.database, "pgbelay status").await?;
        let database = session.database().to_owned();
        let transaction = session::reading(session.client_mut(), ctx.lock_timeout).await?;
        let entries = ledger::read(&transaction).await?;
        let unfinished: Vec<Revision> = progress::unfinished(&transaction)
            .await?
            .into_iter()
            .map(|(revision, _)| revision)
            .collect();
        Ok(Status {
            database,
            current: entries.last().map(|entry| entry.revision.clone()),
            head: migrations.last().map(|m| m.revision.clone()),
            lines: lines(&migrations, &entries, &unfinished),
            drift: drift::find(&migrations, &entries),
        })
    })
}

/// The migrations that no other one follows; by the files alone.
pub fn heads(ctx: &Context) -> Result<Vec<Migration>> {
    let migrations = ctx.read_migrations()?;
    Ok(source::heads(&migrations).into_iter().cloned().collect())
}

/// The revision that is current, without looking at any file.
pub fn current(ctx: &Context) -> Task<'_, Option<Revision>> {
    Box::pin(async move {
        let mut session = connect::connect(&ctx.database, "pgbelay status").await?;
        let transaction = session::reading(session.client_mut(), ctx.lock_timeout).await?;
        ledger::head(&transaction).await
    })
}

/// Every run that the journal knows, oldest first. The chain is checked on the way.
pub fn runs(ctx: &Context) -> Task<'_, Vec<Record>> {
    Box::pin(async move {
        let mut session = connect::connect(&ctx.database, "pgbelay status").await?;
        let transaction = session::reading(session.client_mut(), ctx.lock_timeout).await?;
        journal::verify_chain(&transaction).await?;
        journal::read(&transaction).await
    })
}

fn lines(migrations: &[Migration], entries: &[Entry], unfinished: &[Revision]) -> Vec<Line> {
    let mut lines: Vec<Line> = entries
        .iter()
        .map(|entry| {
            let file = migrations.iter().find(|m| m.revision == entry.revision);
            applied(entry, file, unfinished)
        })
        .collect();
    for migration in drift::pending(migrations, entries) {
        let failed = unfinished.contains(&migration.revision);
        lines.push(Line {
            revision: migration.revision.clone(),
            name: migration.name.clone(),
            description: migration.description.clone(),
            state: if failed {
                State::Failed
            } else {
                State::Pending
            },
            applied_at: None,
            applied_by: None,
            duration_ms: None,
            checksum: migration.up.checksum(),
            has_rollback: migration.down.is_some(),
            rollback_edited: false,
            batch: None,
        });
    }
    lines.sort_by(|a, b| a.revision.cmp(&b.revision));
    lines
}

fn applied(entry: &Entry, file: Option<&Migration>, unfinished: &[Revision]) -> Line {
    let state = match file {
        // Its way back was begun and not finished.
        _ if unfinished.contains(&entry.revision) => State::Failed,
        None => State::Missing,
        Some(file)
            if file.up.checksum() != entry.up_checksum
                && !code::same(&file.up.text, &entry.up_text) =>
        {
            State::Edited
        }
        Some(_) => State::Applied,
    };
    let down = file.and_then(|file| file.down.as_ref());
    let rollback = down.map(Script::checksum);
    Line {
        revision: entry.revision.clone(),
        name: entry.name.clone(),
        description: file.map_or_else(String::new, |file| file.description.clone()),
        state,
        applied_at: Some(entry.applied_at),
        applied_by: Some(entry.applied_by.clone()),
        duration_ms: Some(entry.duration_ms),
        checksum: entry.up_checksum,
        has_rollback: rollback.is_some() || entry.down_text.is_some(),
        rollback_edited: file.is_some() && rollback != entry.down_checksum,
        batch: Some(entry.batch),
    }
}
