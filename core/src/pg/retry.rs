//! Trying again when a table lock was not had in time.

use std::time::Duration;

use tokio_postgres::Client;

use crate::error::{Error, Result};
use crate::ident::TableName;
use crate::model::event::{Event, Observer};

use super::blockers;
use super::error;
use super::transaction;

/// How often a transaction is tried in all.
pub const ATTEMPTS: u32 = 5;

/// True when `error` is a lock timeout or a deadlock and there are attempts left. Nothing of the
/// attempt stays.
pub fn again(error: &Error, attempt: u32) -> bool {
    attempt < ATTEMPTS && is_lock(error)
}

/// True when `error` is a lock that was not had in time, a deadlock or a conflict of transactions.
pub fn is_lock(error: &Error) -> bool {
    matches!(
        error::sqlstate(error).as_deref(),
        Some("55P03" | "40P01" | "40001")
    )
}

/// True when somebody cancelled the statement, or it took longer than it may.
pub fn is_cancelled(error: &Error) -> bool {
    error::sqlstate(error).as_deref() == Some("57014")
}

/// Adds to a failure about locks who holds `tables` at this moment. Outside a transaction.
pub async fn name_blockers(client: &Client, error: Error, tables: &[TableName]) -> Error {
    if !is_lock(&error) {
        return error;
    }
    // It is help only: a failure to ask must not hide the failure itself.
    let blockers = blockers::of(client, tables).await.unwrap_or_default();
    blockers.into_iter().fold(error, Error::hint)
}

/// Ends a transaction that only read. Where a lock kept it from reading, the failure says whose: only
/// what locks a table against everybody is in a reader's way, or waits for such a lock.
pub async fn end_reading<T>(client: &Client, read: Result<T>) -> Result<T> {
    transaction::abandon(client).await;
    match read {
        Err(error) if is_lock(&error) => {
            let tables = blockers::exclusive(client).await.unwrap_or_default();
            let error = name_blockers(client, error, &tables).await;
            Err(error.hint("try again when they have ended, or allow more with --lock-timeout"))
        }
        read => read,
    }
}

/// True when rows stood in each other's way only because they were written one after another: a value was
/// not unique, an exclusion constraint or a foreign key was violated.
pub fn is_in_the_way(error: &Error) -> bool {
    let state = error::sqlstate(error);
    matches!(state.as_deref(), Some("23505" | "23P01" | "23503"))
}

/// True when a foreign key was violated.
pub fn is_orphan(error: &Error) -> bool {
    error::sqlstate(error).as_deref() == Some("23503")
}

/// True when rows violated a constraint.
pub fn is_integrity(error: &Error) -> bool {
    error::sqlstate(error).is_some_and(|state| state.starts_with("23"))
}

/// Tells about the failure and waits, longer each time and never in step with others.
pub async fn pause(error: &Error, attempt: u32, observer: &dyn Observer) {
    let longest = 250_u64 << attempt.min(5);
    let pause = Duration::from_millis(rand::random_range(longest / 2..=longest));
    let mut blockers = error.hints().iter().filter(|h| h.contains(blockers::SAYS));
    let blocker = blockers.next().map(|hint| format!(" ({hint})"));
    observer.observe(Event::Warning(format!(
        "{error}{}; attempt {attempt} of {ATTEMPTS}, trying again in {:.1} s",
        blocker.unwrap_or_default(),
        pause.as_secs_f32()
    )));
    tokio::time::sleep(pause).await;
}

/// The error to end with: of kind `Busy` when it was about locks.
pub fn give_up(error: Error, attempts: u32) -> Error {
    if !is_lock(&error) {
        return error;
    }
    let busy = Error::busy(format!(
        "a table lock was not had in time, in {attempts} attempts"
    ));
    let hints = error.hints().to_vec();
    let busy = hints.into_iter().fold(busy, Error::hint);
    busy.caused_by(error)
        .hint("look in pg_stat_activity for long transactions, or allow more with --lock-timeout")
}
