//! Making room for saved values: what scripts gave to newer rows yields, and a saved value whose
//! parent is gone is left out.

use tokio_postgres::Client;

use crate::error::Result;
use crate::model::relation::{Oid, World};
use crate::pg::as_user;
use crate::pg::error::PgContext as _;
use crate::pg::reconcile::conflicts::{Conflict, note};
use crate::pg::reconcile::{Target, renumbered, values};
use crate::pg::record::{Saved, TableRecord};
use crate::sql::quote;

async fn run(client: &Client, sql: &str) -> Result<u64> {
    as_user::execute(client, sql)
        .await
        .pg("could not make room for saved values")
}

/// The columns of `table` that draw a new number by themselves.
async fn numbered(client: &Client, table: Oid) -> Result<Vec<String>> {
    let rows = client
        .query(
            "SELECT a.attname::pg_catalog.text FROM pg_catalog.pg_attribute a \
             LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum \
             WHERE a.attrelid = $1 AND NOT a.attisdropped AND (a.attidentity <> '' OR \
             pg_catalog.pg_get_expr(d.adbin, d.adrelid) LIKE 'nextval(%')",
            &[&table],
        )
        .await
        .pg("could not read the defaults of a table")?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// A unique column that comes back got values from the scripts in rows that are newer than the
/// rollback. Where such a value belongs to a saved row, the newer row draws another one, if it
/// can.
pub async fn among_values(
    client: &Client,
    live: &World,
    targets: &[Target<'_>],
    target: &Target<'_>,
) -> Result<()> {
    if !values::shares_unique(target) {
        return Ok(());
    }
    let columns = values::concerned(target);
    let numbered = numbered(client, target.live.oid).await?;
    let (saved, table) = (target.stage("saved"), target.table());
    // Without a key any row may be the newer one; all of them can draw again.
    let newer = if target.key.is_empty() {
        "true".to_owned()
    } else {
        format!(
            "NOT EXISTS (SELECT FROM {saved} AS x WHERE {})",
            target.same_key("x", "t")
        )
    };
    let alone = target
        .live
        .uniques
        .iter()
        .filter(|u| u.len() == 1)
        .flatten();
    for column in alone.filter(|c| columns.contains(c) && numbered.contains(c)) {
        if renumbered::in_place(client, live, targets, target, column, &newer).await? {
            continue;
        }
        let column = quote::ident(column);
        let sql = format!(
            "UPDATE ONLY {table} AS t SET {column} = DEFAULT WHERE {newer} \
             AND EXISTS (SELECT FROM {saved} AS s WHERE s.{column} = t.{column})"
        );
        run(client, &sql).await?;
    }
    Ok(())
}

/// True when `target` holds rows that were not there before the rollback and got values from the
/// scripts. Ask before anything is put back.
pub async fn has_newer(client: &Client, target: &Target<'_>) -> Result<bool> {
    let table = target.table();
    let saved = target.stage("saved");
    let was_empty = |r: &TableRecord| r.reshaped() && r.saved == Saved::Nothing;
    let sql = if target.record.is_some_and(was_empty) {
        format!("SELECT pg_catalog.count(*) > 0 FROM ONLY {table}")
    } else if !target.saved || target.record.is_none_or(|r| r.truncated) {
        return Ok(false);
    } else if target.key.is_empty() {
        format!(
            "SELECT (SELECT pg_catalog.count(*) FROM ONLY {table}) \
             > (SELECT pg_catalog.count(*) FROM {saved})"
        )
    } else {
        // All are counted: a plan that hopes to find one soon looks through all others for each.
        format!(
            "SELECT pg_catalog.count(*) > 0 FROM ONLY {table} AS t \
             WHERE NOT EXISTS (SELECT FROM {saved} AS s WHERE {})",
            target.same_key("s", "t")
        )
    };
    let row = as_user::query_one(client, &sql).await;
    Ok(row.pg("could not look for newer rows")?.get(0))
}

/// Saved values that refer to rows which are gone since become NULL. Where the foreign key was never
/// validated, they may.
pub async fn without_parents(
    client: &Client,
    live: &World,
    target: &Target<'_>,
    conflicts: &mut Vec<Conflict>,
) -> Result<()> {
    let columns = values::concerned(target);
    let keys = live.foreign_keys.iter();
    for key in keys.filter(|k| k.from == target.live.oid && k.validated) {
        let all = key.from_columns.iter().all(|c| columns.contains(c));
        let parent = live.relations.get(&live.referenced(key));
        let Some(parent) = parent.filter(|_| all) else {
            continue;
        };
        let pairs_of = key.from_columns.iter().zip(&key.to_columns);
        let same: Vec<String> = pairs_of
            .map(|(from, to)| format!("p.{} = s.{}", quote::ident(to), quote::ident(from)))
            .collect();
        let list = |f: fn(&str) -> String, between: &str| {
            let parts: Vec<String> = key.from_columns.iter().map(|c| f(c)).collect();
            parts.join(between)
        };
        let sql = format!(
            "UPDATE {saved} AS s SET {nulls} WHERE {filled} \
             AND NOT EXISTS (SELECT FROM {parent} AS p WHERE {same})",
            saved = target.stage("saved"),
            nulls = list(|c| format!("{} = NULL", quote::ident(c)), ", "),
            filled = list(|c| format!("s.{} IS NOT NULL", quote::ident(c)), " AND "),
            parent = quote::table(&parent.name),
            same = same.join(" AND "),
        );
        let rows = run(client, &sql).await?;
        let reason = format!(
            "the rows of {} that their {} refers to are gone since",
            parent.name,
            key.from_columns.join(", ")
        );
        note(conflicts, target.name(), rows, reason);
    }
    Ok(())
}
