//! `migrate lock`: who holds the migration lock, and ending that.

use console::consent::{self, Stakes};
use console::text::{instant, safe};
use console::{Ending, Exit, Flow, Shell};
use pgbelay_core::error::Result;
use pgbelay_core::ops::lock::{self, Held};
use serde_json::{Value, json};

/// See who holds the migration lock, or end the session that does
#[derive(Debug, clap::Args)]
#[command(arg_required_else_help = true)]
#[command(after_help = "Examples:\n  migrate lock show\n  migrate lock release")]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Show who holds the migration lock
    Show,
    /// End the session that holds it; its open transaction is rolled back
    Release,
}

pub async fn run(shell: &Shell, args: Args) -> Result<Ending> {
    let context = shell.context(Flow::Answer)?;
    let held = lock::show(&context).await?;
    let Some(holder) = held.holder.as_ref() else {
        return Ok(shell.answer(Exit::Done, &wire(&held, false), |_| {
            "nobody holds the migration lock\n".to_owned()
        }));
    };
    let said = format!("held by {}\n", safe(&holder.to_string()));
    match args.command {
        Command::Show => Ok(shell.answer(Exit::Done, &wire(&held, false), |_| said)),
        Command::Release => {
            if !shell.json() {
                shell.announce("lock", &json!({}), |_| said.clone());
            }
            let stakes = Stakes::of(false, context.production);
            let consent = consent::obtain(shell, &held.database, stakes).await?;
            lock::release(&context, holder, &consent).await?;
            Ok(shell.answer(Exit::Done, &wire(&held, true), |_| {
                format!("pid {} was ended; the lock is free\n", holder.pid)
            }))
        }
    }
}

fn wire(held: &Held, released: bool) -> Value {
    let holder = held.holder.as_ref().map(|holder| {
        json!({
            "pid": (holder.pid != 0).then_some(holder.pid),
            "prepared": holder.prepared,
            "application": holder.application,
            "role": holder.role,
            "since": holder.since.map(instant),
        })
    });
    json!({"database": held.database, "holder": holder, "released": released})
}
