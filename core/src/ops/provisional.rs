//! A backup that protects nothing until a transaction commits: taken away again if it does not,
//! also when the run is interrupted.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::{Error, Result};
use crate::model::backup::BackupFacts;
use crate::model::event::Event;
use crate::model::location::Location;
use crate::ops::context::Context;
use crate::pg::session::Client;
use crate::pg::transaction::{self, Fate};
use crate::store::Store;

/// A complete backup that goes when this is dropped, unless it is to be kept.
#[derive(Debug)]
pub struct Provisional {
    store: Store,
    facts: BackupFacts,
    keep: AtomicBool,
}

impl Provisional {
    /// `facts` of a backup in the store at `location`.
    pub fn new(location: &Location, facts: BackupFacts) -> Result<Self> {
        Ok(Self {
            store: Store::open(location)?,
            facts,
            keep: AtomicBool::new(false),
        })
    }

    /// The backup.
    pub const fn facts(&self) -> &BackupFacts {
        &self.facts
    }

    /// Whether it stays, from now on. It must before COMMIT is sent.
    pub fn keep(&self, keep: bool) {
        self.keep.store(keep, Ordering::Relaxed);
    }

    /// Takes it away now.
    pub fn discard(self) -> Result<()> {
        self.keep(true);
        self.store.remove(&self.facts)
    }
}

impl Drop for Provisional {
    fn drop(&mut self) {
        if !self.keep.load(Ordering::Relaxed) {
            // A leftover does no harm: it is a sound backup of what is still there.
            drop(self.store.remove(&self.facts));
        }
    }
}

/// Commits transaction `id` of `client`. `backups` stay from here on, unless it is known that
/// nothing was committed; then what is left of the transaction is rolled back.
///
/// When the answer never comes, the server is asked on another connection.
pub async fn commit(
    ctx: &Context,
    client: &Client,
    id: &str,
    backups: Vec<&Provisional>,
) -> Result<()> {
    let keep = |keep| backups.iter().for_each(|backup| backup.keep(keep));
    keep(true);
    let Err(error) = transaction::commit(client).await else {
        return Ok(());
    };
    if !transaction::may_have_committed(&error) {
        keep(false);
        transaction::abandon(client).await;
        return Err(error);
    }
    match transaction::fate(&ctx.database, id).await {
        Some(Fate::Committed) => {
            ctx.observer.observe(Event::Warning(
                "the connection was lost during COMMIT; the server says that it took effect"
                    .to_owned(),
            ));
            Ok(())
        }
        Some(Fate::Aborted) => {
            keep(false);
            let message = "the connection was lost during COMMIT, which did not take effect";
            Err(Error::failed(message).caused_by(error))
        }
        None => {
            let error = error.hint(format!(
                "find out with `migrate current`, or: SELECT pg_xact_status('{id}')"
            ));
            if backups.is_empty() {
                return Err(error);
            }
            let ids: Vec<&str> = backups.iter().map(|b| b.facts().id.as_str()).collect();
            Err(error.hint(format!("kept, in case it did: {}", ids.join(", "))))
        }
    }
}
