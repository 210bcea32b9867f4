//! Filling materialized views that held rows, in whatever order their definitions need.

use crate::error::{Error, Result};
use crate::ident::TableName;
use crate::ops::backup::restore::RestorePlan;
use crate::pg::error::sqlstate;
use crate::pg::restore::{self, Settings};
use crate::pg::session::Client;
use crate::pg::transaction;

/// Refreshes them. One may read another, even in ways that the catalog doesn't tell (in the body
/// of a function): whichever fails is tried again after others, until nothing changes any more.
/// Returns those that stay empty, each with the reason: since PostgreSQL 17 a view whose functions
/// rely on a search path can't be filled, and all that it held can be computed again.
pub async fn refresh(
    client: &Client,
    plan: &RestorePlan,
    settings: Settings<'_>,
) -> Result<Vec<(TableName, Error)>> {
    let views = plan.details.matviews.iter();
    let mut left: Vec<TableName> = views.map(|(s, n)| TableName::new(s, n)).collect();
    let path = settings.recorded.iter().find(|s| s.0 == "search_path");
    let path = path.map(|s| s.1.as_str());
    loop {
        let mut failed = Vec::new();
        let before = left.len();
        for view in left {
            match either(client, settings, &view, path).await {
                Ok(()) => {}
                // No answer from the server: that says nothing about the view.
                Err(error) if sqlstate(&error).is_none() => return Err(error),
                Err(error) => failed.push((view, error)),
            }
        }
        if failed.is_empty() || failed.len() == before {
            return Ok(failed);
        }
        left = failed.into_iter().map(|(view, _)| view).collect();
    }
}

/// Under an empty search path, else under the one that the database had.
async fn either(
    client: &Client,
    settings: Settings<'_>,
    view: &TableName,
    path: Option<&str>,
) -> Result<()> {
    let mut outcome = once(client, settings, view, None).await;
    if outcome.is_err() && path.is_some() {
        outcome = once(client, settings, view, path).await;
    }
    outcome
}

async fn once(
    client: &Client,
    settings: Settings<'_>,
    view: &TableName,
    path: Option<&str>,
) -> Result<()> {
    restore::begin(client, settings).await?;
    match restore::refresh(client, view, path).await {
        Ok(()) => restore::commit(client).await,
        Err(error) => {
            transaction::abandon(client).await;
            Err(error)
        }
    }
}
