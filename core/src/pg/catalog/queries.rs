//! The queries that read a catalog, as texts and as statements that a session keeps ready.

use tokio_postgres::types::Type;
use tokio_postgres::{Client, Row};

use crate::error::{Error, Result};
use crate::pg::{query, settings};

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

/// Gives the relations of which rows were written by the open transaction.
pub(super) const TOUCHED: Query = named(
    "touched",
    "what the transaction changed in the schema",
    include_str!("touched.sql"),
);

/// Counts what the session's transaction wrote. Not kept ready: what it is asked along with says whether
/// anything still is.
pub(super) const TALLY: Query = named(
    "tally",
    "how much the transaction changed in the schema",
    include_str!("tally.sql"),
);

/// Every row that counts as one of the schema's, for the three above.
const ENTRIES: &str = include_str!("entries.sql");

/// In [`ENTRIES`], stands for the catalog called so.
const FROM: &str = "{from ";

/// What the queries ask about that is no catalog of [`ENTRIES`]: views of these are marked.
const SEEN_THROUGH_VIEWS: [&str; 2] = ["pg_authid", "pg_user_mapping"];

const fn named(name: &'static str, what: &'static str, sql: &'static str) -> Query {
    Query { name, what, sql }
}

impl Query {
    /// True for those that can be asked about some relations alone.
    pub(super) fn can_be_narrowed(&self) -> bool {
        self.sql.contains(WITHIN)
    }

    /// The name of the statement that asks about some relations alone.
    fn narrowed(&self) -> String {
        format!("{}_of", self.name)
    }
}

/// `{within c.oid}` in a query is true where `c.oid` is one of the relations asked about, and
/// `{everything}` where all are.
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

/// A session's server, and the queries that it keeps ready.
#[derive(Debug, Clone)]
pub(super) struct Known {
    /// The server's major version.
    pub major: i32,
    /// Names of statements that are what they are called.
    ready: Vec<String>,
    /// When the session's statements were prepared: a script may drop them, and make others.
    prepared: String,
}

/// The session's prepared statements that bear our names, and when they were made.
fn stamp() -> String {
    format!(
        "SELECT coalesce(pg_catalog.string_agg(p.name || ' ' || p.prepare_time, ',' \
                                               ORDER BY p.name COLLATE \"C\"), '') \
         FROM pg_catalog.pg_prepared_statements p WHERE pg_catalog.starts_with(p.name, '{PREFIX}')"
    )
}

impl Known {
    /// Asks what there is.
    pub(super) async fn ask(client: &Client) -> Result<Self> {
        let sql = format!(
            "SELECT pg_catalog.current_setting('server_version_num')::int4 / 10000, ({}), \
             ARRAY (SELECT p.statement FROM pg_catalog.pg_prepared_statements p \
                    WHERE pg_catalog.starts_with(p.name, '{PREFIX}'))",
            stamp()
        );
        let rows = query::rows(client, "what the session has ready", &sql, &[]).await?;
        let row = rows
            .first()
            .ok_or_else(|| Error::failed("the server did not say its version"))?;
        let mut known = Self {
            major: row.get(0),
            ready: Vec::new(),
            prepared: row.get(1),
        };
        let prepared: Vec<String> = row.get(2);
        if !prepared.is_empty() {
            let statements = known.statements().into_iter();
            let kept = statements.filter(|(_, statement)| prepared.contains(statement));
            known.ready = kept.map(|(name, _)| name).collect();
        }
        Ok(known)
    }

    /// True while the session still has what it had when it was asked.
    pub(super) async fn still_holds(&self, client: &Client) -> Result<bool> {
        let rows = query::rows(client, "what the session has ready", &stamp(), &[]).await?;
        Ok(rows
            .first()
            .is_some_and(|row| row.get::<_, &str>(0) == self.prepared))
    }

    /// What keeps each query ready, by its name.
    fn statements(&self) -> Vec<(String, String)> {
        let mut statements = Vec::new();
        for query in OBJECTS.iter().chain([&MARKS, &TOUCHED]) {
            let whole = self.text(query, false);
            let prepare = format!("PREPARE {PREFIX}{} AS {whole}", query.name);
            statements.push((query.name.to_owned(), prepare));
            if query.can_be_narrowed() {
                let (name, narrow) = (query.narrowed(), self.text(query, true));
                let prepare = format!("PREPARE {PREFIX}{name} (oid[]) AS {narrow}");
                statements.push((name, prepare));
            }
        }
        statements
    }

    fn has(&self, name: &str) -> bool {
        self.ready.iter().any(|ready| ready == name)
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
        let entries = for_server(ENTRIES, self.major);
        let sql = for_server(query.sql, self.major)
            .replace("{entries}", &sources(&entries, query.sql == TOUCHED.sql))
            .replace("{catalogs}", &catalogs(&entries))
            .replace("{through_views}", &array(SEEN_THROUGH_VIEWS))
            .replace("{everything}", if narrow { "false" } else { "true" })
            .replace("{user_schema}", USER_SCHEMA)
            .replace("{acl_line}", ACL_LINE);
        replaced(&sql, WITHIN, within)
    }

    /// The rows of `query`.
    pub(super) async fn rows(&self, client: &Client, query: &Query) -> Result<Vec<Row>> {
        let sql = if self.has(query.name) {
            format!("EXECUTE {PREFIX}{}", query.name)
        } else {
            self.text(query, false)
        };
        query::rows(client, query.what, &sql, &[]).await
    }

    /// The rows of `query` about `relations` alone.
    pub(super) async fn rows_of(
        &self,
        client: &Client,
        query: &Query,
        relations: &[u32],
    ) -> Result<Vec<Row>> {
        let name = query.narrowed();
        if self.has(&name) {
            let list: Vec<String> = relations.iter().map(u32::to_string).collect();
            let list = list.join(",");
            let sql = format!("EXECUTE {PREFIX}{name} ('{{{list}}}')");
            return query::rows(client, query.what, &sql, &[]).await;
        }
        let sql = self.text(query, true);
        query::rows(client, query.what, &sql, &[(&relations, Type::OID_ARRAY)]).await
    }
}

/// Keeps the queries ready for every later reading in this session, which is to be our own: no
/// pooler's. The next readings plan them. Not inside a transaction.
pub async fn ready(client: &Client) -> Result<()> {
    let known = Known::ask(client).await?;
    // With another search path they would be planned again.
    query::run(client, &format!("BEGIN; {}", settings::PATH)).await?;
    for (name, statement) in known.statements() {
        if !known.has(&name) {
            query::run(client, &statement).await?;
        }
    }
    query::run(client, "COMMIT").await
}

/// `sql` with `with` of the word in place of each `{… word}` that begins with `opening`.
fn replaced(sql: &str, opening: &str, with: impl Fn(&str) -> String) -> String {
    let mut pieces = sql.split(opening);
    let mut text = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (word, rest) = piece.split_once('}').unwrap_or((piece, ""));
        text.push_str(&with(word));
        text.push_str(rest);
    }
    text
}

/// `entries` of everything; or only of `written` rows: those of catalogs that the session wrote to,
/// and whose transaction is the open one or a younger one.
fn sources(entries: &str, written: bool) -> String {
    replaced(entries, FROM, |source| {
        let (catalog, alias) = source.split_once(' ').unwrap_or((source, ""));
        let counted = |what: &str| {
            format!(
                "pg_catalog.pg_stat_get_xact_tuples_{what}('pg_catalog.{catalog}'::pg_catalog.regclass)"
            )
        };
        let condition = if written {
            // As subqueries they are answered once, and may save the whole scan.
            format!(
                "(SELECT {} + {}) > 0 AND pg_catalog.age({alias}.xmin) <= \
                 (SELECT pg_catalog.age(pg_catalog.pg_current_xact_id()::pg_catalog.xid))",
                counted("inserted"),
                counted("updated"),
            )
        } else {
            "true".to_owned()
        };
        format!("FROM pg_catalog.{catalog} {alias} WHERE {condition}")
    })
}

/// An array of the catalogs of `entries`, and of those that are seen through views.
fn catalogs(entries: &str) -> String {
    let sources = entries.split(FROM).skip(1);
    let read = sources.filter_map(|rest| rest.split(' ').next());
    array(read.chain(SEEN_THROUGH_VIEWS))
}

/// The catalogs called `names`, as an array.
fn array<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names = names.into_iter().map(|name| format!("pg_catalog.{name}"));
    let names: Vec<String> = names.collect();
    format!("'{{{}}}'::pg_catalog.regclass[]", names.join(","))
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

    fn known() -> Known {
        Known {
            major: 15,
            ready: Vec::new(),
            prepared: String::new(),
        }
    }

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
        let marked = named(&known().text(&MARKS, false));
        for query in &OBJECTS {
            for name in named(query.sql) {
                assert!(marked.contains(&name), "pg_{name}, read by {}", query.name);
            }
        }
    }

    #[test]
    fn queries_are_narrowed() {
        let known = known();
        for query in &OBJECTS {
            let whole = known.text(query, false);
            assert!(!whole.contains('{') || !whole.contains("{within"));
            assert!(!whole.contains("$1"), "{whole}");
            let narrow = known.text(query, true);
            assert_eq!(narrow.contains("= ANY ($1)"), query.can_be_narrowed());
        }
    }
}
