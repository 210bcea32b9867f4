//! The log for auditors: one JSON line for each command, in a file that only grows.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::time::Instant;

use pgbelay_core::clock;
use pgbelay_core::error::{Context as _, Error, Result};
use serde_json::json;

use crate::environment::Environment;
use crate::text::instant;

/// A command under way, to be written down when it ends.
pub struct Audit {
    file: File,
    path: String,
    began: Instant,
    at: String,
    command: Vec<String>,
    env: Option<String>,
}

impl Audit {
    /// Opens the log at `path` for a command line. A command that can't be written down must not
    /// run.
    pub fn open(path: &Path, raw: &[OsString], env: Option<String>) -> Result<Self> {
        let shown = path.display().to_string();
        let file = OpenOptions::new().create(true).append(true).open(path);
        let file = file
            .context(format!("the audit log '{shown}' can't be written"))
            .map_err(|error| error.hint("nothing was done"))?;
        Ok(Self {
            file,
            path: shown,
            began: Instant::now(),
            at: instant(clock::now()),
            command: masked(raw),
            env,
        })
    }

    /// Writes the line.
    pub fn close(mut self, exit_code: u8, error: Option<&Error>) -> Result<()> {
        let line = json!({
            "schema": 1,
            "at": self.at,
            "by": Environment::actor(),
            "command": self.command,
            "env": self.env,
            "duration_ms": self.began.elapsed().as_millis() as u64,
            "exit_code": exit_code,
            "error": error.map(ToString::to_string),
        });
        let written = self.file.write_all(format!("{line}\n").as_bytes());
        written
            .and_then(|()| self.file.sync_data())
            .context(format!("the audit log '{}' can't be written", self.path))
    }
}

/// The command line without URLs: they may hold a password.
fn masked(raw: &[OsString]) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for (place, word) in raw.iter().enumerate() {
        let word = word.to_string_lossy();
        let word = if place == 0 {
            word.rsplit('/').next().unwrap_or_default().to_owned()
        } else {
            word.into_owned()
        };
        let is_value = words
            .last()
            .is_some_and(|w| w == "-d" || w == "--database-url");
        words.push(match word.split_once('=') {
            _ if is_value => "***".to_owned(),
            Some((flag @ ("--database-url" | "-d"), _)) => format!("{flag}=***"),
            _ if word.starts_with("-d") && word.len() > 2 => "-d***".to_owned(),
            _ if word.contains("://") => "***".to_owned(),
            _ => word,
        });
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_url_is_written_down() {
        let raw = "/x/migrate upgrade -d a --database-url b -dc -d=e --database-url=f --into p://u:s@h -m x";
        let raw: Vec<OsString> = raw.split(' ').map(OsString::from).collect();
        let expected = "migrate upgrade -d *** --database-url *** -d*** -d=*** --database-url=*** --into *** -m x";
        assert_eq!(masked(&raw).join(" "), expected);
    }
}
