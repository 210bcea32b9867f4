//! FW-REFERENCE-SCANS: looks every row up while nobody can write either table.

use crate::model::loss::{Finding, Severity};
use crate::rules::forward::promises;
use crate::rules::rule::{Direction, Rule};
use crate::rules::script::Script;
use crate::sql::promise::Promised;

/// The rule.
pub(in crate::rules) static RULE: Rule = Rule {
    id: "FW-REFERENCE-SCANS",
    direction: Direction::Forward,
    severity: Severity::Warn,
    title: "reads two tables for a foreign key while nobody can write them",
    condition: "ADD FOREIGN KEY without NOT VALID, on a table that the script did not make",
    effect: "every row is looked up while nobody can write either table",
    workaround: "add it NOT VALID, and VALIDATE it in a migration of its own, which writers do not notice",
    bad: "ALTER TABLE orders ADD FOREIGN KEY (customer) REFERENCES customers;",
    good: "ALTER TABLE orders ADD FOREIGN KEY (customer) REFERENCES customers NOT VALID;",
    check,
};

fn check(script: &Script, found: &mut Vec<Finding>) {
    promises(
        script,
        |table, promised| match promised {
            Promised::Refers { to, .. } => Some(format!(
                "looks every row of {table} up in {to} while nobody can write either"
            )),
            _ => None,
        },
        &RULE,
        found,
    );
}
