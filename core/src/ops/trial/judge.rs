//! What scripts may run that reaches beyond the database which they are tried out on.

use crate::error::{Error, Result};
use crate::model::migration::Script as File;
use crate::ops::trial::Trial;
use crate::pg::inspect::{self, Scope};
use crate::pg::session::Client;
use crate::pg::{event_triggers, transaction};
use crate::sql::statement::{Kind, Name, Statement};
use crate::sql::words::Words;
use crate::sql::{builtin, parse, runs};

/// Refuses what may reach beyond the database when `statements` of a script run, in the open
/// transaction.
pub async fn within_database(client: &Client, file: &File, statements: &[Statement]) -> Result<()> {
    stays_inside(file, statements)?;
    runs_inside(client, file, statements).await
}

/// The same of scripts that follow on each other, before the first of them runs: what one makes, another
/// may run. The first is named with which all may reach out.
pub async fn all_within_database<'a>(
    client: &Client,
    scripts: impl Iterator<Item = (&'a File, &'a [Statement])>,
) -> Result<()> {
    let mut all = Vec::new();
    let mut ends = Vec::new();
    for (file, statements) in scripts {
        stays_inside(file, statements)?;
        all.extend_from_slice(statements);
        ends.push((file, all.len()));
    }
    let Some((last, _)) = ends.last() else {
        return Ok(());
    };
    let whole = runs_inside(client, last, &all).await;
    if whole.is_err() {
        for (file, end) in ends {
            runs_inside(client, file, &all[..end]).await?;
        }
    }
    whole
}

/// Whether it must be looked at once more, now that new code is there, before `next` runs; `None`: before
/// the end. What only stores code runs no other than that of event triggers.
pub(super) async fn is_due(client: &Client, next: Option<&Statement>) -> Result<bool> {
    Ok(!next.is_some_and(runs::only_stores) || event_triggers::any(client).await?)
}

/// Looks once more whether `statements` of a script stay in the database, with what is there by now:
/// those that ran have made it. What the script has set stays as it is.
pub(super) async fn by_now(trial: &Trial<'_>, file: &File, statements: &[Statement]) -> Result<()> {
    let client = trial.client;
    // A script may have begun a transaction of its own.
    let within = transaction::savepoint(client).await.is_ok();
    if !within {
        trial.begin().await?;
    }
    let judged = runs_inside(client, file, statements).await;
    if !within {
        transaction::abandon(client).await;
        return judged;
    }
    judged?;
    if transaction::back_to_savepoint(client).await {
        return Ok(());
    }
    Err(Error::failed("could not look at what scripts have made"))
}

async fn runs_inside(client: &Client, file: &File, statements: &[Statement]) -> Result<()> {
    // What a script defines it may run itself.
    let runs = runs::runs_code(statements);
    let mut words = Words::default();
    for statement in statements.iter().filter(|s| runs || !runs::only_stores(s)) {
        words.add(&statement.text);
    }
    transaction::ours(client).await?;
    let found = inspect::reaching(client, &words, Scope::Named).await?;
    found.first().map_or(Ok(()), |what| {
        Err(Error::refused(format!(
            "{}: not tried out, since {what} reaches beyond the database, or may, and it may be \
             run",
            file.path
        )))
    })
}

/// Refuses what is known to reach beyond the database that the scripts are tried out in: roles,
/// files, programs, other servers.
fn stays_inside(file: &File, statements: &[Statement]) -> Result<()> {
    let Some((statement, what)) = statements.iter().find_map(|s| Some((s, beyond(s)?))) else {
        return Ok(());
    };
    Err(Error::refused(format!(
        "{}:{}: not tried out, since {what} reaches beyond the database",
        file.path, statement.line
    )))
}

/// What of `statement` reaches beyond its database.
fn beyond(statement: &Statement) -> Option<String> {
    match &statement.kind {
        Kind::Refuse { what, why } if parse::is_beyond_the_database(what, why) => {
            Some(what.clone())
        }
        // A file or a program of the server: what comes from the client is in the script.
        Kind::CopyFrom(_) if statement.data.is_none() => Some("COPY FROM".to_owned()),
        Kind::Opaque { .. } => {
            let words = Words::of(&statement.text);
            let name = |word: &String| Name {
                schema: None,
                name: word.clone(),
            };
            let mut called = words.called.iter().map(name);
            let called = called.find(builtin::reaches_beyond);
            called
                .map(|function| format!("{function}()"))
                .or_else(|| inspect::beyond(&statement.text))
        }
        Kind::NonTransactional {
            what,
            definition_only: false,
        } => Some(what.clone()),
        _ => {
            let mut functions = statement.functions.iter();
            let called = functions.find(|f| builtin::reaches_beyond(f));
            called.map(|function| format!("{function}()"))
        }
    }
}
