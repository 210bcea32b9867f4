//! `backup rekey`: who can open a backup.

use console::text::safe;
use console::{Ending, Exit, Flow, Shell};
use pgbelay_core::error::{Error, Result};
use pgbelay_core::ops::backup::rekey;
use pgbelay_core::store::Rekey;
use serde_json::json;

/// Change who can open a backup
///
/// The backup's own key is wrapped again, for the operators that new backups would have now:
/// --recipient, --recipients-file, or those configured. Whoever is not among them can't open it
/// any more, unless they copied the old wrap. Nothing else of the backup is touched. It needs an
/// identity that opens the backup.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  backup rekey latest --recipients-file operators.txt
  backup rekey latest --add 'ssh-ed25519 AAAA… dora@host'
  backup rekey latest --passphrase")]
pub struct Args {
    /// Id, unambiguous prefix, latest, or a path to the backup's folder or manifest.json
    #[arg(value_name = "BACKUP")]
    backup: String,

    /// Let this age recipient in as well, and leave all others as they are (repeatable)
    #[arg(long, value_name = "AGE-RECIPIENT")]
    add: Vec<String>,

    /// Let a passphrase open it as well; it is asked for on the terminal
    #[arg(long)]
    passphrase: bool,

    /// Let the passphrases of now open it no more
    #[arg(long)]
    remove_passphrases: bool,
}

pub async fn run(shell: &Shell, args: Args) -> Result<Ending> {
    let context = shell.offline(Flow::Answer)?;
    let shared = shell.shared();
    let meant = !shared.recipients.is_empty() || shared.recipients_file.is_some();
    let only = !args.add.is_empty() || args.passphrase || args.remove_passphrases;
    let passphrase = if args.passphrase {
        let secret = shell.terminal().new_passphrase("new passphrase");
        let secret = secret.ok_or_else(|| {
            Error::refused("a passphrase is asked for on a terminal only, and there is none")
                .hint("--add lets a key in without a terminal")
        })?;
        Some(secret)
    } else {
        None
    };
    let change = Rekey {
        operators: (meant || !only).then(|| context.recipients.clone()),
        add: args.add,
        passphrase,
        remove_passphrases: args.remove_passphrases,
    };
    let facts = rekey::rekey(&context, &args.backup, change, meant).await?;
    let document = json!({
        "backup": facts.id.as_str(),
        "recipients": facts.recipients,
        "passphrases": facts.passphrases,
    });
    Ok(shell.answer(Exit::Done, &document, |_| {
        let who = console::report::backups::openers(&facts);
        format!("{} can be opened by {}\n", facts.id, safe(&who))
    }))
}
