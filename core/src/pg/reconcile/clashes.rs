//! Wanted rows that can't be, because of rows that are newer: they are taken out of the wanted
//! rows and counted. Each answers with how many it took out.

use tokio_postgres::Client;

use crate::error::Result;
use crate::model::relation::{ConditionalUnique, ForeignKey, World};
use crate::pg::as_user;
use crate::pg::error::PgContext as _;
use crate::pg::reconcile::conflicts::{Conflict, note};
use crate::pg::reconcile::{GONE, Target, pairs, values};
use crate::sql::quote;

async fn take(client: &Client, sql: &str) -> Result<u64> {
    as_user::execute(client, sql)
        .await
        .pg("could not look for conflicts")
}

/// Rows to add or change whose values in the unique index `unique` another row has by now.
/// `columns` are those that it is about, as far as they are plain columns.
pub async fn taken(
    client: &Client,
    target: &Target<'_>,
    unique: &ConditionalUnique,
    columns: &[String],
    conflicts: &mut Vec<Conflict>,
) -> Result<u64> {
    let is_key = columns == target.key.as_slice() && !target.key_is_coarse();
    if is_key || target.key.is_empty() {
        return Ok(0);
    }
    let wanted = target.wanted();
    let values: String = unique
        .expressions
        .iter()
        .enumerate()
        .map(|(place, expression)| format!(", ({expression}) AS \"pgbelay {place}\""))
        .collect();
    let among = unique.predicate.as_deref().unwrap_or("true");
    // Of the relation that it reads alone, so that the plain names in expressions are its own.
    let indexed = |from: &str, which: &str| {
        format!(
            "SELECT {keys}{values} FROM {from} WHERE ({among}) AND {which}",
            keys = quote::idents(target.key.iter().map(String::as_str))
        )
    };
    let there = indexed(&format!("ONLY {}", target.table()), "true");
    let coming = indexed(&wanted, &format!("NOT {GONE}"));
    let same = |a: &str, b: &str| {
        let places = 0..unique.expressions.len();
        let parts: Vec<String> = places
            .map(|place| {
                format!("{a}.\"pgbelay {place}\" OPERATOR(pg_catalog.=) {b}.\"pgbelay {place}\"")
            })
            .collect();
        parts.join(" AND ")
    };
    let comes_back = values::concerned(target);
    let and_saved = if columns.iter().any(|c| comes_back.contains(c)) {
        format!(
            ", left_out AS (DELETE FROM {} AS s USING moved AS m WHERE {})",
            target.stage("saved"),
            target.same_key("s", "m")
        )
    } else {
        String::new()
    };
    let keys = |alias: &str| {
        let keys = target.key.iter();
        let keys: Vec<String> = keys
            .map(|k| format!("{alias}.{}", quote::ident(k)))
            .collect();
        keys.join(", ")
    };
    let sql = format!(
        "WITH clash AS (SELECT DISTINCT {c_keys} FROM ({coming}) AS c JOIN ({there}) AS t \
         ON {c_same} AND NOT ({c_own}) \
         WHERE NOT EXISTS (SELECT FROM {wanted} AS x WHERE {x_key} AND (x.{GONE} \
         OR NOT EXISTS (SELECT FROM ({coming}) AS y WHERE {y_key} AND {y_same})))), \
         moved AS (DELETE FROM {wanted} AS w USING clash AS c WHERE {w_key} AND NOT w.{GONE} \
         RETURNING {keys}){and_saved} SELECT 1 FROM moved",
        c_keys = keys("c"),
        c_same = same("c", "t"),
        c_own = target.same_key("t", "c"),
        x_key = target.same_key("x", "t"),
        y_key = target.same_key("y", "t"),
        y_same = same("y", "t"),
        w_key = target.same_key("w", "c"),
        keys = keys("w"),
    );
    let rows = take(client, &sql).await?;
    let reason = format!(
        "a newer row has the same unique value ({}); it was kept",
        unique.expressions.join(", ").replace('"', "")
    );
    note(conflicts, target.name(), rows, reason);
    Ok(rows)
}

/// Rows to add, or to point elsewhere, whose parent is neither there nor about to come back.
pub async fn orphans(
    client: &Client,
    world: &World,
    targets: &[Target<'_>],
    target: &Target<'_>,
    key: &ForeignKey,
    conflicts: &mut Vec<Conflict>,
) -> Result<u64> {
    let to = world.referenced(key);
    let Some(parent) = world.relations.get(&to) else {
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
    let family = world.family(to);
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
    let points_there = pairs(&key.from_columns, |c| {
        let c = quote::ident(c);
        format!("t.{c} = w.{c}")
    });
    let fresh = if target.key.is_empty() {
        "true".to_owned()
    } else {
        format!(
            "NOT EXISTS (SELECT FROM ONLY {} AS t WHERE {} AND {points_there})",
            target.table(),
            target.same_key("t", "w")
        )
    };
    let sql = format!(
        "DELETE FROM {wanted} AS w WHERE NOT w.{GONE} AND {fresh} AND {filled} \
         AND NOT EXISTS (SELECT FROM {parent_table} AS p WHERE {there}){coming}",
        wanted = target.wanted(),
        filled = filled.join(" AND "),
        parent_table = quote::table(&parent.name),
        there = matches("p"),
    );
    let rows = take(client, &sql).await?;
    let reason = format!(
        "the rows of {} that they refer to are gone since",
        parent.name
    );
    note(conflicts, target.name(), rows, reason);
    Ok(rows)
}

/// Rows to remove that other rows refer to and will go on referring to: without them those would
/// be deleted by a cascade, or the undo would fail.
pub async fn needed(
    client: &Client,
    world: &World,
    targets: &[Target<'_>],
    target: &Target<'_>,
    key: &ForeignKey,
    conflicts: &mut Vec<Conflict>,
) -> Result<u64> {
    if target.key.is_empty() {
        return Ok(0);
    }
    let mut moved = 0;
    let columns: Vec<(&String, &String)> = key.from_columns.iter().zip(&key.to_columns).collect();
    let refers: Vec<String> = columns
        .iter()
        .map(|(from, to)| format!("c.{} = t.{}", quote::ident(from), quote::ident(to)))
        .collect();
    let replaced = pairs(&key.to_columns, |c| {
        let c = quote::ident(c);
        format!("p.{c} = t.{c}")
    });
    for oid in world.family(key.from) {
        let Some(child) = world.relations.get(&oid).filter(|r| r.stores_rows()) else {
            continue;
        };
        let reason = format!("newer rows of {} refer to them; they were kept", child.name);
        let coming = targets.iter().find(|t| t.live.oid == oid);
        if let Some(coming) = coming.filter(|t| !t.key.is_empty()) {
            // The scripts took both away; what was written since comes back, so both do.
            let refers: Vec<String> = columns
                .iter()
                .map(|(from, to)| format!("c.{} = w.{}", quote::ident(from), quote::ident(to)))
                .collect();
            let sql = format!(
                "UPDATE {wanted} AS w SET {GONE} = false WHERE w.{GONE} \
                 AND NOT EXISTS (SELECT FROM ONLY {table} AS t WHERE {own}) \
                 AND EXISTS (SELECT FROM {children} AS c WHERE {refers} AND NOT c.{GONE} \
                 AND NOT EXISTS (SELECT FROM ONLY {child} AS l WHERE {child_own}))",
                wanted = target.wanted(),
                table = target.table(),
                own = target.same_key("t", "w"),
                children = coming.wanted(),
                refers = refers.join(" AND "),
                child = quote::table(&child.name),
                child_own = coming.same_key("l", "c"),
            );
            let rows = take(client, &sql).await?;
            note(conflicts, target.name(), rows, reason.clone());
            moved += rows;
        }
        let stays = match targets.iter().find(|t| t.live.oid == oid) {
            None => "true".to_owned(),
            Some(child) if child.key.is_empty() => {
                format!("c.ctid NOT IN (SELECT pos FROM {})", child.stage("leaving"))
            }
            Some(child) => {
                let same = pairs(&key.from_columns, |c| {
                    let c = quote::ident(c);
                    format!("x.{c} = c.{c}")
                });
                format!(
                    "NOT EXISTS (SELECT FROM {} AS x WHERE {} AND (x.{GONE} OR ({same}) IS NOT TRUE))",
                    child.wanted(),
                    child.same_key("x", "c")
                )
            }
        };
        let sql = format!(
            "DELETE FROM {wanted} AS w WHERE w.{GONE} AND EXISTS (\
             SELECT FROM ONLY {table} AS t JOIN ONLY {child} AS c ON {refers} \
             WHERE {own} AND {stays} \
             AND NOT EXISTS (SELECT FROM {wanted} AS p WHERE NOT p.{GONE} AND {replaced}))",
            wanted = target.wanted(),
            table = target.table(),
            child = quote::table(&child.name),
            refers = refers.join(" AND "),
            own = target.same_key("t", "w"),
        );
        let rows = take(client, &sql).await?;
        note(conflicts, target.name(), rows, reason);
        moved += rows;
    }
    Ok(moved)
}

/// True when a row is to go and another one to come whose key the server calls equal, though they are not
/// the same.
pub async fn exchange_equal_keys(client: &Client, targets: &[Target<'_>]) -> Result<bool> {
    for target in targets.iter().filter(|t| t.key_is_coarse()) {
        let equal = pairs(&target.key, |k| {
            let k = quote::ident(k);
            format!("g.{k} = w.{k}")
        });
        let sql = format!(
            "SELECT pg_catalog.count(*) FROM {wanted} AS g JOIN {wanted} AS w ON {equal} \
             WHERE g.{GONE} AND NOT w.{GONE}",
            wanted = target.wanted(),
        );
        let rows = as_user::number(client, &sql).await;
        if rows.pg("could not look for equal keys")? > 0 {
            return Ok(true);
        }
    }
    Ok(false)
}
