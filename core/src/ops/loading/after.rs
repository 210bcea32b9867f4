//! What follows rows: indexes, constraints, triggers. Indexes and foreign keys are made several at
//! a time, all else one after another as `pg_dump` ordered it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{Error, Result};
use crate::model::event::{Event, Phase};
use crate::ops::gang::{self, Hand, Task};
use crate::ops::loading::Loader;
use crate::ops::loading::waves::{self, Step};
use crate::pg::error::sqlstate;
use crate::pg::session::Client;
use crate::pg::{restore, resume, retry, transaction};
use crate::schema::Entry;

/// What became of a definition.
enum Made {
    Done,
    /// A foreign key that is not valid.
    Invalid(String),
    /// To be tried again, alone.
    Again(Step),
}

/// Makes `entries`, on the connection of `client` and others; `name` tells their steps from those
/// of other entries. Returns the names of foreign keys that are not valid: `partial` says that
/// rows which they refer to may not be there.
pub async fn follow(
    loader: &Loader,
    client: &Client,
    name: &str,
    entries: Vec<Entry>,
    partial: bool,
) -> Result<Vec<String>> {
    let total = entries.len() as u64;
    let steps: Vec<Step> = (entries.into_iter().enumerate())
        .map(|(place, entry)| Step {
            name: format!("{name} {place}"),
            entry,
            tries: 0,
        })
        .filter(|step| !loader.is_done(&step.name))
        .collect();
    let made = Arc::new(AtomicU64::new(total - steps.len() as u64));
    let weights = weights(loader);
    let mut invalid = Vec::new();
    for (kind, steps) in waves::cut(steps) {
        let (mut tasks, mut alone) = (Vec::new(), Vec::new());
        for step in steps {
            match waves::locks(kind, &step.entry.sql) {
                Some(locks) => tasks.push(Task { what: step, locks }),
                None => alone.push(step),
            }
        }
        let weight = |task: &Task<Step>| {
            let tables = task
                .locks
                .iter()
                .filter_map(|(table, _)| weights.get(table));
            tables.max().copied().unwrap_or_default()
        };
        tasks.sort_by_key(|task| std::cmp::Reverse(weight(task)));
        let (own, count) = (loader.clone(), Arc::clone(&made));
        let work = move |hand: &Hand, step| {
            hand.wait(one(&own, hand.client(), step, partial, &count, total))
        };
        for made in gang::run(&loader.target, loader.jobs, tasks, work).await? {
            match made {
                Made::Done => {}
                Made::Invalid(name) => invalid.push(name),
                Made::Again(step) => alone.push(step),
            }
        }
        for step in alone {
            let again = |step: Step| Error::failed(format!("{} was not made", step.entry.name));
            match one(loader, client, step, partial, &made, total).await? {
                Made::Done => {}
                Made::Invalid(name) => invalid.push(name),
                Made::Again(step) => return Err(again(step)),
            }
        }
    }
    Ok(invalid)
}

/// Rows by table.
fn weights(loader: &Loader) -> BTreeMap<String, u64> {
    let parts = loader.verified.parts().iter();
    parts.map(|p| (p.part.table.to_string(), p.rows)).collect()
}

async fn one(
    loader: &Loader,
    client: &Client,
    step: Step,
    partial: bool,
    made: &AtomicU64,
    total: u64,
) -> Result<Made> {
    restore::begin(client, loader.settings()).await?;
    let outcome = match make(client, &step.entry).await {
        Ok(()) => {
            resume::note(client, &step.name).await?;
            restore::commit(client).await?;
            Made::Done
        }
        Err(error) => {
            transaction::abandon(client).await;
            if partial && sqlstate(&error).as_deref() == Some("23503") {
                unvalidated(loader, client, &step).await?
            } else if retry::is_lock(&error) && step.tries < retry::ATTEMPTS {
                let tries = step.tries + 1;
                return Ok(Made::Again(Step { tries, ..step }));
            } else {
                return Err(error);
            }
        }
    };
    loader.observer.observe(Event::Progress {
        phase: Phase::Restore,
        what: "indexes, constraints and triggers".to_owned(),
        done: made.fetch_add(1, Ordering::Relaxed) + 1,
        total,
    });
    Ok(outcome)
}

/// Makes one definition, in the open transaction.
pub async fn make(client: &Client, entry: &Entry) -> Result<()> {
    let what = format!(
        "{} {}",
        entry.kind.to_lowercase(),
        entry.name.escape_debug()
    );
    let made = restore::run(client, &what, &entry.sql).await;
    made.map_err(|error| match sqlstate(&error).as_deref() {
        // Roles, tablespaces and foreign servers' programs belong to the server.
        Some("42704") => error.hint(
            "roles and tablespaces belong to the server, not to a database: create those that \
             the backup's database used",
        ),
        Some("58P01" | "0A000") => error.hint("install the extension's files on the server"),
        _ => error,
    })
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
    let name = entry.name.escape_debug().to_string();
    loader.observer.observe(Event::Warning(format!(
        "foreign key {name} is not valid: the backup holds rows without those they refer to"
    )));
    Ok(Made::Invalid(name))
}

/// Gathers statistics of all tables, the largest first.
pub async fn analyze(loader: &Loader, client: &Client) -> Result<()> {
    let weights = weights(loader);
    let mut tables = restore::analyzable(client).await?;
    tables.sort_by_key(|(table, _)| {
        std::cmp::Reverse(weights.get(&table.to_string()).copied().unwrap_or_default())
    });
    // Statistics of a whole family read its members, which others may be at.
    let (families, alone): (Vec<_>, Vec<_>) = tables.into_iter().partition(|(_, family)| *family);
    let tasks = alone.into_iter().map(|(what, _)| Task {
        what,
        locks: Vec::new(),
    });
    let work = |hand: &Hand, table| hand.wait(restore::analyze(hand.client(), &table));
    gang::run(&loader.target, loader.jobs, tasks.collect(), work).await?;
    for (table, _) in families {
        restore::analyze(client, &table).await?;
    }
    Ok(())
}
