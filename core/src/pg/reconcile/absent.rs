//! Saved values of rows that are there no more.

use tokio_postgres::Client;

use crate::error::Result;
use crate::pg::as_user;
use crate::pg::error::PgContext as _;
use crate::pg::layout::Layout;
use crate::pg::net;
use crate::pg::reconcile::conflicts::{self, Conflict, KEY_TAKEN, note};
use crate::pg::reconcile::wanted::{by_key, effect_key, up_key};
use crate::pg::reconcile::{Target, before, pairs, values};
use crate::pg::record::TableRecord;

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
    changed(client, target, record, conflicts).await?;
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
        let layout = Layout::of(&record.effects);
        let by_old = by_key(target, (&layout, 'b'), |t, k| effect_key(t, record, k));
        gone += &had(&target.stage("seen"), &by_old);
    }
    if !target.up.is_empty() {
        let layout = Layout::of(&target.up.numbers);
        let by_old = by_key(target, (&layout, 'b'), up_key);
        gone += &had(&net::table(target.live.oid), &by_old);
    }
    take(client, target, &gone, DELETED, conflicts).await?;
    Ok(())
}

/// Notes the values that the rollback changed in rows that are not there any more.
async fn changed(
    client: &Client,
    target: &Target<'_>,
    record: &TableRecord,
    conflicts: &mut Vec<Conflict>,
) -> Result<()> {
    let changed = record.effects.iter().filter(|n| !record.key.contains(n));
    let layout = Layout::of(&record.effects);
    let changed: Vec<String> = changed
        .filter(|n| record.after(**n).is_some())
        .map(|n| layout.differs("e", *n))
        .collect();
    if target.remade() || target.key.is_empty() || changed.is_empty() {
        return Ok(());
    }
    let sql = format!(
        "SELECT pg_catalog.count(*) FROM {} AS e WHERE e.had AND e.has AND NOT e.present AND ({})",
        before::rows_seen(target, record),
        changed.join(" OR ")
    );
    let rows = as_user::number(client, &sql).await;
    let rows = rows.pg("could not look for rows that are gone")?;
    let reason = "somebody deleted their rows, or gave them another key, since; what the rollback changed in \
                  them was laid aside";
    note(
        conflicts,
        target.name(),
        rows.unsigned_abs(),
        reason.to_owned(),
    );
    Ok(())
}

/// Leaves out what was saved of rows that can't come back, since their key was given to new rows. To be
/// asked when the wanted rows are known, and before values are filled in: a new row gets none of theirs.
pub async fn whose_key_is_taken(
    client: &Client,
    target: &Target<'_>,
    conflicts: &mut Vec<Conflict>,
) -> Result<()> {
    let Some(record) = target.record else {
        return Ok(());
    };
    if !target.saved || target.remade() || target.key.is_empty() {
        return Ok(());
    }
    let failed = "could not leave out what belongs to other rows";
    let saved = target.stage("saved");
    if !record.effects.is_empty() {
        let layout = Layout::of(&record.effects);
        let by_old = by_key(target, (&layout, 'b'), |t, k| effect_key(t, record, k));
        // Others are counted with what the rollback changed.
        let sql = format!(
            "WITH taken AS (DELETE FROM {saved} AS w USING {seen} AS e \
             WHERE e.had AND NOT e.has AND e.present AND {by_old} \
             RETURNING ({held}) AND NOT ({counted}) AS held) \
             SELECT pg_catalog.count(*) FILTER (WHERE held) FROM taken",
            seen = before::rows_seen(target, record),
            held = held(target),
            counted = conflicts::is_another(record),
        );
        let rows = as_user::number(client, &sql).await.pg(failed)?;
        note(
            conflicts,
            target.name(),
            rows.unsigned_abs(),
            KEY_TAKEN.to_owned(),
        );
    }
    if record.truncated {
        let there = pairs(&target.key, |k| {
            let number = effect_key(target, record, k).unwrap_or_default();
            format!("t.k{number} = {}", target.text("w", k))
        });
        let sql = format!(
            "DELETE FROM {saved} AS w USING {} AS t WHERE {there}",
            target.stage("there")
        );
        let rows = as_user::execute(client, &sql).await.pg(failed)?;
        note(conflicts, target.name(), rows, KEY_TAKEN.to_owned());
    }
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
    let held = held(target);
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

/// True where the saved row `w` has any value that would go back.
fn held(target: &Target<'_>) -> String {
    let held: Vec<String> = values::concerned(target)
        .iter()
        .map(|name| format!("{} IS DISTINCT FROM NULL", target.text("w", name)))
        .collect();
    if held.is_empty() {
        return "false".to_owned();
    }
    held.join(" OR ")
}
