//! What a text may run that isn't known to do nothing but compute.
//!
//! A query that only counts runs whatever its expressions name: functions, operators, casts,
//! aggregates, views, the checks of domains. Read only is no fence: such a function may reach
//! another server, a file, another session. So what is to be run for a look is judged first, by
//! its text and the catalog alone: neither is a plan made, since that computes what is constant.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use tokio_postgres::Client;
use tokio_postgres::types::{ToSql, Type};

use crate::error::Result;
use crate::model::relation::Oid;
use crate::pg::query;
use crate::sql::words::Words;

/// What a text may mean by its words.
const NAMED: &str = include_str!("harmless/named.sql");

/// What that runs, one step on.
const REACHED: &str = include_str!("harmless/reached.sql");

/// What of all that isn't known to be harmless.
const SUSPECTS: &str = include_str!("harmless/suspects.sql");

/// Functions of the server that run a text that they are given, read whatever relation is named to
/// them, or act, though they are not volatile. As a regular expression.
const ACTING: &str = "^((table|schema|database|query|cursor)_to_xml.*|ts_stat|ts_rewrite\
    |pg_input_.*|satisfies_hash_partition|txid_current|pg_current_xact_id|.*_validator\
    |domain_(in|recv)|pg_get_publication_tables|pg_logical_.*|pg_event_trigger_.*)$";

/// The libraries of extensions whose functions do nothing but compute, unless they are volatile.
/// Only a superuser makes functions in C.
pub(super) const LIBRARIES: &str = "^(\\$libdir/)?(citext|hstore|ltree|pg_trgm|_int|unaccent|fuzzystrmatch\
    |btree_gin|btree_gist|cube|isn|seg|pgcrypto|uuid-ossp|dict_int|dict_xsyn|moddatetime\
    |insert_username|autoinc|postgis-3|vector)(\\.so)?$";

/// Volatile functions of the server that only make values.
const GENERATORS: [&str; 16] = [
    "random",
    "random_normal",
    "clock_timestamp",
    "timeofday",
    "statement_timestamp",
    "gen_random_uuid",
    "uuidv4",
    "uuidv7",
    "nextval",
    "currval",
    "lastval",
    "setseed",
    "pg_sleep",
    "tsvector_update_trigger",
    "tsvector_update_trigger_column",
    "suppress_redundant_updates_trigger",
];

const CODED: &str = "a name in it is spelled by codes, so it can't be looked up";

/// What a text is about to be run for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Run<'a> {
    /// For a look, now: nothing may happen, and the answer should be the one that a script gets.
    Look,
    /// In earnest.
    Earnest {
        /// The relations whose rows are written.
        written: &'a [Oid],
        /// Rows are only added to them.
        adds: bool,
    },
}

/// What running a text with `words` may run that isn't known to be harmless, in words: a subject
/// and what is wrong with it. Names are looked up along `path`. Assumes an empty search path.
pub async fn suspects(
    client: &Client,
    words: &Words,
    path: &[String],
    run: Run<'_>,
) -> Result<Vec<String>> {
    if words.coded {
        return Ok(vec![CODED.to_owned()]);
    }
    let (written, earnest, adds): (&[Oid], bool, bool) = match run {
        Run::Look => (&[], false, false),
        Run::Earnest { written, adds } => (written, true, adds),
    };
    let (mut step, typed) = named(client, words, path).await?;
    let mut all = Found::default();
    step.entry("written".to_owned())
        .or_default()
        .extend(written);
    let mut read = BTreeSet::new();
    loop {
        loop {
            let next = new(&mut all, step);
            if next.is_empty() {
                break;
            }
            step = reached(client, &next, &typed, (earnest, adds)).await?;
        }
        let functions = of(&all, &["function", "called"]);
        let fresh: Vec<Oid> = functions.into_iter().filter(|f| read.insert(*f)).collect();
        let Some(bodies) = bodies(client, &fresh).await? else {
            break;
        };
        if bodies.coded {
            return Ok(vec![CODED.to_owned()]);
        }
        // Names in them mean what they mean under another search path.
        let everywhere = schemas(client).await?;
        let (inside, operators) = named(client, &bodies, &everywhere).await?;
        step = inside;
        // Types that were looked at before may be meant.
        step.entry("operator".to_owned())
            .or_default()
            .extend(operators);
    }
    let called = of(&all, &["called"]);
    let of = |kind: &str| of(&all, &[kind]);
    let functions = [of("function"), called.clone()].concat();
    let relations = of("relation");
    let generators: &[&str] = &GENERATORS;
    let params: [(&(dyn ToSql + Sync), Type); 7] = [
        (&functions, Type::OID_ARRAY),
        (&called, Type::OID_ARRAY),
        (&relations, Type::OID_ARRAY),
        (&earnest, Type::BOOL),
        (&ACTING, Type::TEXT),
        (&LIBRARIES, Type::TEXT),
        (&generators, Type::TEXT_ARRAY),
    ];
    let rows = query::rows(client, "what a statement runs", SUSPECTS, &params).await?;
    let told = |row: &tokio_postgres::Row| {
        let (subject, fault): (String, String) = (row.get(0), row.get(1));
        format!("{subject} {fault}")
    };
    Ok(rows.iter().map(told).collect())
}

/// Objects by kind: `relation`, `written` (a relation whose rows are), `type`, `operator`,
/// `function`, `called` (a function that a text may name itself).
pub(super) type Found = BTreeMap<String, BTreeSet<Oid>>;

/// What of `step` is new to `all`, which it is added to. What is written is read, too.
pub(super) fn new(all: &mut Found, mut step: Found) -> Found {
    let written = step.get("written").cloned().unwrap_or_default();
    step.entry("relation".to_owned())
        .or_default()
        .extend(written);
    let mut next = Found::new();
    for (kind, oids) in step {
        let known = all.entry(kind.clone()).or_default();
        let fresh: BTreeSet<Oid> = oids.difference(known).copied().collect();
        known.extend(&fresh);
        if !fresh.is_empty() {
            next.insert(kind, fresh);
        }
    }
    next
}

/// The words of those of `functions` that are written in SQL and promise to change nothing.
async fn bodies(client: &Client, functions: &[Oid]) -> Result<Option<Words>> {
    let sql = "SELECT p.prosrc FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang \
               WHERE p.oid = ANY ($1) AND p.oid >= 16384 AND l.lanname = 'sql' \
                 AND p.provolatile <> 'v'";
    let what = "what functions do";
    let rows = query::rows(client, what, sql, &[(&functions, Type::OID_ARRAY)]).await?;
    let mut words = Words::default();
    for row in &rows {
        words.add(row.get(0));
    }
    Ok((!rows.is_empty()).then_some(words))
}

/// All schemas but the system's.
pub(super) async fn schemas(client: &Client) -> Result<Vec<String>> {
    let sql = "SELECT n.nspname::text FROM pg_namespace n WHERE n.nspname !~ '^pg_'";
    let rows = query::rows(client, "the schemas", sql, &[]).await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

pub(super) fn of(found: &Found, kinds: &[&str]) -> Vec<Oid> {
    let sets = kinds.iter().filter_map(|kind| found.get(*kind));
    sets.flatten().copied().collect()
}

/// What the words may mean; and the operators that they mean for types of users alone.
pub(super) async fn named(
    client: &Client,
    words: &Words,
    path: &[String],
) -> Result<(Found, Vec<Oid>)> {
    // A name that is no plain word is looked for in the text.
    let mut pieces = NAMED.split("{odd:");
    let mut sql = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (name, rest) = piece.split_once('}').unwrap_or((piece, ""));
        let _ = write!(
            sql,
            "({name} !~ '^[A-Za-z_][A-Za-z0-9_$]*$' \
             AND position(lower(replace({name}, '\"', '\"\"')) IN $5) > 0){rest}"
        );
    }
    let list = |words: &BTreeSet<String>| words.iter().cloned().collect::<Vec<_>>();
    let (all, called, operators) = (
        list(&words.all),
        list(&words.called),
        list(&words.operators),
    );
    let params: [(&(dyn ToSql + Sync), Type); 5] = [
        (&all, Type::TEXT_ARRAY),
        (&called, Type::TEXT_ARRAY),
        (&path, Type::TEXT_ARRAY),
        (&operators, Type::TEXT_ARRAY),
        (&words.text, Type::TEXT),
    ];
    let rows = query::rows(client, "what a statement names", &sql, &params).await?;
    let mut found = by_kind(&rows);
    let typed = found.remove("typed").unwrap_or_default();
    Ok((found, typed.into_iter().collect()))
}

/// What `step` runs or is made of, one step on: in earnest, where rows are only added.
pub(super) async fn reached(
    client: &Client,
    step: &Found,
    typed: &[Oid],
    (earnest, adds): (bool, bool),
) -> Result<Found> {
    let version = query::server_version(client).await?;
    // Before 14 there are no multiranges, no statistics on expressions, no parsed bodies.
    let (multirange, statistics, body) = match version {
        140_000.. => ("rngmultitypid", "stxexprs", "prosqlbody"),
        _ => ("rngtypid", "stxstattarget", "proargdefaults"),
    };
    let sql = REACHED
        .replace("{multirange}", multirange)
        .replace("{statistics}", statistics)
        .replace("{body}", body);
    let lists = [
        of(step, &["relation"]),
        of(step, &["written"]),
        of(step, &["type"]),
        of(step, &["operator"]),
        of(step, &["function", "called"]),
    ];
    let params: [(&(dyn ToSql + Sync), Type); 8] = [
        (&lists[0], Type::OID_ARRAY),
        (&lists[1], Type::OID_ARRAY),
        (&lists[2], Type::OID_ARRAY),
        (&lists[3], Type::OID_ARRAY),
        (&lists[4], Type::OID_ARRAY),
        (&typed, Type::OID_ARRAY),
        (&earnest, Type::BOOL),
        (&adds, Type::BOOL),
    ];
    let rows = query::rows(client, "what a statement runs", &sql, &params).await?;
    Ok(by_kind(&rows))
}

pub(super) fn by_kind(rows: &[tokio_postgres::Row]) -> Found {
    let mut found = Found::new();
    for row in rows {
        let kind: String = row.get(0);
        found.entry(kind).or_default().insert(row.get(1));
    }
    found
}
