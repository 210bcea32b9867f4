//! Rows that the scripts make again for rows that were written since the rollback: an
//! `INSERT … SELECT` that gives every customer an account gives one to the newest, too.
//!
//! What scripts add is taken away in favour of what was saved, but these rows stay: nothing was
//! saved for them. They are recognised by a foreign key to a row that is new.

use std::collections::{BTreeMap, BTreeSet};

use tokio_postgres::Client;

use crate::error::Result;
use crate::model::relation::{ForeignKey, Oid, Relation, World};
use crate::pg::as_user;
use crate::pg::error::PgContext as _;
use crate::pg::reconcile::conflicts::Conflict;
use crate::pg::reconcile::{Target, before, pairs, since_table, stage};
use crate::pg::value;
use crate::sql::quote;

/// Makes the temporary table `derived` of every table of `targets`, for the places of such rows.
pub async fn begin(client: &Client, targets: &[Target<'_>]) -> Result<()> {
    for target in targets {
        let sql = format!("CREATE TEMP TABLE {} (pos tid)", target.stage("derived"));
        run(client, &sql).await?;
    }
    Ok(())
}

/// Finds the places of such rows in every table of `targets`. `xid` is the rollback's transaction.
pub async fn find(
    client: &Client,
    earlier: &World,
    live: &World,
    targets: &[Target<'_>],
    empty: &BTreeSet<Oid>,
    xid: &str,
) -> Result<Vec<Conflict>> {
    let fed: Vec<&Target<'_>> = targets
        .iter()
        .filter(|t| t.remade() || t.up.inserted > 0)
        .collect();
    // What was empty before the scripts ran holds nobody's new rows.
    let filled = earlier.relations.iter();
    let filled = filled.filter(|(oid, _)| !empty.contains(oid));
    let before: BTreeMap<Oid, &Relation> = filled.map(|(oid, r)| (*oid, r)).collect();
    let mut conflicts = Vec::new();
    // A row made for such a row is itself one: until nothing is added.
    loop {
        let mut added = 0;
        for target in &fed {
            let keys = live.foreign_keys.iter();
            for key in keys.filter(|k| k.from == target.live.oid) {
                for parent in new_rows(client, &before, live, targets, key, xid).await? {
                    added += run(client, &refer(target, key, &parent)).await?;
                }
            }
        }
        if added == 0 {
            break;
        }
    }
    for target in &fed {
        let rows = give_way(client, target).await?;
        if rows > 0 {
            conflicts.push(Conflict {
                table: target.name().clone(),
                rows,
                reason: "the migrations made them for newer rows, but saved rows have the same \
                         unique values; the saved ones were put back"
                    .to_owned(),
            });
        }
    }
    Ok(conflicts)
}

async fn run(client: &Client, sql: &str) -> Result<u64> {
    as_user::execute(client, sql)
        .await
        .pg("could not look for rows that belong to newer ones")
}

/// Queries for the new rows of each table that `key` may refer to.
async fn new_rows(
    client: &Client,
    earlier: &BTreeMap<Oid, &Relation>,
    live: &World,
    targets: &[Target<'_>],
    key: &ForeignKey,
    xid: &str,
) -> Result<Vec<String>> {
    let mut queries = Vec::new();
    for oid in live.family(key.to) {
        let Some(parent) = live.relations.get(&oid).filter(|r| r.stores_rows()) else {
            continue;
        };
        let table = quote::table(&parent.name);
        if let Some(index) = position(targets, oid) {
            queries.push(format!(
                "SELECT p.* FROM ONLY {table} AS p WHERE p.ctid IN (SELECT pos FROM {})",
                stage("derived", index)
            ));
        }
        let Some(before) = earlier.get(&oid) else {
            continue;
        };
        if let Some(by) = before.keys.first()
            && by.iter().all(|k| parent.column(k).is_some())
        {
            before::since(client, parent, by, xid).await?;
            let same = pairs(by, |k| {
                let is = value::named("p", k, &parent.columns);
                format!("s.{} = {is}", quote::ident(k))
            });
            queries.push(format!(
                "SELECT p.* FROM ONLY {table} AS p \
                 WHERE EXISTS (SELECT FROM {} AS s WHERE {same})",
                since_table(oid)
            ));
        }
    }
    Ok(queries)
}

fn position(targets: &[Target<'_>], oid: Oid) -> Option<usize> {
    let target = targets.iter().find(|t| t.live.oid == oid)?;
    Some(target.index)
}

fn refer(target: &Target<'_>, key: &ForeignKey, parents: &str) -> String {
    let columns = key.from_columns.iter().zip(&key.to_columns);
    let same: Vec<String> = columns
        .map(|(from, to)| {
            format!(
                "p.{} OPERATOR(pg_catalog.=) t.{}",
                quote::ident(to),
                quote::ident(from)
            )
        })
        .collect();
    format!(
        "INSERT INTO {derived} SELECT t.ctid FROM ONLY {table} AS t \
         WHERE EXISTS (SELECT FROM ({parents}) AS p WHERE {same}) \
         AND t.ctid NOT IN (SELECT pos FROM {derived})",
        derived = target.stage("derived"),
        table = target.table(),
        same = same.join(" AND "),
    )
}

/// What was saved comes first where both can't be.
async fn give_way(client: &Client, target: &Target<'_>) -> Result<u64> {
    if !target.saved || !target.remade() {
        return Ok(0);
    }
    let mut rows = 0;
    for unique in &target.live.uniques {
        let same = pairs(unique, |c| {
            let c = quote::ident(c);
            format!("s.{c} OPERATOR(pg_catalog.=) t.{c}")
        });
        let sql = format!(
            "DELETE FROM {derived} AS d USING ONLY {table} AS t WHERE t.ctid = d.pos \
             AND EXISTS (SELECT FROM {saved} AS s WHERE {same})",
            derived = target.stage("derived"),
            table = target.table(),
            saved = target.stage("saved"),
        );
        rows += run(client, &sql).await?;
    }
    Ok(rows)
}
