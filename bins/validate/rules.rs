//! `validate rules`: the list of rules.

use console::pending::rules::RULES;
use console::table::Table;
use console::{Ending, Exit, Shell};
use serde_json::{Value, json};

/// List the rules
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  validate rules")]
pub struct Args {}

pub fn run(shell: &Shell, _args: &Args) -> Ending {
    let wire = |rule: &console::pending::rules::Rule| json!({"id": rule.id, "severity": rule.severity.as_str(), "condition": rule.condition});
    let rules: Vec<Value> = RULES.iter().map(wire).collect();
    shell.answer(Exit::Done, &json!({"rules": rules}), |_| {
        let mut table = Table::new(&["rule", "severity", "finds"]);
        for rule in RULES {
            table.row([rule.id, rule.severity.as_str(), rule.condition]);
        }
        table.render()
    })
}
