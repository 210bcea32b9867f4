//! The queries that read a catalog, as texts and as statements that a session keeps ready.

use tokio_postgres::types::Type;
use tokio_postgres::{Client, Row};

use crate::error::{Error, Result};
use crate::pg::query;

/// One of the queries.
#[derive(Debug)]
pub(super) struct Query {
    /// Of the statement that keeps it ready.
    name: &'static str,
    /// Completes "failed to read …".
    what: &'static str,
    sql: &'static str,
}

/// Each gives kind, schema, table, name, definition, position, and the oid of the relation that it
/// belongs to, if any; those that take longest stand first. A line that ends in `-- since N` is for servers of major version N and later.
pub(super) const OBJECTS: [Query; 6] = [
    named(
        "parts",
        "constraints, indexes and triggers",
        include_str!("parts.sql"),
    ),
    named("columns", "the columns", include_str!("columns.sql")),
    named("relations", "the relations", include_str!("relations.sql")),
    named(
        "about",
        "owners, privileges and comments",
        include_str!("about.sql"),
    ),
    named("code", "types and functions", include_str!("code.sql")),
    named(
        "rare",
        "operators, servers and publications",
        include_str!("rare.sql"),
    ),
];

/// Gives a mark for each relation, and one for all that belongs to none.
pub(super) const MARKS: Query = named(
    "marks",
    "what was changed in the schema",
    include_str!("marks.sql"),
);

const fn named(name: &'static str, what: &'static str, sql: &'static str) -> Query {
    Query { name, what, sql }
}

impl Query {
    /// True for those that can be asked about some relations alone.
    pub(super) fn can_be_narrowed(&self) -> bool {
        self.sql.contains(WITHIN)
    }
}

/// `{within c.oid}` in a query is true where `c.oid` is one of the relations asked about.
const WITHIN: &str = "{within ";

/// True for a schema (`n` is its `pg_namespace` row) that is part of the model.
const USER_SCHEMA: &str = "(n.nspname NOT IN ('pg_catalog', 'information_schema', 'pgbelay', \
     'pgbelay_saved') AND n.nspname !~ '^pg_(toast|temp_)')";

/// One privilege, `e` being a row of `aclexplode`.
const ACL_LINE: &str = "CASE WHEN e.grantee = 0 THEN 'PUBLIC' \
     ELSE pg_catalog.pg_get_userbyid(e.grantee)::text END || ' ' || e.privilege_type \
     || CASE WHEN e.is_grantable THEN ' with grant option' ELSE '' END \
     || ' by ' || pg_catalog.pg_get_userbyid(e.grantor)";

/// What the names of prepared statements begin with.
const PREFIX: &str = "pgbelay_catalog_";

/// A session's server, and the queries that it keeps ready: a script may have dropped them.
pub(super) struct Known {
    /// The server's major version.
    pub major: i32,
    prepared: Vec<String>,
}

impl Known {
    /// Asks what there is.
    pub(super) async fn ask(client: &Client) -> Result<Self> {
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

    /// `query` as this server takes it, of everything or of some relations alone.
    fn text(&self, query: &Query, narrow: bool) -> String {
        let within = |column: &str| {
            if narrow {
                format!("{column} = ANY ($1)")
            } else {
                "true".to_owned()
            }
        };
        let sql = for_server(query.sql, self.major)
            .replace("{user_schema}", USER_SCHEMA)
            .replace("{acl_line}", ACL_LINE);
        let mut pieces = sql.split(WITHIN);
        let mut text = pieces.next().unwrap_or_default().to_owned();
        for piece in pieces {
            let (column, rest) = piece.split_once('}').unwrap_or((piece, ""));
            text.push_str(&within(column));
            text.push_str(rest);
        }
        text
    }

    /// The rows of `query`.
    pub(super) async fn rows(&self, client: &Client, query: &Query) -> Result<Vec<Row>> {
        let sql = self.text(query, false);
        if self.has(&whole(query, &sql)) {
            let sql = format!("EXECUTE {PREFIX}{}", query.name);
            return query::rows(client, query.what, &sql, &[]).await;
        }
        query::rows(client, query.what, &sql, &[]).await
    }

    /// The rows of `query` about `relations` alone.
    pub(super) async fn rows_of(
        &self,
        client: &Client,
        query: &Query,
        relations: &[u32],
    ) -> Result<Vec<Row>> {
        let sql = self.text(query, true);
        if self.has(&narrow(query, &sql)) {
            let list: Vec<String> = relations.iter().map(u32::to_string).collect();
            let list = list.join(",");
            let sql = format!("EXECUTE {PREFIX}{}_of ('{{{list}}}')", query.name);
            return query::rows(client, query.what, &sql, &[]).await;
        }
        query::rows(client, query.what, &sql, &[(&relations, Type::OID_ARRAY)]).await
    }
}

/// Keeps the queries ready for every later reading in this session, which is to be our own: no
/// pooler's. The next readings plan them. Not inside a transaction.
pub async fn ready(client: &Client) -> Result<()> {
    let known = Known::ask(client).await?;
    let mut statements = vec![whole(&MARKS, &known.text(&MARKS, false))];
    for query in &OBJECTS {
        statements.push(whole(query, &known.text(query, false)));
        if query.can_be_narrowed() {
            statements.push(narrow(query, &known.text(query, true)));
        }
    }
    // With another search path they would be planned again.
    query::run(client, "BEGIN; SET LOCAL search_path = ''").await?;
    for statement in statements.iter().filter(|one| !known.has(one)) {
        query::run(client, statement).await?;
    }
    query::run(client, "COMMIT").await
}

/// The statement that keeps a query of everything ready.
fn whole(query: &Query, sql: &str) -> String {
    format!("PREPARE {PREFIX}{} AS {sql}", query.name)
}

/// The statement that keeps a query of some relations ready.
fn narrow(query: &Query, sql: &str) -> String {
    format!("PREPARE {PREFIX}{}_of (oid[]) AS {sql}", query.name)
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn lines_of_newer_servers_are_left_out() {
        let sql = "SELECT 1,\n  2, -- since 14\n  3";
        assert_eq!(for_server(sql, 13), "SELECT 1,\n  3");
        assert_eq!(for_server(sql, 14), sql);
    }

    /// What marks don't look at could change unseen.
    #[test]
    fn every_catalog_that_is_read_is_marked() {
        let named = |sql: &str| -> BTreeSet<String> {
            let word = |c: char| c.is_ascii_lowercase() || c == '_';
            let behind = sql.split("pg_catalog.pg_").skip(1);
            let names = behind.map(|rest| rest.split(|c| !word(c)).next().unwrap());
            // Functions are followed by what they are called with.
            let names = names.filter(|name| {
                let call = format!("pg_catalog.pg_{name}(");
                !sql.contains(&call) && !name.is_empty()
            });
            names.map(str::to_owned).collect()
        };
        let marked = named(MARKS.sql);
        for query in &OBJECTS {
            for name in named(query.sql) {
                assert!(marked.contains(&name), "pg_{name}, read by {}", query.name);
            }
        }
    }

    #[test]
    fn queries_are_narrowed() {
        let known = Known {
            major: 15,
            prepared: Vec::new(),
        };
        for query in &OBJECTS {
            let whole = known.text(query, false);
            assert!(!whole.contains('{') || !whole.contains("{within"));
            assert!(!whole.contains("$1"), "{whole}");
            let narrow = known.text(query, true);
            assert_eq!(narrow.contains("= ANY ($1)"), query.can_be_narrowed());
        }
    }
}
