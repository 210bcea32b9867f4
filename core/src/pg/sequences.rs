//! Sequence positions after an undo. They belong to no transaction, so they are set last.

use std::collections::BTreeMap;

use tokio_postgres::Client;

use crate::error::Result;
use crate::ident::TableName;
use crate::model::backup::SequenceState;
use crate::model::relation::Oid;
use crate::pg::error::PgContext as _;
use crate::pg::inspect::{self, SequenceFacts};
use crate::pg::record::{Details, SequenceRecord};
use crate::sql::quote;

/// Puts every sequence where it was before the rollback, unless it was used since (`now` is not
/// where the rollback left it): a live sequence never goes back. One that moved on during the
/// rollback goes back only when it belongs to a table that was locked (`locked`): somebody else
/// may have drawn from any other.
pub async fn put_back(
    client: &Client,
    now: &[SequenceFacts],
    details: &Details,
    locked: &[Oid],
) -> Result<()> {
    let find = |records: &[SequenceRecord], name: &TableName| {
        let states = records.iter().map(SequenceRecord::state);
        states.into_iter().find(|s| s.name == *name)
    };
    let live = inspect::sequences(client).await?;
    let upwards = upwards(client).await?;
    for current in &live {
        let Some(wanted) = find(&details.sequences_before, &current.name) else {
            continue; // not there before: reported by the comparison of schemas
        };
        let up = upwards.get(&current.oid).copied().unwrap_or(true);
        let left = find(&details.sequences_after, &current.name);
        let before = now
            .iter()
            .find(|s| s.name == current.name)
            .map(|s| &s.state);
        let used = before.is_some() && before != left.as_ref();
        let alone = current
            .owned_by
            .is_some_and(|(table, _)| locked.contains(&table));
        let target = match before {
            Some(before) if used || !alone => further(&wanted, before, up).clone(),
            _ => wanted,
        };
        if target != current.state {
            set(client, &target).await?;
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
