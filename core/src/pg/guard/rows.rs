//! A look at the rows, where counts and records differ: rows that an exception block took back are
//! counted, and what code writes that calls no triggers isn't recorded.

use std::collections::BTreeMap;

use tokio_postgres::Client;

use crate::error::Result;
use crate::model::relation::{Oid, World};
use crate::pg::as_user;
use crate::pg::capture::Recorded;
use crate::pg::error::PgContext as _;
use crate::sql::quote;

/// The rows of a table before the scripts and after.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counted {
    before: i64,
    after: i64,
    /// Rows that are there as the scripts wrote them.
    written: i64,
}

impl Counted {
    /// True where what was `recorded` leads from the rows before to those after. In another file all
    /// rows are written anew, so that nothing tells which the scripts wrote.
    pub const fn agrees(&self, recorded: &Recorded, another_file: bool) -> bool {
        let Recorded {
            inserted,
            updated,
            deleted,
            ..
        } = *recorded;
        self.after == self.before + inserted - deleted
            && (another_file || self.written <= inserted + updated)
    }
}

/// The rows of some tables, under locks that keep others from writing, and from when on rows are the
/// scripts'.
#[derive(Debug, Default)]
pub struct Look {
    rows: BTreeMap<Oid, i64>,
    since: String,
}

/// Counts the rows of `tables` before the scripts, and begins a savepoint, so that what they write is
/// younger than all that is there.
pub async fn begin_look(
    client: &Client,
    world: &World,
    tables: impl IntoIterator<Item = Oid>,
) -> Result<Look> {
    let mut look = Look::default();
    for oid in tables {
        let Some(relation) = world.relations.get(&oid) else {
            continue;
        };
        let sql = format!(
            "SELECT pg_catalog.count(*) FROM ONLY {}",
            quote::table(&relation.name)
        );
        let row = as_user::query_one(client, &sql).await;
        let rows = row.pg(format!("could not count the rows of {}", relation.name))?;
        look.rows.insert(oid, rows.get(0));
    }
    if !look.rows.is_empty() {
        let sql = "SELECT pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot())\
                   ::pg_catalog.xid::pg_catalog.text";
        let row = client.query_one(sql, &[]).await;
        look.since = row.pg("could not read the transaction's snapshot")?.get(0);
        let begun = client.batch_execute("SAVEPOINT pgbelay_look").await;
        begun.pg("could not set a savepoint")?;
    }
    Ok(look)
}

/// What became of the tables that were looked at.
pub async fn count(client: &Client, look: &Look, world: &World) -> Result<BTreeMap<Oid, Counted>> {
    let mut counted = BTreeMap::new();
    for (oid, before) in &look.rows {
        let Some(relation) = world.relations.get(oid) else {
            continue;
        };
        let sql = format!(
            "SELECT pg_catalog.count(*), pg_catalog.count(*) FILTER (WHERE \
               pg_catalog.age(t.xmin) <= pg_catalog.age($1::pg_catalog.text::pg_catalog.xid)) \
             FROM ONLY {} AS t",
            quote::table(&relation.name)
        );
        as_user::begin(client).await?;
        let row = client.query_one(&sql, &[&look.since]).await;
        let row = row.pg(format!("could not count the rows of {}", relation.name))?;
        as_user::end(client).await?;
        let rows = Counted {
            before: *before,
            after: row.get(0),
            written: row.get(1),
        };
        counted.insert(*oid, rows);
    }
    Ok(counted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_taken_back_agrees_and_what_nobody_saw_does_not() {
        let recorded = |(inserted, updated, deleted)| Recorded {
            inserted,
            updated,
            deleted,
            truncated: false,
            intact: true,
        };
        // Before, after, written since; recorded; another file; agrees.
        for (counted, events, another_file, agrees) in [
            ((10, 10, 0), (0, 0, 0), false, true),
            ((10, 12, 2), (2, 0, 0), false, true),
            ((10, 9, 1), (1, 1, 2), false, true),
            ((10, 9, 0), (0, 0, 0), false, false),
            ((10, 10, 1), (0, 0, 0), false, false),
            ((10, 10, 10), (0, 0, 0), true, true),
            ((10, 8, 8), (0, 0, 1), true, false),
        ] {
            let (before, after, written) = counted;
            let counted = Counted {
                before,
                after,
                written,
            };
            let recorded = recorded(events);
            assert_eq!(
                counted.agrees(&recorded, another_file),
                agrees,
                "{counted:?} {events:?}"
            );
        }
    }
}
