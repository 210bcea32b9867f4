//! Running the statements of a script inside a transaction, one message each.
//!
//! Statements go by the extended protocol, where the server refuses a message with more than one
//! statement: should a script ever be cut wrongly, it fails instead of doing something unforeseen.

use bytes::Bytes;
use futures_util::{SinkExt as _, TryStreamExt as _, pin_mut};
use tokio_postgres::GenericClient;

use crate::error::{Error, Result};
use crate::ident::Revision;
use crate::model::event::{Event, Observer};
use crate::sql::excerpt;
use crate::sql::mask;
use crate::sql::position;
use crate::sql::statement::{Kind, Statement};

use super::error;
use super::error::PgContext as _;

/// A script of a migration, cut into statements.
#[derive(Debug, Clone, Copy)]
pub struct Script<'a> {
    /// The migration.
    pub revision: &'a Revision,
    /// The file's path, for messages.
    pub path: &'a str,
    /// The whole text, for places in it.
    pub text: &'a str,
    /// What to run: all statements, or those inside the script's own transaction.
    pub statements: &'a [Statement],
}

/// Runs all statements in the transaction that `client` has open.
///
/// Statements that would end it are refused beforehand, and afterwards it is checked that the
/// transaction is still the one that was open before: once per script, by its number, since only
/// a top-level statement can end a transaction block and those are known by their words.
pub async fn run(
    client: &impl GenericClient,
    script: &Script<'_>,
    observer: &dyn Observer,
    echo: bool,
) -> Result<()> {
    check(script)?;
    let before = transaction_id(client).await?;
    for statement in script.statements {
        run_one(client, script, statement, observer, echo).await?;
    }
    if transaction_id(client).await? == before {
        Ok(())
    } else {
        Err(Error::failed(format!(
            "{}: the script ended the transaction it runs in",
            script.path
        ))
        .done("what ran before that point was committed, or rolled back, by the script itself")
        .hint("take COMMIT and ROLLBACK out of the script, or mark it `transaction: off`"))
    }
}

/// The number of the open transaction. Outside of one, a different number each time.
pub(super) async fn transaction_id(client: &impl GenericClient) -> Result<i64> {
    let row = client
        .query_typed_one("SELECT pg_catalog.txid_current()", &[])
        .await
        .pg("could not read the transaction's number")?;
    Ok(row.get(0))
}

/// Refuses, before anything ran, what can't run inside our transaction.
pub fn check(script: &Script<'_>) -> Result<()> {
    for statement in script.statements {
        let at = place(script, statement, 0);
        if let Kind::NonTransactional { what, .. } = &statement.kind {
            return Err(
                Error::usage(format!("{at}: {what} can't run inside a transaction"))
                    .hint("put it into a migration of its own that is marked `transaction: off`"),
            );
        }
        if ends_transaction(&statement.text) {
            return Err(
                Error::usage(format!("{at}: the script controls transactions by itself"))
                    .hint("each migration runs in a transaction of its own; take the statement out")
                    .hint("or mark the migration `transaction: off`"),
            );
        }
        check_copy(script, statement)?;
    }
    Ok(())
}

/// Refuses COPY to the client, which nobody reads, and from it where no rows follow.
pub fn check_copy(script: &Script<'_>, statement: &Statement) -> Result<()> {
    if statement.data.is_some() {
        return Ok(());
    }
    let mut words = words(&statement.text);
    let copy = words.next().is_some_and(|word| word == "COPY")
        && words.any(|word| matches!(word.as_str(), "STDIN" | "STDOUT"));
    if !copy {
        return Ok(());
    }
    Err(Error::usage(format!(
        "{}: COPY with STDOUT, or with STDIN and no rows behind it, can't run in a migration",
        place(script, statement, 0)
    ))
    .hint("write the rows on the lines behind COPY … FROM STDIN; and end them by a line \\."))
}

/// Whether a statement begins, ends or hands over a transaction. Savepoints don't.
fn ends_transaction(text: &str) -> bool {
    let words: Vec<String> = words(text).take(3).collect();
    let word = |i: usize| words.get(i).map_or("", String::as_str);
    match word(0) {
        "BEGIN" | "COMMIT" | "END" | "ABORT" => true,
        "START" | "PREPARE" => word(1) == "TRANSACTION",
        "ROLLBACK" => {
            let next = usize::from(matches!(word(1), "WORK" | "TRANSACTION")) + 1;
            word(next) != "TO"
        }
        _ => false,
    }
}

/// The words of a statement in upper case; what stands in quotes is not one.
fn words(text: &str) -> impl Iterator<Item = String> {
    let masked = mask::literals(text);
    let words: Vec<String> = masked
        .split(|c: char| c.is_whitespace() || matches!(c, ';' | '(' | ')' | ','))
        .filter(|word| !word.is_empty())
        .map(str::to_ascii_uppercase)
        .collect();
    words.into_iter()
}

/// Runs one statement and tells that it ran.
pub async fn run_one(
    client: &impl GenericClient,
    script: &Script<'_>,
    statement: &Statement,
    observer: &dyn Observer,
    echo: bool,
) -> Result<()> {
    if echo {
        observer.observe(Event::Sql(mask::literals(&statement.text)));
    }
    let result = if let Some(rows) = &statement.data {
        copy_in(client, &statement.text, rows).await
    } else if matches!(statement.kind, Kind::Query) {
        query(client, &statement.text).await
    } else {
        client.execute_typed(&statement.text, &[]).await.map(|_| ())
    };
    result.map_err(|error| explain(script, statement, &error))?;
    observer.observe(Event::Statement {
        revision: script.revision.clone(),
        line: statement.line,
    });
    Ok(())
}

/// Runs a query and drops its rows as they come. Preparing proves that it is one statement; the
/// simple protocol then fetches text, since some types have no binary form.
async fn query(client: &impl GenericClient, text: &str) -> Result<(), tokio_postgres::Error> {
    client.prepare(text).await?;
    let rows = client.client().simple_query_raw(text).await?;
    rows.try_for_each(|_| async { Ok(()) }).await
}

/// Runs a COPY, and sends its rows.
async fn copy_in(
    client: &impl GenericClient,
    text: &str,
    rows: &str,
) -> Result<(), tokio_postgres::Error> {
    let sink = client.client().copy_in(text).await?;
    pin_mut!(sink);
    sink.send(Bytes::copy_from_slice(rows.as_bytes())).await?;
    sink.finish().await.map(drop)
}

/// `path:line:column: message (SQLSTATE code)`, and the line itself; the place is that of the
/// statement when the server doesn't say which.
fn explain(script: &Script<'_>, statement: &Statement, error: &tokio_postgres::Error) -> Error {
    let Some(server) = error.as_db_error() else {
        let at = place(script, statement, 0);
        return error::failed(format!("{at}: the statement was interrupted"), error);
    };
    let shown = error::describe(server, &statement.text);
    // The server counts characters from one, and whole statements have no position at all.
    let offset = shown.position.map_or(0, |position| {
        let before = statement.text.char_indices();
        before
            .map(|(offset, _)| offset)
            .nth(position.saturating_sub(1) as usize)
            .unwrap_or(statement.text.len())
    });
    let at = place(script, statement, offset);
    let character = shown.position.map(|p| p.saturating_sub(1) as usize);
    let line = excerpt::of(&statement.text, character);
    error::hinted(Error::failed(format!("{at}: {shown}\n{line}")), server)
}

/// `path:line:column` of byte `offset` of a statement.
fn place(script: &Script<'_>, statement: &Statement, offset: usize) -> String {
    let place = position::of(script.text, statement.range.start + offset);
    format!("{}:{}:{}", script.path, place.line, place.column)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transaction_control_is_known_by_its_words() {
        for ends in [
            "commit",
            "END work",
            "rollback",
            "ROLLBACK AND CHAIN",
            "prepare transaction 'x'",
            "begin",
            "start transaction",
        ] {
            assert!(ends_transaction(ends), "{ends}");
        }
        for keeps in [
            "savepoint a",
            "rollback to a",
            "ROLLBACK WORK TO SAVEPOINT a",
            "prepare p as select 1",
            "release a",
            "set constraints all deferred",
            "select 'commit'",
        ] {
            assert!(!ends_transaction(keeps), "{keeps}");
        }
    }
}
