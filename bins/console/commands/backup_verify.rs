//! `backup verify` and `validate backup`: read a backup back.

use pgbelay_core::error::Result;
use pgbelay_core::model::backup::{VerifyLevel, Voucher};
use pgbelay_core::ops::backup::verify;
use serde_json::json;

use crate::args::{Vouch, value};
use crate::report::signature;
use crate::shell::{Ending, Exit, Flow, Shell};
use crate::text::instant;

/// Verify that a backup is whole and can be read
///
/// Exits 6 when it is incomplete, damaged, forged, or can't be decrypted.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  backup verify latest
  backup verify latest --level hashed
  backup verify latest --level restored --expect 5d41402a…")]
pub struct Args {
    /// Id, unambiguous prefix, latest, or a path to the backup's folder or manifest.json
    #[arg(value_name = "BACKUP")]
    backup: String,

    /// How deep to look: listed, hashed, decrypted, or restored (into a scratch database)
    /// [default: decrypted, or hashed where there is no key]
    #[arg(long, value_parser = value::level)]
    level: Option<VerifyLevel>,

    #[command(flatten)]
    vouch: Vouch,
}

/// Verifies one backup.
pub async fn run(shell: &Shell, args: Args) -> Result<Ending> {
    let mut context = match shell.context(Flow::Work) {
        Err(e) if args.level == Some(VerifyLevel::Restored) => return Err(e),
        // Without a database, whatever is wrong with it, there is no journal to compare with.
        outcome => outcome.or_else(|_| shell.offline(Flow::Work))?,
    };
    args.vouch.apply(&mut context);
    let done = verify::verify(&context, &args.backup, args.level).await?;
    let (id, level) = (done.facts.id.as_str(), done.level.as_str());
    let fields = json!({
        "backup": id,
        "level": level,
        "at": instant(done.at),
        "in_journal": done.voucher == Some(Voucher::Journal),
        "vouched_for_by": done.voucher.map(Voucher::as_str),
        "signature": signature::wire(&done.facts),
    });
    let vouched = match done.voucher {
        // Nothing was read yet that anybody could vouch for.
        None if done.level == VerifyLevel::Listed => String::new(),
        None => "not vouched for: nothing outside the store knows this backup\n".to_owned(),
        Some(voucher) => format!("vouched for by {}\n", voucher.describe()),
    };
    let signed = signature::human(&done.facts).map_or(String::new(), |text| format!("{text}\n"));
    Ok(shell.done(Exit::Done, &fields, |paint| {
        let verified = paint.green("verified");
        format!("{verified} {id} ({level})\n{signed}{vouched}")
    }))
}
