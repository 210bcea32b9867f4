//! Sequence positions after an undo. They belong to no transaction, so they are set last.

use std::collections::BTreeMap;

use tokio_postgres::Client;

use crate::error::Result;
use crate::ident::TableName;
use crate::model::backup::SequenceState;
use crate::pg::error::PgContext as _;
use crate::pg::inspect::{self, SequenceFacts};
use crate::pg::record::Details;
use crate::sql::quote;

/// Puts every sequence where it was before the rollback (`saved`), unless it was used since
/// (`now`, compared with where the rollback left it): a live sequence never goes back.
pub async fn put_back(
    client: &Client,
    now: &[SequenceFacts],
    details: &Details,
    saved: Vec<SequenceState>,
) -> Result<()> {
    let left = details.sequences_after();
    let before: BTreeMap<&TableName, &SequenceState> =
        now.iter().map(|s| (&s.name, &s.state)).collect();
    let live = inspect::sequences(client).await?;
    let upwards = upwards(client).await?;
    for wanted in saved {
        let Some(current) = live.iter().find(|s| s.name == wanted.name) else {
            continue; // reported by the comparison of schemas
        };
        let up = upwards.get(&current.oid).copied().unwrap_or(true);
        let target = match before.get(&wanted.name) {
            Some(state) if left.get(&wanted.name) != Some(*state) => further(&wanted, state, up),
            _ => &wanted,
        };
        if *target != current.state {
            set(client, target).await?;
        }
    }
    Ok(())
}

/// The one of two positions that was reached later.
fn further<'a>(a: &'a SequenceState, b: &'a SequenceState, up: bool) -> &'a SequenceState {
    let position = |s: &SequenceState| (if up { s.last_value } else { -s.last_value }, s.is_called);
    if position(a) >= position(b) { a } else { b }
}

async fn upwards(client: &Client) -> Result<BTreeMap<u32, bool>> {
    let rows = client
        .query(
            "SELECT seqrelid, seqincrement > 0 FROM pg_catalog.pg_sequence",
            &[],
        )
        .await
        .pg("could not read the sequences")?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// Sets one sequence.
pub async fn set(client: &Client, state: &SequenceState) -> Result<()> {
    let sql = format!(
        "SELECT pg_catalog.setval({}, {}, {})",
        quote::literal(&quote::table(&state.name)),
        state.last_value,
        state.is_called
    );
    client
        .batch_execute(&sql)
        .await
        .pg(format!("could not set the sequence {}", state.name))
}
