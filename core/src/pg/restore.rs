//! Loading a backup into a database: definitions, rows, and what follows rows.

use bytes::Bytes;
use tokio_postgres::Client;

use crate::error::{Context as _, Result};
use crate::ident::TableName;
use crate::pg::copy;
use crate::pg::error::PgContext as _;
use crate::pg::inspect;
use crate::pg::query;
use crate::pg::session::{self, UNHURRIED};
use crate::schema::ENTRY_SETTINGS;
use crate::sql::quote;

/// Under what settings statements and rows of a backup mean what they meant.
#[derive(Debug, Clone, Copy)]
pub struct Settings<'a> {
    /// Those recorded in the backup: the text of values depends on them.
    pub recorded: &'a [(String, String)],
    /// False when the dump wrote backslashes in plain strings as escapes.
    pub standard_strings: bool,
}

/// Begins a transaction under `settings`, whatever role and database say.
pub async fn begin(client: &Client, settings: Settings<'_>) -> Result<()> {
    client
        .batch_execute(&format!(
            "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; {UNHURRIED}"
        ))
        .await
        .pg("could not begin a transaction")?;
    session::pin_values(client).await?;
    let strings = if settings.standard_strings {
        "on"
    } else {
        "off"
    };
    // Definitions may use views, and nobody else is to be protected from them here.
    let sql = format!(
        "{ENTRY_SETTINGS}; SET LOCAL standard_conforming_strings = {strings}; \
         SET LOCAL lock_timeout = 0; SET LOCAL default_tablespace = ''; SET LOCAL default_table_access_method = heap; \
         SET LOCAL client_min_messages = warning; \
         SELECT pg_catalog.set_config(name, value, true) \
         FROM (VALUES ('restrict_nonsystem_relation_kind', ''), ('jit', 'off'), \
                      ('escape_string_warning', 'off')) \
              AS wanted (name, value) \
         WHERE EXISTS (SELECT FROM pg_catalog.pg_settings AS known \
                       WHERE known.name OPERATOR(pg_catalog.=) wanted.name)"
    );
    client
        .batch_execute(&sql)
        .await
        .pg("could not fix the settings for loading")?;
    // How values of type money are written.
    for (name, value) in settings.recorded.iter().filter(|s| s.0 == "lc_monetary") {
        let sql = format!("SET LOCAL {name} = {}", quote::literal(value));
        client
            .batch_execute(&sql)
            .await
            .pg(format!("could not set {name} as it was"))?;
    }
    Ok(())
}

/// Has the server use no more than one processor for an index of the open transaction: while
/// others are busy too, sharing the work out costs more than it saves.
pub const ON_ONE_PROCESSOR: &str = "SET LOCAL max_parallel_maintenance_workers = 0; ";

/// Makes everything since [`begin`] final.
pub async fn commit(client: &Client) -> Result<()> {
    client.batch_execute("COMMIT").await.pg("could not commit")
}

/// Runs the statements of one definition, called `what`.
pub async fn run(client: &Client, what: &str, sql: &str) -> Result<()> {
    client
        .batch_execute(sql)
        .await
        .pg(format!("could not make {what}"))
}

/// Relations that are there already and belong to no extension, by name.
pub async fn relations(client: &Client) -> Result<Vec<TableName>> {
    session::pin(client).await?;
    let world = inspect::whole_world(client, Vec::new()).await?;
    let storage = inspect::storage(client).await?;
    let member = |oid: &u32| storage.extensions.contains_key(oid);
    let relations = world.relations.values();
    let mut names: Vec<TableName> = relations
        .filter(|r| !member(&r.oid))
        .map(|r| r.name.clone())
        .collect();
    names.sort();
    Ok(names)
}

/// Drops the schema that every new database has, in a database that had none; only while it is
/// empty.
pub async fn drop_public(client: &Client) -> Result<()> {
    client
        .batch_execute("DROP SCHEMA IF EXISTS public")
        .await
        .pg("could not drop the schema public, which the database of the backup did not have")
}

/// The partitioned table that `table` is a partition of, at any depth.
pub async fn root(client: &Client, table: &TableName) -> Result<Option<TableName>> {
    let sql = format!(
        "SELECT n.nspname::text, c.relname::text FROM pg_catalog.pg_class c \
         JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         WHERE c.relkind = 'p' AND c.oid = pg_catalog.pg_partition_root({}::pg_catalog.regclass)",
        quote::literal(&quote::table(table))
    );
    let rows = query::rows(client, "the partitions", &sql, &[]).await?;
    let name =
        |r: &tokio_postgres::Row| TableName::new(r.get::<_, String>(0), r.get::<_, String>(1));
    Ok(rows.first().map(name))
}

/// Sends everything that arrives on `rows`, and tells `progress` how many rows that were so far.
pub async fn fill(
    mut copy: copy::In,
    mut rows: tokio::sync::mpsc::Receiver<Result<Bytes>>,
    mut progress: impl FnMut(u64),
) -> Result<u64> {
    let mut done = 0;
    while let Some(piece) = rows.recv().await {
        let piece = piece.context("could not read saved rows")?;
        done += piece.split(|b| *b == b'\n').count() as u64 - 1;
        copy.send(piece).await?;
        progress(done);
    }
    copy.finish().await
}

/// Fills a materialized view. Its functions may be written for the path that the database had.
pub async fn refresh(client: &Client, view: &TableName, path: Option<&str>) -> Result<()> {
    if let Some(path) = path {
        let sql = format!(
            "SELECT pg_catalog.set_config('search_path', {}, true)",
            quote::literal(path)
        );
        client
            .batch_execute(&sql)
            .await
            .pg("could not set the search path")?;
    }
    client
        .batch_execute(&format!("REFRESH MATERIALIZED VIEW {}", quote::table(view)))
        .await
        .pg(format!("could not refresh {view}"))
}

/// The constraints that are not known to hold for all rows. Each is tried once.
pub async fn unvalidated(client: &Client) -> Result<Vec<String>> {
    let sql = "SELECT n.nspname::text, c.relname::text, o.conname::text \
               FROM pg_catalog.pg_constraint o JOIN pg_catalog.pg_class c ON c.oid = o.conrelid \
               JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
               WHERE NOT o.convalidated ORDER BY 1, 2, 3";
    let mut left = Vec::new();
    for row in query::rows(client, "the constraints", sql, &[]).await? {
        let table = TableName::new(row.get::<_, String>(0), row.get::<_, String>(1));
        let name: String = row.get(2);
        let sql = format!(
            "ALTER TABLE {} VALIDATE CONSTRAINT {}",
            quote::table(&table),
            quote::ident(&name)
        );
        if client.batch_execute(&sql).await.is_err() {
            left.push(format!("{} of {table}", name.escape_debug()));
        }
    }
    Ok(left)
}

/// What statistics are gathered of, and whether it is the head of a family whose members are
/// read with it.
pub async fn analyzable(client: &Client) -> Result<Vec<(TableName, bool)>> {
    let rows = client
        .query(
            "SELECT n.nspname::pg_catalog.text, c.relname::pg_catalog.text, c.relkind = 'p' \
             FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
             WHERE c.relkind IN ('r', 'm', 'p') AND c.relpersistence <> 't' \
               AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'",
            &[],
        )
        .await
        .pg("could not list the tables")?;
    let name = |row: &tokio_postgres::Row| {
        TableName::new(row.get::<_, String>(0), row.get::<_, String>(1))
    };
    Ok(rows.iter().map(|row| (name(row), row.get(2))).collect())
}

/// Gathers statistics of `table`.
pub async fn analyze(client: &Client, table: &TableName) -> Result<()> {
    let table = quote::table(table);
    client
        .batch_execute(&format!(
            "BEGIN; SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0; \
             ANALYZE {table}; COMMIT"
        ))
        .await
        .pg("could not gather statistics")
}
