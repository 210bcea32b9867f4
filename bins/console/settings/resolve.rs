//! From flags, environment and config file to settings, and from those to a context.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use pgbelay_core::error::{Error, Result};
use pgbelay_core::model::ask::Nobody;
use pgbelay_core::model::backup::Compression;
use pgbelay_core::model::event::Observer;
use pgbelay_core::model::layout::Layout;
use pgbelay_core::model::location::Location;
use pgbelay_core::model::proof::Bounds;
use pgbelay_core::ops::context::{Context, Folders, Named, Signers, Vouching};
use pgbelay_core::pg::options::{ConnectOptions, SslMode};

use crate::args::{Shared, value};
use crate::environment::Environment;
use crate::settings::config::{Config, Layer, Production};
use crate::settings::database::{self, Choice, Chosen};
use crate::settings::{keys, postgres};

/// Everything that flags, environment and config file say. The database is not yet looked at.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The database, and what names it.
    pub database: Choice,
    /// The folder of migrations.
    pub migrations: PathBuf,
    /// How that folder is laid out; `None`: found by looking.
    pub layout: Option<Layout>,
    /// The folder of seeds.
    pub seeds: PathBuf,
    /// Where backups live.
    pub backups: Location,
    /// age recipients; may be empty.
    pub recipients: Vec<String>,
    /// Where they are named.
    pub named: Named,
    /// Files with age identities.
    pub identities: Vec<PathBuf>,
    /// The file with the key that signs new backups.
    pub signing_key: Option<PathBuf>,
    /// Whose signatures vouch for backups.
    pub signers: Option<Signers>,
    /// How new backups are compressed.
    pub compression: Compression,
    /// How long one attempt to get table locks may take.
    pub lock_timeout: Duration,
    /// A bound on each statement of a script.
    pub statement_timeout: Option<Duration>,
    /// How long to wait for the migration lock.
    pub wait: Duration,
    /// How much an undo may take that is tried.
    pub proof: Bounds,
    /// Show each statement sent.
    pub echo_sql: bool,
    /// The names of the databases of the config file.
    pub databases: Vec<String>,
    /// The log for auditors.
    pub audit: Option<PathBuf>,
    /// The table of the config file in use.
    pub env: Option<String>,
    /// The folder in which this machine remembers the digests of backups.
    pub memory: Option<PathBuf>,
    production: Vec<Production>,
}

impl Settings {
    /// Resolves all settings: flag, environment, `.env`, config file, default.
    pub fn resolve(shared: &Shared, environment: &Environment) -> Result<Self> {
        environment.check()?;
        let file = config_file(shared, environment);
        let config = match &file {
            Some(path) => Config::read(path, environment.home().as_deref())?,
            None => Config::default(),
        };
        let env = env_name(shared, environment, &config);
        let layers = layers(&config, env.as_deref())?;
        let chosen = Chosen {
            config: &config,
            file: file.as_deref(),
            env: env.as_deref(),
            layers: &layers,
        };
        let production_env = matches!(env.as_deref(), Some("production" | "prod"));
        let marked = layers.iter().filter_map(|layer| layer.production.clone());
        let from = |pick: fn(&Layer) -> Option<Duration>| layers.iter().find_map(|l| pick(l));
        let lock_timeout = shared
            .lock_timeout
            .or(environment.duration("PGBELAY_LOCK_TIMEOUT")?);
        let statement_timeout =
            (shared.statement_timeout).or(environment.duration("PGBELAY_STATEMENT_TIMEOUT")?);
        let wait = shared.wait.or(environment.duration("PGBELAY_WAIT")?);
        let (recipients, named) = keys::recipients(shared, environment, &layers, file.as_deref())?;
        let settings = Self {
            database: database::choose(shared, environment, &chosen)?,
            migrations: (shared.migrations.clone())
                .or_else(|| environment.path("PGBELAY_MIGRATIONS"))
                .or_else(|| layers.iter().find_map(|layer| layer.migrations.clone()))
                .unwrap_or_else(|| "migrations".into()),
            layout: (shared.layout).or_else(|| layers.iter().find_map(|layer| layer.layout)),
            seeds: (environment.path("PGBELAY_SEEDS"))
                .or_else(|| layers.iter().find_map(|layer| layer.seeds.clone()))
                .unwrap_or_else(|| "seeds".into()),
            backups: Location {
                place: (shared.backups.clone())
                    .or_else(|| environment.get("PGBELAY_BACKUPS").map(str::to_owned))
                    .or_else(|| layers.iter().find_map(|layer| layer.backups.clone()))
                    .unwrap_or_else(|| "backups".into()),
                variables: environment.beginning_with("AWS_"),
            },
            recipients,
            named,
            identities: keys::identities(shared, environment, &layers),
            signing_key: keys::signing_key(shared, environment, &layers),
            signers: keys::allowed_signers(shared, environment, &layers, file.as_deref()),
            compression: (environment.parse("PGBELAY_COMPRESSION", value::compression)?)
                .or_else(|| layers.iter().find_map(|layer| layer.compression))
                .unwrap_or(Compression::Zstd(1)),
            lock_timeout: lock_timeout
                .or_else(|| from(|layer| layer.lock_timeout))
                .unwrap_or(Duration::from_secs(5)),
            statement_timeout: statement_timeout
                .or_else(|| from(|layer| layer.statement_timeout))
                .filter(|timeout| !timeout.is_zero()),
            wait: (wait.or_else(|| from(|layer| layer.wait))).unwrap_or(Duration::from_mins(1)),
            proof: Bounds {
                time: from(|layer| layer.proof_time).unwrap_or(Bounds::default().time),
                bytes: (layers.iter().find_map(|layer| layer.proof_bytes))
                    .unwrap_or(Bounds::default().bytes),
            },
            echo_sql: shared.echo_sql || environment.is_on("SQL_ECHO"),
            databases: config.databases.keys().cloned().collect(),
            audit: (environment.path("PGBELAY_AUDIT"))
                .or_else(|| layers.iter().find_map(|layer| layer.audit.clone())),
            env: env.clone(),
            memory: environment.state_folder().map(|f| f.join("backups")),
            production: (marked.chain([Production::Is(production_env)])).collect(),
        };
        if settings.lock_timeout.is_zero() {
            return Err(Error::usage("the lock timeout can't be 0")
                .hint("whoever waits for a table lock without end blocks everybody behind"));
        }
        Ok(settings)
    }

    /// The surroundings of an operation on the database.
    pub fn context(self, env: &Environment, observer: Arc<dyn Observer>) -> Result<Context> {
        let database = self.database.connect(env)?;
        let production = self.is_production(&database.database);
        let mut context = self.into_context(database, observer);
        context.production = production;
        context.pg_bin = postgres::programs(env);
        Ok(context)
    }

    /// The surroundings of an operation that needs no database. Its database has no hosts.
    pub fn offline(self, observer: Arc<dyn Observer>) -> Context {
        let nowhere = ConnectOptions {
            hosts: Vec::new(),
            settled: Arc::default(),
            user: String::new(),
            password: None,
            database: String::new(),
            ssl_mode: SslMode::default(),
            ssl_root_cert: None,
            ssl_client: None,
            options: None,
            search_path: None,
            connect_timeout: Duration::from_secs(10),
        };
        self.into_context(nowhere, observer)
    }

    fn into_context(self, database: ConnectOptions, observer: Arc<dyn Observer>) -> Context {
        Context {
            database,
            migrations: self.migrations,
            layout: self.layout,
            found_layout: std::sync::OnceLock::new(),
            seeds: self.seeds,
            backups: self.backups,
            recipients: self.recipients,
            named: self.named,
            signing_key: self.signing_key,
            identities: self.identities,
            compression: self.compression,
            lock_timeout: self.lock_timeout,
            statement_timeout: self.statement_timeout,
            wait: self.wait,
            proof: self.proof,
            vouching: Vouching {
                memory: self.memory,
                signers: self.signers,
                ..Vouching::default()
            },
            actor: Environment::actor(),
            production: false,
            pg_bin: Folders::new(Vec::new),
            ask: Arc::new(Nobody),
            observer,
            echo_sql: self.echo_sql,
        }
    }

    /// True when any source says that the database called `name` is production.
    fn is_production(&self, name: &str) -> bool {
        self.production.iter().any(|production| match production {
            Production::Is(is) => *is,
            Production::Named(patterns) => patterns.iter().any(|p| matches_pattern(p, name)),
        })
    }
}

fn config_file(shared: &Shared, environment: &Environment) -> Option<PathBuf> {
    let named = shared
        .config
        .clone()
        .or_else(|| environment.path("PGBELAY_CONFIG"));
    let usual = environment.folder().join("pgbelay.toml");
    named.or_else(|| usual.exists().then_some(usual))
}

fn env_name(shared: &Shared, environment: &Environment, config: &Config) -> Option<String> {
    (shared.env.clone())
        .or_else(|| environment.get("PGBELAY_ENV").map(str::to_owned))
        .or_else(|| config.default_env.clone())
}

/// The layers of the config file that apply, strongest first.
fn layers<'a>(config: &'a Config, env: Option<&str>) -> Result<Vec<&'a Layer>> {
    let Some(name) = env else {
        return Ok(vec![&config.base]);
    };
    match config.envs.get(name) {
        Some(layer) => Ok(vec![layer, &config.base]),
        // The name alone says something: be careful.
        None if matches!(name, "production" | "prod") => Ok(vec![&config.base]),
        None => Err(unknown("env", name, config.envs.keys())),
    }
}

/// The complaint about a table that isn't there.
pub(super) fn unknown<'a>(
    table: &str,
    name: &str,
    known: impl Iterator<Item = &'a String>,
) -> Error {
    let known: Vec<&str> = known.map(String::as_str).collect();
    let error = Error::usage(format!("the config file has no table [{table}.{name}]"));
    if known.is_empty() {
        error.hint(format!(
            "there is no table of [{table}] at all, or no config file"
        ))
    } else {
        error.hint(format!("it has: {}", known.join(", ")))
    }
}

/// True when `name` matches `pattern`, where `*` stands for anything.
fn matches_pattern(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((head, tail)) => name.strip_prefix(head).is_some_and(|rest| {
            let mut starts = (0..=rest.len()).filter(|i| rest.is_char_boundary(*i));
            starts.any(|i| matches_pattern(tail, &rest[i..]))
        }),
    }
}

#[cfg(test)]
#[path = "resolve_tests.rs"]
mod tests;
