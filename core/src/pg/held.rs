//! What a session has locked by itself, in words, and since when.

use std::collections::BTreeMap;
use std::time::Instant;

use tokio_postgres::types::Type;
use tokio_postgres::{Client, Row};

use crate::error::Result;
use crate::ident::TableName;
use crate::model::lock::LockMode;
use crate::model::relation::Oid;
use crate::pg::query;

const TABLES: &str = "
SELECT c.oid, n.nspname, c.relname
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'm')
  AND n.nspname NOT IN ('information_schema', 'pgbelay')
  AND n.nspname NOT LIKE 'pg\\_%'";

const HELD: &str = "
SELECT l.relation, l.mode FROM pg_catalog.pg_locks l
WHERE l.locktype = 'relation' AND l.granted AND l.pid = pg_catalog.pg_backend_pid()
  AND l.mode = ANY ($1)";

/// A lock that keeps writers out, or more, and was held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// On what.
    pub table: TableName,
    /// Its mode.
    pub mode: LockMode,
    /// The script that took it.
    pub path: String,
    /// One-based line of the statement.
    pub line: u32,
    /// When that statement began.
    pub since: Instant,
}

async fn tables(client: &Client) -> Result<BTreeMap<Oid, TableName>> {
    let rows = query::rows(client, "the names of tables", TABLES, &[]).await?;
    let name = |row: &Row| TableName::new(row.get::<_, String>(1), row.get::<_, String>(2));
    Ok(rows.iter().map(|row| (row.get(0), name(row))).collect())
}

/// The locks of scripts, as they are taken.
#[derive(Debug)]
pub struct Watch {
    tables: BTreeMap<Oid, TableName>,
    taken: BTreeMap<Oid, Vec<Held>>,
}

impl Watch {
    /// Before the first script: tables that they make themselves are in nobody's way.
    pub async fn begin(client: &Client) -> Result<Self> {
        Ok(Self {
            tables: tables(client).await?,
            taken: BTreeMap::new(),
        })
    }

    /// After the last script: what tables that were there before were called then, by the names
    /// that they have now.
    pub async fn former_names(&self, client: &Client) -> Result<BTreeMap<String, String>> {
        let now = tables(client).await?;
        let former = |(oid, name): (Oid, TableName)| {
            let before = self.tables.get(&oid)?;
            Some((name.to_string(), before.to_string()))
        };
        Ok(now.into_iter().filter_map(former).collect())
    }

    /// Within the transaction, after the statement at `path` and `line`, which began at `since`.
    pub async fn note(
        &mut self,
        client: &Client,
        (path, line): (&str, u32),
        since: Instant,
    ) -> Result<()> {
        let modes = LockMode::ALL.into_iter().filter(|m| *m >= LockMode::Share);
        let modes: Vec<&str> = modes.map(LockMode::in_catalog).collect();
        let rows = query::rows(client, "locks", HELD, &[(&modes, Type::TEXT_ARRAY)]).await?;
        let mut strongest: BTreeMap<Oid, LockMode> = BTreeMap::new();
        for row in rows {
            let mode = LockMode::called(row.get(1));
            let known = strongest.entry(row.get(0)).or_insert(LockMode::Share);
            *known = mode.map_or(*known, |mode| mode.max(*known));
        }
        for (oid, mode) in strongest {
            let Some(table) = self.tables.get(&oid) else {
                continue;
            };
            let taken = self.taken.entry(oid).or_default();
            if taken.last().is_none_or(|earlier| earlier.mode < mode) {
                taken.push(Held {
                    table: table.clone(),
                    mode,
                    path: path.to_owned(),
                    line,
                    since,
                });
            }
        }
        Ok(())
    }

    /// What was locked, by table, each stronger lock behind the weaker one.
    pub fn end(self) -> Vec<Held> {
        let mut held: Vec<Held> = self.taken.into_values().flatten().collect();
        held.sort_by(|a, b| (&a.table, a.mode).cmp(&(&b.table, b.mode)));
        held
    }
}
