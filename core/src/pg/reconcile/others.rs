//! Rows that have the key of a row that was there, and may be others: the same key is no sign of the same
//! row, once rows were added in the place of others.

use tokio_postgres::Client;

use crate::error::Result;
use crate::pg::as_user;
use crate::pg::error::PgContext as _;
use crate::pg::layout::Layout;
use crate::pg::reconcile::conflicts::{Conflict, note};
use crate::pg::reconcile::wanted::effect_key;
use crate::pg::reconcile::{Target, absent, pairs};
use crate::pg::record::TableRecord;

/// Why they get nothing back.
pub const REPLACED: &str = "rows were added in the place of others since, and whether these are still \
     the same can't be told; their values were laid aside";

const FAILED: &str = "could not tell new rows from those that were there";

/// Leaves out what was saved of rows that may be others by now, and what the rollback changed of them.
pub async fn leave_out(
    client: &Client,
    target: &Target<'_>,
    conflicts: &mut Vec<Conflict>,
) -> Result<()> {
    let Some(record) = target.record else {
        return Ok(());
    };
    if target.remade() || record.truncated || !may_be_others(client, target, record).await? {
        return Ok(());
    }
    if target.saved {
        let touched = touched(target, record, |k| target.text("w", k));
        absent::take(client, target, &touched, REPLACED, conflicts).await?;
    }
    if record.effects.is_empty() {
        return Ok(());
    }
    let layout = Layout::of(&record.effects);
    // A row that is not there gets nothing.
    let number = |k: &str| effect_key(target, record, k).unwrap_or_default();
    let changed = record
        .effects
        .iter()
        .filter(|n| record.after(**n).is_some());
    let changed: Vec<String> = changed.map(|n| layout.differs("e", *n)).collect();
    let sql = format!(
        "WITH others AS (UPDATE {seen} AS e SET present = false WHERE e.has AND e.present AND {touched} \
           RETURNING e.had AND ({changed}) AS changed) \
         SELECT pg_catalog.count(*) FILTER (WHERE changed) FROM others",
        seen = target.stage("seen"),
        touched = touched(target, record, |k| layout.value("e", 'a', number(k))),
        changed = changed.join(" OR "),
    );
    let rows = as_user::number(client, &sql).await.pg(FAILED)?;
    note(
        conflicts,
        target.name(),
        rows.unsigned_abs(),
        REPLACED.to_owned(),
    );
    Ok(())
}

/// True when more rows were added since than there are keys that nobody had.
async fn may_be_others(client: &Client, target: &Target<'_>, record: &TableRecord) -> Result<bool> {
    let Some(inserted) = target.inserted else {
        return Ok(false);
    };
    let Some(inserted) = inserted else {
        return Ok(true);
    };
    // Where it is not on record which keys were there, they are those that were saved.
    let mut unknown = "true".to_owned();
    if target.saved {
        let same = same(target, record, |k| target.text("w", k));
        let saved = target.stage("saved");
        unknown = format!("NOT EXISTS (SELECT FROM {saved} AS w WHERE {same})");
    }
    if !record.effects.is_empty() {
        let number = |k: &str| effect_key(target, record, k).unwrap_or_default();
        let layout = Layout::of(&record.effects);
        let added = same(target, record, |k| layout.value("e", 'a', number(k)));
        let seen = target.stage("seen");
        unknown += &format!(" AND NOT EXISTS (SELECT FROM {seen} AS e WHERE e.has AND {added})");
    }
    let sql = format!(
        "SELECT pg_catalog.count(*) FROM {} AS n WHERE coalesce(n.new, {unknown})",
        target.stage("touched")
    );
    Ok(as_user::number(client, &sql).await.pg(FAILED)? != inserted)
}

/// True where a row with a key was written since; `key` is the text of each of its columns.
fn touched(target: &Target<'_>, record: &TableRecord, key: impl Fn(&str) -> String) -> String {
    format!(
        "EXISTS (SELECT FROM {} AS n WHERE {})",
        target.stage("touched"),
        same(target, record, key)
    )
}

/// The key of `n`, a row that was written since, is `key`.
fn same(target: &Target<'_>, record: &TableRecord, key: impl Fn(&str) -> String) -> String {
    pairs(&target.key, |k| {
        let number = effect_key(target, record, k).unwrap_or_default();
        format!("n.k{number} = {}", key(k))
    })
}
