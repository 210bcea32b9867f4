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
        let mut table = Table::new(&["rule", "script", "severity", "finds"]);
        for rule in RULES {
            let (way, severity) = (rule.direction.as_str(), rule.severity.as_str());
            table.row([rule.id, way, severity, rule.title]);
        }
        table.render()
    })
}

fn wire(rule: &Rule) -> Value {
    json!({
        "id": rule.id,
        "direction": rule.direction.as_str(),
        "severity": rule.severity.as_str(),
        "title": rule.title,
        "condition": rule.condition,
    })
}
