//! Running a script outside a transaction: step by step, each recorded before and after.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio_postgres::Client;

use crate::error::{Error, Result};
use crate::ident::{Digest, TableName};
use crate::model::event::{Event, Observer};
use crate::sql::quote;
use crate::sql::statement::{Kind, Statement};

use super::error::PgContext as _;
use super::lock::Locked;
use super::progress;
use super::progress::Step;
use super::retry;
use super::script;
use super::script::Script;
use super::session;

/// Runs a script that can't run in a transaction. What an earlier, interrupted run has done is
/// skipped. Afterwards the caller records the whole and clears [`progress`] in one transaction.
///
/// A failure says what was done and stays done.
pub async fn run(
    locked: &mut Locked,
    script: &Script<'_>,
    back: bool,
    lock_timeout: Duration,
    observer: &dyn Observer,
    echo: bool,
) -> Result<()> {
    for statement in script.statements {
        script::check_copy(script, statement)?;
    }
    let recorded = progress::read(locked.client(), script.revision, back).await?;
    let skip = done_before(script, &recorded)?;
    if skip > 0 {
        observer.observe(Event::Note(format!(
            "{}: the first {skip} statements ran in an earlier run and are skipped",
            script.path
        )));
    }
    let invalid_before = invalid_indexes(locked.client()).await?;
    let mut done = Vec::new();
    for (index, statement) in script.statements.iter().enumerate() {
        if index >= skip {
            let ran = run_step(
                locked,
                script,
                back,
                index,
                &invalid_before,
                lock_timeout,
                observer,
                echo,
            );
            if let Err(error) = ran.await {
                return Err(stopped(error, script, index, &done));
            }
        }
        done.push(format!("{}:{} ran", script.path, statement.line));
    }
    Ok(())
}

fn stopped(error: Error, script: &Script<'_>, index: usize, done: &[String]) -> Error {
    let mut error = done.iter().fold(error, Error::done);
    if index > 0 {
        error = error.hint(format!(
            "{} runs outside a transaction: what is named as done stays done; correct the \
             statement that failed and run the same command again, it goes on from there",
            script.path
        ));
    }
    error
}

/// How many leading statements an earlier run finished. They must still be the same.
fn done_before(script: &Script<'_>, recorded: &[Step]) -> Result<usize> {
    let finished: Vec<&Step> = recorded
        .iter()
        .enumerate()
        .take_while(|(i, step)| step.finished && step.step == *i as i32)
        .map(|(_, step)| step)
        .collect();
    for (i, step) in finished.iter().enumerate() {
        let same = script
            .statements
            .get(i)
            .is_some_and(|statement| checksum(statement) == step.checksum);
        if !same {
            return Err(Error::refused(format!(
                "{}: an interrupted run already did the statement of line {}, which has been \
                 edited since",
                script.path, step.line
            ))
            .hint("put the statements that already ran back as they were; edit only later ones"));
        }
    }
    Ok(finished.len())
}

fn checksum(statement: &Statement) -> Digest {
    Digest::of(&statement.text)
}

#[expect(
    clippy::too_many_arguments,
    reason = "one call site; a struct would only rename them"
)]
async fn run_step(
    locked: &mut Locked,
    script: &Script<'_>,
    back: bool,
    index: usize,
    invalid_before: &BTreeSet<TableName>,
    lock_timeout: Duration,
    observer: &dyn Observer,
    echo: bool,
) -> Result<()> {
    locked.check_held().await?;
    let client = &*locked.client();
    let statement = &script.statements[index];
    let step = Step {
        step: index as i32,
        line: statement.line as i32,
        checksum: checksum(statement),
        finished: false,
    };
    progress::begin(client, script.revision, back, &step).await?;
    // A concurrent build waits for every older transaction. It blocks nobody by that, while
    // giving up would leave an invalid index.
    let patient = matches!(
        statement.kind,
        Kind::NonTransactional {
            definition_only: true,
            ..
        }
    );
    let timeout = if patient {
        Duration::ZERO
    } else {
        lock_timeout
    };
    session::set_lock_timeout(client, timeout, false).await?;
    let mut attempt = 1;
    loop {
        match script::run_one(client, script, statement, observer, echo).await {
            Ok(()) => break,
            Err(error) if !patient && retry::again(&error, attempt) => {
                retry::pause(&error, attempt, observer).await;
                attempt += 1;
            }
            Err(error) => {
                let left = left_invalid(client, invalid_before, &statement.text).await;
                let error = retry::give_up(error, attempt);
                return Err(match left {
                    Ok(left) => left
                        .iter()
                        .fold(error, |error, index| error.hint(drop(index))),
                    Err(_) => error,
                });
            }
        }
    }
    if matches!(statement.kind, Kind::NonTransactional { .. }) {
        let left = left_invalid(client, invalid_before, &statement.text).await?;
        if let Some(index) = left.first() {
            return Err(Error::failed(format!(
                "{}:{}: the index {index} is invalid: an earlier build of it failed, and IF NOT \
                 EXISTS hides that",
                script.path, statement.line
            ))
            .hint(drop(index)));
        }
    }
    progress::finish(client, script.revision, back, step.step).await
}

fn drop(index: &TableName) -> String {
    format!(
        "the index {index} is invalid; remove it and run the same command again: DROP INDEX \
         CONCURRENTLY {}",
        quote::table(index)
    )
}

/// Invalid indexes that are new, or that `text` names.
async fn left_invalid(
    client: &Client,
    before: &BTreeSet<TableName>,
    text: &str,
) -> Result<Vec<TableName>> {
    let now = invalid_indexes(client).await?;
    Ok(now
        .into_iter()
        .filter(|index| !before.contains(index) || text.contains(&index.name))
        .collect())
}

/// Indexes that a failed concurrent build left behind. The index of a partitioned table is left
/// out: it is invalid, rightly, until every partition has its own.
async fn invalid_indexes(client: &Client) -> Result<BTreeSet<TableName>> {
    let rows = client
        .query(
            "SELECT n.nspname::pg_catalog.text, c.relname::pg_catalog.text \
             FROM pg_catalog.pg_index AS i \
             JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid AND c.relkind = 'i' \
             JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
             WHERE NOT i.indisvalid AND n.nspname <> 'pg_toast'",
            &[],
        )
        .await
        .pg("could not look for invalid indexes")?;
    Ok(rows
        .iter()
        .map(|row| TableName::new(row.get::<_, String>(0), row.get::<_, String>(1)))
        .collect())
}
