//! The ledgers of other tools: found by their columns, read, and kept up to date.
//!
//! Some have a row for each migration, others one row that names the newest. Columns are those
//! that the tools themselves make; a table may bear another name.

use tokio_postgres::Client;
use tokio_postgres::types::{ToSql, Type};

use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::ident::TableName;
use crate::model::layout::Layout;
use crate::sql::quote;

use super::error::PgContext as _;
use super::ledger;

mod writing;

pub use writing::New;

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
