//! `backup verify` and `validate backup`: read a backup back.

use pgbelay_core::error::Result;
use pgbelay_core::model::backup::VerifyLevel;
use serde_json::json;

use crate::args::value;
use crate::pending::backup;
use crate::shell::{Ending, Exit, Flow, Shell};
use crate::text::instant;

/// Verify that a backup is whole and can be read
///
/// Exits 6 when it is incomplete, damaged, forged, or can't be decrypted.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  backup verify latest
  backup verify latest --level restored --database-url postgres://localhost/postgres")]
pub struct Args {
    /// Id, unambiguous prefix, latest, or a path to the backup's folder or manifest.json
    #[arg(value_name = "BACKUP")]
    backup: String,

    /// How deep to look: listed, hashed, decrypted, or restored (into a scratch database)
    #[arg(long, value_parser = value::level, default_value = "decrypted")]
    level: VerifyLevel,
}

/// Verifies one backup. Only a trial restore needs a database.
pub async fn run(shell: &Shell, args: Args) -> Result<Ending> {
    let context = if args.level == VerifyLevel::Restored {
        shell.context(Flow::Work)?
    } else {
        shell.offline(Flow::Work)?
    };
    let verified = backup::verify(&context, &args.backup, args.level).await?;
    let (id, level) = (verified.facts.id.as_str(), verified.level.as_str());
    let fields = json!({"backup": id, "level": level, "at": instant(verified.at)});
    Ok(shell.done(Exit::Done, &fields, |paint| {
        format!("{} {id} ({level})\n", paint.green("verified"))
    }))
}
