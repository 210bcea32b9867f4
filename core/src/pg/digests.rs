//! What tables hold, as digests, so that the same can be told from something else later in one
//! transaction.

use std::collections::BTreeMap;

use tokio_postgres::Client;

use crate::error::Result;
use crate::ident::TableName;
use crate::model::relation::{Column, Oid, Relation};
use crate::pg::as_user;
use crate::pg::error::PgContext as _;
use crate::pg::value;
use crate::sql::quote;

/// What some tables held.
#[derive(Debug, Clone, Default)]
pub struct Digests {
    tables: BTreeMap<TableName, Table>,
    /// Tables that were not read.
    pub left_out: Vec<TableName>,
}

#[derive(Debug, Clone)]
struct Table {
    columns: Vec<Column>,
    digest: Digest,
}

/// Number of rows, and the sum of the hashes of all rows as text.
type Digest = (i64, String);

/// Reads `tables`, which nobody else may be able to write, the smallest first and not more than `bytes`
/// of them in all.
pub async fn read(
    client: &Client,
    tables: impl IntoIterator<Item = &Relation>,
    bytes: u64,
) -> Result<Digests> {
    let tables: BTreeMap<Oid, &Relation> = tables.into_iter().map(|r| (r.oid, r)).collect();
    let oids: Vec<Oid> = tables.keys().copied().collect();
    // What row-level security hides, or the role may not read, tells nothing.
    let sizes = client
        .query(
            "SELECT oid, pg_catalog.pg_table_size(oid), \
               pg_catalog.has_table_privilege(oid, 'SELECT') \
                 AND NOT pg_catalog.row_security_active(oid) \
             FROM pg_catalog.pg_class WHERE oid = ANY ($1) ORDER BY 2, 1",
            &[&oids],
        )
        .await
        .pg("could not read the sizes of tables")?;
    let mut digests = Digests::default();
    let mut left = bytes;
    for row in &sizes {
        let Some(relation) = tables.get(&row.get::<_, Oid>(0)) else {
            continue;
        };
        let size = u64::try_from(row.get::<_, i64>(1)).unwrap_or_default();
        if !row.get::<_, bool>(2) || size > left {
            digests.left_out.push(relation.name.clone());
            continue;
        }
        left -= size;
        let columns = relation.columns.clone();
        let digest = digest(client, &relation.name, &columns).await?;
        digests
            .tables
            .insert(relation.name.clone(), Table { columns, digest });
    }
    Ok(digests)
}

impl Digests {
    /// The tables that hold something else now, with the number of rows that they held and hold.
    pub async fn differing(&self, client: &Client) -> Result<Vec<(TableName, i64, i64)>> {
        let mut differing = Vec::new();
        for (name, table) in &self.tables {
            let now = digest(client, name, &table.columns).await?;
            if now != table.digest {
                differing.push((name.clone(), table.digest.0, now.0));
            }
        }
        Ok(differing)
    }
}

/// The hash of `column` of the row `alias`, a `bigint`.
pub fn of_value(alias: &str, column: &Column) -> String {
    let text = value::text(alias, column);
    format!("pg_catalog.hashtextextended({text}, 0)")
}

/// Each value is hashed by itself: all of a row in one text may be more than the server can hold.
async fn digest(client: &Client, table: &TableName, columns: &[Column]) -> Result<Digest> {
    let hashes: Vec<String> = columns.iter().map(|c| of_value("t", c)).collect();
    let sql = format!(
        "SELECT pg_catalog.count(*), coalesce(pg_catalog.sum(pg_catalog.hashtextextended( \
           ARRAY[{}]::pg_catalog.int8[]::pg_catalog.text, 0)::pg_catalog.numeric), 0)::pg_catalog.text \
         FROM ONLY {} AS t",
        hashes.join(", "),
        quote::table(table)
    );
    let row = as_user::query_one(client, &sql).await;
    let row = row.pg(format!("could not read {table} in order to compare it"))?;
    Ok((row.get(0), row.get(1)))
}
