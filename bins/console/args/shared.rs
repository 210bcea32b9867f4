//! The flags that every tool takes.

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args, ValueEnum};
use pgbelay_core::model::layout::Layout;
use pgbelay_core::model::secret::Secret;

use crate::args::value;

/// Flags common to the four tools. What a flag leaves open is looked up by
/// [`crate::settings`]: environment, `.env`, config file, default.
#[derive(Debug, Clone, Default, Args)]
#[expect(clippy::doc_markdown, reason = "help text is shown as it stands")]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
#[command(next_help_heading = "Common options")]
pub struct Shared {
    /// Database to work on [env: DATABASE_URL, else PGHOST, PGUSER, … as for libpq]
    #[arg(short, long, global = true, value_name = "URL", value_parser = value::secret)]
    pub database_url: Option<Secret>,

    /// Config file [env: PGBELAY_CONFIG] [default: pgbelay.toml, when it exists]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Use the table [env.NAME] of the config file [env: PGBELAY_ENV]
    #[arg(short, long, global = true, value_name = "NAME")]
    pub env: Option<String>,

    /// Use the database called NAME in the config file
    #[arg(long, global = true, value_name = "NAME", conflicts_with_all = ["database_url", "all"])]
    pub database: Option<String>,

    /// Work on every database of the config file
    #[arg(long, global = true, conflicts_with = "database_url")]
    pub all: bool,

    /// With --all: work on N databases at a time [default: 4]
    #[arg(long, global = true, value_name = "N", value_parser = clap::value_parser!(u8).range(1..))]
    pub parallel: Option<u8>,

    /// With --all: begin with this database, alone, and stop if it fails
    #[arg(long, global = true, value_name = "NAME")]
    pub canary: Option<String>,

    /// Folder of migrations [env: PGBELAY_MIGRATIONS] [default: migrations]
    #[arg(short, long, global = true, value_name = "DIR")]
    pub migrations: Option<PathBuf>,

    /// How the migrations are laid out: pairs, golang-migrate, sqlx, diesel, dbmate, goose, flyway,
    /// tern or alembic [default: found by looking]
    #[arg(long, global = true, value_name = "LAYOUT", value_parser = value::layout)]
    pub layout: Option<Layout>,

    /// Where backups live: a folder or s3://bucket/prefix [env: PGBELAY_BACKUPS] [default: backups]
    #[arg(short, long, global = true, value_name = "DIR")]
    pub backups: Option<String>,

    /// Encrypt new backups to this age recipient (repeatable)
    #[arg(long = "recipient", global = true, value_name = "AGE-RECIPIENT")]
    pub recipients: Vec<String>,

    /// File with one age recipient per line [env: PGBELAY_RECIPIENTS_FILE]
    #[arg(long, global = true, value_name = "FILE")]
    pub recipients_file: Option<PathBuf>,

    /// File with an age identity to open backups with (repeatable) [env: PGBELAY_IDENTITY]
    #[arg(long = "identity", global = true, value_name = "FILE")]
    pub identities: Vec<PathBuf>,

    /// Sign new backups with the ssh key in FILE, of the kind ed25519 [env: PGBELAY_SIGNING_KEY]
    #[arg(long, global = true, value_name = "FILE")]
    pub signing_key: Option<PathBuf>,

    /// File that lists whose signatures vouch for backups, as ssh-keygen has it
    /// [env: PGBELAY_ALLOWED_SIGNERS]
    #[arg(long, global = true, value_name = "FILE")]
    pub allowed_signers: Option<PathBuf>,

    /// Consent to changing DATABASE, in place of typing its name
    #[arg(long, global = true, value_name = "DATABASE")]
    pub confirm: Option<String>,

    /// Answer yes to questions about what destroys nothing
    #[arg(short, long, global = true)]
    pub yes: bool,

    /// How long one attempt to lock tables may take, as 5s or 500ms [env: PGBELAY_LOCK_TIMEOUT]
    /// [default: 5s]
    #[arg(long, global = true, value_name = "DUR", value_parser = value::duration)]
    pub lock_timeout: Option<Duration>,

    /// Bound on each statement of a script [env: PGBELAY_STATEMENT_TIMEOUT] [default: none]
    #[arg(long, global = true, value_name = "DUR", value_parser = value::duration)]
    pub statement_timeout: Option<Duration>,

    /// How long to wait for the migration lock [env: PGBELAY_WAIT] [default: 60s]
    #[arg(long, global = true, value_name = "DUR", value_parser = value::duration)]
    pub wait: Option<Duration>,

    /// Write JSON to standard output
    #[arg(long, global = true)]
    pub json: bool,

    /// Show no progress
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,

    /// Show more
    #[arg(short, long, global = true, action = ArgAction::SetTrue)]
    pub verbose: bool,

    /// When to use colours (NO_COLOR is honoured)
    #[arg(long, global = true, value_name = "WHEN", value_enum, default_value_t)]
    pub color: ColorWhen,

    /// Show each statement sent, literals masked, on standard error [env: SQL_ECHO=true]
    #[arg(long, global = true)]
    pub echo_sql: bool,
}

/// When to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum ColorWhen {
    /// On a terminal, unless colours are turned off by the environment.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}
