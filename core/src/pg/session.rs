//! One dedicated connection, and the settings that reading and scripts need.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{join, join3};
use tokio::task::JoinHandle;
use tokio_postgres::{CancelToken, GenericClient, IsolationLevel, SimpleQueryMessage};
use tokio_postgres_rustls::MakeRustlsConnect;

pub use tokio_postgres::Client;

use crate::error::{Error, Result};

use super::custody;
use super::error::PgContext as _;
use super::options::Host;
use super::settings;

/// An open transaction, rolled back when dropped. Named here so that the driver stays in `pg`.
pub type Transaction<'a> = tokio_postgres::Transaction<'a>;

/// A connection of our own: never pooled, closed when dropped.
pub struct Session {
    client: Client,
    task: Arc<JoinHandle<()>>,
    cancel: Canceller,
    pid: i32,
    server_version_num: i32,
    database: String,
    tables: Vec<String>,
    host: Host,
}

/// Cancels whatever statement a session is running.
#[derive(Clone)]
pub struct Canceller {
    token: CancelToken,
    tls: MakeRustlsConnect,
}

impl Canceller {
    /// Asks the server to cancel the running statement. No error when none runs.
    pub async fn cancel(&self) -> Result<()> {
        self.token
            .cancel_query(self.tls.clone())
            .await
            .pg("could not cancel the running statement")
    }
}

impl Session {
    pub(super) async fn new(
        client: Client,
        task: JoinHandle<()>,
        tls: MakeRustlsConnect,
        host: Host,
    ) -> Result<Self> {
        // In one breath. No operator of others is found, and no bound of the role cuts it short.
        let sql = format!(
            "BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY; SET LOCAL search_path = ''; \
             SET LOCAL statement_timeout = 0; \
             SELECT pg_catalog.pg_backend_pid(), \
               pg_catalog.current_setting('server_version_num'), pg_catalog.current_database(), \
               pg_catalog.array_to_string(ARRAY ( \
                 SELECT c.relname::pg_catalog.text FROM pg_catalog.pg_class AS c \
                 JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
                 WHERE n.nspname = 'pgbelay' AND c.relkind = 'r'), pg_catalog.chr(31)), \
               pg_catalog.array_to_string(ARRAY ({}), pg_catalog.chr(31)); \
             ROLLBACK",
            custody::FAULTS
        );
        let answer = client.simple_query(&sql).await;
        let answer = answer.pg("could not read what server this is")?;
        let row = answer.iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(row),
            _ => None,
        });
        let text = |column: usize| row.and_then(|row| row.get(column)).unwrap_or_default();
        let number = |column: usize| {
            let unread = |_| Error::failed("could not read what server this is");
            text(column).parse::<i32>().map_err(unread)
        };
        let list = |column: usize| -> Vec<String> {
            let parts = text(column).split('\u{1f}').filter(|part| !part.is_empty());
            parts.map(str::to_owned).collect()
        };
        custody::judge(&list(4))?;
        let (pid, server_version_num) = (number(0)?, number(1)?);
        let (database, tables) = (text(2).to_owned(), list(3));
        let cancel = Canceller {
            token: client.cancel_token(),
            tls,
        };
        Ok(Self {
            pid,
            server_version_num,
            database,
            tables,
            host,
            client,
            task: Arc::new(task),
            cancel,
        })
    }

    /// The driver's client, for reading.
    pub const fn client(&self) -> &Client {
        &self.client
    }

    /// The driver's client, for transactions.
    pub const fn client_mut(&mut self) -> &mut Client {
        &mut self.client
    }

    /// The process id of the server's backend when the session began.
    pub const fn pid(&self) -> i32 {
        self.pid
    }

    /// `server_version_num`: 150018 for 15.18.
    pub const fn server_version_num(&self) -> i32 {
        self.server_version_num
    }

    /// The database this session is connected to.
    pub fn database(&self) -> &str {
        &self.database
    }

    /// True when pgbelay's table `name` was there when the session began.
    pub fn had(&self, name: &str) -> bool {
        self.tables.iter().any(|table| table == name)
    }

    /// Of the places to try, the one that it is connected to.
    pub const fn host(&self) -> &Host {
        &self.host
    }

    /// What cancels this session's running statement.
    pub fn canceller(&self) -> Canceller {
        self.cancel.clone()
    }

    /// True when the connection is gone.
    pub fn is_dead(&self) -> bool {
        self.client.is_closed() || self.task.is_finished()
    }
}

/// Fixes, for the rest of the transaction, whatever changes how values and definitions are
/// written, so that what is read here can be put back anywhere. No query of ours is worth compiling:
/// the one for all columns would take 300 ms, and runs in 25.
pub async fn pin(client: &impl GenericClient) -> Result<()> {
    let sql = format!(
        "{}; SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0; \
         SELECT pg_catalog.set_config(name, value, true) \
         FROM (VALUES ('transaction_timeout', '0'), ('jit', 'off'), \
                      ('restrict_nonsystem_relation_kind', 'view, foreign-table')) \
              AS wanted (name, value) \
         WHERE EXISTS (SELECT FROM pg_catalog.pg_settings AS known \
                       WHERE known.name OPERATOR(pg_catalog.=) wanted.name)",
        settings::pin()
    );
    client
        .batch_execute(&sql)
        .await
        .pg("could not fix the settings for reading")
}

/// Keeps the server from ending the session while a transaction of ours waits for us; said in the
/// breath that begins it.
pub const UNHURRIED: &str = "SET LOCAL idle_in_transaction_session_timeout = 0";

/// As [`pin`], and in UTC: the same row is then written alike wherever it is read, and what was
/// written can be compared with what was loaded.
pub async fn pin_values(client: &impl GenericClient) -> Result<()> {
    pin(client).await?;
    client
        .batch_execute(
            // Of bytes in an unknown encoding nothing can be made but what they are.
            "SET LOCAL TimeZone = 'UTC'; \
             SELECT pg_catalog.set_config('client_encoding', 'SQL_ASCII', true) \
             WHERE pg_catalog.current_setting('server_encoding') = 'SQL_ASCII'",
        )
        .await
        .pg("could not fix the time zone for reading")
}

/// Keeps the server from ending the session while it only waits for the rows that another one
/// reads, and statements of our own from being cut short. Scripts get bounds of their own.
pub async fn patient(client: &impl GenericClient) -> Result<()> {
    client
        .batch_execute(
            "SELECT pg_catalog.set_config(name, '0', false) FROM pg_catalog.pg_settings \
             WHERE name IN ('idle_session_timeout', 'idle_in_transaction_session_timeout', \
                            'statement_timeout', 'transaction_timeout')",
        )
        .await
        .pg("could not set a timeout")
}

/// Begins a read-only transaction that sees one state of the database, with [`pin`]ned settings
/// and a bound on waiting for locks.
pub async fn reading(client: &mut Client, lock_timeout: Duration) -> Result<Transaction<'_>> {
    let transaction = client
        .build_transaction()
        .isolation_level(IsolationLevel::RepeatableRead)
        .read_only(true)
        .start()
        .await
        .pg("could not begin a read-only transaction")?;
    pin(&transaction).await?;
    set_lock_timeout(&transaction, lock_timeout, true).await?;
    Ok(transaction)
}

/// Begins a transaction with the session's own settings.
pub async fn begin(client: &mut Client) -> Result<Transaction<'_>> {
    client
        .transaction()
        .await
        .pg("could not begin a transaction")
}

/// Begins a savepoint: what is set in it ends with it.
pub async fn nested<'a>(transaction: &'a mut Transaction<'_>) -> Result<Transaction<'a>> {
    transaction
        .transaction()
        .await
        .pg("could not begin a savepoint")
}

/// Commits.
pub async fn commit(transaction: Transaction<'_>) -> Result<()> {
    transaction.commit().await.pg("could not commit")
}

/// The role that logged in.
pub async fn role(client: &impl GenericClient) -> Result<String> {
    let row = client
        .query_one("SELECT session_user::pg_catalog.text", &[])
        .await
        .pg("could not read the session's role")?;
    Ok(row.get(0))
}

/// Checks deferred constraints now, while the script that broke one can still be named, and takes
/// back a change of role or encoding, so that what follows is done by the role that logged in, and
/// means what it says.
pub async fn settle(client: &impl GenericClient) -> Result<()> {
    let constraints = client.batch_execute("SET CONSTRAINTS ALL IMMEDIATE");
    // In another encoding, what is written down next would be taken for something else.
    let role = client.batch_execute(
        "RESET SESSION AUTHORIZATION; RESET ROLE; SET LOCAL client_encoding = 'UTF8'; \
         SET LOCAL standard_conforming_strings = on",
    );
    let (constraints, role) = join(constraints, role).await;
    constraints.pg("a deferred constraint does not hold")?;
    role.pg("could not take back a change of role")
}

/// Takes back, inside a transaction, the settings of a script before.
pub async fn reset(client: &impl GenericClient) -> Result<()> {
    client
        .batch_execute(&format!("RESET ALL; {UNHURRIED}"))
        .await
        .pg("could not reset the settings")
}

/// Makes the session as it was when it began, for the next script, and keeps the migration lock
/// (`DISCARD ALL` would give that up). Not inside a transaction.
pub async fn refresh(client: &Client) -> Result<()> {
    // Each is a transaction of its own, and the server does them in this order.
    let role = client.batch_execute("RESET SESSION AUTHORIZATION");
    let settings = client.batch_execute(
        "RESET ALL; RESET ROLE; CLOSE ALL; UNLISTEN *; DISCARD SEQUENCES; \
         SET idle_in_transaction_session_timeout = 0",
    );
    let temporary = client.batch_execute("DISCARD TEMP");
    let (role, settings, temporary) = join3(role, settings, temporary).await;
    role.and(settings).pg("could not reset the session")?;
    temporary.pg("could not drop the temporary tables of the script before")
}

/// Bounds how long a statement waits for a table lock; zero means for ever.
pub async fn set_lock_timeout(
    client: &impl GenericClient,
    timeout: Duration,
    local: bool,
) -> Result<()> {
    set(client, "lock_timeout", timeout, local).await
}

/// Bounds how long a statement may take; `None` means for ever, whatever the server's default.
pub async fn set_statement_timeout(
    client: &impl GenericClient,
    timeout: Option<Duration>,
    local: bool,
) -> Result<()> {
    let timeout = timeout.unwrap_or_default();
    set(client, "statement_timeout", timeout, local).await
}

async fn set(
    client: &impl GenericClient,
    name: &str,
    timeout: Duration,
    local: bool,
) -> Result<()> {
    // Below a millisecond PostgreSQL would read "no bound".
    let milliseconds = match timeout.as_millis() {
        0 if !timeout.is_zero() => 1,
        n => n.min(i32::MAX as u128),
    };
    let scope = if local { "LOCAL" } else { "SESSION" };
    client
        .batch_execute(&format!("SET {scope} {name} = {milliseconds}"))
        .await
        .pg("could not set a timeout")
}
