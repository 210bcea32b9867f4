//! What follows rows: indexes, constraints, triggers. Indexes and foreign keys are made several at
//! a time, all else one after another as `pg_dump` ordered it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{Error, Result};
use crate::ident::TableName;
use crate::model::event::{Event, Phase};
use crate::ops::gang::{self, Hand, Task};
use crate::ops::loading::Loader;
use crate::ops::loading::waves::{self, Reference, Step};
use crate::pg::error::sqlstate;
use crate::pg::session::Client;
use crate::pg::{restore, resume, retry, transaction};
use crate::schema::Entry;

/// What became of a definition.
pub enum Made {
    Done,
    /// A foreign key that is not valid.
    Invalid(String),
}

/// How many definitions are made, of all.
#[derive(Default)]
pub struct Count {
    made: AtomicU64,
    total: u64,
}

impl Count {
    fn more(&self, loader: &Loader) {
        loader.observer.observe(Event::Progress {
            phase: Phase::Restore,
            what: "indexes, constraints and triggers".to_owned(),
            done: self.made.fetch_add(1, Ordering::Relaxed) + 1,
            total: self.total,
        });
    }
}

/// The steps that make `entries`, less those that an earlier run has done; `name` tells them from
/// those of other entries.
pub fn steps(loader: &Loader, name: &str, entries: Vec<Entry>) -> (Vec<Step>, Arc<Count>) {
    let total = entries.len() as u64;
    let steps: Vec<Step> = (entries.into_iter().enumerate())
        .map(|(place, entry)| Step {
            name: format!("{name} {place}"),
            entry,
        })
        .filter(|step| !loader.is_done(&step.name))
        .collect();
    let made = AtomicU64::new(total - steps.len() as u64);
    (steps, Arc::new(Count { made, total }))
}

/// Makes `steps`, on the connection of `client` and others. Returns the names of foreign keys that
/// are not valid: `partial` says that rows which they refer to may not be there.
pub async fn follow(
    loader: &Loader,
    client: &Client,
    steps: Vec<Step>,
    partial: bool,
    count: &Arc<Count>,
) -> Result<Vec<String>> {
    let weights = weights(loader);
    let mut invalid = Vec::new();
    let mut note = |made| match made {
        Made::Done => {}
        Made::Invalid(name) => invalid.push(name),
    };
    for (kind, steps) in waves::cut(steps) {
        let (mut tasks, mut alone) = (Vec::new(), Vec::new());
        for step in steps {
            match waves::locks(kind, &step.entry.sql) {
                Some(locks) => {
                    let tables = locks.iter().filter_map(|(table, _)| weights.get(table));
                    tasks.push(Task {
                        weight: tables.max().copied().unwrap_or_default(),
                        locks,
                        ..Task::new(step)
                    });
                }
                None => alone.push(step),
            }
        }
        tasks.sort_by_key(|task| std::cmp::Reverse(task.weight));
        let (own, counted) = (loader.clone(), Arc::clone(count));
        let work =
            move |hand: &Hand, step| hand.wait(one(&own, hand.client(), &step, partial, &counted));
        for made in gang::run(&loader.target, loader.jobs, tasks, work).await? {
            note(made);
        }
        for step in alone {
            note(one(loader, client, &step, partial, count).await?);
        }
    }
    Ok(invalid)
}

/// Rows by table.
pub fn weights(loader: &Loader) -> BTreeMap<String, u64> {
    let parts = loader.verified.parts().iter();
    parts.map(|p| (p.part.table.to_string(), p.rows)).collect()
}

async fn one(
    loader: &Loader,
    client: &Client,
    step: &Step,
    partial: bool,
    count: &Count,
) -> Result<Made> {
    let what = described(&step.entry);
    let outcome = in_transaction(loader, client, &what, &step.entry.sql, &step.name).await;
    let made = match outcome.map_err(explain) {
        Err(error) if partial && is_orphan(&error) => unvalidated(loader, client, step).await?,
        outcome => outcome.map(|()| Made::Done)?,
    };
    count.more(loader);
    Ok(made)
}

/// Makes an index; with `shares`, others are busy at the same time.
pub async fn index(
    loader: &Loader,
    client: &Client,
    step: &Step,
    shares: bool,
    count: &Count,
) -> Result<()> {
    let what = described(&step.entry);
    let setting = if shares {
        restore::ON_ONE_PROCESSOR
    } else {
        ""
    };
    let sql = format!("{setting}{}", step.entry.sql);
    let made = in_transaction(loader, client, &what, &sql, &step.name).await;
    made.map_err(explain)?;
    count.more(loader);
    Ok(())
}

/// The name of the note that a foreign key was made and is not yet valid.
pub fn added(step: &Step) -> String {
    format!("{} not valid", step.name)
}

/// Makes a foreign key without looking at rows.
pub async fn reference(
    loader: &Loader,
    client: &Client,
    step: &Step,
    reference: &Reference,
) -> Result<()> {
    let what = described(&step.entry);
    let made = in_transaction(loader, client, &what, &reference.add, &added(step)).await;
    made.map_err(explain)
}

/// Looks whether the foreign key of `step`, which was made, is valid.
pub async fn validation(
    loader: &Loader,
    client: &Client,
    step: &Step,
    reference: &Reference,
    partial: bool,
    count: &Count,
) -> Result<Made> {
    let what = described(&step.entry);
    let outcome = in_transaction(loader, client, &what, &reference.validate, &step.name).await;
    let made = match outcome {
        Err(error) if partial && is_orphan(&error) => {
            in_transaction(loader, client, &what, "", &step.name).await?;
            Ok(invalid(loader, step))
        }
        outcome => outcome.map(|()| Made::Done),
    };
    count.more(loader);
    made
}

/// Runs `sql` in a transaction of its own, with a note that `step` is done. Again when a lock was
/// in the way.
async fn in_transaction(
    loader: &Loader,
    client: &Client,
    what: &str,
    sql: &str,
    step: &str,
) -> Result<()> {
    let mut tries = 0;
    loop {
        restore::begin(client, loader.settings()).await?;
        let error = match restore::run(client, what, sql).await {
            Ok(()) => {
                resume::lazily(client).await?;
                resume::note(client, step).await?;
                return restore::commit(client).await;
            }
            Err(error) => error,
        };
        transaction::abandon(client).await;
        tries += 1;
        if !retry::is_lock(&error) || tries > retry::ATTEMPTS {
            return Err(error);
        }
        retry::pause(&error, tries, loader.observer.as_ref()).await;
    }
}

/// True when a row refers to one that isn't there.
fn is_orphan(error: &Error) -> bool {
    sqlstate(error).as_deref() == Some("23503")
}

fn described(entry: &Entry) -> String {
    let (kind, name) = (entry.kind.to_lowercase(), entry.name.escape_debug());
    format!("{kind} {name}")
}

/// Makes one definition, in the open transaction.
pub async fn make(client: &Client, entry: &Entry) -> Result<()> {
    let made = restore::run(client, &described(entry), &entry.sql).await;
    made.map_err(explain).map_err(|error| {
        if entry.kind == "EXTENSION" {
            error.wrap(NO_EXTENSION)
        } else {
            error
        }
    })
}

/// What is said where an extension can't be made: that is up to the server, not to the backup. Some
/// can be made in one database of a server alone.
pub const NO_EXTENSION: &str = "the server does not make an extension that the backup needs";

fn explain(error: Error) -> Error {
    match sqlstate(&error).as_deref() {
        // Roles, tablespaces and foreign servers' programs belong to the server.
        Some("42704") => error.hint(
            "roles and tablespaces belong to the server, not to a database: create those that \
             the backup's database used",
        ),
        Some("58P01" | "0A000") => error.hint("install the extension's files on the server"),
        _ => error,
    }
}

/// A foreign key in a backup of some tables: rows that it refers to may not be in it.
async fn unvalidated(loader: &Loader, client: &Client, step: &Step) -> Result<Made> {
    let entry = &step.entry;
    let sql = entry.sql.trim_end().trim_end_matches(';');
    restore::begin(client, loader.settings()).await?;
    let sql = format!("{sql} NOT VALID");
    if restore::run(client, &entry.name, &sql).await.is_err() {
        // Not possible on a partitioned table.
        transaction::abandon(client).await;
        restore::begin(client, loader.settings()).await?;
    }
    resume::note(client, &step.name).await?;
    restore::commit(client).await?;
    Ok(invalid(loader, step))
}

fn invalid(loader: &Loader, step: &Step) -> Made {
    let name = step.entry.name.escape_debug().to_string();
    loader.observer.observe(Event::Warning(format!(
        "foreign key {name} is not valid: the backup holds rows without those they refer to"
    )));
    Made::Invalid(name)
}

/// What statistics are gathered of: tables alone, and heads of families whose members are read
/// with them.
pub async fn analyzable(client: &Client) -> Result<(Vec<TableName>, Vec<TableName>)> {
    let tables = restore::analyzable(client).await?;
    let tables = tables
        .into_iter()
        .filter(|(t, _)| t.schema != resume::SCHEMA);
    let (families, alone): (Vec<_>, Vec<_>) = tables.partition(|(_, family)| *family);
    let bare =
        |tables: Vec<(TableName, bool)>| tables.into_iter().map(|(table, _)| table).collect();
    Ok((bare(alone), bare(families)))
}

/// Gathers statistics of all tables but those called `analyzed`, the largest first.
pub async fn analyze(loader: &Loader, client: &Client, analyzed: &BTreeSet<String>) -> Result<()> {
    let weights = weights(loader);
    // Statistics of a whole family read its members, which others may be at.
    let (mut alone, families) = analyzable(client).await?;
    alone.retain(|table| !analyzed.contains(&table.to_string()));
    alone.sort_by_key(|table| {
        std::cmp::Reverse(weights.get(&table.to_string()).copied().unwrap_or_default())
    });
    let tasks = alone.into_iter().map(Task::new).collect();
    let work = |hand: &Hand, table| hand.wait(restore::analyze(hand.client(), &table));
    gang::run(&loader.target, loader.jobs, tasks, work).await?;
    for table in families {
        restore::analyze(client, &table).await?;
    }
    Ok(())
}
