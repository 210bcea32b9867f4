//! What a server says of how it is.

use tokio_postgres::Client;

use crate::clock::Timestamp;
use crate::error::Result;
use crate::pg::query;

/// A session that holds or wants something.
#[derive(Debug, Clone, PartialEq)]
pub struct Holder {
    /// The process.
    pub pid: i32,
    /// The application's name; may be empty.
    pub application: String,
    /// What it does: `active`, `idle in transaction` …
    pub state: String,
    /// For how long, in seconds.
    pub seconds: f64,
}

/// A standby, or a slot that one reads from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replica {
    /// Its name.
    pub name: String,
    /// False for a slot that nobody reads from.
    pub active: bool,
    /// How much of the log it doesn't have yet, in bytes; `None`: the role may not see it.
    pub behind: Option<i64>,
}

/// What a role may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rights {
    /// Everything.
    pub superuser: bool,
    /// Make databases.
    pub databases: bool,
    /// Make schemas in this one.
    pub schemas: bool,
    /// The number of tables that it can't change.
    pub unchangeable: i64,
    /// The number of tables that it can't read.
    pub unreadable: i64,
}

/// What the server says.
#[derive(Debug, Clone, PartialEq)]
pub struct Health {
    /// The database's name.
    pub database: String,
    /// `server_version`.
    pub version: String,
    /// `server_version_num`.
    pub version_num: i32,
    /// A standby.
    pub standby: bool,
    /// The server's clock.
    pub clock: Timestamp,
    /// The database's size.
    pub bytes: i64,
    /// The age of its oldest transaction number, and from which one on the server vacuums whatever
    /// autovacuum is set to.
    pub age: (i64, i64),
    /// Vacuums that keep numbers from running out: they don't give way to other locks.
    pub freezing: i64,
    /// Settings that data's safety hangs on, by name.
    pub settings: Vec<(String, String)>,
    /// Whether this connection is encrypted; `None` for a socket on the same machine.
    pub encrypted: Option<bool>,
    /// What the role may do.
    pub rights: Rights,
    /// It sees what other roles' sessions do.
    pub sees_others: bool,
    /// Indexes that are not valid.
    pub invalid_indexes: Vec<String>,
    /// Transactions that have been open for a while, the longest first.
    pub transactions: Vec<Holder>,
    /// Sessions that wait for a lock in this database, the longest first.
    pub waiting: Vec<Holder>,
    /// Standbys and slots.
    pub replicas: Vec<Replica>,
}

/// A transaction is told of from this age on, in seconds.
const OPEN: u32 = 60;

const SERVER: &str = "
SELECT current_database()::text, current_setting('server_version'),
       current_setting('server_version_num')::int4, pg_is_in_recovery(), clock_timestamp(),
       pg_database_size(d.oid), age(d.datfrozenxid)::int8,
       current_setting('autovacuum_freeze_max_age')::int8,
       (SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%(to prevent wraparound)'
        AND backend_type = 'autovacuum worker'),
       (SELECT s.ssl OR g.encrypted FROM pg_stat_ssl s
        JOIN pg_stat_gssapi g USING (pid) JOIN pg_stat_activity a USING (pid)
        WHERE s.pid = pg_backend_pid() AND a.client_addr IS NOT NULL),
       r.rolsuper, r.rolsuper OR r.rolcreatedb, has_database_privilege(d.oid, 'CREATE'),
       pg_has_role(r.oid, 'pg_read_all_stats', 'USAGE')
FROM pg_database d, pg_roles r WHERE d.datname = current_database() AND r.rolname = current_user";

const SETTINGS: &str = "
SELECT name, setting FROM pg_settings WHERE name IN
    ('fsync', 'full_page_writes', 'synchronous_commit', 'zero_damaged_pages', 'ignore_checksum_failure')
ORDER BY name";

const CLOSED: &str = "
SELECT count(*) FILTER (WHERE NOT pg_has_role(c.relowner, 'USAGE')),
       count(*) FILTER (WHERE NOT has_table_privilege(c.oid, 'SELECT'))
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'm') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'";

const INVALID: &str = "
SELECT format('%I.%I', n.nspname, c.relname) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
JOIN pg_namespace n ON n.oid = c.relnamespace WHERE NOT i.indisvalid AND c.relkind = 'i' ORDER BY 1";

const HOLDERS: &str = "
SELECT pid, coalesce(application_name, ''), coalesce(state, ''),
       extract(epoch FROM clock_timestamp() - {since})::float8
FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND {which}
ORDER BY 4 DESC NULLS LAST LIMIT 20";

const REPLICAS: &str = "
SELECT coalesce(nullif(application_name, ''), 'pid ' || pid), true,
       pg_wal_lsn_diff(here.lsn, replay_lsn)::int8
FROM pg_stat_replication, here
UNION ALL
SELECT slot_name::text, active, pg_wal_lsn_diff(here.lsn, coalesce(restart_lsn, here.lsn))::int8
FROM pg_replication_slots, here WHERE NOT active ORDER BY 1";

/// Asks the server. The settings of [`session::reading`](crate::pg::session::reading) are assumed.
pub async fn read(client: &Client) -> Result<Health> {
    let rows = query::rows(client, "what server this is", SERVER, &[]).await?;
    let first = rows.first();
    let row =
        first.ok_or_else(|| crate::error::Error::failed("the server did not say who it is"))?;
    let settings = query::rows(client, "settings", SETTINGS, &[]).await?;
    let closed = query::rows(client, "privileges", CLOSED, &[]).await?;
    let invalid = query::rows(client, "indexes", INVALID, &[]).await?;
    let long = format!("xact_start < clock_timestamp() - interval '{OPEN} s'");
    let transactions = holders(client, "xact_start", &long).await?;
    let waiting = holders(client, "state_change", "wait_event_type = 'Lock'").await?;
    let standby: bool = row.get(3);
    let here = if standby {
        "pg_last_wal_replay_lsn()"
    } else {
        "pg_current_wal_lsn()"
    };
    let replicas = format!("WITH here AS (SELECT {here} AS lsn) {REPLICAS}");
    let replicas = query::rows(client, "standbys", &replicas, &[]).await?;
    Ok(Health {
        database: row.get(0),
        version: row.get(1),
        version_num: row.get(2),
        standby,
        clock: row.get(4),
        bytes: row.get(5),
        age: (row.get(6), row.get(7)),
        freezing: row.get(8),
        encrypted: row.get(9),
        rights: Rights {
            superuser: row.get(10),
            databases: row.get(11),
            schemas: row.get(12),
            unchangeable: closed.first().map_or(0, |r| r.get(0)),
            unreadable: closed.first().map_or(0, |r| r.get(1)),
        },
        sees_others: row.get(13),
        settings: settings.iter().map(|r| (r.get(0), r.get(1))).collect(),
        invalid_indexes: invalid.iter().map(|r| r.get(0)).collect(),
        transactions,
        waiting,
        replicas: (replicas.iter())
            .map(|r| Replica {
                name: r.get(0),
                active: r.get(1),
                behind: r.get(2),
            })
            .collect(),
    })
}

async fn holders(client: &Client, since: &str, which: &str) -> Result<Vec<Holder>> {
    let sql = HOLDERS.replace("{since}", since).replace("{which}", which);
    let rows = query::rows(client, "sessions", &sql, &[]).await?;
    let holder = |row: &tokio_postgres::Row| Holder {
        pid: row.get(0),
        application: row.get(1),
        state: row.get(2),
        seconds: row.get::<_, Option<f64>>(3).unwrap_or_default(),
    };
    Ok(rows.iter().map(holder).collect())
}
