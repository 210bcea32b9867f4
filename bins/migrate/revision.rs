//! `migrate revision`, alias `create`: new files for a migration, empty or with what was changed
//! beside the migrations.

use std::path::PathBuf;

use console::args::value;
use console::text::{safe, safe_lines};
use console::{Ending, Exit, Flow, Shell};
use pgbelay_core::error::Result;
use pgbelay_core::ident::Revision;
use pgbelay_core::ops::autogenerate::{self, Generated};
use pgbelay_core::ops::revision;
use serde_json::json;

/// Create the two files of a new migration
///
/// With --autogenerate they hold the statements that lead from the schema that the migrations build
/// (tried out on a database made for it) to the one that is there, and back.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  migrate revision -m 'add users'
  migrate revision -m 'add orders' --depends-on 0041
  migrate revision -m 'by hand' --autogenerate        what was changed beside the migrations")]
pub struct Args {
    /// What it does; becomes part of the file names
    #[arg(short, long, value_name = "MESSAGE", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    message: String,

    /// Revision that must be applied first (repeatable)
    #[arg(long, value_name = "REV", value_parser = value::version)]
    depends_on: Vec<Revision>,

    /// Fill them with what was changed in the database beside the migrations
    #[arg(long)]
    autogenerate: bool,

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

    /// Fill them with what was changed in the database beside the migrations
    #[arg(long)]
    autogenerate: bool,
}

impl From<CreateArgs> for Args {
    fn from(args: CreateArgs) -> Self {
        Self {
            message: args.name,
            depends_on: args.depends_on,
            autogenerate: args.autogenerate,
            migrations: None,
        }
    }
}

pub async fn run(shell: &Shell, args: Args) -> Result<Ending> {
    if args.autogenerate {
        return generate(shell, args).await;
    }
    let mut context = shell.offline(Flow::Answer)?;
    if let Some(folder) = &args.migrations {
        context.migrations.clone_from(folder);
    }
    let created = revision::create(&context, &args.message, &args.depends_on)?;
    let created = shown(&created);
    let document = json!({"up": created.first(), "down": created.get(1)});
    Ok(shell.answer(Exit::Done, &document, |_| lines(&created)))
}

async fn generate(shell: &Shell, args: Args) -> Result<Ending> {
    let mut context = shell.context(Flow::Answer)?;
    if let Some(folder) = args.migrations {
        context.migrations = folder;
    }
    let request = autogenerate::Request {
        message: args.message,
        depends_on: args.depends_on,
    };
    let Generated { files, left } = autogenerate::run(&context, &request).await?;
    let created = shown(&files);
    let document = json!({
        "up": created.first(),
        "down": created.get(1),
        "complete": left.is_empty(),
        "left": left,
    });
    Ok(
        shell.answer(Exit::found(!left.is_empty()), &document, |paint| {
            if created.is_empty() {
                return "the schema is what the migrations make: nothing to write\n".to_owned();
            }
            let mut text = lines(&created);
            for why in &left {
                text += &format!("{}\n{}\n", paint.yellow("not all of it:"), safe_lines(why));
            }
            if left.is_empty() {
                text += "this database has it already: once you have read it, migrate stamp head\n";
            }
            text
        }),
    )
}

fn shown(paths: &[PathBuf]) -> Vec<String> {
    paths.iter().map(|p| p.display().to_string()).collect()
}

fn lines(paths: &[String]) -> String {
    paths.iter().map(|path| safe(path) + "\n").collect()
}
