//! Running a script outside a transaction: step by step, each recorded before and after.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio_postgres::{Client, GenericClient};

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

/// A script that can't run in a transaction, and how to run it.
#[derive(Clone, Copy)]
pub struct Steps<'a> {
    /// The script.
    pub script: Script<'a>,
    /// True for the way back.
    pub back: bool,
    /// How long one attempt to get a table lock may take.
    pub lock_timeout: Duration,
    /// Who listens.
    pub observer: &'a dyn Observer,
    /// Tell each statement, literals masked.
    pub echo: bool,
}

/// Runs the steps; what an earlier, interrupted run has done is skipped. Afterwards the caller
/// records the whole and clears [`progress`] in one transaction.
///
/// A failure says what was done and stays done.
pub async fn run(locked: &mut Locked, steps: &Steps<'_>) -> Result<()> {
    let script = &steps.script;
    for statement in script.statements {
        script::check_copy(script, statement)?;
    }
    let recorded = progress::read(locked.client(), script.revision, steps.back).await?;
    let skip = done_before(script, &recorded)?;
    if skip > 0 {
        steps.observer.observe(Event::Note(format!(
            "{}: the first {skip} statements ran in an earlier run and are skipped",
            script.path
        )));
    }
    let invalid_before = invalid_indexes(locked.client()).await?;
    // Settings went with the session that made them; what follows may need them.
    for statement in script.statements[..skip].iter().filter(|s| is_setting(s)) {
        let observer = steps.observer;
        script::run_one(locked.client(), script, statement, observer, steps.echo).await?;
    }
    for index in skip..script.statements.len() {
        if let Err(error) = run_step(locked, steps, index, &invalid_before).await {
            return Err(stopped(locked, steps, error).await);
        }
    }
    let first = script::transaction_id(locked.client()).await?;
    if script::transaction_id(locked.client()).await? == first {
        let open = Error::failed(format!(
            "{}: the script leaves a transaction open",
            script.path
        ));
        return Err(stopped(locked, steps, open).await);
    }
    Ok(())
}

/// Whether a statement only changes the session.
fn is_setting(statement: &Statement) -> bool {
    let calls_set_config = || statement.functions.iter().any(|f| f.name == "set_config");
    match &statement.kind {
        Kind::Setting { .. } => true,
        Kind::Query => calls_set_config(),
        // `SET ROLE` and its like, which rollback scripts may not use.
        Kind::Refuse { what, .. } => what.starts_with("SET ") || what.starts_with("RESET "),
        _ => false,
    }
}

/// Adds to `error` what stays done. The record says so, since a transaction that the script
/// itself began takes its own steps back.
async fn stopped(locked: &mut Locked, steps: &Steps<'_>, error: Error) -> Error {
    let script = &steps.script;
    // Outside a transaction this is a mere warning of the server.
    let ended = locked.client().batch_execute("ROLLBACK").await;
    let recorded = progress::read(locked.client(), script.revision, steps.back).await;
    let (Ok(()), Ok(recorded)) = (ended, recorded) else {
        return error.hint("the steps that ran are recorded: run the same command again");
    };
    let finished = recorded.iter().filter(|step| step.finished);
    let lines: Vec<i32> = finished.map(|step| step.line).collect();
    if lines.is_empty() {
        return error;
    }
    let told = |error: Error, line| error.done(format!("{}:{line} ran", script.path));
    let error = lines.into_iter().fold(error, told).hint(
        "this script runs outside a transaction: what is named as done stays done; correct the \
         statement that failed and run the same command again, it goes on from there",
    );
    error.hint(format!(
        "to see where it stands, and what else can be done: migrate repair {} --dry-run",
        script.revision
    ))
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
    statement.data.as_ref().map_or_else(
        || Digest::of(&statement.text),
        |rows| Digest::of(format!("{}\n{rows}", statement.text)),
    )
}

async fn run_step(
    locked: &mut Locked,
    steps: &Steps<'_>,
    index: usize,
    invalid_before: &BTreeSet<TableName>,
) -> Result<()> {
    locked.check_held().await?;
    let client = &*locked.client();
    let script = &steps.script;
    let statement = &script.statements[index];
    let step = Step {
        step: index as i32,
        line: statement.line as i32,
        checksum: checksum(statement),
        finished: false,
    };
    progress::begin(client, script.revision, steps.back, &step).await?;
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
        steps.lock_timeout
    };
    session::set_lock_timeout(client, timeout, false).await?;
    let mut attempt = 1;
    loop {
        match script::run_one(client, script, statement, steps.observer, steps.echo).await {
            Ok(()) => break,
            Err(error) if !patient && retry::again(&error, attempt) => {
                retry::pause(&error, attempt, steps.observer).await;
                attempt += 1;
            }
            Err(error) => {
                let error = retry::give_up(error, attempt);
                let left = left_invalid(client, invalid_before, &statement.text).await;
                let left = left.unwrap_or_default();
                return Err(left
                    .iter()
                    .fold(error, |error, index| error.hint(drop(index))));
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
    progress::finish(client, script.revision, steps.back, step.step).await
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
pub async fn invalid_indexes(client: &impl GenericClient) -> Result<BTreeSet<TableName>> {
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
