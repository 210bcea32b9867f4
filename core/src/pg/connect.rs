//! Opening connections: host by host, with the TLS that `sslmode` asks for.

use std::error::Error as _;
use std::net::IpAddr;
use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig, RecyclingMethod};
use tokio::task::JoinHandle;
use tokio_postgres::config::{SslMode as DriverSsl, TargetSessionAttrs};
use tokio_postgres::{Client, Config};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::error::{Error, Result};

use super::error;
use super::options::{ConnectOptions, Host, SslMode};
use super::session::Session;
use super::tls;

/// Opens a dedicated connection.
pub async fn connect(options: &ConnectOptions, application_name: &str) -> Result<Session> {
    let tls = tls::connector(options)?;
    let (client, task, _, host) = open(options, application_name, &tls).await?;
    Session::new(client, task, tls, host).await
}

/// A pool of connections for short read-only queries. Never for a snapshot, a lock or a
/// migration: those need a connection of their own.
#[derive(Clone)]
pub struct Pool(deadpool_postgres::Pool);

impl Pool {
    /// A connection, in the state of a fresh one.
    pub async fn get(&self) -> Result<deadpool_postgres::Object> {
        self.0.get().await.map_err(|failure| match failure {
            deadpool_postgres::PoolError::Backend(error) => {
                error::failed("could not connect to PostgreSQL", &error)
            }
            _ => Error::failed("no pooled connection to PostgreSQL was had in time"),
        })
    }
}

/// A pool of at most `size` connections to the host that answers first.
pub async fn pool(options: &ConnectOptions, application_name: &str, size: usize) -> Result<Pool> {
    let tls = tls::connector(options)?;
    // The probe finds the host and the TLS that work, and fails with a helpful message.
    let (client, _, config, _) = open(options, application_name, &tls).await?;
    drop(client);
    let recycle = ManagerConfig {
        recycling_method: RecyclingMethod::Clean,
    };
    let pool = deadpool_postgres::Pool::builder(Manager::from_config(config, tls, recycle))
        .max_size(size.max(1))
        .runtime(deadpool_postgres::Runtime::Tokio1)
        .wait_timeout(Some(Duration::from_mins(1)))
        .create_timeout(Some(options.connect_timeout))
        .build()
        .map_err(|_| Error::failed("could not set up the pool of connections"))?;
    Ok(Pool(pool))
}

/// A client, the task that serves it, and the configuration and the host that worked.
type Opened = (Client, JoinHandle<()>, Config, Host);

/// Tries every host; with several, those that accept writes first.
async fn open(
    options: &ConnectOptions,
    application_name: &str,
    tls: &MakeRustlsConnect,
) -> Result<Opened> {
    let places = options.places();
    let rounds: &[TargetSessionAttrs] = if places.len() > 1 {
        &[TargetSessionAttrs::ReadWrite, TargetSessionAttrs::Any]
    } else {
        &[TargetSessionAttrs::Any]
    };
    let mut last = Error::usage("no host was named");
    for round in rounds {
        for place in &places {
            for host in addresses(place, options.connect_timeout).await {
                let mut config = config(options, &host, application_name);
                config.target_session_attrs(*round);
                match open_host(options, &host, config, tls).await {
                    Ok(opened) => {
                        options.settled.get_or_init(|| host);
                        return Ok(opened);
                    }
                    Err(error) => last = error,
                }
            }
        }
    }
    Err(last)
}

/// `place` at each address that its name has, so that it is known which one answered; as it is where
/// there is nothing to look up, or looking up fails: then the driver says why.
async fn addresses(place: &Host, patience: Duration) -> Vec<Host> {
    let known = place.address.is_some() || is_socket(place);
    if known || place.name.parse::<IpAddr>().is_ok() {
        return vec![place.clone()];
    }
    let looking = tokio::net::lookup_host((place.name.as_str(), place.port));
    let Ok(Ok(found)) = tokio::time::timeout(patience, looking).await else {
        return vec![place.clone()];
    };
    let mut hosts: Vec<Host> = Vec::new();
    for address in found.map(|found| found.ip()) {
        let host = Host {
            address: Some(address),
            ..place.clone()
        };
        if !hosts.contains(&host) {
            hosts.push(host);
        }
    }
    if hosts.is_empty() {
        hosts.push(place.clone());
    }
    hosts
}

/// Tries one host; where TLS is a mere preference, without it when it fails.
async fn open_host(
    options: &ConnectOptions,
    host: &Host,
    mut config: Config,
    tls: &MakeRustlsConnect,
) -> Result<Opened> {
    let optional = matches!(options.ssl_mode, SslMode::Allow | SslMode::Prefer);
    match open_once(options, host, &config, tls).await {
        Err(failure) if optional && !is_socket(host) && failure.may_be_tls => {
            config.ssl_mode(DriverSsl::Disable);
            // The first failure says more, unless the second is of another sort.
            open_once(options, host, &config, tls)
                .await
                .map_err(|second| {
                    if second.may_be_tls {
                        failure.error
                    } else {
                        second.error
                    }
                })
        }
        result => result.map_err(|failure| failure.error),
    }
    .map(|(client, task)| (client, task, config, host.clone()))
}

struct Failure {
    error: Error,
    /// Without TLS things might go better.
    may_be_tls: bool,
}

async fn open_once(
    options: &ConnectOptions,
    host: &Host,
    config: &Config,
    tls: &MakeRustlsConnect,
) -> Result<(Client, JoinHandle<()>), Failure> {
    let attempt = tokio::time::timeout(options.connect_timeout, config.connect(tls.clone()));
    match attempt.await {
        Ok(Ok((client, connection))) => {
            // Errors of the connection reach whoever waits for an answer; nothing is lost here.
            let task = tokio::spawn(async move {
                let _ = connection.await;
            });
            Ok((client, task))
        }
        Ok(Err(error)) => Err(Failure {
            may_be_tls: is_tls(&error) || error.code().is_some_and(|c| c.code() == "28000"),
            error: explain(options, host, &error),
        }),
        Err(_) => Err(Failure {
            may_be_tls: false,
            error: Error::failed(format!(
                "{} did not answer within {} s",
                place(host),
                options.connect_timeout.as_secs()
            ))
            .hint("is the host right, and is no firewall in between?"),
        }),
    }
}

pub(super) fn config(options: &ConnectOptions, host: &Host, application_name: &str) -> Config {
    let mut config = Config::new();
    config
        .host(&host.name)
        .port(host.port)
        .user(&options.user)
        .dbname(&options.database)
        .application_name(application_name)
        .connect_timeout(options.connect_timeout)
        .keepalives_idle(Duration::from_secs(30))
        .keepalives_interval(Duration::from_secs(10))
        .keepalives_retries(3)
        .ssl_mode(match options.ssl_mode {
            // PostgreSQL speaks no TLS over Unix sockets; libpq ignores the mode there too.
            _ if is_socket(host) => DriverSsl::Disable,
            SslMode::Disable => DriverSsl::Disable,
            SslMode::Allow | SslMode::Prefer => DriverSsl::Prefer,
            SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull => DriverSsl::Require,
        });
    if let Some(address) = host.address {
        config.hostaddr(address);
    }
    if let Some(password) = &options.password {
        config.password(password.reveal());
    }
    if let Some(options) = startup_options(options) {
        config.options(options);
    }
    config
}

/// `options` for the server, with the URL's `search_path`: set this way, it survives RESET.
fn startup_options(options: &ConnectOptions) -> Option<String> {
    let path = options.search_path.as_ref().map(|path| {
        let escaped = path.replace('\\', "\\\\").replace(' ', "\\ ");
        format!("-c search_path={escaped}")
    });
    match (&options.options, path) {
        (None, None) => None,
        (Some(given), None) => Some(given.clone()),
        (None, Some(path)) => Some(path),
        (Some(given), Some(path)) => Some(format!("{given} {path}")),
    }
}

pub(super) fn is_socket(host: &Host) -> bool {
    host.name.starts_with(['/', '@'])
}

pub(super) fn place(host: &Host) -> String {
    if is_socket(host) {
        format!("the server at {}/.s.PGSQL.{}", host.name, host.port)
    } else {
        format!("the server at {} port {}", host.name, host.port)
    }
}

fn is_tls(error: &tokio_postgres::Error) -> bool {
    // A server that refuses our certificate says so by an alert, after the handshake.
    let alert = || {
        error
            .source()
            .is_some_and(|cause| cause.to_string().contains("alert"))
    };
    error.to_string().contains("TLS") || alert()
}

pub(super) fn explain(
    options: &ConnectOptions,
    host: &Host,
    error: &tokio_postgres::Error,
) -> Error {
    let outer = error::unconnected(format!("could not connect to {}", place(host)), error);
    match error.code().map(tokio_postgres::error::SqlState::code) {
        Some("28P01") => outer.hint("check the user and the password (PGPASSWORD, ~/.pgpass)"),
        Some("28000") => {
            outer.hint("the server's pg_hba.conf decides who may connect from where, and how")
        }
        Some("3D000") => outer.hint(format!(
            "create it with: createdb {}; or name another database",
            options.database
        )),
        Some("53300") => outer.hint("the server has no connection left; try again later"),
        Some("08P01" | "42704" | "22023") if startup_options(options).is_some() => outer.hint(
            "poolers refuse search_path and options in a URL; connect to the server directly",
        ),
        // Whatever else the server says, it has said it already.
        Some(_) => outer,
        None if is_tls(error) => outer
            .hint("sslmode and sslrootcert decide how the server's certificate is checked")
            .hint("a checked certificate must be of X.509 version 3; for verify-full, its alternative names must include the host's"),
        None if error.to_string().contains("config") && options.password.is_none() => {
            outer.hint("the server asks for a password: set PGPASSWORD or write it to ~/.pgpass")
        }
        None => outer.hint("is the server running there, and are host and port right?"),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn a_search_path_is_one_word_of_the_startup_options() {
        let options = ConnectOptions {
            hosts: Vec::new(),
            settled: Arc::default(),
            user: String::new(),
            password: None,
            database: String::new(),
            ssl_mode: SslMode::Disable,
            ssl_root_cert: None,
            ssl_client: None,
            options: Some("-c geqo=off".to_owned()),
            search_path: Some("\"a b\", c".to_owned()),
            connect_timeout: Duration::from_secs(1),
        };
        assert_eq!(
            startup_options(&options).as_deref(),
            Some("-c geqo=off -c search_path=\"a\\ b\",\\ c")
        );
    }
}
