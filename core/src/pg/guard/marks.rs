//! The signs that are compared.

use std::collections::{BTreeMap, BTreeSet};

use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use crate::error::{Error, Result};
use crate::model::relation::Oid;
use crate::pg::capture::Recorded;
use crate::pg::error::PgContext as _;
use crate::pg::ledger;

/// The signs of each table that stores rows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Marks {
    tables: BTreeMap<Oid, Mark>,
    /// Pieces of large objects changed and removed by this transaction so far.
    large_objects: i64,
    /// The labels of enum types: type and name, by what stays when a label is renamed.
    labels: BTreeMap<Oid, (Oid, String)>,
    /// The signs of ledger and journal.
    ours: BTreeMap<Oid, Mark>,
    /// Foreign tables that this transaction has locked in order to write.
    foreign: BTreeSet<Oid>,
    /// The server counts.
    counts: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Mark {
    /// The file that holds the rows: TRUNCATE and rewrites change it.
    file: u32,
    written: Written,
}

/// Rows inserted, updated and deleted by this transaction so far, cascades and triggers included; and
/// what a savepoint took back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Written {
    /// Rows that came.
    pub inserted: i64,
    /// Rows that changed.
    pub updated: i64,
    /// Rows that went.
    pub deleted: i64,
}

impl Written {
    /// True when anything was written.
    pub fn any(self) -> bool {
        self != Self::default()
    }

    /// True where it is just what was `recorded`.
    pub const fn is(self, recorded: &Recorded) -> bool {
        self.inserted == recorded.inserted
            && self.updated == recorded.updated
            && self.deleted == recorded.deleted
    }

    /// True where it is what was `recorded`, but for how many rows came.
    pub const fn is_but_for_new_rows(self, recorded: &Recorded) -> bool {
        self.updated == recorded.updated && self.deleted == recorded.deleted
    }

    /// True when rows came, and nothing else happened.
    pub const fn only_inserted(self) -> bool {
        self.inserted > 0 && self.updated == 0 && self.deleted == 0
    }
}

impl Marks {
    /// True where ledger and journal are `later` as they were.
    pub(super) fn same_ours(&self, later: &Self) -> bool {
        self.ours == later.ours
    }

    pub(super) const fn large_objects(&self) -> i64 {
        self.large_objects
    }

    pub(super) const fn foreign(&self) -> &BTreeSet<Oid> {
        &self.foreign
    }

    pub(super) const fn counts(&self) -> bool {
        self.counts
    }

    /// The types whose labels are called something else `later`.
    pub(super) fn renamed_labels(&self, later: &Self) -> Vec<Oid> {
        let labels = self.labels.iter();
        labels
            .filter(|(oid, was)| later.labels.get(oid).is_some_and(|is| is != *was))
            .map(|(_, was)| was.0)
            .collect()
    }

    /// What was written to the table `oid` from here to `later`.
    pub(super) fn written(&self, later: &Self, oid: Oid) -> Written {
        let (Some(was), Some(is)) = (self.tables.get(&oid), later.tables.get(&oid)) else {
            return Written::default();
        };
        Written {
            inserted: is.written.inserted - was.written.inserted,
            updated: is.written.updated - was.written.updated,
            deleted: is.written.deleted - was.written.deleted,
        }
    }

    /// True where the rows of the table `oid` are in another file `later`.
    pub(super) fn another_file(&self, later: &Self, oid: Oid) -> bool {
        match (self.tables.get(&oid), later.tables.get(&oid)) {
            (Some(was), Some(is)) => was.file != is.file,
            _ => false,
        }
    }
}

#[cfg(test)]
impl Marks {
    /// The signs of one table, while the server counts.
    pub(super) fn of_one(oid: Oid, file: u32, written: Written) -> Self {
        Self {
            tables: BTreeMap::from([(oid, Mark { file, written })]),
            counts: true,
            ..Self::default()
        }
    }
}

/// Has the server count what the open transaction writes, or refuses: without its counts nothing
/// tells what happened unseen.
pub async fn counting(client: &Client) -> Result<()> {
    let row = client
        .query_one(
            "SELECT pg_catalog.current_setting('track_counts'), \
               (SELECT pg_catalog.min(p.oid::pg_catalog.regprocedure::pg_catalog.text) \
                FROM pg_catalog.pg_proc p \
                WHERE EXISTS (SELECT FROM pg_catalog.unnest(p.proconfig) s \
                              WHERE s LIKE 'track\\_counts=%'))",
            &[],
        )
        .await
        .pg("could not ask whether the server counts what is written")?;
    let function: Option<String> = row.get(1);
    if let Some(function) = function {
        return Err(Error::refused(format!(
            "the function {function} switches the server's counts off (track_counts), so what is \
             written can't be told"
        ))
        .hint(format!(
            "ALTER FUNCTION {function} RESET track_counts; then run the command again"
        )));
    }
    if row.get::<_, &str>(0) == "on" {
        return Ok(());
    }
    let set = client.batch_execute("SET LOCAL track_counts = on").await;
    match set {
        Err(error) if error.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE) => {
            Err(Error::refused(
                "track_counts is off in this database, and this role may not switch it on: without \
                 the server's counts nothing tells what is written unseen",
            )
            .hint("ALTER DATABASE … SET track_counts = on; or GRANT SET ON PARAMETER track_counts"))
        }
        set => set.pg("could not switch the server's counts on"),
    }
}

/// Reads the signs.
pub async fn marks(client: &Client) -> Result<Marks> {
    let rows = client
        .query(
            "SELECT oid, relfilenode, \
             pg_catalog.pg_stat_get_xact_tuples_inserted(oid), \
             pg_catalog.pg_stat_get_xact_tuples_updated(oid), \
             pg_catalog.pg_stat_get_xact_tuples_deleted(oid), \
             relnamespace IN (SELECT n.oid FROM pg_catalog.pg_namespace n WHERE n.nspname = $1) \
             FROM pg_catalog.pg_class WHERE relkind = 'r' AND relpersistence <> 't'",
            &[&ledger::SCHEMA],
        )
        .await
        .pg("could not read what the transaction has done")?;
    let mut tables = BTreeMap::new();
    let mut ours = BTreeMap::new();
    for row in &rows {
        let written = Written {
            inserted: row.get(2),
            updated: row.get(3),
            deleted: row.get(4),
        };
        let mark = Mark {
            file: row.get(1),
            written,
        };
        let of = if row.get(5) { &mut ours } else { &mut tables };
        of.insert(row.get(0), mark);
    }
    let row = client
        .query_one(
            "SELECT pg_catalog.sum(pg_catalog.pg_stat_get_xact_tuples_updated(oid) \
             + pg_catalog.pg_stat_get_xact_tuples_deleted(oid))::bigint, \
             pg_catalog.current_setting('track_counts') = 'on', \
             ARRAY (SELECT l.relation FROM pg_catalog.pg_locks l \
                    JOIN pg_catalog.pg_class f ON f.oid = l.relation AND f.relkind = 'f' \
                    WHERE l.pid = pg_catalog.pg_backend_pid() AND l.locktype = 'relation' \
                      AND l.mode IN ('RowExclusiveLock')) \
             FROM pg_catalog.pg_class WHERE oid IN \
             ('pg_catalog.pg_largeobject'::pg_catalog.regclass, \
             'pg_catalog.pg_largeobject_metadata'::pg_catalog.regclass)",
            &[],
        )
        .await
        .pg("could not read what the transaction has done to large objects and foreign tables")?;
    let foreign: Vec<Oid> = row.get(2);
    Ok(Marks {
        tables,
        large_objects: row.get(0),
        labels: labels(client).await?,
        ours,
        foreign: foreign.into_iter().collect(),
        counts: row.get(1),
    })
}

async fn labels(client: &Client) -> Result<BTreeMap<Oid, (Oid, String)>> {
    let rows = client
        .query(
            "SELECT oid, enumtypid, enumlabel::pg_catalog.text FROM pg_catalog.pg_enum",
            &[],
        )
        .await
        .pg("could not read the labels of enum types")?;
    let label = |row: &tokio_postgres::Row| (row.get(0), (row.get(1), row.get(2)));
    Ok(rows.iter().map(label).collect())
}
