//! Sequence positions after an undo or a restore. They belong to no transaction, so they are set
//! last.

use std::collections::BTreeMap;

use tokio_postgres::Client;

use crate::error::Result;
use crate::ident::TableName;
use crate::model::backup::SequenceState;
use crate::model::relation::Oid;
use crate::pg::as_user;
use crate::pg::error::PgContext as _;
use crate::pg::inspect::{self, SequenceFacts};
use crate::pg::record::{Details, SequenceRecord};
use crate::sql::quote;

fn find(records: &[SequenceRecord], name: &TableName) -> Option<SequenceState> {
    let mut states = records.iter().map(SequenceRecord::state);
    states.find(|s| s.name == *name)
}

/// Sequences that were made in this very transaction (`now` lists the older ones) and where they
/// stood before the rollback.
async fn made(
    client: &Client,
    now: &[SequenceFacts],
    details: &Details,
) -> Result<Vec<(SequenceFacts, SequenceState)>> {
    let live = inspect::sequences(client).await?.into_iter();
    let new = live.filter(|s| now.iter().all(|older| older.name != s.name));
    Ok(new
        .filter_map(|s| {
            let wanted = find(&details.sequences_before, &s.name)?;
            Some((s, wanted))
        })
        .collect())
}

/// Moves new sequences so far that no number is given that a saved row has, nor one that the
/// scripts have given.
pub async fn ahead(client: &Client, now: &[SequenceFacts], details: &Details) -> Result<()> {
    let upwards = upwards(client).await?;
    for (current, wanted) in made(client, now, details).await? {
        let up = upwards.get(&current.oid).copied().unwrap_or(true);
        if *further(&wanted, &current.state, up) != current.state {
            set(client, &wanted).await?;
        }
    }
    Ok(())
}

/// Puts new sequences where they were before the rollback, unless rows that are newer have got
/// numbers beyond that: `newer` are the tables that have such rows. Those of `numbered` gave none themselves:
/// any number in the column counts that has them.
pub async fn put_back_new(
    client: &Client,
    now: &[SequenceFacts],
    details: &Details,
    newer: &[Oid],
    numbered: &BTreeMap<TableName, (TableName, String)>,
) -> Result<()> {
    let upwards = upwards(client).await?;
    for (current, mut wanted) in made(client, now, details).await? {
        let up = upwards.get(&current.oid).copied().unwrap_or(true);
        let given = match numbered.get(&current.state.name) {
            Some((table, column)) => {
                let mut all = current.state.clone();
                all.last_value = if up { i64::MAX } else { i64::MIN };
                Some(((quote::table(table), quote::ident(column)), all))
            }
            None => match current.owned_by.filter(|o| newer.contains(&o.0)) {
                Some(owner) => column(client, owner)
                    .await?
                    .map(|c| (c, current.state.clone())),
                None => None,
            },
        };
        if let Some((column, given)) = given
            && let Some(value) = beyond(client, &column, &wanted, &given, up).await?
        {
            wanted.last_value = value;
            wanted.is_called = true;
        }
        if wanted != current.state {
            set(client, &wanted).await?;
        }
    }
    Ok(())
}

/// The quoted names of the table and of the column.
async fn column(client: &Client, (table, column): (Oid, i16)) -> Result<Option<(String, String)>> {
    let name = client
        .query_opt(
            "SELECT pg_catalog.format('%I.%I', n.nspname, c.relname), \
             pg_catalog.format('%I', a.attname) \
             FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid \
             JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
             WHERE a.attrelid = $1 AND a.attnum = $2",
            &[&table, &column],
        )
        .await
        .pg("could not read the owner of a sequence")?;
    Ok(name.map(|name| (name.get(0), name.get(1))))
}

/// The furthest number in a column that lies beyond `wanted` and not beyond `current`.
async fn beyond(
    client: &Client,
    (table, column): &(String, String),
    wanted: &SequenceState,
    current: &SequenceState,
    up: bool,
) -> Result<Option<i64>> {
    let (furthest, least, most) = if up {
        ("max", wanted.last_value, current.last_value)
    } else {
        ("min", current.last_value, wanted.last_value)
    };
    if least >= most {
        return Ok(None);
    }
    let bounds = if up {
        format!("{column} > {least} AND {column} <= {most}")
    } else {
        format!("{column} >= {least} AND {column} < {most}")
    };
    let sql = format!("SELECT pg_catalog.{furthest}({column})::bigint FROM {table} WHERE {bounds}");
    let row = client.query_one(&sql, &[]).await;
    Ok(row.pg("could not read the numbers of a table")?.get(0))
}

/// Puts every other sequence where it was before the rollback, unless it was used since (`now` is not
/// where the rollback left it): a live sequence never goes back. One that moved on during the
/// rollback goes back only when it belongs to a table that was locked (`locked`): somebody else
/// may have drawn from any other.
pub async fn put_back(
    client: &Client,
    now: &[SequenceFacts],
    details: &Details,
    locked: &[Oid],
) -> Result<()> {
    let live = inspect::sequences(client).await?;
    let upwards = upwards(client).await?;
    let older = |s: &&SequenceFacts| now.iter().any(|o| o.name == s.name);
    for current in live.iter().filter(older) {
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
        let mut target = match before {
            Some(before) if used => further(&wanted, before, up).clone(),
            Some(_) if !alone => further(&wanted, &current.state, up).clone(),
            _ => wanted,
        };
        if target == current.state {
            continue;
        }
        // An event trigger that notes what we define draws numbers, too: those rows stay.
        if let Some(owner) = current.owned_by
            && let Some(owner) = column(client, owner).await?
            && let Some(value) = beyond(client, &owner, &target, &current.state, up).await?
        {
            target.last_value = value;
            target.is_called = true;
        }
        set(client, &target).await?;
    }
    Ok(())
}

/// Has the positions of those sequences that are `held`, and belong to the role, come back with a
/// savepoint that is taken back, though positions belong to no transaction: they are in a new file
/// from here on. Others who draw a number from them wait until then. Returns those of other roles.
pub async fn hold<'a>(
    client: &Client,
    now: &'a [SequenceFacts],
    held: impl Fn(&SequenceFacts) -> bool,
) -> Result<Vec<&'a TableName>> {
    let oids: Vec<Oid> = now.iter().filter(|s| held(s)).map(|s| s.oid).collect();
    let owned = client
        .query(
            "SELECT s.seqrelid, s.seqincrement, s.seqmin, s.seqmax FROM pg_catalog.pg_sequence AS s \
             JOIN pg_catalog.pg_class AS c ON c.oid = s.seqrelid \
             WHERE c.oid = ANY ($1) AND pg_catalog.pg_has_role(c.relowner, 'USAGE')",
            &[&oids],
        )
        .await
        .pg("could not read the owners of sequences")?;
    for row in &owned {
        let Some(facts) = now.iter().find(|s| s.oid == row.get::<_, Oid>(0)) else {
            continue;
        };
        hold_one(
            client,
            &facts.state.name,
            (row.get(1), row.get(2), row.get(3)),
        )
        .await?;
    }
    let owned: Vec<Oid> = owned.iter().map(|row| row.get(0)).collect();
    let others = now.iter().filter(|s| held(s) && !owned.contains(&s.oid));
    Ok(others.map(|s| &s.name).collect())
}

/// An event trigger that fires on this may draw a number itself, of this sequence or of one that was held
/// before: each is read only now, and stays where that led.
async fn hold_one(
    client: &Client,
    name: &TableName,
    (step, least, most): (i64, i64, i64),
) -> Result<()> {
    let name = quote::table(name);
    let failed = "could not keep the positions of sequences";
    let state = format!("SELECT last_value, is_called FROM {name}");
    let state = client.query_one(&state, &[]).await.pg(failed)?;
    let (stands, called): (i64, bool) = (state.get(0), state.get(1));
    let next = stands.checked_add(if called { step } else { 0 });
    let next = next.filter(|next| (least..=most).contains(next));
    let next = next.unwrap_or(stands);
    let sql = format!(
        "ALTER SEQUENCE {name} RESTART WITH {next}; \
         SELECT pg_catalog.setval({}, {stands}, {called}) FROM {name} AS s \
         WHERE s.last_value = {next} AND NOT s.is_called",
        quote::literal(&name)
    );
    as_user::batch(client, &sql).await.pg(failed)
}

/// Sequences that stand before where they stood (`before`) go there again: somebody may have drawn the
/// numbers between.
pub async fn not_back(client: &Client, before: &[SequenceFacts]) -> Result<()> {
    let live = inspect::sequences(client).await?;
    let upwards = upwards(client).await?;
    for current in &live {
        let Some(was) = before.iter().find(|s| s.oid == current.oid) else {
            continue;
        };
        let up = upwards.get(&current.oid).copied().unwrap_or(true);
        if *further(&current.state, &was.state, up) != current.state {
            set(client, &was.state).await?;
        }
    }
    Ok(())
}

/// Raises the sequences that belong to `tables` to where they were saved, where that is further.
/// A live sequence never goes back. Returns those that moved.
pub async fn raise(
    client: &Client,
    saved: &[SequenceState],
    tables: &[Oid],
) -> Result<Vec<TableName>> {
    let live = inspect::sequences(client).await?;
    let upwards = upwards(client).await?;
    let mut raised = Vec::new();
    for current in &live {
        let owned = current.owned_by.is_some_and(|(t, _)| tables.contains(&t));
        let Some(saved) = saved.iter().find(|s| owned && s.name == current.name) else {
            continue;
        };
        let up = upwards.get(&current.oid).copied().unwrap_or(true);
        let target = further(saved, &current.state, up);
        if *target != current.state {
            set(client, target).await?;
            raised.push(current.name.clone());
        }
    }
    Ok(raised)
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
