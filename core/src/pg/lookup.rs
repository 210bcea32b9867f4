//! Single questions to the catalog and to the data, for plans.

use tokio_postgres::Client;

use crate::error::Result;
use crate::ident::TableName;
use crate::model::relation::Oid;
use crate::pg::error::PgContext as _;
use crate::pg::error::sqlstate;
use crate::pg::inspect::Address;
use crate::sql::quote;
use crate::sql::statement::Name;

/// The objects that `name` of kind `what` (`extension`, `function`) may mean, along `path`. Overloads of a function are all returned: what each drags along counts.
pub async fn addresses(
    client: &Client,
    what: &str,
    name: &Name,
    path: &[String],
) -> Result<Vec<Address>> {
    let (class, sql) = match what {
        "extension" => (
            "pg_extension",
            "SELECT oid FROM pg_catalog.pg_extension WHERE extname = $2 \
             AND ($1::text IS NULL OR true) AND ($3::text[] IS NULL OR true)",
        ),
        _ => (
            "pg_proc",
            "SELECT p.oid FROM pg_catalog.pg_proc p \
             JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace \
             WHERE p.proname = $2 AND (n.nspname = $1 OR $1 IS NULL AND n.nspname = ANY ($3))",
        ),
    };
    let rows = client.query(sql, &[&name.schema, &name.name, &path]).await;
    let rows = rows.pg(format!("could not look up the {what} {}", name.name))?;
    Ok(rows
        .iter()
        .map(|row| Address::new(class, row.get(0), 0))
        .collect())
}

/// The constraint `name` of `table`.
pub async fn constraint(client: &Client, table: Oid, name: &str) -> Result<Option<Address>> {
    let sql = "SELECT oid FROM pg_catalog.pg_constraint WHERE conrelid = $1 AND conname = $2";
    let row = client.query_opt(sql, &[&table, &name]).await;
    let row = row.pg(format!("could not look up the constraint {name}"))?;
    Ok(row.map(|row| Address::new("pg_constraint", row.get(0), 0)))
}

/// The tables that the view `oid` reads, by way of other views, too.
pub async fn beneath(client: &Client, oid: Oid) -> Result<Vec<Oid>> {
    let sql = "WITH RECURSIVE read (oid) AS (
            SELECT $1::oid
          UNION
            SELECT d.refobjid FROM read
            JOIN pg_catalog.pg_class v ON v.oid = read.oid AND v.relkind = 'v'
            JOIN pg_catalog.pg_rewrite r ON r.ev_class = v.oid AND r.rulename = '_RETURN'
            JOIN pg_catalog.pg_depend d ON d.objid = r.oid
             AND d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass
             AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass)
        SELECT read.oid FROM read JOIN pg_catalog.pg_class c ON c.oid = read.oid
        WHERE c.relkind IN ('r', 'p', 'm', 'f')";
    let rows = client.query(sql, &[&oid]).await;
    let rows = rows.pg("could not look up what a view reads")?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// What came of a counting query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Counted {
    /// The number.
    Rows(u64),
    /// It took longer than allowed.
    TooLong,
    /// The expression fails on a row that is there; the reason, without values.
    Fails(String),
    /// The names or types don't fit: the statement that it counts for fails too.
    Invalid(String),
    /// It can't be counted that way: a right is missing, say.
    Not(String),
}

/// Runs a counting query within the caller's transaction, which survives its failure.
pub async fn count(client: &Client, query: &str) -> Result<Counted> {
    client
        .batch_execute("SAVEPOINT counting")
        .await
        .pg("could not set a savepoint")?;
    let outcome: Result<_> = client.query_one(query, &[]).await.pg("could not count");
    let counted = match outcome {
        Ok(row) => Counted::Rows(row.get::<_, i64>(0).unsigned_abs()),
        Err(error) => {
            let reason = error.causes().join(": ");
            match sqlstate(&error).as_deref() {
                Some("57014") => Counted::TooLong,
                // 23514 and 23502: a domain doesn't take the value.
                Some(code) if code.starts_with("22") || ["23514", "23502"].contains(&code) => {
                    Counted::Fails(reason)
                }
                Some(code) if code.starts_with("42") && code != "42501" => Counted::Invalid(reason),
                Some(_) => Counted::Not(reason),
                None => return Err(error),
            }
        }
    };
    let end = match counted {
        Counted::Rows(_) => "RELEASE SAVEPOINT counting",
        _ => "ROLLBACK TO SAVEPOINT counting; RELEASE SAVEPOINT counting",
    };
    client
        .batch_execute(end)
        .await
        .pg("could not end counting")?;
    Ok(counted)
}

/// True when a value of `column` has more than `limit` characters.
pub async fn is_longer(
    client: &Client,
    table: &TableName,
    column: &str,
    limit: u32,
) -> Result<bool> {
    let sql = format!(
        "SELECT EXISTS (SELECT FROM ONLY {} AS t \
         WHERE pg_catalog.length(t.{}::pg_catalog.text) > {limit})",
        quote::table(table),
        quote::ident(column)
    );
    let row = client.query_one(&sql, &[]).await;
    Ok(row.pg("could not measure the values of a key")?.get(0))
}

/// Sets the search path for the rest of the transaction.
pub async fn set_path(client: &Client, path: &[String]) -> Result<()> {
    let path = if path.is_empty() {
        "''".to_owned()
    } else {
        quote::idents(path.iter().map(String::as_str))
    };
    client
        .batch_execute(&format!("SET LOCAL search_path = {path}"))
        .await
        .pg("could not set the search path")
}

/// The search path of the session: the schemas that exist, implicit ones left out.
pub async fn search_path(client: &Client) -> Result<Vec<String>> {
    let row = client
        .query_one("SELECT pg_catalog.current_schemas(false)::text[]", &[])
        .await
        .pg("could not read the search path")?;
    Ok(row.get(0))
}
