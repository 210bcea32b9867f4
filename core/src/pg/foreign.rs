//! The ledgers of other tools: found by their columns, read, and kept up to date.
//!
//! Some have a row for each migration, others one row that names the newest. Columns are those
//! that the tools themselves make; a table may bear another name.

use std::time::Duration;

use tokio_postgres::Client;
use tokio_postgres::types::{ToSql, Type};

use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::ident::{Revision, TableName};
use crate::model::layout::Layout;
use crate::sql::quote;

use super::error::PgContext as _;
use super::ledger;

/// The names that the tools give their tables.
const NAMES: &[&str] = &[
    "schema_migrations",
    "_sqlx_migrations",
    "__diesel_schema_migrations",
    "goose_db_version",
    "flyway_schema_history",
    "schema_version",
    "alembic_version",
];

/// The ledger of another tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Foreign {
    /// Whose it is.
    pub tool: Layout,
    /// Where it is.
    pub table: TableName,
}

/// What it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Says {
    /// A row for each applied migration, in the order of application.
    Each(Vec<Applied>),
    /// The newest one, and so all before it.
    Head(Option<String>),
}

/// A migration that another tool has applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// Its version, as the tool writes it.
    pub version: String,
    /// When, where the tool notes that.
    pub at: Option<Timestamp>,
    /// The checksum of its file, where the tool keeps one.
    pub checksum: Option<String>,
    /// It stands for all before it too.
    pub baseline: bool,
}

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

/// The ledgers of other tools in this database; only tables called `name`, where one is given.
pub async fn find(client: &Client, name: Option<&str>) -> Result<Vec<Foreign>> {
    let names: Vec<&str> = name.map_or_else(|| NAMES.to_vec(), |name| vec![name]);
    let rows = client
        .query_typed(
            "SELECT n.nspname::text, c.relname::text, \
               pg_catalog.array_agg(a.attname::text || ' ' || \
                 pg_catalog.format_type(a.atttypid, NULL) ORDER BY a.attnum) \
             FROM pg_catalog.pg_class AS c \
             JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
             JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 \
               AND NOT a.attisdropped \
             WHERE c.relkind = 'r' AND c.relname = ANY ($1) AND n.nspname <> 'pgbelay' \
             GROUP BY 1, 2 ORDER BY 1, 2",
            &[(&names, Type::TEXT_ARRAY)],
        )
        .await
        .pg("could not look for the ledgers of other tools")?;
    let found = rows.iter().filter_map(|row| {
        let columns: Vec<String> = row.get(2);
        Some(Foreign {
            tool: tool(&columns)?,
            table: TableName::new(row.get::<_, String>(0), row.get::<_, String>(1)),
        })
    });
    Ok(found.collect())
}

/// Whose ledger has these columns: `name type`.
fn tool(columns: &[String]) -> Option<Layout> {
    let has = |name: &str| columns.iter().any(|c| c.split(' ').next() == Some(name));
    let only = |column: &str| matches!(columns, [one] if one.starts_with(column));
    let signs = [
        (Layout::GolangMigrate, has("version") && has("dirty")),
        (
            Layout::Flyway,
            has("installed_rank") && has("version") && has("success"),
        ),
        (
            Layout::Sqlx,
            has("version") && has("installed_on") && has("execution_time"),
        ),
        (Layout::Diesel, has("version") && has("run_on")),
        (Layout::Goose, has("version_id") && has("is_applied")),
        (Layout::Alembic, only("version_num")),
        (Layout::Tern, only("version integer")),
        (
            Layout::Dbmate,
            only("version character") || only("version text"),
        ),
    ];
    signs.into_iter().find(|(_, is)| *is).map(|(tool, _)| tool)
}

/// The ledger that ours is kept in step with.
pub async fn beside(client: &Client) -> Result<Option<Foreign>> {
    if !ledger::table_exists(client, "beside").await? {
        return Ok(None);
    }
    let row = client
        .query_typed_opt("SELECT tool, schema, name FROM pgbelay.beside", &[])
        .await
        .pg("could not read which other tool is in use")?;
    row.map(|row| {
        Ok(Foreign {
            tool: row.get::<_, &str>(0).parse()?,
            table: TableName::new(row.get::<_, String>(1), row.get::<_, String>(2)),
        })
    })
    .transpose()
}

/// Keeps our ledger in step with `foreign` from now on, or with none.
pub async fn stay_beside(client: &Client, foreign: Option<&Foreign>) -> Result<()> {
    client
        .batch_execute(
            "CREATE TABLE IF NOT EXISTS pgbelay.beside \
               (tool text NOT NULL, schema text NOT NULL, name text NOT NULL); \
             CREATE TABLE IF NOT EXISTS pgbelay.beside_rows \
               (revision text PRIMARY KEY, kept text NOT NULL); \
             DELETE FROM pgbelay.beside; DELETE FROM pgbelay.beside_rows",
        )
        .await
        .pg("could not note which other tool is in use")?;
    if let Some(Foreign { tool, table }) = foreign {
        let values: [&(dyn ToSql + Sync); 3] = [&tool.as_str(), &table.schema, &table.name];
        client
            .execute("INSERT INTO pgbelay.beside VALUES ($1, $2, $3)", &values)
            .await
            .pg("could not note which other tool is in use")?;
    }
    Ok(())
}

impl Foreign {
    /// What it says is applied. A migration that failed there is a refusal: only that tool knows
    /// what became of it.
    pub async fn read(&self, client: &Client) -> Result<Says> {
        // Version, when, checksum, whole?, applied (false: taken back), stands for those before.
        let columns = match self.tool {
            Layout::Sqlx => {
                "version::text, installed_on, pg_catalog.encode(checksum, 'hex'), success, true, \
                 false FROM t ORDER BY installed_on, version"
            }
            Layout::Flyway => {
                "version::text, installed_on AT TIME ZONE 'UTC', checksum::text, success, \
                 type NOT IN ('UNDO_SQL', 'DELETE'), type = 'BASELINE' FROM t \
                 WHERE version IS NOT NULL ORDER BY installed_rank"
            }
            Layout::Diesel => {
                "version::text, run_on AT TIME ZONE 'UTC', NULL::text, true, true, false FROM t \
                 ORDER BY run_on, version"
            }
            Layout::Goose => {
                "version_id::text, tstamp::timestamp AT TIME ZONE 'UTC', NULL::text, true, is_applied, \
                 false FROM t WHERE version_id <> 0 ORDER BY id"
            }
            Layout::GolangMigrate => {
                "version::text, NULL::timestamptz, NULL::text, NOT dirty, true, false FROM t"
            }
            Layout::Tern => {
                "version::text, NULL::timestamptz, NULL::text, true, true, false FROM t \
                 WHERE version > 0"
            }
            Layout::Alembic => {
                "version_num::text, NULL::timestamptz, NULL::text, true, true, false FROM t"
            }
            _ => {
                "version::text, NULL::timestamptz, NULL::text, true, true, false FROM t \
                 ORDER BY version"
            }
        };
        let from = format!("FROM {} AS t", quote::table(&self.table));
        let sql = format!("SELECT {}", columns.replacen("FROM t", &from, 1));
        let rows = client.query_typed(&sql, &[]).await;
        let rows = rows.pg(format!(
            "could not read {}, the ledger of {}",
            self.table, self.tool
        ))?;
        let mut applied: Vec<Applied> = Vec::new();
        for row in &rows {
            let version: String = row.get(0);
            if !row.get::<_, bool>(3) {
                return Err(Error::refused(format!(
                    "{} says that migration {version} failed half-way",
                    self.tool
                ))
                .hint(format!("mend that with {} first", self.tool)));
            }
            applied.retain(|a| a.version != version);
            if row.get(4) {
                applied.push(Applied {
                    version,
                    at: row.get(1),
                    checksum: row.get(2),
                    baseline: row.get(5),
                });
            }
        }
        if self.has_rows() {
            return Ok(Says::Each(applied));
        }
        match applied.as_slice() {
            [] => Ok(Says::Head(None)),
            [one] => Ok(Says::Head(Some(one.version.clone()))),
            _ => Err(Error::refused(format!(
                "{} has more than one row: branches are not supported",
                self.table
            ))),
        }
    }

    /// True when it has a row for each migration.
    pub const fn has_rows(&self) -> bool {
        !matches!(
            self.tool,
            Layout::GolangMigrate | Layout::Tern | Layout::Alembic
        )
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ledgers_are_known_by_their_columns() {
        let check = |columns: &str, expected: Option<Layout>| {
            let columns: Vec<String> = columns.split(", ").map(str::to_owned).collect();
            assert_eq!(tool(&columns), expected, "{columns:?}");
        };
        check("version bigint, dirty boolean", Some(Layout::GolangMigrate));
        check("version character varying", Some(Layout::Dbmate));
        check("version integer", Some(Layout::Tern));
        check("version_num character varying", Some(Layout::Alembic));
        check(
            "version character varying, run_on timestamp without time zone",
            Some(Layout::Diesel),
        );
        check(
            "id integer, version_id bigint, is_applied boolean, tstamp timestamp",
            Some(Layout::Goose),
        );
        check("version bigint, name text", None);
    }
}
