//! `migrate revision`, alias `create`: new files for a migration.

use std::path::PathBuf;

use console::args::value;
use console::text::safe;
use console::{Ending, Exit, Flow, Shell};
use pgbelay_core::error::Result;
use pgbelay_core::ident::Revision;
use pgbelay_core::ops::revision;
use serde_json::json;

/// Create the two files of a new migration
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  migrate revision -m 'add users'
  migrate revision -m 'add orders' --depends-on 0041")]
pub struct Args {
    /// What it does; becomes part of the file names
    #[arg(short, long, value_name = "MESSAGE", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    message: String,

    /// Revision that must be applied first (repeatable)
    #[arg(long, value_name = "REV", value_parser = value::version)]
    depends_on: Vec<Revision>,

    /// Folder of migrations (here without its short form, which is the message's)
    #[arg(long, value_name = "DIR")]
    migrations: Option<PathBuf>,
}

/// Create the two files of a new migration; the same as `revision -m NAME`
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  migrate create --name add_users")]
pub struct CreateArgs {
    /// What it does; becomes part of the file names
    #[arg(long, value_name = "NAME", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    name: String,

    /// Revision that must be applied first (repeatable)
    #[arg(long, value_name = "REV", value_parser = value::version)]
    depends_on: Vec<Revision>,
}

impl From<CreateArgs> for Args {
    fn from(args: CreateArgs) -> Self {
        Self {
            message: args.name,
            depends_on: args.depends_on,
            migrations: None,
        }
    }
}

pub fn run(shell: &Shell, args: &Args) -> Result<Ending> {
    let mut context = shell.offline(Flow::Answer)?;
    if let Some(folder) = &args.migrations {
        context.migrations.clone_from(folder);
    }
    let created = revision::create(&context, &args.message, &args.depends_on)?;
    let created: Vec<String> = created.iter().map(|p| p.display().to_string()).collect();
    let document = json!({"up": created.first(), "down": created.get(1)});
    Ok(shell.answer(Exit::Done, &document, |_| {
        let lines = created.iter().map(|path| safe(path) + "\n");
        lines.collect()
    }))
}
