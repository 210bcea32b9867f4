//! Who can open what a command is about to save: said in every plan, and asked where `.env` changed it.

use pgbelay_core::error::{Error, Result};
use pgbelay_core::model::event::Event;
use pgbelay_core::ops::context::Context;
use pgbelay_core::ops::recipients::{self, Recipients};
use pgbelay_core::store::Opener;
use serde_json::{Value, json};

use crate::consent;
use crate::shell::Shell;
use crate::text::safe;

/// What a command does with a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It is said.
    Said,
    /// It is asked for, where it comes from `.env`.
    Asked,
}

/// Says who can open what will be saved and where they are named, and what changed since the newest
/// backup of this database. Remembers a change for the journal.
pub async fn announce(shell: &Shell, context: &mut Context, change: Change) -> Result<()> {
    // Without any, saving itself says what is missing.
    if context.recipients.is_empty() {
        return Ok(());
    }
    let found = recipients::look(context).await?;
    let by = context.named.by.clone();
    shell.announce("recipients", &wire(&found, &by), |_| human(&found, &by));
    if !found.changed() {
        return Ok(());
    }
    context.named.before = found.before.as_deref().map(shown);
    let what = said(&found);
    context.observer.observe(Event::Warning(what.clone()));
    if change == Change::Said || !context.named.in_dotenv {
        return Ok(());
    }
    if !consent::can_ask() {
        return Err(Error::refused(format!(
            "{what}, because of {by}, and nobody can be asked whether that is meant"
        ))
        .hint("if it is: name them by --recipients-file or --recipient, or in the config file")
        .hint("nothing was changed"));
    }
    let question = format!("{}; because of {}: is that meant?", safe(&what), safe(&by));
    consent::meant(shell, &question).await
}

fn shown(openers: &[Opener]) -> Vec<String> {
    openers.iter().map(|opener| opener.shown.clone()).collect()
}

fn list(openers: &[&Opener]) -> String {
    let names: Vec<&str> = openers.iter().map(|o| o.shown.as_str()).collect();
    names.join(", ")
}

/// What changed, in a sentence without an end.
fn said(found: &Recipients) -> String {
    let mut parts = Vec::new();
    for (openers, verb) in [
        (found.added(), "can open new backups"),
        (found.removed(), "can't any more"),
    ] {
        if !openers.is_empty() {
            parts.push(format!("{} {verb}", list(&openers)));
        }
    }
    format!(
        "the recipients changed since the newest backup of this database: {}",
        parts.join("; ")
    )
}

fn wire(found: &Recipients, by: &str) -> Value {
    let texts = |openers: Vec<&Opener>| -> Vec<String> {
        openers.iter().map(|o| o.shown.clone()).collect()
    };
    json!({
        "recipients": shown(&found.now),
        "recipients_source": by,
        "before": found.before.as_deref().map(shown),
        "added": texts(found.added()),
        "removed": texts(found.removed()),
        "signer": found.signer,
    })
}

fn human(found: &Recipients, by: &str) -> String {
    let mut text = format!("what is saved can be opened by (from {})\n", safe(by));
    for opener in &found.now {
        text.push_str(&format!("  {}\n", safe(&opener.shown)));
    }
    if let Some(signer) = &found.signer {
        text.push_str(&format!("and is signed by the key {signer}\n"));
    }
    text
}
