//! Saved rows that can't be put back, because of what was written since: they stay in the backup
//! and are reported, so that nothing newer is overwritten.

use tokio_postgres::Client;

use crate::error::Result;
use crate::ident::TableName;
use crate::model::relation::{ForeignKey, World};
use crate::pg::error::PgContext as _;
use crate::pg::reconcile::wanted::untouched;
use crate::pg::reconcile::{GONE, Target, pairs};
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

/// Takes rows that can't be put back out of the wanted rows of all `targets`.
pub async fn set_aside(
    client: &Client,
    world: &World,
    targets: &[Target<'_>],
) -> Result<Vec<Conflict>> {
    let mut conflicts = Vec::new();
    for target in targets {
        changed_since(client, target, &mut conflicts).await?;
        for unique in &target.live.uniques {
            taken(client, target, unique, &mut conflicts).await?;
        }
    }
    // A row without its parent is itself the parent of others: until nothing moves.
    loop {
        let mut moved = 0;
        for target in targets {
            for key in world
                .foreign_keys
                .iter()
                .filter(|k| k.from == target.live.oid)
            {
                moved += orphans(client, world, targets, target, key, &mut conflicts).await?;
            }
        }
        if moved == 0 {
            return Ok(conflicts);
        }
    }
}

async fn one(client: &Client, sql: &str) -> Result<u64> {
    let row = client
        .query_one(sql, &[])
        .await
        .pg("could not look for conflicts")?;
    Ok(row.get::<_, i64>(0).unsigned_abs())
}

fn note(conflicts: &mut Vec<Conflict>, target: &Target<'_>, rows: u64, reason: String) {
    if rows > 0 {
        conflicts.push(Conflict {
            table: target.name().clone(),
            rows,
            reason,
        });
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
    if record.effects.is_empty() || target.key.is_empty() || target.remade() {
        return Ok(());
    }
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
    let differs = any(&|n| format!("e.p{n} IS DISTINCT FROM e.b{n}"));
    let changed = any(&|n| {
        format!(
            "(e.b{n} IS DISTINCT FROM e.a{n} AND e.p{n} IS DISTINCT FROM e.a{n} \
             AND e.p{n} IS DISTINCT FROM e.b{n})"
        )
    });
    let seen = target.stage("seen");
    let questions = [
        (
            format!("e.had AND NOT e.has AND e.present AND ({differs})"),
            "their key was given to a new row since; the new row was kept",
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
        note(conflicts, target, rows, reason.to_owned());
    }
    Ok(())
}

/// Rows to add whose unique values another row has by now.
async fn taken(
    client: &Client,
    target: &Target<'_>,
    unique: &[String],
    conflicts: &mut Vec<Conflict>,
) -> Result<()> {
    if unique == target.key.as_slice() || target.key.is_empty() {
        return Ok(());
    }
    let wanted = target.wanted();
    let same = pairs(unique, |c| {
        let c = quote::ident(c);
        format!("t.{c} = w.{c}")
    });
    let changes = pairs(unique, |c| {
        let c = quote::ident(c);
        format!("x.{c}::pg_catalog.text IS NOT DISTINCT FROM t.{c}::pg_catalog.text")
    });
    let sql = format!(
        "WITH moved AS (DELETE FROM {wanted} AS w WHERE NOT w.{GONE} \
         AND NOT EXISTS (SELECT FROM ONLY {table} AS t WHERE {by_key}) \
         AND EXISTS (SELECT FROM ONLY {table} AS t WHERE {same} \
         AND NOT EXISTS (SELECT FROM {wanted} AS x WHERE {x_key} AND (x.{GONE} OR NOT ({changes})))) \
         RETURNING 1) SELECT pg_catalog.count(*) FROM moved",
        table = target.table(),
        by_key = target.same_key("t", "w"),
        x_key = target.same_key("x", "t"),
    );
    let rows = one(client, &sql).await?;
    let reason = format!(
        "a newer row has the same unique value ({}); it was kept",
        unique.join(", ")
    );
    note(conflicts, target, rows, reason);
    Ok(())
}

/// Rows to add whose parent is neither there nor about to come back.
async fn orphans(
    client: &Client,
    world: &World,
    targets: &[Target<'_>],
    target: &Target<'_>,
    key: &ForeignKey,
    conflicts: &mut Vec<Conflict>,
) -> Result<u64> {
    let Some(parent) = world.relations.get(&key.to) else {
        return Ok(0);
    };
    let columns: Vec<(&String, &String)> = key.from_columns.iter().zip(&key.to_columns).collect();
    let matches = |alias: &str| -> String {
        let parts: Vec<String> = columns
            .iter()
            .map(|(from, to)| format!("{alias}.{} = w.{}", quote::ident(to), quote::ident(from)))
            .collect();
        parts.join(" AND ")
    };
    let filled: Vec<String> = key
        .from_columns
        .iter()
        .map(|c| format!("w.{} IS NOT NULL", quote::ident(c)))
        .collect();
    let family = world.family(key.to);
    let coming: String = targets
        .iter()
        .filter(|t| family.contains(&t.live.oid))
        .map(|t| {
            format!(
                " AND NOT EXISTS (SELECT FROM {} AS p WHERE NOT p.{GONE} AND {})",
                t.wanted(),
                matches("p")
            )
        })
        .collect();
    let fresh = if target.key.is_empty() {
        "true".to_owned()
    } else {
        format!(
            "NOT EXISTS (SELECT FROM ONLY {} AS t WHERE {})",
            target.table(),
            target.same_key("t", "w")
        )
    };
    let sql = format!(
        "WITH moved AS (DELETE FROM {wanted} AS w WHERE NOT w.{GONE} AND {fresh} AND {filled} \
         AND NOT EXISTS (SELECT FROM {parent_table} AS p WHERE {there}){coming} RETURNING 1) \
         SELECT pg_catalog.count(*) FROM moved",
        wanted = target.wanted(),
        filled = filled.join(" AND "),
        parent_table = quote::table(&parent.name),
        there = matches("p"),
    );
    let rows = one(client, &sql).await?;
    let reason = format!(
        "the rows of {} that they refer to are gone since",
        parent.name
    );
    note(conflicts, target, rows, reason);
    Ok(rows)
}
