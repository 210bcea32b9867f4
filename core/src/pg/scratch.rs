//! A database that exists for the length of one check.

use crate::error::{Error, Result};
use crate::pg::connect;
use crate::pg::error::PgContext as _;
use crate::pg::options::ConnectOptions;
use crate::pg::session::Session;
use crate::sql::quote;

/// A new, empty database. It is dropped by [`Scratch::remove`]; when that isn't reached, an
/// attempt is made in passing.
pub struct Scratch {
    options: ConnectOptions,
    name: String,
    session: Option<Session>,
}

impl Scratch {
    /// Makes one on the server of `options`, with the encoding and the collation given.
    pub async fn create(options: &ConnectOptions, encoding: &str, collation: &str) -> Result<Self> {
        let session = connect::connect(options, "pgbelay scratch").await?;
        let name = format!("pgbelay_verify_{:08x}", rand::random::<u32>());
        let sql = format!(
            "CREATE DATABASE {} TEMPLATE template0 ENCODING {} LC_COLLATE {}",
            quote::ident(&name),
            quote::literal(encoding),
            quote::literal(collation)
        );
        session
            .client()
            .batch_execute(&sql)
            .await
            .pg("could not make a scratch database")
            .map_err(|e| e.hint("the role needs CREATEDB"))?;
        Ok(Self {
            options: ConnectOptions {
                database: name.clone(),
                ..options.clone()
            },
            name,
            session: Some(session),
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
        drop_database(&session, &self.name).await.map_err(|e| {
            let name = &self.name;
            Error::failed(format!("the scratch database {name} is still there"))
                .caused_by(e)
                .hint(format!(
                    "drop it by hand: DROP DATABASE {}",
                    quote::ident(name)
                ))
        })
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let runtime = tokio::runtime::Handle::try_current();
        if let (Some(session), Ok(runtime)) = (self.session.take(), runtime) {
            let name = self.name.clone();
            runtime.spawn(async move { drop_database(&session, &name).await });
        }
    }
}

/// Ends connections first: DROP … WITH (FORCE) is not known before PostgreSQL 13.
async fn drop_database(session: &Session, name: &str) -> Result<()> {
    let client = session.client();
    let end = format!(
        "SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity \
         WHERE datname = {}",
        quote::literal(name)
    );
    client
        .batch_execute(&end)
        .await
        .pg("could not end the connections to the scratch database")?;
    client
        .batch_execute(&format!("DROP DATABASE IF EXISTS {}", quote::ident(name)))
        .await
        .pg("could not drop the scratch database")
}
