//! What a text may run that reaches beyond the database: before scripts are tried out on a copy.
//!
//! What stays in the copy is no matter, so code that somebody wrote for the database may run. Its
//! text is searched for what it may call in turn, dynamic statements included: names in strings
//! count. That is no proof against names that are put together from pieces.

mod text;

use std::collections::BTreeSet;

use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Row};

use crate::error::Result;
use crate::model::relation::Oid;
use crate::pg::query;
use crate::sql::builtin;
use crate::sql::statement::Name;
use crate::sql::words::Words;

use super::harmless::{Found, LIBRARIES, by_kind, named, new, of, reached, schemas};

pub use text::beyond;

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
       p.oid >= 16384 AND (l.lanname = 'c' AND p.probin !~ $2 AND p.probin !~ $3
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

// Functions of operator classes that the text names, or that need no name.
const CLASSES: &str = "
SELECT 'function', s.amproc::oid FROM pg_opclass o JOIN pg_amproc s ON s.amprocfamily = o.opcfamily
WHERE o.oid >= 16384 AND s.amproc::oid >= 16384
  AND (o.opcdefault AND o.opcintype < 16384 OR lower(o.opcname) = ANY ($1))
UNION
SELECT 'operator', s.amopopr FROM pg_opclass o JOIN pg_amop s ON s.amopfamily = o.opcfamily
WHERE o.oid >= 16384 AND s.amopopr >= 16384
  AND (o.opcdefault AND o.opcintype < 16384 OR lower(o.opcname) = ANY ($1))";

// What rows are put into partitions by, and what ANALYZE computes.
const COMPUTED: &str = "
WITH tree (tree) AS (
    SELECT p.partexprs::text FROM pg_partitioned_table p
    WHERE p.partexprs IS NOT NULL AND p.partrelid = ANY ($1)
  UNION ALL
    SELECT s.{statistics}::text FROM pg_statistic_ext s
    WHERE s.{statistics} IS NOT NULL AND s.stxrelid = ANY ($1)
)
SELECT CASE WHEN m[1] = 'opno' THEN 'operator' ELSE 'function' END, m[2]::oid
FROM tree t, LATERAL regexp_matches(t.tree, ':(funcid|opfuncid|opno) (\\d+)', 'g') m
WHERE m[2]::int8 >= 16384";

// Names that nothing answers to. They may be those of what isn't there yet.
const NOBODY: &str = "
SELECT name FROM unnest($1) name
WHERE NOT EXISTS (SELECT FROM pg_proc p WHERE lower(p.proname) = name) ORDER BY 1";

// What a statement that is put together at run time may name.
const MEANS: &str = "
SELECT 'the function ' || n.nspname || '.' || p.proname
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace JOIN pg_language l ON l.oid = p.prolang
WHERE p.oid >= 16384 AND (l.lanname = 'c' AND p.probin !~ $1 AND p.probin !~ $2 AND p.prorettype NOT IN (
        'language_handler'::regtype, 'fdw_handler'::regtype, 'internal'::regtype, 'cstring'::regtype)
        AND 'internal'::regtype <> ALL (p.proargtypes::oid[])
      OR l.lanname NOT IN ('c', 'internal') AND NOT l.lanpltrusted)
UNION ALL
SELECT 'the foreign server ' || s.srvname FROM pg_foreign_server s
ORDER BY 1 LIMIT 1";

/// The libraries of extensions whose functions stay in the database, or tell of the server, whatever
/// else they do.
const INSIDE: &str = "^(\\$libdir/)?(tablefunc|earthdistance|lo|refint|bloom|tcn|tsm_system_rows\
    |tsm_system_time|pgrowlocks|pgstattuple|pg_buffercache|pg_freespacemap|pg_visibility\
    |pageinspect|amcheck|sslinfo|rum|postgis_raster-3|postgis_topology-3)(\\.so)?$";

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
        let names: Vec<&String> = words.all.iter().collect();
        let classes = with(client, CLASSES, (&names, Type::TEXT_ARRAY)).await?;
        for (kind, oids) in std::mem::take(&mut start).into_iter().chain(classes) {
            step.entry(kind).or_default().extend(oids);
        }
        step.entry("operator".to_owned())
            .or_default()
            .extend(&typed);
        follow(client, &mut all, step, &typed).await?;
        let fresh: Vec<Oid> = of(&all, &["function", "called"])
            .into_iter()
            .filter(|oid| known.insert(*oid))
            .collect();
        if fresh.is_empty() {
            break;
        }
        let params: [(&(dyn ToSql + Sync), Type); 3] = [
            (&fresh, Type::OID_ARRAY),
            (&LIBRARIES, Type::TEXT),
            (&INSIDE, Type::TEXT),
        ];
        for row in query::rows(client, "what functions do", FUNCTIONS, &params).await? {
            suspects.extend(suspect(&row));
            if !row.get::<_, bool>(4) {
                let text: String = row.get(6);
                suspects.extend(beyond(&text).map(|what| format!("{what} in {}", called(&row))));
                words.add(&text);
            }
        }
    }
    suspects.extend(by_words(client, &words).await?);
    let relations = of(&all, &["relation"]);
    let foreign: [(&(dyn ToSql + Sync), Type); 1] = [(&relations, Type::OID_ARRAY)];
    let foreign = query::rows(client, "the foreign tables", FOREIGN, &foreign).await?;
    suspects.extend(foreign.iter().map(|row| row.get::<_, String>(0)));
    Ok(suspects.into_iter().collect())
}

/// Adds to `all` what `step` runs, whatever is written to the relations in it.
async fn follow(client: &Client, all: &mut Found, mut step: Found, typed: &[Oid]) -> Result<()> {
    let version = query::server_version(client).await?;
    // Before 14 there are no statistics on expressions.
    let statistics = if version >= 140_000 {
        "stxexprs"
    } else {
        "stxstattarget"
    };
    let computed = COMPUTED.replace("{statistics}", statistics);
    loop {
        // Rows of whatever is named may be written.
        let relations = step.get("relation").cloned().unwrap_or_default();
        step.entry("written".to_owned())
            .or_default()
            .extend(relations);
        let next = new(all, step);
        if next.is_empty() {
            return Ok(());
        }
        step = reached(client, &next, typed, (true, false)).await?;
        let written = of(&next, &["written"]);
        for sql in [REFERRING, &computed] {
            for (kind, oids) in with(client, sql, (&written, Type::OID_ARRAY)).await? {
                step.entry(kind).or_default().extend(oids);
            }
        }
    }
}

/// What the texts of `words` tell of themselves: they may make what reaches out, and use it, before
/// anybody can look.
async fn by_words(client: &Client, words: &Words) -> Result<Vec<String>> {
    let mut suspects = Vec::new();
    let names = words.called.iter().filter(|word| {
        let name = (*word).clone();
        builtin::reaches_beyond(&Name { schema: None, name })
    });
    let names: Vec<&String> = names.collect();
    if !names.is_empty() {
        let params: [(&(dyn ToSql + Sync), Type); 1] = [(&names, Type::TEXT_ARRAY)];
        let nobody = query::rows(client, "what names mean", NOBODY, &params).await?;
        let nobody = nobody.iter().map(|row| row.get::<_, String>(0));
        suspects.extend(nobody.map(|name| format!("{name}()")));
    }
    suspects.extend(text::speaks(words).map(|name| format!("code in the language {name}")));
    if text::composes(words) {
        let params: [(&(dyn ToSql + Sync), Type); 2] =
            [(&LIBRARIES, Type::TEXT), (&INSIDE, Type::TEXT)];
        let means = query::rows(client, "what reaches beyond the database", MEANS, &params).await?;
        let means = means.iter().map(|row| row.get::<_, String>(0));
        let made = text::makes(words).map(|name| format!("the extension {name}"));
        let means = means.chain(made);
        suspects.extend(means.map(|what| format!("{what}, which EXECUTE may name,")));
    }
    Ok(suspects)
}

async fn plain(client: &Client, sql: &str) -> Result<Found> {
    Ok(by_kind(
        &query::rows(client, "what may run", sql, &[]).await?,
    ))
}

async fn with(client: &Client, sql: &str, param: (&(dyn ToSql + Sync), Type)) -> Result<Found> {
    Ok(by_kind(
        &query::rows(client, "what may run", sql, &[param]).await?,
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
