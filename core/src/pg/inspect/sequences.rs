//! Where every sequence stands.

use std::collections::BTreeMap;

use tokio_postgres::Client;

use crate::error::Result;
use crate::ident::TableName;
use crate::model::backup::SequenceState;
use crate::model::relation::Oid;
use crate::pg::query;
use crate::sql::quote;

use super::{Reach, within};

const SEQUENCES: &str = "
SELECT c.oid, n.nspname::text, c.relname::text, o.refobjid, o.refobjsubid::int2
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_depend o
  ON o.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND o.objid = c.oid
 AND o.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND o.refobjsubid > 0
 AND o.deptype IN ('a', 'i')
WHERE c.relkind = 'S' AND {user_schema}
ORDER BY n.nspname, c.relname";

/// So many are read without giving up their locks.
const FEW: usize = 50;

/// How many sequences one statement reads: far below the parser's stack and the server's limit
/// on tables in one query, and still one round trip for most databases.
const BATCH: usize = 500;

/// A sequence, where it stands, and the column that owns it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SequenceFacts {
    /// Its oid.
    pub oid: Oid,
    /// Its name.
    pub name: TableName,
    /// Its position.
    pub state: SequenceState,
    /// The table and column number it belongs to (OWNED BY, serial or identity).
    pub owned_by: Option<(Oid, i16)>,
}

/// Every sequence outside the system schemas and `pgbelay`, by name. Needs SELECT on each.
///
/// Positions don't belong to any snapshot: they are those of the moment of reading.
pub async fn sequences(client: &Client) -> Result<Vec<SequenceFacts>> {
    positions(client, Reach::User).await
}

/// As [`sequences`], those of `pgbelay` included.
pub async fn all_sequences(client: &Client) -> Result<Vec<SequenceFacts>> {
    positions(client, Reach::Everything).await
}

async fn positions(client: &Client, reach: Reach) -> Result<Vec<SequenceFacts>> {
    let rows = query::rows(client, "the sequences", &within(SEQUENCES, reach), &[]).await?;
    let mut positions: BTreeMap<Oid, (i64, bool)> = BTreeMap::new();
    // A lock on each would be held until the transaction ends, and the server has room for a few
    // thousand locks of all sessions together. Going back to a savepoint gives them up. Outside of
    // a transaction there is none to be had, and no need.
    let many = rows.len() > FEW;
    let apart = many
        && query::run(client, "SAVEPOINT pgbelay_sequences")
            .await
            .is_ok();
    for batch in rows.chunks(BATCH) {
        let reads: Vec<String> = batch
            .iter()
            .map(|row| {
                let oid: Oid = row.get(0);
                let name = quote::table(&name(row));
                format!("SELECT {oid}::pg_catalog.oid, last_value, is_called FROM {name}")
            })
            .collect();
        let sql = reads.join(" UNION ALL ");
        for row in query::rows(client, "the positions of sequences", &sql, &[]).await? {
            positions.insert(row.get(0), (row.get(1), row.get(2)));
        }
        if apart {
            query::run(client, "ROLLBACK TO SAVEPOINT pgbelay_sequences").await?;
        }
    }
    if apart {
        query::run(client, "RELEASE SAVEPOINT pgbelay_sequences").await?;
    }
    Ok(rows
        .iter()
        .filter_map(|row| {
            let oid: Oid = row.get(0);
            let (last_value, is_called) = *positions.get(&oid)?;
            let table: Option<Oid> = row.get(3);
            let column: Option<i16> = row.get(4);
            Some(SequenceFacts {
                oid,
                name: name(row),
                state: SequenceState {
                    name: name(row),
                    last_value,
                    is_called,
                },
                owned_by: table.zip(column),
            })
        })
        .collect())
}

fn name(row: &tokio_postgres::Row) -> TableName {
    TableName::new(row.get::<_, String>(1), row.get::<_, String>(2))
}
