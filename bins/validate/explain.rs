//! `validate explain`: one rule in full.

use console::{Ending, Exit, Paint, Shell};
use pgbelay_core::error::{Error, Result};
use pgbelay_core::rules::{self, Rule};
use serde_json::json;

/// Explain a rule: what it finds, why that matters, and the way out
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  validate explain RB-DROP-COLUMN")]
pub struct Args {
    /// Id of the rule
    #[arg(value_name = "RULE")]
    rule: String,
}

pub fn run(shell: &Shell, args: &Args) -> Result<Ending> {
    let rule = rules::by_id(&args.rule).ok_or_else(|| {
        Error::usage(format!("there is no rule '{}'", args.rule))
            .hint("`validate rules` lists them")
    })?;
    let document = json!({
        "id": rule.id,
        "direction": rule.direction.as_str(),
        "severity": rule.severity.as_str(),
        "title": rule.title,
        "condition": rule.condition,
        "effect": rule.effect,
        "workaround": rule.workaround,
        "bad": rule.bad,
        "good": rule.good,
    });
    Ok(shell.answer(Exit::Done, &document, |paint| human(rule, paint)))
}

fn human(rule: &Rule, paint: Paint) -> String {
    let indent = |sql: &str| sql.trim_end().replace('\n', "\n  ");
    let title = format!("{} ({}): {}", rule.id, rule.severity.as_str(), rule.title);
    [
        paint.bold(&title),
        format!("{} {}", paint.bold("finds:"), rule.condition),
        format!("{} {}", paint.bold("why it matters:"), rule.effect),
        format!("{} {}", paint.bold("the way out:"), rule.workaround),
        format!("{}\n  {}", paint.bold("bad:"), indent(rule.bad)),
        format!("{}\n  {}\n", paint.bold("good:"), indent(rule.good)),
    ]
    .join("\n\n")
}
