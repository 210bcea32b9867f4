//! A database that exists for the length of one check.
//!
//! Its name says which connection it belongs to. When that connection is gone, the run that made
//! it has died, and the next one drops it. A database of any other name, or of another role, is
//! never touched.

use std::time::Duration;

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::time;

use crate::error::{Error, Result};
use crate::model::secret::Secret;
use crate::pg::connect;
use crate::pg::error::PgContext as _;
use crate::pg::error::sqlstate;
use crate::pg::options::ConnectOptions;
use crate::pg::query;
use crate::pg::session::{self, Session};
use crate::sql::quote;

/// What names of scratch databases begin with.
const PREFIX: &str = "pgbelay_verify_";

/// How long an interrupted run takes to clean up.
const FAREWELL: Duration = Duration::from_secs(10);

/// A new, empty database. It is dropped by [`Scratch::remove`], and when the value is dropped.
pub struct Scratch {
    options: ConnectOptions,
    name: String,
    /// How whoever made it connects.
    maker: ConnectOptions,
    /// True when there is a role of its name.
    role: bool,
    session: Option<Session>,
}

/// The connection that a scratch database belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Owner {
    pid: i32,
    /// When it began, in microseconds: numbers of processes are used again.
    since: i64,
}

impl Owner {
    fn name(self, random: u32) -> String {
        let Self { pid, since } = self;
        format!("{PREFIX}{pid}_{since:x}_{random:08x}")
    }

    fn of(name: &str) -> Option<Self> {
        let mut parts = name.strip_prefix(PREFIX)?.split('_');
        let pid = parts.next()?.parse().ok()?;
        let since = i64::from_str_radix(parts.next()?, 16).ok()?;
        let random = parts.next()?;
        let whole = random.len() == 8 && parts.next().is_none();
        whole.then_some(Self { pid, since })
    }
}

impl Scratch {
    /// Makes one on the server of `options`, with the encoding and the collation given.
    pub async fn create(options: &ConnectOptions, encoding: &str, collation: &str) -> Result<Self> {
        let session = connect::connect(options, "pgbelay scratch").await?;
        session::patient(session.client()).await?;
        remove_stale(&session).await?;
        let owner = owner(&session).await?;
        let name = owner.name(rand::random());
        let scratch = Self {
            options: ConnectOptions {
                database: name.clone(),
                ..options.clone()
            },
            name,
            maker: options.clone(),
            role: false,
            session: Some(session),
        };
        match scratch.make(encoding, collation).await {
            // A locale that the server doesn't have, or that doesn't fit the encoding, orders
            // rows in another way, but keeps them all.
            Err(error) if matches!(sqlstate(&error).as_deref(), Some("22023" | "42809")) => {
                scratch.make(encoding, "C").await?;
            }
            outcome => outcome?,
        }
        Ok(scratch)
    }

    async fn make(&self, encoding: &str, locale: &str) -> Result<()> {
        let Some(session) = &self.session else {
            return Ok(());
        };
        let sql = format!(
            "CREATE DATABASE {} TEMPLATE template0 ENCODING {} LC_COLLATE {locale} LC_CTYPE {locale}",
            quote::ident(&self.name),
            quote::literal(encoding),
            locale = quote::literal(locale)
        );
        let made = session.client().batch_execute(&sql).await;
        made.pg("could not make a scratch database")
            .map_err(|e| e.hint("the role needs CREATEDB"))
    }

    /// Gives it to a new role without rights, which may log in and nothing else, if whoever made it
    /// is a superuser: code that runs there can then do nothing elsewhere.
    pub async fn hand_over(&mut self) -> Result<()> {
        let Some(session) = &self.session else {
            return Ok(());
        };
        let client = session.client();
        let sql = "SELECT 1 FROM pg_catalog.pg_roles \
                   WHERE rolname IN (current_user, session_user) \
                     AND (rolsuper OR rolcreaterole OR rolreplication OR rolbypassrls)";
        if query::rows(client, "the rights of the role", sql, &[])
            .await?
            .is_empty()
        {
            return Ok(());
        }
        let password = format!(
            "{:032x}{:032x}",
            rand::random::<u128>(),
            rand::random::<u128>()
        );
        let role = quote::ident(&self.name);
        self.role = true;
        let sql = format!(
            "CREATE ROLE {role} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE \
             NOREPLICATION NOBYPASSRLS PASSWORD {}",
            quote::literal(&password)
        );
        client
            .batch_execute(&sql)
            .await
            .pg("could not make a role without rights")?;
        client
            .batch_execute(&format!("ALTER DATABASE {role} OWNER TO {role}"))
            .await
            .pg("could not give the scratch database to a role without rights")?;
        // Before PostgreSQL 15 whoever owns a database doesn't own its schema public.
        let inside = connect::connect(&self.options, "pgbelay scratch").await?;
        let made = inside
            .client()
            .batch_execute(&format!("ALTER SCHEMA public OWNER TO {role}"))
            .await;
        made.pg("could not give the scratch database to a role without rights")?;
        drop(inside);
        self.options.user.clone_from(&self.name);
        self.options.password = Some(Secret::new(password));
        self.options.ssl_client = None;
        let reached = connect::connect(&self.options, "pgbelay verify").await;
        reached.map(drop).map_err(|e| {
            e.wrap("could not log in as a role without rights, made to run definitions")
                .hint("the server lets nobody else in from here; --expect SHA256 vouches for them")
        })
    }

    /// How to connect to it.
    pub const fn options(&self) -> &ConnectOptions {
        &self.options
    }

    /// Drops it, and whatever is still connected to it.
    pub async fn remove(mut self) -> Result<()> {
        let Some(session) = self.session.take() else {
            return Ok(());
        };
        let name = &self.name;
        let dropped = match drop_database(&session, name, self.role).await {
            Ok(()) => Ok(()),
            // The connection may be what broke.
            Err(_) => {
                match connect::connect(&self.owner_options(&session), "pgbelay scratch").await {
                    Ok(session) => drop_database(&session, name, self.role).await,
                    Err(error) => Err(error),
                }
            }
        };
        dropped.map_err(|e| {
            Error::failed(format!("the scratch database {name} is still there"))
                .caused_by(e)
                .hint("the next run drops it, or by hand:")
                .hint(format!("DROP DATABASE {}", quote::ident(name)))
        })
    }

    /// How to connect to the database beside which it was made.
    fn owner_options(&self, session: &Session) -> ConnectOptions {
        ConnectOptions {
            database: session.database().to_owned(),
            ..self.maker.clone()
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let (Some(session), Ok(runtime)) = (self.session.take(), Handle::try_current()) else {
            return;
        };
        if runtime.runtime_flavor() != RuntimeFlavor::MultiThread {
            return;
        }
        // The run was interrupted or failed on its way: what is left is dropped before it ends.
        // If that takes too long, the next run does it.
        tokio::task::block_in_place(|| {
            let farewell = time::timeout(FAREWELL, drop_database(&session, &self.name, self.role));
            drop(runtime.block_on(farewell));
        });
    }
}

async fn owner(session: &Session) -> Result<Owner> {
    let sql = "SELECT pid, (pg_catalog.date_part('epoch', backend_start) * 1000000)::int8 \
               FROM pg_catalog.pg_stat_activity WHERE pid = pg_catalog.pg_backend_pid()";
    let row = session.client().query_one(sql, &[]).await;
    let row = row.pg("could not read what connection this is")?;
    Ok(Owner {
        pid: row.get(0),
        since: row.get(1),
    })
}

/// Drops the scratch databases of this very role whose run has died.
async fn remove_stale(session: &Session) -> Result<()> {
    let client = session.client();
    let sql = "SELECT d.datname::text FROM pg_catalog.pg_database d \
               JOIN pg_catalog.pg_roles r ON r.oid = d.datdba \
               WHERE r.rolname IN (current_user, d.datname) AND d.datname LIKE 'pgbelay\\_verify\\_%' \
               UNION SELECT rolname::text FROM pg_catalog.pg_roles \
               WHERE NOT rolsuper AND rolname LIKE 'pgbelay\\_verify\\_%'";
    let names = query::rows(client, "the databases", sql, &[]).await?;
    for row in &names {
        let name: String = row.get(0);
        let Some(owner) = Owner::of(&name) else {
            continue;
        };
        // Of another role's connection only the number can be seen: then it counts as alive.
        let sql = format!(
            "SELECT 1 FROM pg_catalog.pg_stat_activity WHERE pid = {} AND (backend_start IS NULL \
             OR (pg_catalog.date_part('epoch', backend_start) * 1000000)::int8 = {})",
            owner.pid, owner.since
        );
        if query::rows(client, "the connections", &sql, &[])
            .await?
            .is_empty()
        {
            let sql = format!("DROP DATABASE IF EXISTS {}", quote::ident(&name));
            // Somebody is connected to it, or another run was faster: no matter.
            drop(client.batch_execute(&sql).await);
            let sql = format!("DROP ROLE IF EXISTS {}", quote::ident(&name));
            drop(client.batch_execute(&sql).await);
        }
    }
    Ok(())
}

/// Ends connections first: DROP … WITH (FORCE) is not known before PostgreSQL 13.
async fn drop_database(session: &Session, name: &str, role: bool) -> Result<()> {
    let client = session.client();
    let end = format!(
        "SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity \
         WHERE datname = {}",
        quote::literal(name)
    );
    let drop = format!("DROP DATABASE IF EXISTS {}", quote::ident(name));
    // Those that are being ended may take a moment.
    let mut last = Ok(());
    for _ in 0..20 {
        client
            .batch_execute(&end)
            .await
            .pg("could not end the connections to the scratch database")?;
        last = client
            .batch_execute(&drop)
            .await
            .pg("could not drop the scratch database");
        match &last {
            Err(error) if sqlstate(error).as_deref() == Some("55006") => {
                time::sleep(Duration::from_millis(100)).await;
            }
            _ => break,
        }
    }
    last?;
    if role {
        let drop = format!("DROP ROLE IF EXISTS {}", quote::ident(name));
        let dropped = client.batch_execute(&drop).await;
        dropped.pg("could not drop the role of the scratch database")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_whose_they_are() {
        let owner = Owner {
            pid: 4711,
            since: 1_795_256_100_123_456,
        };
        let name = owner.name(7);
        assert_eq!(Owner::of(&name), Some(owner));
        assert!(name.len() <= 63, "{name}");
        for other in [
            "pgbelay_verify_",
            "pgbelay_verify_0000abcd",
            "pgbelay_verify_1_2",
            "pgbelay_verify_1_2_3",
            "pgbelay_verify_1_2_00000003_4",
            "pgbelay_verify_x_2_00000003",
            "shop",
        ] {
            assert_eq!(Owner::of(other), None, "{other}");
        }
    }
}
