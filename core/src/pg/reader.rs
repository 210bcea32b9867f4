//! A connection that reads rows in bulk, of an instant that another one holds open.

use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::Instant;
use tokio_postgres::config::SslMode as DriverSsl;
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{Client, SimpleQueryMessage};

use crate::error::{Error, Result};
use crate::ident::TableName;
use crate::pg::connect;
use crate::pg::error::{self, PgContext as _};
use crate::pg::options::{ConnectOptions, Host, SslMode};
use crate::pg::retry;
use crate::pg::session::{self, UNHURRIED};
use crate::pg::snapshot::{self, ExportedSnapshot};
use crate::pg::tap::{RowSink, Tap, TapTls, Valve};
use crate::pg::tls;
use crate::pg::transaction;
use crate::sql::quote;

/// How long to wait before locks are asked for again.
const LOCK_PAUSE: Duration = Duration::from_millis(5);

/// A connection whose rows go to sinks of type `K`.
pub struct Reader<K> {
    client: Client,
    valve: Valve<K>,
}

impl<K: RowSink + 'static> Reader<K> {
    /// Connects to the place of `options` that answered, else to the first.
    pub async fn connect(options: &ConnectOptions, application_name: &str) -> Result<Self> {
        let host = options.places().into_iter().next();
        let host = &host.ok_or_else(|| Error::usage("no host was named"))?;
        let attempt = tokio::time::timeout(
            options.connect_timeout.saturating_mul(2),
            Self::open(options, host, application_name),
        );
        let late = |_| Error::failed(format!("{} did not answer in time", connect::place(host)));
        attempt.await.map_err(late)?
    }

    /// Where TLS is a mere preference, without it when it fails.
    async fn open(options: &ConnectOptions, host: &Host, name: &str) -> Result<Self> {
        let optional = matches!(options.ssl_mode, SslMode::Allow | SslMode::Prefer);
        let mut config = connect::config(options, host, name);
        let outcome = Self::once(options, host, &config).await;
        if outcome.is_ok() || !optional || connect::is_socket(host) {
            return outcome;
        }
        config.ssl_mode(DriverSsl::Disable);
        Self::once(options, host, &config).await.or(outcome)
    }

    async fn once(
        options: &ConnectOptions,
        host: &Host,
        config: &tokio_postgres::Config,
    ) -> Result<Self> {
        let refused = |e: std::io::Error| {
            Error::failed(format!("could not connect to {}", connect::place(host))).caused_by(e)
        };
        if connect::is_socket(host) {
            let path = format!("{}/.s.PGSQL.{}", host.name, host.port);
            let socket = UnixStream::connect(path).await.map_err(refused)?;
            return Self::over(options, host, config, socket).await;
        }
        let socket = match host.address {
            Some(address) => TcpStream::connect((address, host.port)).await,
            None => TcpStream::connect((host.name.as_str(), host.port)).await,
        };
        let socket = socket.map_err(refused)?;
        socket.set_nodelay(true).map_err(refused)?;
        let alive = TcpKeepalive::new()
            .with_time(Duration::from_secs(30))
            .with_interval(Duration::from_secs(10))
            .with_retries(3);
        let set = SockRef::from(&socket).set_tcp_keepalive(&alive);
        set.map_err(refused)?;
        Self::over(options, host, config, socket).await
    }

    async fn over<S>(
        options: &ConnectOptions,
        host: &Host,
        config: &tokio_postgres::Config,
        socket: S,
    ) -> Result<Self>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let valve = Valve::default();
        let mut tls = tls::connector(options)?;
        let tls = MakeTlsConnect::<S>::make_tls_connect(&mut tls, &host.name)
            .map_err(|e| Error::failed("could not set up TLS").caused_by(e.to_string()))?;
        let asks = config.get_ssl_mode() != DriverSsl::Disable;
        let tap = Tap::new(socket, valve.clone(), asks);
        let opened = config
            .connect_raw(tap, TapTls::new(tls, valve.clone()))
            .await;
        let (client, connection) = opened.map_err(|e| connect::explain(options, host, &e))?;
        // Errors of the connection reach whoever waits for an answer; nothing is lost here.
        tokio::spawn(async move {
            let _ = connection.await;
        });
        Ok(Self { client, valve })
    }

    /// Begins to read the instant `exported`, which must belong to the server `instance`, with all
    /// of `tables` locked. Whoever holds the instant has them locked already, so a wait could be
    /// for somebody who waits for that one, which no server would notice: locks are had at once,
    /// or asked for again, for `patience`.
    pub async fn follow(
        &self,
        exported: &ExportedSnapshot,
        instance: &str,
        tables: &[TableName],
        patience: Duration,
    ) -> Result<()> {
        if snapshot::instance(&self.client).await? != instance {
            return Err(Error::failed("connections lead to different servers").hint(
                "a snapshot belongs to one server: name that server itself, not a proxy that \
                     shares connections out",
            ));
        }
        let began = Instant::now();
        loop {
            match self.share(exported, tables).await {
                Err(error) if retry::is_lock(&error) && began.elapsed() < patience => {
                    transaction::abandon(&self.client).await;
                    tokio::time::sleep(LOCK_PAUSE).await;
                }
                outcome => return outcome,
            }
        }
    }

    async fn share(&self, exported: &ExportedSnapshot, tables: &[TableName]) -> Result<()> {
        let begin = format!(
            "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET TRANSACTION SNAPSHOT {}; \
             {UNHURRIED}",
            quote::literal(&exported.id)
        );
        self.client
            .batch_execute(&begin)
            .await
            .pg("could not share the instant that is read")?;
        session::pin_values(&self.client).await?;
        for some in tables.chunks(200) {
            let names: Vec<String> = some
                .iter()
                .map(|t| format!("ONLY {}", quote::table(t)))
                .collect();
            let names = names.join(", ");
            let lock = format!("LOCK TABLE {names} IN ACCESS SHARE MODE NOWAIT");
            self.client
                .batch_execute(&lock)
                .await
                .pg("could not lock tables for reading")?;
        }
        Ok(())
    }

    /// Gives the rows of `source`, a table with its columns or a query in brackets, to `sink`.
    /// Returns it with the number of rows that the server says it sent.
    pub async fn copy(&self, source: &str, sink: K) -> Result<(K, u64)> {
        self.valve.open(sink);
        let sql = format!("COPY {source} TO STDOUT");
        let outcome = self.client.simple_query(&sql).await;
        let (sink, failure) = self.valve.close();
        if let Some(failure) = failure {
            return Err(failure);
        }
        let messages = outcome.map_err(|e| error::failed("could not read rows", &e))?;
        let sent = messages.iter().find_map(|message| match message {
            SimpleQueryMessage::CommandComplete(rows) => Some(*rows),
            _ => None,
        });
        sink.zip(sent)
            .ok_or_else(|| Error::failed("reading rows did not end as it should"))
    }

    /// The driver's client.
    pub const fn client(&self) -> &Client {
        &self.client
    }

    /// Ends reading.
    pub async fn end(&self) -> Result<()> {
        snapshot::end(&self.client).await
    }
}
