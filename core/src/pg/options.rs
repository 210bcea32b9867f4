//! Where and how to connect, fully resolved.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::model::secret::Secret;

/// What libpq's `sslmode` means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SslMode {
    /// Never.
    Disable,
    /// If the server refuses plain connections. Treated as [`SslMode::Prefer`].
    Allow,
    /// If the server offers it, without checking its certificate.
    #[default]
    Prefer,
    /// Always; the certificate is checked only when a root certificate is given.
    Require,
    /// Always, and the certificate must chain to a trusted root.
    VerifyCa,
    /// Always, and the certificate must also name the host.
    VerifyFull,
}

/// One place to try: a host name, an address, or the folder of a Unix socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// Name, address, or an absolute path.
    pub name: String,
    /// Of the addresses that the name has, the one that answered; `None` until one did, and where
    /// the name is an address or a path.
    pub address: Option<IpAddr>,
    /// The port.
    pub port: u16,
}

/// A database to connect to.
#[derive(Debug, Clone)]
pub struct ConnectOptions {
    /// Places to try, in order.
    pub hosts: Vec<Host>,
    /// The one of them that answered first. All connections of a run lead to the same server, and so
    /// do those of the programs that it starts.
    pub settled: Arc<OnceLock<Host>>,
    /// The role.
    pub user: String,
    /// Its password.
    pub password: Option<Secret>,
    /// The database.
    pub database: String,
    /// `sslmode`.
    pub ssl_mode: SslMode,
    /// `sslrootcert`; `None` means the system's roots.
    pub ssl_root_cert: Option<PathBuf>,
    /// `sslcert` and `sslkey`.
    pub ssl_client: Option<(PathBuf, PathBuf)>,
    /// `options`: passed to the server at the start.
    pub options: Option<String>,
    /// `search_path` or other settings of the URL that only matter for running scripts.
    pub search_path: Option<String>,
    /// How long a connection attempt may take.
    pub connect_timeout: Duration,
}

impl ConnectOptions {
    /// As these, with no other place to try than `host`.
    #[must_use]
    pub fn at(&self, host: &Host) -> Self {
        Self {
            hosts: vec![host.clone()],
            settled: Arc::default(),
            ..self.clone()
        }
    }

    /// Where to connect: the place that answered, or all that are named while none did.
    pub fn places(&self) -> Vec<Host> {
        match self.settled.get() {
            Some(host) => vec![host.clone()],
            None => self.hosts.clone(),
        }
    }

    /// [`places`](Self::places) in words: `db.internal`, `a:5433,b`, `/tmp`.
    pub fn place(&self) -> String {
        let place = |host: &Host| match host.port {
            5432 => host.name.clone(),
            port => format!("{}:{port}", host.name),
        };
        let places: Vec<String> = self.places().iter().map(place).collect();
        places.join(",")
    }
}

/// The environment variables of libpq, read by the caller. Empty strings count as unset.
#[derive(Debug, Clone, Default)]
pub struct LibpqEnvironment {
    /// `PGHOST`.
    pub host: Option<String>,
    /// `PGPORT`.
    pub port: Option<String>,
    /// `PGUSER`.
    pub user: Option<String>,
    /// `PGPASSWORD`.
    pub password: Option<Secret>,
    /// `PGDATABASE`.
    pub database: Option<String>,
    /// `PGSSLMODE`.
    pub ssl_mode: Option<String>,
    /// `PGSSLROOTCERT`.
    pub ssl_root_cert: Option<String>,
    /// `PGPASSFILE`, else `~/.pgpass`.
    pub pass_file: Option<PathBuf>,
    /// `PGSERVICE`.
    pub service: Option<String>,
    /// `PGSERVICEFILE`, else `~/.pg_service.conf`.
    pub service_file: Option<PathBuf>,
    /// The name of the operating system's user: the default role.
    pub os_user: Option<String>,
}
