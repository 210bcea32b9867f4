//! How much room tables take, and whether their rows can be read a range of pages at a time.

use std::collections::{BTreeMap, BTreeSet};

use tokio_postgres::Client;
use tokio_postgres::types::{ToSql, Type};

use crate::error::Result;
use crate::ident::TableName;
use crate::model::relation::Oid;
use crate::pg::query;

const EXTENTS: &str = "
SELECT c.oid, pg_catalog.pg_relation_size(c.oid) / pg_catalog.current_setting('block_size')::pg_catalog.int8,
       pg_catalog.pg_table_size(c.oid), greatest(c.reltuples, 0)::pg_catalog.int8,
       coalesce(a.amname OPERATOR(pg_catalog.=) 'heap', false)
         AND pg_catalog.current_setting('server_version_num')::pg_catalog.int4 >= 140000
FROM pg_catalog.pg_class c LEFT JOIN pg_catalog.pg_am a ON a.oid = c.relam
WHERE c.oid = ANY ($1)";

/// The extent of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// Pages of the table itself.
    pub pages: u64,
    /// Bytes, with those of values stored beside it.
    pub bytes: u64,
    /// Rows, as far as statistics know; 0 when they don't.
    pub rows: u64,
    /// True when the server reads a range of pages without reading all others.
    pub ranges: bool,
}

/// The extents of `tables`. A table that is gone has none.
pub async fn of(client: &Client, tables: &[Oid]) -> Result<BTreeMap<Oid, Extent>> {
    let rows = query::rows(
        client,
        "the sizes of tables",
        EXTENTS,
        &[(&tables, Type::OID_ARRAY)],
    )
    .await?;
    let number = |n: i64| n.max(0).unsigned_abs();
    let extent = |row: &tokio_postgres::Row| Extent {
        pages: number(row.get(1)),
        bytes: number(row.get::<_, Option<i64>>(2).unwrap_or(0)),
        rows: number(row.get(3)),
        ranges: row.get(4),
    };
    Ok(rows.iter().map(|row| (row.get(0), extent(row))).collect())
}

/// Those of `tables` that surely hold no row: they have no page. Asking takes no lock that stays,
/// as looking for a row would. Other access methods than heap may keep rows elsewhere.
pub async fn empty(client: &Client, tables: &[Oid]) -> Result<BTreeSet<Oid>> {
    let sql = "SELECT c.oid FROM pg_catalog.pg_class c \
               JOIN pg_catalog.pg_am a ON a.oid = c.relam AND a.amname = 'heap' \
               WHERE c.oid = ANY ($1) AND c.relkind = 'r' AND pg_catalog.pg_relation_size(c.oid) = 0";
    let tables: &[(&(dyn ToSql + Sync), Type)] = &[(&tables, Type::OID_ARRAY)];
    let rows = query::rows(client, "which tables are empty", sql, tables).await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// The tables of the database, by name.
pub async fn by_name(client: &Client) -> Result<BTreeMap<TableName, Oid>> {
    let sql = "SELECT n.nspname::pg_catalog.text, c.relname::pg_catalog.text, c.oid \
               FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
               WHERE c.relkind = 'r'";
    let rows = query::rows(client, "the tables", sql, &[]).await?;
    let name = |row: &tokio_postgres::Row| {
        TableName::new(row.get::<_, String>(0), row.get::<_, String>(1))
    };
    Ok(rows.iter().map(|row| (name(row), row.get(2))).collect())
}
