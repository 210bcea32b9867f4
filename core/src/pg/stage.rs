//! Temporary tables that hold saved rows while they are compared with what is there.

use bytes::Bytes;
use tokio_postgres::Client;

use crate::error::{Context as _, Result};
use crate::ident::TableName;
use crate::pg::copy;
use crate::pg::error::PgContext as _;
use crate::sql::quote;

/// A temporary table, by its quoted name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// `pg_temp."…"`.
    pub table: String,
}

impl Stage {
    /// Makes `name` with `columns` of the types that they have in `like`.
    pub async fn like(
        client: &Client,
        name: &str,
        like: &TableName,
        columns: &[String],
    ) -> Result<Self> {
        let sql = format!(
            "CREATE TEMP TABLE {} AS SELECT {} FROM ONLY {} WITH NO DATA",
            quote::ident(name),
            quote::idents(columns.iter().map(String::as_str)),
            quote::table(like)
        );
        Self::create(client, name, &sql).await
    }

    /// Makes `name` with `columns` of type text; those named in `flags` are boolean.
    pub async fn text(
        client: &Client,
        name: &str,
        columns: &[String],
        flags: &[&str],
    ) -> Result<Self> {
        let columns: Vec<String> = columns
            .iter()
            .map(|c| {
                let flag = flags.contains(&c.as_str());
                format!(
                    "{} {}",
                    quote::ident(c),
                    if flag { "boolean" } else { "text" }
                )
            })
            .collect();
        let sql = format!(
            "CREATE TEMP TABLE {} ({})",
            quote::ident(name),
            columns.join(", ")
        );
        Self::create(client, name, &sql).await
    }

    async fn create(client: &Client, name: &str, sql: &str) -> Result<Self> {
        client
            .batch_execute(sql)
            .await
            .pg("could not make a temporary table for saved rows")?;
        Ok(Self {
            table: format!("pg_temp.{}", quote::ident(name)),
        })
    }

    /// Starts loading rows with `columns`.
    pub async fn load(&self, client: &Client, columns: &[String]) -> Result<copy::In> {
        let columns = quote::idents(columns.iter().map(String::as_str));
        copy::In::start(client, &format!("{} ({columns})", self.table)).await
    }

    /// Gathers statistics: the rows are about to be joined.
    pub async fn analyze(&self, client: &Client) -> Result<()> {
        client
            .batch_execute(&format!("ANALYZE {}", self.table))
            .await
            .pg("could not analyze saved rows")
    }
}

/// Loads everything that arrives on `rows`.
pub async fn fill(
    client: &Client,
    stage: &Stage,
    columns: &[String],
    mut rows: tokio::sync::mpsc::Receiver<Result<Bytes>>,
) -> Result<u64> {
    let mut copy = stage.load(client, columns).await?;
    while let Some(piece) = rows.recv().await {
        copy.send(piece.context("could not read saved rows")?)
            .await?;
    }
    copy.finish().await
}
