//! Saved rows that can't be put back, because of what was written since: they stay in the backup
//! and are reported, so that nothing newer is overwritten.

use tokio_postgres::Client;

use crate::error::Result;
use crate::ident::TableName;
use crate::model::relation::{ConditionalUnique, World};
use crate::pg::as_user;
use crate::pg::error::PgContext as _;
use crate::pg::layout::Layout;
use crate::pg::reconcile::wanted::untouched;
use crate::pg::reconcile::{Target, before, clashes};
use crate::pg::record::TableRecord;
use crate::sql::quote;

/// Saved rows or values that were not put back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// The table.
    pub table: TableName,
    /// How many rows.
    pub rows: u64,
    /// Why, as a sentence fragment.
    pub reason: String,
}

/// Why a row does not come back.
pub(super) const KEY_TAKEN: &str = "their key was given to a new row since; the new row was kept";

/// Takes rows that can't be put back out of the wanted rows of all `targets`.
pub async fn set_aside(
    client: &Client,
    world: &World,
    targets: &[Target<'_>],
    conflicts: &mut Vec<Conflict>,
) -> Result<()> {
    for target in targets {
        changed_since(client, target, conflicts).await?;
    }
    // A row without its parent is itself the parent of others, and a row that stays as it is
    // keeps its unique values: until nothing moves.
    loop {
        let mut moved = 0;
        for target in targets {
            for columns in &target.live.uniques {
                let unique = ConditionalUnique {
                    expressions: columns.iter().map(|c| quote::ident(c)).collect(),
                    predicate: None,
                };
                moved += clashes::taken(client, target, &unique, columns, conflicts).await?;
            }
            for unique in &target.live.conditional {
                moved += clashes::taken(client, target, unique, &[], conflicts).await?;
            }
            for key in world
                .foreign_keys
                .iter()
                .filter(|k| k.to == target.live.oid)
            {
                moved += clashes::needed(client, world, targets, target, key, conflicts).await?;
            }
        }
        for target in targets {
            for key in world
                .foreign_keys
                .iter()
                .filter(|k| k.from == target.live.oid && k.validated)
            {
                moved += clashes::orphans(client, world, targets, target, key, conflicts).await?;
            }
        }
        if moved == 0 {
            return Ok(());
        }
    }
}

async fn one(client: &Client, sql: &str) -> Result<u64> {
    let rows = as_user::number(client, sql).await;
    Ok(rows.pg("could not look for conflicts")?.unsigned_abs())
}

/// Counts `rows` of `table` under `reason`.
pub fn note(conflicts: &mut Vec<Conflict>, table: &TableName, rows: u64, reason: String) {
    if rows == 0 {
        return;
    }
    let known = conflicts
        .iter_mut()
        .find(|c| c.table == *table && c.reason == reason);
    match known {
        Some(conflict) => conflict.rows += rows,
        None => conflicts.push(Conflict {
            table: table.clone(),
            rows,
            reason,
        }),
    }
}

/// Rows that the rollback changed and somebody has changed again since.
async fn changed_since(
    client: &Client,
    target: &Target<'_>,
    conflicts: &mut Vec<Conflict>,
) -> Result<()> {
    let Some(record) = target.record else {
        return Ok(());
    };
    if record.effects.is_empty() || target.remade() {
        return Ok(());
    }
    if target.key.is_empty() {
        let sql = format!(
            "SELECT COALESCE(pg_catalog.sum(rows), 0)::bigint FROM {}",
            target.stage("missing")
        );
        let rows = one(client, &sql).await?;
        let reason = "the rollback had added or changed them and somebody changed them since; \
                      the newer rows were kept beside the old ones";
        note(conflicts, target.name(), rows, reason.to_owned());
        return Ok(());
    }
    let layout = Layout::of(&record.effects);
    let there: Vec<i16> = record
        .effects
        .iter()
        .filter(|n| record.after(**n).is_some())
        .copied()
        .collect();
    let any = |f: &dyn Fn(i16) -> String| {
        let parts: Vec<String> = there.iter().map(|n| f(*n)).collect();
        if parts.is_empty() {
            "false".to_owned()
        } else {
            parts.join(" OR ")
        }
    };
    let differs = is_another(record);
    // Converted values are judged with all others of their column.
    let changed = any(&|n| {
        if record.retyped.contains(&n) {
            return "false".to_owned();
        }
        format!(
            "({} AND NOT {} AND NOT {})",
            layout.differs("e", n),
            before::as_left(record, n),
            before::as_was(record, n)
        )
    });
    let seen = before::rows_seen(target, record);
    let questions = [
        (
            format!("e.had AND NOT e.has AND e.present AND ({differs})"),
            KEY_TAKEN,
        ),
        (
            format!("e.had AND e.has AND e.present AND ({changed})"),
            "somebody changed the same values since; the newer values were kept",
        ),
        (
            format!(
                "e.has AND NOT e.had AND e.present AND NOT ({})",
                untouched(record)
            ),
            "the rollback had added them and somebody changed them since; they were kept",
        ),
    ];
    for (condition, reason) in questions {
        let sql = format!("SELECT pg_catalog.count(*) FROM {seen} AS e WHERE {condition}");
        let rows = one(client, &sql).await?;
        note(conflicts, target.name(), rows, reason.to_owned());
    }
    Ok(())
}

/// True where a row of `seen`, called `e`, is not as the row with its key was before the rollback.
pub(super) fn is_another(record: &TableRecord) -> String {
    let there = record.effects.iter();
    let there = there.filter(|n| record.after(**n).is_some());
    let differs: Vec<String> = there
        .map(|n| format!("NOT {}", before::as_was(record, *n)))
        .collect();
    if differs.is_empty() {
        return "false".to_owned();
    }
    differs.join(" OR ")
}
