//! The migration lock: one writer at a time per database, and the only way to write.
//!
//! It is a session-level advisory lock, so a dead holder frees it by itself. It is polled, not
//! waited for: a session that waits inside `pg_advisory_lock` holds a snapshot, and a
//! `CREATE INDEX CONCURRENTLY` of the holder would wait for that snapshot in turn, a deadlock.

use std::fmt;
use std::time::Duration;

use tokio::time::Instant;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, GenericClient};

use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::model::event::{Event, Observer, Phase};

use super::blockers;
use super::connect;
use super::error::PgContext as _;
use super::options::ConnectOptions;
use super::session::{self, Canceller, Session};

/// Advisory locks are scoped by database in the server itself, so the key is a constant: it holds
/// for a renamed or cloned database too. The first eight bytes of the SHA-256 of
/// `pgbelay migration lock`.
pub(super) const KEY: i64 = i64::from_be_bytes([0x35, 0x14, 0x7a, 0xa9, 0x1c, 0x17, 0xc1, 0xa2]);

/// The longest sleep between two attempts.
const LONGEST_SLEEP: Duration = Duration::from_secs(1);

/// Who holds the migration lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The backend's process id; 0 for a prepared transaction, which has none.
    pub pid: i32,
    /// What a prepared transaction is called that holds it.
    pub prepared: Option<String>,
    /// Its `application_name`; empty when not set.
    pub application: String,
    /// Its role, when we may see it.
    pub role: Option<String>,
    /// When it connected, when we may see it.
    pub since: Option<Timestamp>,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(gid) = &self.prepared {
            let said = blockers::prepared(gid, self.role.as_deref(), self.since);
            return f.write_str(&said);
        }
        write!(f, "pid {}", self.pid)?;
        if !self.application.is_empty() {
            write!(f, ", {}", self.application)?;
        }
        if let Some(role) = &self.role {
            write!(f, ", role {role}")?;
        }
        if let Some(since) = &self.since {
            write!(f, ", connected since {}", since.format("%F %T UTC"))?;
        }
        Ok(())
    }
}

/// Who holds the migration lock of the database that `client` is connected to.
pub async fn holder(client: &impl GenericClient) -> Result<Option<Holder>> {
    let row = client
        .query_opt(
            "SELECT COALESCE(l.pid, 0), COALESCE(a.application_name, ''), \
                    COALESCE(p.owner, a.usename)::pg_catalog.text, \
                    COALESCE(p.prepared, a.backend_start), p.gid \
             FROM pg_catalog.pg_locks AS l \
             LEFT JOIN pg_catalog.pg_stat_activity AS a ON a.pid = l.pid \
             LEFT JOIN pg_catalog.pg_prepared_xacts AS p ON l.pid IS NULL \
               AND EXISTS (SELECT FROM pg_catalog.pg_locks AS own \
                           WHERE own.pid IS NULL AND own.locktype = 'transactionid' \
                             AND own.virtualtransaction = l.virtualtransaction \
                             AND own.transactionid = p.transaction) \
             WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 \
               AND l.database = (SELECT oid FROM pg_catalog.pg_database \
                                 WHERE datname = pg_catalog.current_database()) \
               AND l.classid::pg_catalog.int8 = ($1::pg_catalog.int8 >> 32) & 4294967295 \
               AND l.objid::pg_catalog.int8 = $1::pg_catalog.int8 & 4294967295 \
             LIMIT 1",
            &[&KEY],
        )
        .await
        .pg("could not read who holds the migration lock")?;
    Ok(row.map(|row| Holder {
        pid: row.get(0),
        application: row.get(1),
        role: row.get(2),
        since: row.get(3),
        prepared: row.get(4),
    }))
}

/// Ends the session of `holder`, and waits up to `wait` until the lock is no longer its.
pub async fn terminate(client: &Client, holder: &Holder, wait: Duration) -> Result<()> {
    if holder.prepared.is_some() {
        return Err(
            Error::refused(format!("the migration lock is held by {holder}")).hint(
                "nothing was changed: which of the two is right, its transaction manager knows",
            ),
        );
    }
    client
        .query_one("SELECT pg_catalog.pg_terminate_backend($1)", &[&holder.pid])
        .await
        .pg("could not end the session that holds the migration lock")
        .map_err(|error| error.hint("its own role may, and so may members of pg_signal_backend"))?;
    let began = Instant::now();
    while self::holder(client)
        .await?
        .is_some_and(|now| now.pid == holder.pid)
    {
        if began.elapsed() > wait {
            return Err(Error::busy(format!("pid {} does not end", holder.pid))
                .hint("look at it in pg_stat_activity"));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

/// Connects and takes the migration lock, waiting up to `wait` for whoever holds it.
///
/// A pooler that hands the server's process on after each transaction is refused: a lock taken
/// through it belongs to whoever gets that process next.
pub async fn connect(
    options: &ConnectOptions,
    application: &str,
    wait: Duration,
    observer: &dyn Observer,
) -> Result<Locked> {
    let session = connect::connect(options, application).await?;
    // Poolers hand out the process that became free last. So either a second connection gets the
    // one that serves ours, or ours gets the one that served the second.
    // Where the server has no room for a second connection, this can't be looked at.
    if let Ok(probe) = connect::connect(options, application).await {
        let other = in_transaction(&probe).await?;
        if other == session.pid() || in_transaction(&session).await? != session.pid() {
            return Err(pooled());
        }
    }
    acquire(session, wait, observer).await
}

/// The process that serves `session` while a transaction is open.
async fn in_transaction(session: &Session) -> Result<i32> {
    let client = session.client();
    let begun = client.batch_execute("BEGIN READ ONLY").await;
    begun.pg("could not begin a transaction")?;
    let row = client
        .query_typed_one("SELECT pg_catalog.pg_backend_pid()", &[])
        .await;
    let pid = row.pg("could not read what process serves us")?.get(0);
    let ended = client.batch_execute("ROLLBACK").await;
    ended.pg("could not end a transaction")?;
    Ok(pid)
}

fn pooled() -> Error {
    Error::failed(
        "the connection goes through a pooler that changes the server process under it, so the \
         migration lock can't be held",
    )
    .hint("connect directly to PostgreSQL, or to a pooler in session mode")
}

/// Takes the migration lock, waiting up to `wait` for whoever holds it.
pub async fn acquire(session: Session, wait: Duration, observer: &dyn Observer) -> Result<Locked> {
    session::patient(session.client()).await?;
    observer.observe(Event::Phase(Phase::Lock));
    let began = Instant::now();
    let mut sleep = Duration::from_millis(50);
    loop {
        let got: bool = session
            .client()
            .query_one("SELECT pg_catalog.pg_try_advisory_lock($1)", &[&KEY])
            .await
            .pg("could not ask for the migration lock")?
            .get(0);
        if got {
            let guard = CancelOnDrop(Some(session.canceller()));
            let mut locked = Locked { session, guard };
            locked.check_held().await?;
            return Ok(locked);
        }
        let holder = holder(session.client()).await?;
        let waited = began.elapsed();
        if waited >= wait {
            return Err(busy(holder.as_ref(), waited));
        }
        observer.observe(Event::Waiting {
            on: holder.as_ref().map_or_else(
                || "the migration lock".to_owned(),
                |holder| format!("the migration lock, held by {holder}"),
            ),
            waited,
        });
        tokio::time::sleep(sleep.min(wait.saturating_sub(waited))).await;
        sleep = (sleep * 2).min(LONGEST_SLEEP);
    }
}

/// Makes sure that this is still the backend `pid` that took the lock, and that it has it. Behind
/// a pooler in transaction mode neither is certain, and a script may give the lock away.
pub async fn check_held(client: &impl GenericClient, pid: i32) -> Result<()> {
    let row = client
        .query_typed_one(
            "SELECT pg_catalog.pg_backend_pid(), EXISTS ( \
               SELECT FROM pg_catalog.pg_locks AS l \
               WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 \
                 AND l.pid = pg_catalog.pg_backend_pid() \
                 AND l.classid::pg_catalog.int8 = ($1::pg_catalog.int8 >> 32) & 4294967295 \
                 AND l.objid::pg_catalog.int8 = $1::pg_catalog.int8 & 4294967295)",
            &[(&KEY, Type::INT8)],
        )
        .await
        .pg("could not check the migration lock")?;
    let (now, held): (i32, bool) = (row.get(0), row.get(1));
    if now != pid {
        return Err(pooled());
    }
    if !held {
        return Err(Error::failed("the migration lock was lost")
            .hint("a script may have called pg_advisory_unlock_all or DISCARD ALL")
            .hint("a pooler does this too: connect directly to PostgreSQL"));
    }
    Ok(())
}

fn busy(holder: Option<&Holder>, waited: Duration) -> Error {
    let waited = waited.as_secs();
    let Some(holder) = holder else {
        return Error::busy(format!(
            "the migration lock was not had within {waited} s: it changes hands"
        ))
        .hint("try again, or wait longer with --wait");
    };
    Error::busy(format!(
        "another run holds the migration lock ({holder}); waited {waited} s"
    ))
    .hint("let it finish, or wait longer with --wait")
    .hint("to end it (its open transaction is rolled back): migrate lock release")
}

/// A session that holds the migration lock. Nothing else writes to a database.
///
/// When it is dropped without [`Locked::release`], the connection closes, and with it goes the
/// lock; a statement that still runs is cancelled.
pub struct Locked {
    session: Session,
    guard: CancelOnDrop,
}

/// Cancels the running statement when an operation is abandoned: the connection's end alone is
/// noticed by the server only after the statement.
struct CancelOnDrop(Option<Canceller>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        let runtime = tokio::runtime::Handle::try_current();
        if let (Some(canceller), Ok(runtime)) = (self.0.take(), runtime) {
            runtime.spawn(async move { canceller.cancel().await });
        }
    }
}

impl Locked {
    /// The driver's client.
    pub const fn client(&mut self) -> &mut Client {
        self.session.client_mut()
    }

    /// The session, for reading and for what is known of the server.
    pub const fn session(&self) -> &Session {
        &self.session
    }

    /// As [`check_held`], outside a transaction.
    pub async fn check_held(&mut self) -> Result<()> {
        check_held(self.session.client(), self.session.pid()).await
    }

    /// Gives the lock up and hands the session back.
    pub async fn release(mut self) -> Result<Session> {
        let released: bool = self
            .session
            .client()
            .query_one("SELECT pg_catalog.pg_advisory_unlock($1)", &[&KEY])
            .await
            .pg("could not release the migration lock")?
            .get(0);
        self.guard.0 = None;
        if released {
            Ok(self.session)
        } else {
            Err(
                Error::failed("the migration lock was lost before it was released")
                    .hint("if a pooler stands in between, connect directly to PostgreSQL"),
            )
        }
    }
}
