//! Can what was restored be written to? The commonest failure of a restored database is that its
//! sequences stand behind its rows: it reads well, and no INSERT succeeds.

use tokio_postgres::Client;
use tokio_postgres::types::{ToSql, Type};

use crate::error::Result;
use crate::ident::TableName;
use crate::pg::error::PgContext as _;
use crate::pg::{query, settings};
use crate::sql::quote;

/// What was tried.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tried {
    /// Sequences that gave a number.
    pub sequences: u64,
    /// Tables that took a row.
    pub inserts: u64,
    /// What can't be written, and why.
    pub troubles: Vec<String>,
    /// What could not be tried, and why: that says nothing about it.
    pub untried: Vec<String>,
}

/// Tables with columns that are numbered by sequences, those columns, and all others that can be
/// copied from another row.
const NUMBERED: &str = "
SELECT n.nspname::text, c.relname::text,
       pg_catalog.array_agg(a.attname::text ORDER BY a.attnum) FILTER (WHERE s.objid IS NOT NULL),
       pg_catalog.array_agg(a.attname::text ORDER BY a.attnum)
           FILTER (WHERE s.objid IS NULL AND a.attgenerated = ''),
       pg_catalog.array_agg(a.attnum ORDER BY a.attnum) FILTER (WHERE s.objid IS NOT NULL)
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN LATERAL (
    SELECT d.objid FROM pg_catalog.pg_depend d
    JOIN pg_catalog.pg_class q ON q.oid = d.objid AND q.relkind = 'S'
    WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
      AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
      AND d.refobjid = c.oid AND d.refobjsubid = a.attnum AND d.deptype IN ('a', 'i')
      AND (a.attidentity <> '' OR a.atthasdef) LIMIT 1) s ON true
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND n.nspname <> 'information_schema'
  AND n.nspname NOT LIKE 'pg\\_%'
GROUP BY 1, 2, c.oid HAVING pg_catalog.count(s.objid) > 0 ORDER BY 1, 2";

/// The names of unique indexes of a table that hold nothing but numbered columns.
const ALONE: &str = "
SELECT i.relname::text FROM pg_catalog.pg_index x JOIN pg_catalog.pg_class i ON i.oid = x.indexrelid
WHERE x.indrelid = $1::pg_catalog.text::pg_catalog.regclass AND x.indisunique
  AND x.indkey::pg_catalog.int2[] OPERATOR(pg_catalog.<@) $2";

/// Draws from every sequence called in `sequences`, and adds a row to every table whose numbers
/// come from one. All is taken back, but for the numbers drawn: the database must be a scratch
/// one. Triggers of users stay off, since what they reach outside of it would not be taken back.
pub async fn try_writing(client: &Client, sequences: &[TableName]) -> Result<Tried> {
    let mut tried = Tried::default();
    for name in sequences {
        let sql = format!(
            "SELECT pg_catalog.nextval({})",
            quote::literal(&quote::table(name))
        );
        match client.batch_execute(&sql).await {
            Ok(()) => tried.sequences += 1,
            // It has given all it had, and did so in the original too.
            Err(e) if code(&e) == "2200H" => {
                tried
                    .untried
                    .push(format!("sequence {name} has reached its end"));
            }
            Err(e) => {
                let why = cause(&e);
                tried.troubles.push(format!("sequence {name}: {why}"));
            }
        }
    }
    for row in query::rows(client, "numbered columns", NUMBERED, &[]).await? {
        let table = TableName::new(row.get::<_, String>(0), row.get::<_, String>(1));
        let numbered: Vec<String> = row.get(2);
        let others: Option<Vec<String>> = row.get(3);
        let places: Vec<i16> = row.get(4);
        begin(client).await?;
        let name = quote::table(&table);
        let of = [
            (&name as &(dyn ToSql + Sync), Type::TEXT),
            (&places, Type::INT2_ARRAY),
        ];
        let alone = query::rows(client, "indexes", ALONE, &of).await?;
        let alone: Vec<String> = alone.iter().map(|row| row.get(0)).collect();
        let outcome = insert(client, &table, &others.unwrap_or_default()).await;
        client
            .batch_execute("ROLLBACK")
            .await
            .pg("could not take a row back")?;
        match outcome {
            Ok(()) => tried.inserts += 1,
            Err(e) => {
                let index = e
                    .as_db_error()
                    .and_then(|e| e.constraint())
                    .unwrap_or_default();
                let taken = code(&e) == "23505" && alone.iter().any(|name| name == index);
                if taken {
                    tried.troubles.push(format!(
                        "{table}: a row has the next number of {} already",
                        numbered.join(", ").escape_debug()
                    ));
                } else {
                    tried
                        .untried
                        .push(format!("{table} took no row: {}", cause(&e)));
                }
            }
        }
    }
    Ok(tried)
}

async fn begin(client: &Client) -> Result<()> {
    client
        .batch_execute(&format!(
            "BEGIN; {}; SET LOCAL row_security = off",
            settings::PATH
        ))
        .await
        .pg("could not begin a transaction")
}

/// Adds a copy of a row that is there, under new numbers; else a row of defaults.
async fn insert(
    client: &Client,
    table: &TableName,
    others: &[String],
) -> Result<(), tokio_postgres::Error> {
    let name = quote::table(table);
    let columns = quote::idents(others.iter().map(String::as_str));
    let off = format!("ALTER TABLE {name} DISABLE TRIGGER USER");
    client.batch_execute(&off).await?;
    let copied = if columns.is_empty() {
        0
    } else {
        let sql = format!("INSERT INTO {name} ({columns}) SELECT {columns} FROM {name} LIMIT 1");
        client.execute(&sql, &[]).await?
    };
    if copied == 0 {
        let sql = format!("INSERT INTO {name} DEFAULT VALUES");
        client.batch_execute(&sql).await?;
    }
    client.batch_execute("SET CONSTRAINTS ALL IMMEDIATE").await
}

fn code(error: &tokio_postgres::Error) -> String {
    error
        .code()
        .map_or_else(String::new, |c| c.code().to_owned())
}

/// What the server said, without values.
fn cause(error: &tokio_postgres::Error) -> String {
    let error = crate::pg::error::failed("", error);
    error.causes().into_iter().next().unwrap_or_default()
}
