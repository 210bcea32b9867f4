//! Which database: what names one, which of them wins, and where two must not differ unnoticed.

use std::path::Path;

use pgbelay_core::error::{Error, Result};
use pgbelay_core::model::secret::Secret;
use pgbelay_core::pg::config as connection;
use pgbelay_core::pg::options::ConnectOptions;

use crate::args::Shared;
use crate::environment::Environment;
use crate::settings::config::{Config, Layer};
use crate::settings::postgres;

/// The database that was chosen.
#[derive(Debug, Clone)]
pub struct Choice {
    /// Its URL, when one was given; else libpq's variables say it.
    pub url: Option<Secret>,
    /// Where it was named, in words.
    pub source: String,
    /// What names a database too and must not name another one.
    rival: Option<Named>,
}

/// A URL, and where it stands.
#[derive(Debug, Clone)]
struct Named {
    url: Secret,
    source: String,
}

/// The tables and files that were chosen before.
pub struct Chosen<'a> {
    /// The config file.
    pub config: &'a Config,
    /// Where it is.
    pub file: Option<&'a Path>,
    /// The `[env.NAME]` table in use.
    pub env: Option<&'a str>,
    /// The layers of it that apply, strongest first.
    pub layers: &'a [&'a Layer],
}

/// A flag that names a database wins, then `--env` with a URL of its own, then `DATABASE_URL`, then
/// the config file, then libpq's variables.
pub fn choose(shared: &Shared, env: &Environment, chosen: &Chosen<'_>) -> Result<Choice> {
    let Chosen { config, layers, .. } = *chosen;
    if let Some(name) = &shared.database {
        let url = config.databases.get(name).cloned();
        let url =
            url.ok_or_else(|| super::resolve::unknown("databases", name, config.databases.keys()))?;
        return Ok(Choice::of(url, format!("--database {name}")));
    }
    if let Some(url) = &shared.database_url {
        return Ok(Choice::of(url.clone(), "--database-url".to_owned()));
    }
    let own = (chosen.env)
        .and_then(|name| config.envs.get(name))
        .and_then(|layer| layer.database_url.clone())
        .filter(|url| !blank(url));
    if let (Some(url), Some(name)) = (&own, &shared.env) {
        return Ok(Choice::of(url.clone(), format!("--env {name}")));
    }
    let table = || table(shared, env, chosen);
    if let Some(url) = env.get("DATABASE_URL") {
        let rival = own.map(|url| Named {
            url,
            source: table(),
        });
        return Ok(Choice {
            rival,
            ..Choice::of(Secret::new(url), env.source("DATABASE_URL"))
        });
    }
    if let Some(url) = own {
        return Ok(Choice::of(url, table()));
    }
    let base = layers.iter().find_map(|layer| layer.database_url.clone());
    if let Some(url) = base.filter(|url| !blank(url)) {
        let source = format!("database_url of {}", file(chosen));
        return Ok(Choice::of(url, source));
    }
    Ok(Choice {
        url: None,
        source: variables(env),
        rival: None,
    })
}

fn blank(url: &Secret) -> bool {
    url.reveal().trim().is_empty()
}

fn file(chosen: &Chosen<'_>) -> String {
    let file = chosen.file.unwrap_or(Path::new("pgbelay.toml"));
    file.display().to_string()
}

/// The table in use, and who chose it.
fn table(shared: &Shared, env: &Environment, chosen: &Chosen<'_>) -> String {
    let name = chosen.env.unwrap_or_default();
    let by = if shared.env.is_some() {
        format!("--env {name}")
    } else if env.get("PGBELAY_ENV").is_some() {
        env.source("PGBELAY_ENV")
    } else {
        "default_env".to_owned()
    };
    format!("[env.{name}] of {}, chosen by {by}", file(chosen))
}

/// Those of libpq's variables that choose a database.
fn variables(env: &Environment) -> String {
    let set: Vec<String> = ["PGSERVICE", "PGHOST", "PGPORT", "PGDATABASE"]
        .into_iter()
        .filter(|name| env.get(name).is_some())
        .map(|name| env.source(name))
        .collect();
    if set.is_empty() {
        return "nothing".to_owned();
    }
    set.join(", ")
}

impl Choice {
    /// The database at the `url` that `flag` names.
    pub fn by_flag(flag: &str, url: &Secret) -> Self {
        Self::of(url.clone(), flag.to_owned())
    }

    fn of(url: Secret, source: String) -> Self {
        Self {
            url: Some(url),
            source,
            rival: None,
        }
    }

    /// How to connect. Fails where an environment that nobody named on the command line has a URL of
    /// its own, and `DATABASE_URL` names another database.
    pub fn connect(&self, env: &Environment) -> Result<ConnectOptions> {
        let libpq = postgres::libpq(env);
        let options = connection::resolve(self.url.as_ref(), &libpq)?;
        let Some(rival) = &self.rival else {
            return Ok(options);
        };
        let other = connection::resolve(Some(&rival.url), &libpq)
            .map_err(|error| error.wrap(format!("the URL of {} can't be used", rival.source)))?;
        if (&other.hosts, &other.database) == (&options.hosts, &options.database) {
            return Ok(options);
        }
        Err(Error::usage(format!(
            "two databases are named: {} ({}) and {} ({})",
            place(&options),
            self.source,
            place(&other),
            rival.source
        ))
        .hint("nothing was done; say which: --env NAME or --database-url URL wins over both")
        .hint("or take one of them out of the environment, .env or the config file"))
    }
}

/// `shop at db.internal`.
fn place(options: &ConnectOptions) -> String {
    format!("{} at {}", options.database, options.place())
}
