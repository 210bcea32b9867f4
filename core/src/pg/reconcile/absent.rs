//! Saved values of rows that are there no more.

use tokio_postgres::Client;

use crate::error::Result;
use crate::pg::as_user;
use crate::pg::error::PgContext as _;
use crate::pg::net;
use crate::pg::reconcile::Target;
use crate::pg::reconcile::wanted::{by_key, effect_key, up_key};

/// Leaves out the saved values of a table that was there all the time whose row somebody deleted
/// since they were saved: nothing is to be put back for it. The rows that scripts took away or
/// gave another key are known, and are not meant.
pub async fn leave_out(client: &Client, target: &Target<'_>) -> Result<()> {
    let Some(record) = target.record else {
        return Ok(());
    };
    let stays = target.saved && !target.remade() && !record.truncated;
    if !stays || target.key.is_empty() {
        return Ok(());
    }
    let mut sql = format!(
        "DELETE FROM {saved} AS w WHERE NOT EXISTS (SELECT FROM ONLY {table} AS t WHERE {same})",
        saved = target.stage("saved"),
        table = target.table(),
        same = target.same_key("t", "w"),
    );
    let had = |changes: &str, by_old: &str| {
        format!(" AND NOT EXISTS (SELECT FROM {changes} AS e WHERE e.had AND {by_old})")
    };
    if !record.effects.is_empty() {
        let by_old = by_key(target, 'b', |t, k| effect_key(t, record, k));
        sql += &had(&target.stage("seen"), &by_old);
    }
    if !target.up.is_empty() {
        let by_old = by_key(target, 'b', up_key);
        sql += &had(&net::table(target.live.oid), &by_old);
    }
    let outcome = as_user::batch(client, &sql).await;
    outcome.pg("could not compare saved rows with those that are there")
}
