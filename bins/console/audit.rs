//! The log for auditors: one JSON line for each command, in a file that only grows.

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
    /// Opens the log at `path` for a command line without secrets. A command that can't be written down must not
    /// run.
    pub fn open(path: &Path, command: Vec<String>, env: Option<String>) -> Result<Self> {
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
            command,
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
