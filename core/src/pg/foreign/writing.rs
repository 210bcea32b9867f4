//! Writing to the ledger of another tool.

use std::time::Duration;

use tokio_postgres::Client;
use tokio_postgres::types::{ToSql, Type};

use crate::error::Result;
use crate::ident::Revision;
use crate::model::layout::Layout;
use crate::sql::quote;

use super::super::error::PgContext as _;
use super::{Applied, Foreign, Says};

/// A migration to be added.
#[derive(Debug)]
pub struct New<'a> {
    /// Its version.
    pub revision: &'a Revision,
    /// Its name.
    pub name: &'a str,
    /// Its file.
    pub path: &'a str,
    /// The checksum of its file, as the tool computes it.
    pub checksum: Option<String>,
    /// How long it ran.
    pub took: Duration,
}

impl Foreign {
    /// Adds a row for a migration.
    pub async fn add(&self, client: &Client, new: &New<'_>) -> Result<()> {
        let table = quote::table(&self.table);
        let version = version(new.revision, self.tool);
        let words = new.name.replace('_', " ");
        let file = new.path.rsplit('/').next().unwrap_or(new.path);
        let checksum = new.checksum.as_deref();
        let nanoseconds = new.took.as_nanos() as i64;
        let milliseconds = new.took.as_millis() as i32;
        let (sql, values): (&str, Vec<(&(dyn ToSql + Sync), Type)>) = match self.tool {
            Layout::Sqlx => (
                "(version, description, success, checksum, execution_time) \
                 VALUES ($1::int8, $2, true, pg_catalog.decode($3, 'hex'), $4)",
                vec![
                    (&version, Type::TEXT),
                    (&words, Type::TEXT),
                    (&checksum, Type::TEXT),
                    (&nanoseconds, Type::INT8),
                ],
            ),
            Layout::Flyway => (
                "(installed_rank, version, description, type, script, checksum, installed_by, \
                 execution_time, success) SELECT COALESCE(pg_catalog.max(installed_rank), 0) + 1, \
                 $1, $2, 'SQL', $3, $4::int4, current_user, $5, true FROM t",
                vec![
                    (&version, Type::TEXT),
                    (&words, Type::TEXT),
                    (&file, Type::TEXT),
                    (&checksum, Type::TEXT),
                    (&milliseconds, Type::INT4),
                ],
            ),
            Layout::Goose => (
                "(version_id, is_applied) VALUES ($1::int8, true)",
                vec![(&version, Type::TEXT)],
            ),
            _ => ("(version) VALUES ($1)", vec![(&version, Type::TEXT)]),
        };
        let sql = sql.replace("FROM t", &format!("FROM {table}"));
        let sql = format!("INSERT INTO {table} {sql}");
        // The numbers of the tools are texts here: the casts are the server's.
        let added = client.query_typed(&sql, &values).await;
        added.pg(self.unwritten())?;
        Ok(())
    }

    /// Takes the row of a migration out, and keeps it for [`Foreign::put_back`].
    pub async fn take_out(&self, client: &Client, revision: &Revision) -> Result<()> {
        let Says::Each(applied) = self.read(client).await? else {
            return Ok(());
        };
        let is = |a: &&Applied| a.version.parse::<Revision>().is_ok_and(|r| r == *revision);
        let Some(applied) = applied.iter().find(is) else {
            return Ok(());
        };
        let column = match self.tool {
            Layout::Goose => "version_id",
            _ => "version",
        };
        let table = quote::table(&self.table);
        let values = [
            (&applied.version as &(dyn ToSql + Sync), Type::TEXT),
            (&revision.as_str(), Type::TEXT),
        ];
        let sql = format!(
            "WITH gone AS (DELETE FROM {table} AS t WHERE t.{column}::text = $1 \
               RETURNING pg_catalog.row_to_json(t)), \
             kept AS (SELECT pg_catalog.json_agg(row_to_json)::text AS rows FROM gone) \
             INSERT INTO pgbelay.beside_rows (revision, kept) SELECT $2, rows FROM kept \
             ON CONFLICT (revision) DO UPDATE SET kept = EXCLUDED.kept"
        );
        let gone = client.query_typed(&sql, &values).await;
        gone.pg(self.unwritten())?;
        Ok(())
    }

    /// Puts the row of a migration back as it was when it was taken out.
    pub async fn put_back(&self, client: &Client, revision: &Revision) -> Result<()> {
        if !self.has_rows() {
            return Ok(());
        }
        let table = quote::table(&self.table);
        let sql = format!(
            "WITH back AS (DELETE FROM pgbelay.beside_rows WHERE revision = $1 RETURNING kept) \
             INSERT INTO {table} OVERRIDING SYSTEM VALUE \
             SELECT r.* FROM back, \
               pg_catalog.json_populate_recordset(NULL::{table}, back.kept::json) AS r"
        );
        let back = client
            .query_typed(&sql, &[(&revision.as_str(), Type::TEXT)])
            .await;
        back.pg(self.unwritten())?;
        Ok(())
    }

    /// Names the newest migration, where there is but one row.
    pub async fn set_head(&self, client: &Client, head: Option<(&Revision, &str)>) -> Result<()> {
        let table = quote::table(&self.table);
        let head = head.map(|(revision, name)| match self.tool {
            Layout::Alembic => name.to_owned(),
            tool => version(revision, tool),
        });
        let head = head.map_or("NULL".to_owned(), |head| quote::literal(&head));
        let sql = match self.tool {
            Layout::GolangMigrate => format!(
                "DELETE FROM {table}; INSERT INTO {table} (version, dirty) \
                 SELECT head::int8, false FROM (SELECT {head}) AS h (head) WHERE head IS NOT NULL"
            ),
            Layout::Tern => format!("UPDATE {table} SET version = COALESCE({head}, '0')::int4"),
            Layout::Alembic => format!(
                "DELETE FROM {table}; INSERT INTO {table} (version_num) \
                 SELECT head FROM (SELECT {head}::text) AS h (head) WHERE head IS NOT NULL"
            ),
            _ => return Ok(()),
        };
        client.batch_execute(&sql).await.pg(self.unwritten())
    }

    fn unwritten(&self) -> String {
        format!(
            "could not write to {}, the ledger of {}",
            self.table, self.tool
        )
    }
}

/// The version as the tool writes it: without the underscore of a time.
fn version(revision: &Revision, tool: Layout) -> String {
    match tool {
        Layout::Dbmate | Layout::Flyway => revision.as_str().to_owned(),
        _ => revision.as_str().replace('_', ""),
    }
}
