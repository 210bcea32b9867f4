//! Rows of a table that scripts copy into the partitions of another one before they drop it: which of them
//! are newer, only the table itself tells, before that.

use tokio_postgres::Client;

use crate::error::Result;
use crate::ident::TableName;
use crate::model::relation::{Oid, Relation};
use crate::pg::error::PgContext as _;
use crate::pg::reconcile::absent::DELETED;
use crate::pg::reconcile::conflicts::{Conflict, note};
use crate::pg::reconcile::{Target, pairs};
use crate::pg::stage::Stage;
use crate::pg::{as_user, snapshot, value};
use crate::sql::quote;

const CHANGED: &str = "somebody changed their rows since; the newer ones were kept";

const FAILED: &str = "could not tell the rows that are newer";

/// A table whose rows are moved.
#[derive(Debug, Clone)]
pub struct Moved {
    /// Which.
    pub oid: Oid,
    /// Its name.
    pub name: TableName,
    /// The columns that tell its rows apart; empty: nothing does.
    pub key: Vec<String>,
    /// It was looked at: else nobody has written into it.
    noted: bool,
}

impl Moved {
    /// The table `relation`, before it is looked at.
    pub fn new(relation: &Relation) -> Self {
        Self {
            oid: relation.oid,
            name: relation.name.clone(),
            key: relation.keys.first().cloned().unwrap_or_default(),
            noted: false,
        }
    }

    fn table(&self, what: &str) -> String {
        format!(
            "pg_temp.{}",
            quote::ident(&format!("pgbelay {what} {}", self.oid))
        )
    }

    /// Notes of each row of `relation` its key, whether it may have been written since, and whether its key
    /// is new; and which keys are gone. `since` is the transaction that was running at the end of the rollback
    /// and its own one; `None`: that tells nothing. `present` are the keys that were there.
    pub async fn note(
        &mut self,
        client: &Client,
        relation: &Relation,
        since: Option<(u64, u64)>,
        present: Option<&Stage>,
    ) -> Result<()> {
        let touched = since.map_or_else(
            || "true".to_owned(),
            |(running, own)| {
                let own = own % (1 << 32);
                let since = snapshot::written_since(running);
                format!("{since} AND t.xmin::pg_catalog.text <> '{own}'")
            },
        );
        let text = |k: &str| value::named("t", k, &relation.columns);
        let same = pairs(&self.key, |k| {
            format!("p.{} = {}", quote::ident(k), text(k))
        });
        let new = present.map_or_else(
            || touched.clone(),
            |present| {
                format!(
                    "NOT EXISTS (SELECT FROM {} AS p WHERE {same})",
                    present.table
                )
            },
        );
        let keys: String = (self.key.iter())
            .map(|k| format!(", {} AS {}", text(k), quote::ident(k)))
            .collect();
        let mut sql = format!(
            "CREATE TEMP TABLE {moved} AS SELECT {new} AS \"pgbelay new\", {touched} AS \"pgbelay touched\"{keys} \
             FROM ONLY {table} AS t; ANALYZE {moved};",
            moved = self.table("moved"),
            table = quote::table(&relation.name),
        );
        if let Some(present) = present {
            sql += &format!(
                "CREATE TEMP TABLE {gone} AS SELECT p.* FROM {} AS p \
                 WHERE NOT EXISTS (SELECT FROM ONLY {} AS t WHERE {same}); ANALYZE {gone};",
                present.table,
                quote::table(&relation.name),
                gone = self.table("gone"),
            );
        } else {
            sql += &format!(
                "CREATE TEMP TABLE {} AS SELECT * FROM {} WITH NO DATA;",
                self.table("gone"),
                self.table("moved")
            );
        }
        as_user::batch(client, &sql).await.pg(FAILED)?;
        self.noted = true;
        Ok(())
    }
}

/// True when `moved`, whose rows nothing tells apart, holds as many as were saved of `parts`, and none was
/// written since.
pub async fn holds_as_many(client: &Client, moved: &Moved, parts: &[&Target<'_>]) -> Result<bool> {
    if !moved.noted {
        return Ok(true);
    }
    let saved = parts.iter().filter(|part| part.saved);
    let saved = saved.map(|part| {
        format!(
            " - (SELECT pg_catalog.count(*) FROM {})",
            part.stage("saved")
        )
    });
    let sql = format!(
        "SELECT pg_catalog.abs(pg_catalog.count(*){saved}) \
         + pg_catalog.count(*) FILTER (WHERE m.\"pgbelay touched\") FROM {moved} AS m",
        saved = saved.collect::<String>(),
        moved = moved.table("moved"),
    );
    Ok(as_user::number(client, &sql).await.pg(FAILED)? == 0)
}

/// Rows that are newer stay in the partition `target` as the scripts made them; what was saved of rows that
/// somebody changed or deleted since is left out.
pub async fn keep_newer(
    client: &Client,
    moved: &Moved,
    target: &Target<'_>,
    conflicts: &mut Vec<Conflict>,
) -> Result<()> {
    let has_key = moved.key.iter().all(|k| target.live.column(k).is_some());
    if !moved.noted || !has_key {
        return Ok(());
    }
    let by_key = |row: &str| {
        pairs(&moved.key, |k| {
            format!("m.{} = {}", quote::ident(k), target.text(row, k))
        })
    };
    let alike = if target.saved {
        let columns = target.written();
        let same = columns.map(|c| {
            let [saved, live] = ["s", "t"].map(|row| target.text(row, &c.name));
            format!("{saved} IS NOT DISTINCT FROM {live}")
        });
        same.collect::<Vec<_>>().join(" AND ")
    } else {
        "false".to_owned()
    };
    let saved = if target.saved {
        format!(
            "EXISTS (SELECT FROM {} AS s WHERE {alike})",
            target.stage("saved")
        )
    } else {
        "false".to_owned()
    };
    let sql = format!(
        "INSERT INTO {derived} SELECT t.ctid FROM ONLY {table} AS t JOIN {moved} AS m ON {same} \
         WHERE m.\"pgbelay new\" OR m.\"pgbelay touched\" AND NOT {saved}",
        derived = target.stage("derived"),
        table = target.table(),
        moved = moved.table("moved"),
        same = by_key("t"),
    );
    as_user::batch(client, &sql).await.pg(FAILED)?;
    if !target.saved {
        return Ok(());
    }
    let changed = format!(
        "EXISTS (SELECT FROM {} AS m WHERE (m.\"pgbelay new\" OR m.\"pgbelay touched\") AND {}) \
         AND NOT EXISTS (SELECT FROM ONLY {} AS t WHERE {alike})",
        moved.table("moved"),
        by_key("s"),
        target.table(),
    );
    let gone = format!(
        "EXISTS (SELECT FROM {} AS m WHERE {})",
        moved.table("gone"),
        by_key("s")
    );
    for (which, reason) in [(changed, CHANGED), (gone, DELETED)] {
        let sql = format!(
            "WITH gone AS (DELETE FROM {} AS s WHERE {which} RETURNING 1) \
             SELECT pg_catalog.count(*) FROM gone",
            target.stage("saved")
        );
        let rows = as_user::number(client, &sql).await.pg(FAILED)?;
        note(
            conflicts,
            target.name(),
            rows.unsigned_abs(),
            reason.to_owned(),
        );
    }
    Ok(())
}
