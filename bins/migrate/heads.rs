//! `migrate heads`: the ends of the branches.

use console::text::safe;
use console::{Ending, Exit, Flow, Shell};
use pgbelay_core::error::Result;
use pgbelay_core::model::migration::Migration;
use pgbelay_core::ops::status;
use serde_json::{Value, json};

/// List the migrations that no other one follows; several, when there are branches
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  migrate heads")]
pub struct Args {}

pub fn run(shell: &Shell, _args: Args) -> Result<Ending> {
    let context = shell.offline(Flow::Answer)?;
    let heads = status::heads(&context)?;
    let head = |m: &Migration| json!({"revision": m.revision.as_str(), "name": m.name});
    let document = json!({"heads": heads.iter().map(head).collect::<Vec<Value>>()});
    Ok(shell.answer(Exit::Done, &document, |_| {
        let lines = heads.iter();
        lines.map(|m| safe(&m.full_name()) + "\n").collect()
    }))
}
