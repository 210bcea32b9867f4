//! Runs that came to nothing, for the journal.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use serde_json::json;

use crate::error::{Error, Result};
use crate::ident::Revision;
use crate::model::event::Event;
use crate::model::ledger::Verb;
use crate::model::relation::Oid;
use crate::ops::context::Context;
use crate::pg::journal::{self, NewRecord};
use crate::pg::session::{self, Client};
use crate::pg::{connect, custody, inserted, record, transaction};

/// How long noting it may take: the failure itself is what somebody waits to hear of.
const PATIENCE: Duration = Duration::from_secs(3);

/// What was attempted, once somebody had consented to it.
#[derive(Debug, Clone)]
pub struct Attempted {
    /// What for.
    pub verb: Verb,
    /// Head of the ledger.
    pub from: Option<Revision>,
    /// Where it was to lead.
    pub to: Option<Revision>,
    /// `--reason`.
    pub reason: Option<String>,
    /// How consent was given, and flags that weakened a check.
    pub consent: String,
    /// Rows that it inserted and took back.
    pub inserted: TakenBack,
}

/// Rows that a run inserted into tables and took back: the server counts them for good.
#[derive(Debug, Clone, Default)]
pub struct TakenBack(Rc<RefCell<BTreeMap<Oid, i64>>>);

impl TakenBack {
    /// Adds what the open transaction inserted, which is about to be taken back. After an error of the
    /// server nothing can be asked any more.
    pub async fn add(&self, client: &Client) {
        let own = inserted::own(client).await.unwrap_or_default();
        let mut all = self.0.borrow_mut();
        for (table, rows) in own {
            *all.entry(table).or_default() += rows;
        }
    }
}

/// Does `work`, and notes it in the journal if it fails.
pub async fn noting<T>(
    ctx: &Context,
    attempted: Attempted,
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    let outcome = work.await;
    if let Err(error) = &outcome {
        note(ctx, attempted, error).await;
    }
    outcome
}

/// Notes in the journal that `attempted` came to nothing because of `error`, on a connection of its
/// own. Where there is no journal, nothing is noted; that it can't be is told and is no failure.
///
/// After an error that leaves open whether something was committed nothing is noted, either: if it
/// was, the journal says so.
async fn note(ctx: &Context, attempted: Attempted, error: &Error) {
    if transaction::may_have_committed(error) {
        return;
    }
    let noted = tokio::time::timeout(PATIENCE, append(ctx, attempted, error)).await;
    let why = match noted {
        Ok(Ok(())) => return,
        Ok(Err(error)) => error.to_string(),
        Err(_) => "it took too long".to_owned(),
    };
    ctx.observer.observe(Event::Note(format!(
        "that this run failed was not noted in the journal: {why}"
    )));
}

async fn append(ctx: &Context, attempted: Attempted, error: &Error) -> Result<()> {
    let mut session = connect::connect(&ctx.database, "pgbelay journal").await?;
    if !journal::exists(session.client()).await? {
        return Ok(());
    }
    let transaction = session::begin(session.client_mut()).await?;
    session::pin(&transaction).await?;
    session::set_lock_timeout(&transaction, PATIENCE / 3, true).await?;
    custody::check(&transaction).await?;
    let details = json!({
        "attempted": attempted.verb.as_str(),
        "exit_code": error.kind().exit_code(),
        "error": error.to_string(),
        "causes": error.causes(),
        record::INSERTED: *attempted.inserted.0.borrow(),
    });
    let record = NewRecord {
        verb: Verb::Failed,
        from: attempted.from,
        to: attempted.to,
        by: format!("{} ({})", session::role(&transaction).await?, ctx.actor),
        reason: attempted.reason,
        consent: attempted.consent,
        backups: Vec::new(),
        manifests: Vec::new(),
        reverses: None,
        details: details.to_string(),
    };
    journal::append(&transaction, record).await?;
    session::commit(transaction).await
}
