//! Reads the [`Catalog`] of a database: six queries, sent at once.
//!
//! To parse and plan them takes the server longer than to answer them for a hundred tables. So a
//! session that reads more than once, or under locks, keeps them [`ready`].

use futures_util::future::try_join_all;
use tokio_postgres::Client;
use tokio_postgres::Row;

use crate::error::Error;
use crate::error::Result;
use crate::pg::inspect;
use crate::pg::query;
use crate::schema::Catalog;
use crate::schema::Object;
use crate::schema::ObjectKey;
use crate::schema::ObjectKind;

/// Each, after its name, gives kind, schema, table, name, definition, position. A line that ends in
/// `-- since N` is for servers of major version N and later.
const QUERIES: [(&str, &str, &str); 6] = [
    (
        "relations",
        "the relations",
        include_str!("catalog/relations.sql"),
    ),
    (
        "columns",
        "the columns",
        include_str!("catalog/columns.sql"),
    ),
    (
        "parts",
        "constraints, indexes and triggers",
        include_str!("catalog/parts.sql"),
    ),
    (
        "code",
        "types and functions",
        include_str!("catalog/code.sql"),
    ),
    (
        "rare",
        "operators, servers and publications",
        include_str!("catalog/rare.sql"),
    ),
    (
        "about",
        "owners, privileges and comments",
        include_str!("catalog/about.sql"),
    ),
];

/// True for a schema (`n` is its `pg_namespace` row) that is part of the model.
const USER_SCHEMA: &str = "(n.nspname NOT IN ('pg_catalog', 'information_schema', 'pgbelay', \
     'pgbelay_saved') AND n.nspname !~ '^pg_(toast|temp_)')";

/// One privilege, `e` being a row of `aclexplode`.
const ACL_LINE: &str = "CASE WHEN e.grantee = 0 THEN 'PUBLIC' \
     ELSE pg_catalog.pg_get_userbyid(e.grantee)::text END || ' ' || e.privilege_type \
     || CASE WHEN e.is_grantable THEN ' with grant option' ELSE '' END \
     || ' by ' || pg_catalog.pg_get_userbyid(e.grantor)";

/// Everything user-made in the database, members of extensions left out.
///
/// Assumes the [`SETTINGS`](crate::pg::inspect::SETTINGS). Definitions come from the current catalog, not from the
/// transaction's snapshot: only locks keep them from changing meanwhile.
pub async fn read(client: &Client) -> Result<Catalog> {
    let known = Known::ask(client).await?;
    let known = &known;
    let reads = QUERIES.map(|(name, what, sql)| async move {
        let sql = known.whole(sql);
        if known.has(&prepare(name, &sql)) {
            return query::rows(client, what, &format!("EXECUTE {PREFIX}{name}"), &[]).await;
        }
        query::rows(client, what, &sql, &[]).await
    });
    let mut catalog = Catalog::default();
    for row in try_join_all(reads).await?.iter().flatten() {
        let (key, object) = object(row)?;
        catalog.insert(key, object);
    }
    Ok(catalog)
}

/// Keeps the queries ready for every later [`read`] in this session, which is to be our own: no
/// pooler's. The next one plans them. Not inside a transaction.
pub async fn ready(client: &Client) -> Result<()> {
    let known = Known::ask(client).await?;
    let statements = QUERIES.map(|(name, _, sql)| prepare(name, &known.whole(sql)));
    // With another search path they would be planned again.
    query::run(client, "BEGIN; SET LOCAL search_path = ''").await?;
    for statement in statements.iter().filter(|one| !known.has(one)) {
        query::run(client, statement).await?;
    }
    query::run(client, "COMMIT").await
}

/// What the names of prepared statements begin with.
const PREFIX: &str = "pgbelay_catalog_";

/// The statement that keeps a query ready.
fn prepare(name: &str, sql: &str) -> String {
    format!("PREPARE {PREFIX}{name} AS {sql}")
}

/// The server's version, and the queries that the session keeps ready: a script may have dropped
/// them.
struct Known {
    major: i32,
    prepared: Vec<String>,
}

impl Known {
    async fn ask(client: &Client) -> Result<Self> {
        let sql = format!(
            "SELECT pg_catalog.current_setting('server_version_num')::int4 / 10000, \
             ARRAY (SELECT p.statement FROM pg_catalog.pg_prepared_statements p \
                    WHERE pg_catalog.starts_with(p.name, '{PREFIX}'))"
        );
        let rows = query::rows(client, "what the session has ready", &sql, &[]).await?;
        let row = rows.first();
        row.map(|row| Self {
            major: row.get(0),
            prepared: row.get(1),
        })
        .ok_or_else(|| Error::failed("the server did not say its version"))
    }

    fn has(&self, statement: &str) -> bool {
        self.prepared.iter().any(|known| known == statement)
    }

    /// `sql` as this server takes it.
    fn whole(&self, sql: &str) -> String {
        for_server(sql, self.major)
            .replace("{user_schema}", USER_SCHEMA)
            .replace("{acl_line}", ACL_LINE)
    }
}

/// As [`read`], within a transaction whose settings it leaves as they were.
pub async fn read_aside(client: &Client) -> Result<Catalog> {
    query::run(client, "SAVEPOINT pgbelay_read").await?;
    query::run(client, inspect::SETTINGS).await?;
    let catalog = read(client).await?;
    // Nothing was written: this only takes the settings back.
    query::run(
        client,
        "ROLLBACK TO SAVEPOINT pgbelay_read; RELEASE SAVEPOINT pgbelay_read",
    )
    .await?;
    Ok(catalog)
}

/// `sql` without the lines for servers newer than `major`.
fn for_server(sql: &str, major: i32) -> String {
    let applies = |line: &&str| {
        line.rsplit_once("-- since ")
            .and_then(|(_, since)| since.trim().parse::<i32>().ok())
            .is_none_or(|since| major >= since)
    };
    let lines: Vec<&str> = sql.lines().filter(applies).collect();
    lines.join("\n")
}

fn object(row: &Row) -> Result<(ObjectKey, Object)> {
    let word: &str = row.get(0);
    let kind = ObjectKind::from_word(word)
        .ok_or_else(|| Error::failed(format!("the catalog holds an unknown kind, '{word}'")))?;
    let key = ObjectKey {
        kind,
        schema: row.get(1),
        table: row.get(2),
        name: row.get(3),
    };
    let definition: Option<String> = row.get(4);
    Ok((key, Object::new(definition.unwrap_or_default(), row.get(5))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_newer_servers_are_left_out() {
        let sql = "SELECT 1,\n  2, -- since 14\n  3";
        assert_eq!(for_server(sql, 13), "SELECT 1,\n  3");
        assert_eq!(for_server(sql, 14), sql);
    }
}
