//! The config file: read by hand, so that a complaint names the key and never shows a value.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use pgbelay_core::error::{Error, Result};
use pgbelay_core::model::backup::Compression;
use pgbelay_core::model::layout::Layout;
use pgbelay_core::model::secret::Secret;
use toml::{Table, Value};

use crate::args::value;

/// When a database counts as production.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Production {
    /// Always, or never.
    Is(bool),
    /// When its name matches one of these patterns (`*` stands for anything).
    Named(Vec<String>),
}

/// The settings of the top level or of one `[env.NAME]` table.
#[derive(Debug, Default)]
pub struct Layer {
    pub database_url: Option<Secret>,
    pub migrations: Option<PathBuf>,
    pub layout: Option<Layout>,
    pub seeds: Option<PathBuf>,
    pub audit: Option<PathBuf>,
    pub backups: Option<String>,
    pub recipients: Option<Vec<String>>,
    pub recipients_file: Option<PathBuf>,
    pub identities: Option<Vec<PathBuf>>,
    pub signing_key: Option<PathBuf>,
    pub allowed_signers: Option<PathBuf>,
    pub lock_timeout: Option<Duration>,
    pub statement_timeout: Option<Duration>,
    pub wait: Option<Duration>,
    pub proof_time: Option<Duration>,
    pub proof_bytes: Option<u64>,
    pub compression: Option<Compression>,
    pub production: Option<Production>,
}

/// A config file.
#[derive(Debug, Default)]
pub struct Config {
    pub base: Layer,
    pub default_env: Option<String>,
    pub envs: BTreeMap<String, Layer>,
    pub databases: BTreeMap<String, Secret>,
}

impl Config {
    /// Reads the file at `path`. Relative paths in it start from its folder.
    pub fn read(path: &Path, home: Option<&Path>) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|e| {
            Error::usage(format!("the config file {} can't be read", path.display())).caused_by(e)
        })?;
        let folder = path.parent().unwrap_or(Path::new(""));
        Self::parse(&text, &Place { folder, home })
            .map_err(|e| e.wrap(format!("the config file {} can't be used", path.display())))
    }

    fn parse(text: &str, place: &Place<'_>) -> Result<Self> {
        let root: Table = text.parse().map_err(|e: toml::de::Error| {
            let before = e.span().map_or(0, |span| span.start.min(text.len()));
            let line = text[..text.floor_char_boundary(before)]
                .matches('\n')
                .count()
                + 1;
            Error::usage(format!("line {line} is not TOML"))
        })?;
        let mut config = Self::default();
        for (key, item) in &root {
            match key.as_str() {
                "default_env" => config.default_env = Some(string(key, item)?),
                "env" => {
                    for (name, item) in table(key, item)? {
                        let layer = place.layer(&format!("env.{name}"), item)?;
                        config.envs.insert(name.clone(), layer);
                    }
                }
                "databases" => {
                    for (name, item) in table(key, item)? {
                        let path = format!("databases.{name}");
                        config
                            .databases
                            .insert(name.clone(), url_table(&path, item)?);
                    }
                }
                _ => place.set(&mut config.base, key, key, item)?,
            }
        }
        Ok(config)
    }
}

/// Where paths in a config file start.
struct Place<'a> {
    folder: &'a Path,
    home: Option<&'a Path>,
}

impl Place<'_> {
    fn layer(&self, path: &str, item: &Value) -> Result<Layer> {
        let mut layer = Layer::default();
        for (key, item) in table(path, item)? {
            self.set(&mut layer, key, &format!("{path}.{key}"), item)?;
        }
        Ok(layer)
    }

    /// Sets `key`; `path` is how a complaint calls it.
    fn set(&self, layer: &mut Layer, key: &str, path: &str, item: &Value) -> Result<()> {
        match key {
            "database_url" => layer.database_url = Some(Secret::new(string(path, item)?)),
            "migrations" => layer.migrations = Some(self.path(&string(path, item)?)),
            "seeds" => layer.seeds = Some(self.path(&string(path, item)?)),
            "audit" => layer.audit = Some(self.path(&string(path, item)?)),
            "layout" => layer.layout = Some(parsed(path, item, value::layout)?),
            "backups" => layer.backups = Some(self.location(string(path, item)?)),
            "recipients" => layer.recipients = Some(strings(path, item)?),
            "recipients_file" => layer.recipients_file = Some(self.path(&string(path, item)?)),
            "identities" => {
                let files = strings(path, item)?;
                layer.identities = Some(files.iter().map(|file| self.path(file)).collect());
            }
            "signing_key" => layer.signing_key = Some(self.path(&string(path, item)?)),
            "allowed_signers" => layer.allowed_signers = Some(self.path(&string(path, item)?)),
            "lock_timeout" => layer.lock_timeout = Some(parsed(path, item, value::duration)?),
            "statement_timeout" => {
                layer.statement_timeout = Some(parsed(path, item, value::duration)?);
            }
            "wait" => layer.wait = Some(parsed(path, item, value::duration)?),
            "proof_time" => layer.proof_time = Some(parsed(path, item, value::duration)?),
            "proof_bytes" => layer.proof_bytes = Some(parsed(path, item, value::bytes)?),
            "compression" => layer.compression = Some(parsed(path, item, value::compression)?),
            "production" => {
                layer.production = Some(match item {
                    Value::Boolean(is) => Production::Is(*is),
                    _ => Production::Named(strings(path, item)?),
                });
            }
            _ => {
                return Err(Error::usage(format!("unknown key '{path}'"))
                    .hint("the keys are listed in the README, under configuration"));
            }
        }
        Ok(())
    }

    fn path(&self, text: &str) -> PathBuf {
        match (text.strip_prefix("~/"), self.home) {
            (Some(rest), Some(home)) => home.join(rest),
            _ => self.folder.join(text),
        }
    }

    fn location(&self, text: String) -> String {
        if text.contains("://") {
            text
        } else {
            self.path(&text).to_string_lossy().into_owned()
        }
    }
}

fn wrong(path: &str, wanted: &str) -> Error {
    Error::usage(format!("'{path}' is not {wanted}"))
}

fn table<'a>(path: &str, item: &'a Value) -> Result<&'a Table> {
    item.as_table().ok_or_else(|| wrong(path, "a table"))
}

fn string(path: &str, item: &Value) -> Result<String> {
    let text = item.as_str().ok_or_else(|| wrong(path, "a string"))?;
    Ok(text.to_owned())
}

fn strings(path: &str, item: &Value) -> Result<Vec<String>> {
    let bad = || wrong(path, "a list of strings");
    let items = item.as_array().ok_or_else(bad)?.iter();
    items
        .map(|item| Ok(item.as_str().ok_or_else(bad)?.to_owned()))
        .collect()
}

fn parsed<T>(path: &str, item: &Value, parse: fn(&str) -> Result<T, String>) -> Result<T> {
    let text = match item {
        Value::Integer(0) => "0".to_owned(),
        _ => string(path, item)?,
    };
    parse(&text).map_err(|e| Error::usage(format!("'{path}' can't be used: {e}")))
}

fn url_table(path: &str, item: &Value) -> Result<Secret> {
    let table = table(path, item)?;
    if let Some(key) = table.keys().find(|key| *key != "url") {
        return Err(Error::usage(format!("unknown key '{path}.{key}'"))
            .hint("a table of [databases] has one key, url"));
    }
    let url = table
        .get("url")
        .ok_or_else(|| wrong(path, "a table with the key url"))?;
    Ok(Secret::new(string(&format!("{path}.url"), url)?))
}

#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;
