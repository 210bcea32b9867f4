//! `validate rules`: the list of rules.

use console::table::Table;
use console::{Ending, Exit, Shell};
use pgbelay_core::rules::{RULES, Rule};
use serde_json::{Value, json};

/// List the rules
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  validate rules")]
pub struct Args {}

pub fn run(shell: &Shell, _args: &Args) -> Ending {
    let rules: Vec<Value> = RULES.iter().map(|rule| wire(rule)).collect();
    shell.answer(Exit::Done, &json!({"rules": rules}), |_| {
        let mut table = Table::new(&["rule", "severity", "finds"]);
        for rule in RULES {
            table.row([rule.id, rule.severity.as_str(), rule.title]);
        }
        table.render()
    })
}

fn wire(rule: &Rule) -> Value {
    json!({
        "id": rule.id,
        "severity": rule.severity.as_str(),
        "title": rule.title,
        "condition": rule.condition,
    })
}
