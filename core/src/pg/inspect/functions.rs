//! What the functions that a script calls may do.

use std::collections::BTreeMap;

use tokio_postgres::Client;
use tokio_postgres::types::Type;

use crate::error::Result;
use crate::pg::query;
use crate::sql::statement::Name;

// Built in means made by initdb: such oids are below the first one given to users.
const CANDIDATES: &str = "
SELECT w.place::int4, n.nspname::text, p.provolatile::text, p.prokind::text, l.lanname::text,
       p.oid < 16384 AND n.nspname = 'pg_catalog',
       (SELECT e.extname::text
        FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid
        WHERE d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.objid = p.oid
          AND d.deptype = 'e'
          AND d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass)
FROM ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2))
     WITH ORDINALITY w (schema, name, place)
JOIN pg_catalog.pg_proc p ON p.proname = w.name::pg_catalog.name
JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
JOIN pg_catalog.pg_language l ON l.oid = p.prolang
WHERE n.nspname = w.schema::pg_catalog.name
   OR w.schema IS NULL AND (n.nspname = 'pg_catalog' OR n.nspname = ANY ($3::pg_catalog.name[]))
ORDER BY w.place, n.nspname, p.oid";

/// `pg_proc.provolatile`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Volatility {
    /// Depends on its arguments alone.
    Immutable,
    /// Reads, but changes nothing.
    Stable,
    /// May do anything.
    Volatile,
}

/// A function that a name may mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionFacts {
    /// Its schema.
    pub schema: String,
    /// What it promises.
    pub volatility: Volatility,
    /// `pg_proc.prokind`: `f` function, `p` procedure, `a` aggregate, `w` window function.
    pub kind: char,
    /// The language it is written in.
    pub language: String,
    /// Comes with the server.
    pub is_builtin: bool,
    /// The extension that owns it.
    pub extension: Option<String>,
}

/// Every function that each of `names` may mean, all overloads, looked up along `search_path`
/// (`pg_catalog` is always on it). A name that nothing answers to has no entry.
pub async fn function_volatility(
    client: &Client,
    names: &[Name],
    search_path: &[String],
) -> Result<BTreeMap<Name, Vec<FunctionFacts>>> {
    let schemas: Vec<Option<&str>> = names.iter().map(|n| n.schema.as_deref()).collect();
    let plain: Vec<&str> = names.iter().map(|n| n.name.as_str()).collect();
    let params: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 3] = [
        (&schemas, Type::TEXT_ARRAY),
        (&plain, Type::TEXT_ARRAY),
        (&search_path, Type::TEXT_ARRAY),
    ];
    let rows = query::rows(client, "the functions", CANDIDATES, &params).await?;
    let mut found: BTreeMap<Name, Vec<FunctionFacts>> = BTreeMap::new();
    for row in &rows {
        let place: i32 = row.get(0);
        let Some(name) = names.get(place as usize - 1) else {
            continue;
        };
        found.entry(name.clone()).or_default().push(FunctionFacts {
            schema: row.get(1),
            volatility: match row.get(2) {
                "i" => Volatility::Immutable,
                "s" => Volatility::Stable,
                _ => Volatility::Volatile,
            },
            kind: row.get::<_, &str>(3).chars().next().unwrap_or('f'),
            language: row.get(4),
            is_builtin: row.get(5),
            extension: row.get(6),
        });
    }
    Ok(found)
}
