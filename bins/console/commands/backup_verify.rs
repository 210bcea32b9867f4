//! `backup verify` and `validate backup`: read a backup back.

use pgbelay_core::error::Result;
use pgbelay_core::model::backup::VerifyLevel;
use pgbelay_core::ops::backup::verify;
use serde_json::json;

use crate::args::value;
use crate::shell::{Ending, Exit, Flow, Shell};
use crate::text::instant;

/// Verify that a backup is whole and can be read
///
/// Exits 6 when it is incomplete, damaged, forged, or can't be decrypted.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  backup verify latest
  backup verify latest --level hashed")]
pub struct Args {
    /// Id, unambiguous prefix, latest, or a path to the backup's folder or manifest.json
    #[arg(value_name = "BACKUP")]
    backup: String,

    /// How deep to look: listed, hashed, decrypted, or restored (into a scratch database)
    /// [default: decrypted, or hashed where there is no key]
    #[arg(long, value_parser = value::level)]
    level: Option<VerifyLevel>,
}

/// Verifies one backup.
pub async fn run(shell: &Shell, args: Args) -> Result<Ending> {
    let context = match shell.context(Flow::Work) {
        Err(e) if args.level == Some(VerifyLevel::Restored) => return Err(e),
        // Without a database, whatever is wrong with it, there is no journal to compare with.
        outcome => outcome.or_else(|_| shell.offline(Flow::Work))?,
    };
    let done = verify::verify(&context, &args.backup, args.level).await?;
    let (id, level) = (done.facts.id.as_str(), done.level.as_str());
    let fields = json!({
        "backup": id,
        "level": level,
        "at": instant(done.at),
        "in_journal": done.in_journal,
    });
    Ok(shell.done(Exit::Done, &fields, |paint| {
        format!("{} {id} ({level})\n", paint.green("verified"))
    }))
}
