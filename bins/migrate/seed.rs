//! `migrate seed`: rows that belong to an environment.

use std::path::PathBuf;

use console::consent::{self, Stakes};
use console::text::{many, safe};
use console::{Ending, Exit, Flow, Shell};
use pgbelay_core::error::Result;
use pgbelay_core::model::consent::Consent;
use pgbelay_core::model::event::Event;
use pgbelay_core::ops::seed::{self, Request};
use serde_json::json;

/// Run the seeds that did not run yet, each once and in a transaction of its own
///
/// Seeds are the SQL files of the folder `seeds`, in the order of their names. One with the header
/// line `-- repeatable: on` runs again whenever it was changed.
#[derive(Debug, clap::Args)]
#[expect(clippy::doc_markdown, reason = "help text is shown as it stands")]
#[command(after_help = "Examples:
  migrate seed
  migrate seed users --again
  migrate seed --seeds seeds/dev")]
pub struct Args {
    /// Seeds to run, by the name of the file with or without its number [default: all]
    #[arg(value_name = "NAME")]
    names: Vec<String>,

    /// Run them again, whether they ran before or not
    #[arg(long)]
    again: bool,

    /// Folder of seeds [env: PGBELAY_SEEDS] [default: seeds]
    #[arg(long, value_name = "DIR")]
    seeds: Option<PathBuf>,

    /// Why, for the journal
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

pub async fn run(shell: &Shell, args: Args) -> Result<Ending> {
    let mut context = shell.context(Flow::Work)?;
    context.seeds = args.seeds.unwrap_or(context.seeds);
    let request = Request {
        names: args.names,
        again: args.again,
    };
    let plan = seed::plan(&context, &request).await?;
    for path in &plan.edited {
        context.observer.observe(Event::Warning(format!(
            "{path} was edited since it ran; --again runs it once more"
        )));
    }
    if plan.pending.is_empty() {
        let fields = json!({"seeded": []});
        return Ok(shell.done(Exit::Done, &fields, |_| "nothing to do\n".to_owned()));
    }
    let consent = match &shell.shared().confirm {
        _ if context.production => {
            Some(consent::obtain(shell, &plan.database, Stakes::Production).await?)
        }
        Some(name) => Some(Consent::by_flag(name, &plan.database)?),
        None => None,
    };
    let done = seed::apply(&context, plan, consent, args.reason.as_deref()).await?;
    Ok(shell.done(Exit::Done, &json!({"seeded": done}), |_| {
        let names = done.iter().map(|name| format!("  {}\n", safe(name)));
        let number = many(done.len() as u64, "seed", "seeds");
        format!("{}{number} ran\n", names.collect::<String>())
    }))
}
