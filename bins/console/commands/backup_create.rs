//! `backup create` and `rollback backup`: save a database, encrypted and verified.

use pgbelay_core::error::Result;
use pgbelay_core::model::backup::Compression;
use pgbelay_core::ops::backup::create::{self, Create};
use serde_json::json;

use crate::args::value;
use crate::recipients::{self, Change};
use crate::shell::{Ending, Exit, Flow, Shell};

/// Back up the database, or some of its tables
///
/// Everything is encrypted to the age recipients; `backup keygen` makes the first one. The id of
/// the backup is the last line of the output.
#[derive(Debug, clap::Args)]
#[expect(clippy::doc_markdown, reason = "help text is shown as it stands")]
#[command(after_help = "Examples:
  backup create --name before-release
  backup create --table 'public.order*' --exclude public.order_log
  backup create --before 0042
  backup create --compression gzip:6")]
pub struct Args {
    /// Name that becomes part of the id
    #[arg(long)]
    name: Option<String>,

    /// Only tables that match PATTERN, such as public.order* (repeatable)
    #[arg(long = "table", value_name = "PATTERN")]
    tables: Vec<String>,

    /// No tables that match PATTERN (repeatable)
    #[arg(long, value_name = "PATTERN")]
    exclude: Vec<String>,

    /// Only tables that pending migrations up to REV touch; all of them, where that can't be told
    #[arg(long, value_name = "REV", value_parser = value::revision, conflicts_with_all = ["tables", "schema_only"])]
    before: Option<String>,

    /// Only definitions
    #[arg(long, conflicts_with = "data_only")]
    schema_only: bool,

    /// Only rows
    #[arg(long)]
    data_only: bool,

    /// Connections that read at the same time [default: one for each processor, at most 4]
    #[arg(long, value_name = "N", value_parser = value::jobs)]
    jobs: Option<usize>,

    /// How to compress: zstd[:L], gzip[:L] or none [env: PGBELAY_COMPRESSION] [default: zstd:1]
    #[arg(long, value_name = "METHOD", value_parser = value::compression)]
    compression: Option<Compression>,
}

/// Makes a backup.
pub async fn run(shell: &Shell, args: Args) -> Result<Ending> {
    let mut context = shell.context(Flow::Work)?;
    context.compression = args.compression.unwrap_or(context.compression);
    recipients::announce(shell, &mut context, Change::Said).await?;
    let options = Create {
        name: args.name,
        tables: args.tables,
        exclude: args.exclude,
        before: args.before,
        schema_only: args.schema_only,
        data_only: args.data_only,
        jobs: args.jobs,
        ..Create::default()
    };
    let facts = create::create(&context, options).await?;
    let rows: u64 = facts.tables.iter().map(|table| table.rows).sum();
    let fields = json!({
        "backup": facts.id.as_str(),
        "tables": facts.tables.len(),
        "rows": rows,
        "bytes": facts.bytes,
        "manifest": facts.manifest.map(|digest| digest.to_string()),
    });
    Ok(shell.done(Exit::Done, &fields, |_| format!("{}\n", facts.id)))
}
