//! Flags of commands that can write what they found for CI.

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use pgbelay_core::error::{Error, Result};

use crate::paint::Paint;
use crate::report::notes::Notes;
use crate::report::{github, junit, lines, sarif};
use crate::shell::Shell;
use crate::target::Target;

/// How it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Human,
    /// For machines.
    Json,
    /// For code scanning (SARIF 2.1.0): beside the lines.
    Sarif,
    /// For GitHub Actions (workflow commands): beside the lines.
    Github,
    /// For CI systems (XML of the `JUnit` kind): a test for each migration.
    Junit,
}

/// The flags.
#[derive(Debug, clap::Args)]
pub struct Written {
    /// How to write what was found
    #[arg(long, value_enum, default_value_t)]
    format: Format,

    /// Write it to FILE instead of standard output
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Written {
    /// Refuses flags that can't be together, before any work.
    pub fn check(&self, shell: &Shell) -> Result<()> {
        let plain = matches!(self.format, Format::Human | Format::Json);
        one_format(shell, plain || self.output.is_some())
    }

    /// What goes to standard output for people: what `human` says, or `notes` in the format asked
    /// for; nothing when it went to a file.
    pub fn write(&self, notes: &Notes<'_>, human: impl Fn(Paint) -> String) -> Result<Text> {
        let text = match (self.format, &self.output) {
            (Format::Human, None) => return Ok(Text::Human),
            (Format::Human, Some(_)) => human(Paint::default()),
            (Format::Json, _) => lines::document(&notes.whole, &Target::default()),
            (Format::Sarif, _) => sarif::document(notes),
            (Format::Github, _) => github::document(notes),
            (Format::Junit, _) => junit::document(notes),
        };
        let Some(file) = &self.output else {
            return Ok(Text::Ready(text));
        };
        to_file(file, &text)?;
        Ok(Text::Ready(String::new()))
    }
}

/// What is written for people.
#[derive(Debug)]
pub enum Text {
    /// What the command says itself.
    Human,
    /// This.
    Ready(String),
}

impl Text {
    /// The text, with `human` for what the command says itself.
    pub fn or(self, human: impl FnOnce() -> String) -> String {
        match self {
            Self::Human => human(),
            Self::Ready(text) => text,
        }
    }
}

/// A usage error with `--json`, unless `alone`: standard output has one format.
pub fn one_format(shell: &Shell, alone: bool) -> Result<()> {
    if shell.json() && !alone {
        return Err(
            Error::usage("--json and this --format can't both have standard output")
                .hint("leave out --json, or write the report to a file with --output"),
        );
    }
    Ok(())
}

/// Writes a report to `file`.
pub fn to_file(file: &Path, text: &str) -> Result<()> {
    std::fs::write(file, text).map_err(|e| {
        Error::usage(format!("the report can't be written to {}", file.display())).caused_by(e)
    })
}
