//! Saved values of rows that are there no more.

use tokio_postgres::Client;

use crate::error::Result;
use crate::pg::as_user;
use crate::pg::error::PgContext as _;
use crate::pg::net;
use crate::pg::reconcile::conflicts::{Conflict, note};
use crate::pg::reconcile::wanted::{by_key, effect_key, up_key};
use crate::pg::reconcile::{Target, values};

/// Why they are not put back. Nothing tells whether that was before the rollback had its locks.
pub const DELETED: &str =
    "somebody deleted their rows since they were saved; their values were laid aside";

/// Leaves out the saved values of a table that was there all the time whose row somebody deleted
/// since they were saved: nothing is to be put back for it. The rows that scripts took away or
/// gave another key are known, and are not meant. As far as there is a value, that is noted: it is laid
/// aside.
pub async fn leave_out(
    client: &Client,
    target: &Target<'_>,
    conflicts: &mut Vec<Conflict>,
) -> Result<()> {
    let Some(record) = target.record else {
        return Ok(());
    };
    let stays = target.saved && !target.remade() && !record.truncated;
    if !stays || target.key.is_empty() {
        return Ok(());
    }
    let mut gone = format!(
        "NOT EXISTS (SELECT FROM ONLY {table} AS t WHERE {same})",
        table = target.table(),
        same = target.same_key("t", "w"),
    );
    let had = |changes: &str, by_old: &str| {
        format!(" AND NOT EXISTS (SELECT FROM {changes} AS e WHERE e.had AND {by_old})")
    };
    if !record.effects.is_empty() {
        let by_old = by_key(target, 'b', |t, k| effect_key(t, record, k));
        gone += &had(&target.stage("seen"), &by_old);
    }
    if !target.up.is_empty() {
        let by_old = by_key(target, 'b', up_key);
        gone += &had(&net::table(target.live.oid), &by_old);
    }
    take(client, target, &gone, DELETED, conflicts).await?;
    Ok(())
}

/// Takes the saved rows `w` out that `which` is true of.
pub(super) async fn take(
    client: &Client,
    target: &Target<'_>,
    which: &str,
    reason: &str,
    conflicts: &mut Vec<Conflict>,
) -> Result<()> {
    let held: Vec<String> = values::concerned(target)
        .iter()
        .map(|name| format!("{} IS DISTINCT FROM NULL", target.text("w", name)))
        .collect();
    let held = if held.is_empty() {
        "false".to_owned()
    } else {
        held.join(" OR ")
    };
    let sql = format!(
        "WITH gone AS (DELETE FROM {saved} AS w WHERE {which} RETURNING {held} AS held) \
         SELECT pg_catalog.count(*) FILTER (WHERE held) FROM gone",
        saved = target.stage("saved"),
    );
    let rows = as_user::number(client, &sql).await;
    let rows = rows.pg("could not compare saved rows with those that are there")?;
    note(
        conflicts,
        target.name(),
        rows.unsigned_abs(),
        reason.to_owned(),
    );
    Ok(())
}
