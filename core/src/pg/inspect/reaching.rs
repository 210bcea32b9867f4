//! What a text may run that reaches beyond the database: before scripts are tried out on a copy.
//!
//! What stays in the copy is no matter, so code that somebody wrote for the database may run. Its
//! text is searched for what it may call in turn, dynamic statements included: names in strings
//! count. That is no proof against names that are put together from pieces.

use std::collections::BTreeSet;

use tokio_postgres::types::Type;
use tokio_postgres::{Client, Row};

use crate::error::Result;
use crate::model::relation::Oid;
use crate::pg::query;
use crate::sql::builtin;
use crate::sql::statement::Name;
use crate::sql::words::Words;

use super::harmless::{Found, LIBRARIES, by_kind, named, new, of, reached, schemas};

/// What to look at besides the words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// What they name, and what stands at tables that they name.
    Named,
    /// All of the database: it is made again as a whole, with its rows.
    Everything,
}

// By the language's name: what only superusers may write programs in is not trusted.
const FUNCTIONS: &str = "
SELECT p.oid, n.nspname::text, p.proname::text, p.oid < 16384, l.lanname IN ('c', 'internal'),
       p.oid >= 16384 AND (l.lanname = 'c' AND p.probin !~ $2
                           OR l.lanname NOT IN ('c', 'internal') AND NOT l.lanpltrusted),
       p.prosrc
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace JOIN pg_language l ON l.oid = p.prolang
WHERE p.oid = ANY ($1)
ORDER BY 2, 3";

// Rows of them change when rows of others do.
const REFERRING: &str = "
SELECT DISTINCT 'written', k.conrelid FROM pg_constraint k
WHERE k.contype = 'f' AND k.confrelid = ANY ($1)";

const EVERYTHING: &str = "
SELECT 'written', c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'm') AND c.oid >= 16384 AND n.nspname !~ '^pg_'";

const EVENT_TRIGGERS: &str = "
SELECT 'function', e.evtfoid FROM pg_event_trigger e WHERE e.evtenabled <> 'D'";

const FOREIGN: &str = "
SELECT 'the foreign table ' || n.nspname || '.' || c.relname
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.oid = ANY ($1) AND c.relkind = 'f' ORDER BY 1";

// What a statement that is put together at run time may name.
const MEANS: &str = "
SELECT 'the function ' || n.nspname || '.' || p.proname
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace JOIN pg_language l ON l.oid = p.prolang
WHERE p.oid >= 16384 AND (l.lanname = 'c' AND p.probin !~ $1 AND p.prorettype NOT IN (
        'language_handler'::regtype, 'fdw_handler'::regtype, 'internal'::regtype, 'cstring'::regtype)
      OR l.lanname NOT IN ('c', 'internal') AND NOT l.lanpltrusted)
UNION ALL
SELECT 'the foreign server ' || s.srvname FROM pg_foreign_server s
ORDER BY 1 LIMIT 1";

/// What running a text with `words` may run that reaches beyond the database: names, in words.
/// Assumes an empty search path.
pub async fn reaching(client: &Client, words: &Words, scope: Scope) -> Result<Vec<String>> {
    let mut words = words.clone();
    let mut suspects = BTreeSet::new();
    let mut all = Found::new();
    let mut known: BTreeSet<Oid> = BTreeSet::new();
    // Code may name any schema, whatever the search path is.
    let path = schemas(client).await?;
    let mut start = plain(client, EVENT_TRIGGERS).await?;
    if scope == Scope::Everything {
        start.extend(plain(client, EVERYTHING).await?);
    }
    loop {
        let (mut step, typed) = named(client, &words, &path).await?;
        for (kind, oids) in std::mem::take(&mut start) {
            step.entry(kind).or_default().extend(oids);
        }
        step.entry("operator".to_owned())
            .or_default()
            .extend(&typed);
        loop {
            // Rows of whatever is named may be written.
            let relations = step.get("relation").cloned().unwrap_or_default();
            step.entry("written".to_owned())
                .or_default()
                .extend(relations);
            let next = new(&mut all, step);
            if next.is_empty() {
                break;
            }
            step = reached(client, &next, &typed, (true, false)).await?;
            let written = of(&next, &["written"]);
            let refer = [(
                &written as &(dyn tokio_postgres::types::ToSql + Sync),
                Type::OID_ARRAY,
            )];
            let refer = query::rows(client, "what refers to tables", REFERRING, &refer).await?;
            for (kind, oids) in by_kind(&refer) {
                step.entry(kind).or_default().extend(oids);
            }
        }
        let fresh: Vec<Oid> = of(&all, &["function", "called"])
            .into_iter()
            .filter(|oid| known.insert(*oid))
            .collect();
        if fresh.is_empty() {
            break;
        }
        let libraries = LIBRARIES;
        let params: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 2] =
            [(&fresh, Type::OID_ARRAY), (&libraries, Type::TEXT)];
        for row in query::rows(client, "what functions do", FUNCTIONS, &params).await? {
            suspects.extend(suspect(&row));
            if !row.get::<_, bool>(4) {
                let text: String = row.get(6);
                suspects.extend(beyond(&text).map(|what| format!("{what} in {}", called(&row))));
                words.add(&text);
            }
        }
    }
    let pieces = words.operators.iter().any(|run| run.contains("||"))
        || ["format", "concat"]
            .iter()
            .any(|f| words.called.contains(*f));
    if pieces && words.all.contains("execute") {
        let libraries = LIBRARIES;
        let params: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 1] =
            [(&libraries, Type::TEXT)];
        let means = query::rows(client, "what reaches beyond the database", MEANS, &params).await?;
        let means = means.iter().map(|row| row.get::<_, String>(0));
        suspects.extend(means.map(|what| format!("{what}, which EXECUTE may name,")));
    }
    let relations = of(&all, &["relation"]);
    let foreign: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 1] =
        [(&relations, Type::OID_ARRAY)];
    let foreign = query::rows(client, "the foreign tables", FOREIGN, &foreign).await?;
    suspects.extend(foreign.iter().map(|row| row.get::<_, String>(0)));
    Ok(suspects.into_iter().collect())
}

async fn plain(client: &Client, sql: &str) -> Result<Found> {
    Ok(by_kind(
        &query::rows(client, "what may run", sql, &[]).await?,
    ))
}

fn called(row: &Row) -> String {
    let (schema, name): (String, String) = (row.get(1), row.get(2));
    format!("the function {schema}.{name}")
}

fn suspect(row: &Row) -> Option<String> {
    let name = Name {
        schema: None,
        name: row.get(2),
    };
    let own: bool = row.get(3);
    let suspect = row.get(5) || own && builtin::reaches_beyond(&name);
    suspect.then(|| called(row))
}

/// A statement in `code` that reaches beyond its database, as far as words tell.
pub fn beyond(code: &str) -> Option<String> {
    let part = |c: char| !(c.is_ascii_alphanumeric() || c == '_');
    let lower = code.to_ascii_lowercase();
    let words: Vec<&str> = lower.split(part).filter(|word| !word.is_empty()).collect();
    let acts = ["create", "alter", "drop"];
    let objects = [
        "role",
        "user",
        "group",
        "database",
        "tablespace",
        "subscription",
        "server",
        "system",
    ];
    let pair = words
        .windows(2)
        .find(|pair| acts.contains(&pair[0]) && objects.contains(&pair[1]));
    if let Some(pair) = pair {
        return Some(pair.join(" ").to_ascii_uppercase());
    }
    let mut after_copy = words.iter().skip_while(|word| **word != "copy").skip(1);
    let file = [
        "to '", "from '", "to ''", "from ''", "to e'", "from e'", "to $", "from $",
    ];
    let reaches = after_copy.any(|word| *word == "program")
        || words.contains(&"copy") && file.iter().any(|file| lower.contains(file));
    reaches.then(|| "COPY".to_owned())
}

#[cfg(test)]
mod tests {
    use super::beyond;

    #[test]
    fn statements_in_code_that_reach_beyond_are_found() {
        for code in [
            "begin execute 'create  role x'; end",
            "ALTER SYSTEM SET work_mem = 1",
            "begin copy t to program 'x'; end",
            "begin execute 'copy t to ''/tmp/x'' '; end",
        ] {
            assert!(beyond(code).is_some(), "{code}");
        }
        for code in [
            "begin update users set role = 'user'; end",
            "begin -- copy what was there\n delete from t; end",
            "begin alter table t drop c; end",
        ] {
            assert_eq!(beyond(code), None, "{code}");
        }
    }
}
