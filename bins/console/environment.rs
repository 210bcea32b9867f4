//! The environment, read once: variables, the `.env` file of the working folder, home folders.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::time::Duration;

use pgbelay_core::error::{Error, Result};

use crate::args::value;

/// What the process was started with.
#[derive(Default)]
pub struct Environment {
    variables: HashMap<String, String>,
    file: HashMap<String, String>,
    complaint: Option<String>,
    folder: PathBuf,
}

impl Environment {
    /// The environment of this process.
    pub fn read() -> Self {
        let lossy = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
        let variables = std::env::vars_os().map(|(name, value)| (lossy(name), lossy(value)));
        Self::of(variables, PathBuf::new())
    }

    /// An environment with these variables, started in `folder`.
    pub fn of(variables: impl IntoIterator<Item = (String, String)>, folder: PathBuf) -> Self {
        let mut environment = Self {
            variables: variables.into_iter().collect(),
            folder,
            ..Self::default()
        };
        if let Err(complaint) = environment.read_file() {
            environment.complaint = Some(complaint);
        }
        environment
    }

    /// Reads `.env`. What the parser says of a bad line would quote it, and it may be a secret.
    fn read_file(&mut self) -> Result<(), String> {
        let entries = match dotenvy::from_path_iter(self.folder.join(".env")) {
            Ok(entries) => entries,
            Err(e) if e.not_found() => return Ok(()),
            Err(_) => return Err("the .env file can't be read".to_owned()),
        };
        let mut last = None;
        for entry in entries {
            let (name, value) = entry.map_err(|_| match &last {
                Some(name) => format!("the .env file has a malformed line after {name}"),
                None => "the .env file has a malformed line before any variable".to_owned(),
            })?;
            last = Some(name.clone());
            self.file.insert(name, value);
        }
        Ok(())
    }

    /// Fails when the `.env` file is malformed.
    pub fn check(&self) -> Result<()> {
        match &self.complaint {
            Some(complaint) => Err(Error::usage(complaint)
                .hint("write NAME=value, one on each line; quote values with spaces")),
            None => Ok(()),
        }
    }

    /// The folder the process was started in; empty for the current one.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A variable, from the real environment or else from `.env`. Empty counts as unset.
    pub fn get(&self, name: &str) -> Option<&str> {
        let value = self.variables.get(name).or_else(|| self.file.get(name));
        value.map(String::as_str).filter(|value| !value.is_empty())
    }

    /// True when what [`get`](Self::get) says of `name` stands in `.env`.
    pub fn is_from_file(&self, name: &str) -> bool {
        !self.variables.contains_key(name) && self.get(name).is_some()
    }

    /// Where the value of `name` stands: `NAME`, or `NAME in .env`.
    pub fn source(&self, name: &str) -> String {
        if self.is_from_file(name) {
            format!("{name} in .env")
        } else {
            name.to_owned()
        }
    }

    /// All variables whose names begin with `beginning`, with their values.
    pub fn beginning_with(&self, beginning: &str) -> Vec<(String, String)> {
        let names = self.variables.keys().chain(self.file.keys());
        let names: BTreeSet<&String> = names.filter(|n| n.starts_with(beginning)).collect();
        let pairs = names.into_iter();
        pairs
            .filter_map(|name| Some((name.clone(), self.get(name)?.to_owned())))
            .collect()
    }

    /// A variable that holds a path.
    pub fn path(&self, name: &str) -> Option<PathBuf> {
        self.get(name).map(PathBuf::from)
    }

    /// A variable that holds a duration.
    pub fn duration(&self, name: &str) -> Result<Option<Duration>> {
        self.parse(name, value::duration)
    }

    /// A variable read by `parse`.
    pub fn parse<T>(
        &self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<Option<T>> {
        let parsed = self.get(name).map(parse).transpose();
        parsed.map_err(|e| Error::usage(format!("{name} can't be used: {e}")))
    }

    /// True when a switch is set to `true`, `1`, `yes` or `on`.
    pub fn is_on(&self, name: &str) -> bool {
        let on = |value: &str| ["true", "1", "yes", "on"].contains(&value.to_lowercase().as_str());
        self.get(name).is_some_and(on)
    }

    /// The user's home folder.
    pub fn home(&self) -> Option<PathBuf> {
        self.path("HOME")
    }

    /// The folder of the user's own keys: `$XDG_CONFIG_HOME/pgbelay`, else `~/.config/pgbelay`.
    pub fn config_folder(&self) -> Option<PathBuf> {
        let absolute = |path: &PathBuf| path.is_absolute();
        let base = self.path("XDG_CONFIG_HOME").filter(absolute);
        let base = base.or_else(|| Some(self.home()?.join(".config")));
        Some(base?.join("pgbelay"))
    }

    /// The folder of what this machine remembers for the user: `$XDG_STATE_HOME/pgbelay`, else
    /// `~/.local/state/pgbelay`. A `.env` file has no say: what lies there is believed.
    pub fn state_folder(&self) -> Option<PathBuf> {
        let absolute = |name: &str| {
            let path = self.variables.get(name).map(PathBuf::from);
            path.filter(|path| path.is_absolute())
        };
        let base = absolute("XDG_STATE_HOME");
        let base = base.or_else(|| Some(absolute("HOME")?.join(".local/state")));
        Some(base?.join("pgbelay"))
    }

    /// Who runs this and from where: `user@host`.
    pub fn actor() -> String {
        let unknown = |_| "unknown".to_owned();
        let user = whoami::username().unwrap_or_else(unknown);
        let host = whoami::hostname().unwrap_or_else(unknown);
        format!("{user}@{host}")
    }
}
