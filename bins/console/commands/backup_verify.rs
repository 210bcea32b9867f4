//! `backup verify` and `validate backup`: read a backup back.

use pgbelay_core::clock::{self, Timestamp};
use pgbelay_core::error::{Error, Result};
use pgbelay_core::model::backup::{BackupFacts, VerifyLevel};
use pgbelay_core::model::event::Event;
use pgbelay_core::ops::context::Context;
use pgbelay_core::store::{Identities, Store};
use serde_json::json;

use crate::args::value;
use crate::run::blocking;
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
    #[arg(long, value_parser = value::level, default_value = "decrypted")]
    level: VerifyLevel,
}

/// Verifies one backup.
pub async fn run(shell: &Shell, args: Args) -> Result<Ending> {
    if args.level == VerifyLevel::Restored {
        return Err(Error::usage("--level restored is not supported yet")
            .hint("`backup restore --into` loads it into a database of your own"));
    }
    let context = shell.offline(Flow::Work)?;
    let level = args.level;
    let work = move || verify(&context, &args.backup, level);
    let (facts, at) = blocking(work).await?;
    let (id, level) = (facts.id.as_str(), level.as_str());
    let fields = json!({"backup": id, "level": level, "at": instant(at)});
    Ok(shell.done(Exit::Done, &fields, |paint| {
        format!("{} {id} ({level})\n", paint.green("verified"))
    }))
}

/// Reads the backup back and notes beside it that it is whole. A place that can't be written to
/// is no failure: what was asked for is known.
fn verify(
    context: &Context,
    selector: &str,
    level: VerifyLevel,
) -> Result<(BackupFacts, Timestamp)> {
    let observer = context.observer.as_ref();
    let backup = Store::open(&context.backups)?.find(selector, None)?;
    let identities = Identities::load(&context.identities)?;
    let verified = backup.verify(level, &identities, observer)?;
    let noted = (verified.backup()).record_verification(level, true, &context.actor, None);
    if let Err(e) = noted {
        let message = format!("the verification could not be noted beside the backup: {e}");
        observer.observe(Event::Warning(message));
    }
    Ok((verified.facts().clone(), clock::now()))
}
