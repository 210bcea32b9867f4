//! `migrate fresh`: begin anew, for development.

use console::consent::{self, Stakes};
use console::recipients::{self, Change};
use console::text::base;
use console::text::many;
use console::{Ending, Exit, Flow, Shell};
use pgbelay_core::error::Result;
use pgbelay_core::ident::Revision;
use pgbelay_core::ops::fresh;
use serde_json::json;

/// Drop everything and apply all migrations again; a backup is taken first. Never in production
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  migrate fresh --confirm shop_dev && migrate seed")]
pub struct Args {
    /// Why, for the journal
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

pub async fn run(shell: &Shell, args: Args) -> Result<Ending> {
    let mut context = shell.context(Flow::Work)?;
    let database = fresh::plan(&context).await?;
    recipients::announce(shell, &mut context, Change::Asked).await?;
    let consent = consent::obtain(shell, &database, Stakes::Data).await?;
    let applied = Box::pin(fresh::apply(&context, &database, consent, args.reason)).await?;
    let (backup, outcome) = applied;
    let fields = json!({
        "backup": backup.as_str(),
        "applied": outcome.applied.iter().map(|a| a.revision.as_str()).collect::<Vec<_>>(),
        "revision": outcome.current.as_ref().map(Revision::as_str),
    });
    Ok(shell.done(Exit::Done, &fields, |_| {
        let number = many(outcome.applied.len() as u64, "migration", "migrations");
        let current = base(outcome.current.as_ref());
        format!("{number} applied; now at {current}\n{backup}\n")
    }))
}
