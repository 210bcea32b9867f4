//! FW-CHECK-SCANS: checks every row while nobody can use the table.

use crate::model::loss::{Finding, Severity};
use crate::rules::forward::promises;
use crate::rules::rule::{Direction, Rule};
use crate::rules::script::Script;
use crate::sql::promise::Promised;

/// The rule.
pub(in crate::rules) static RULE: Rule = Rule {
    id: "FW-CHECK-SCANS",
    direction: Direction::Forward,
    severity: Severity::Warn,
    title: "reads a table under an exclusive lock for a CHECK constraint",
    condition: "ADD CHECK without NOT VALID, on a table that the script did not make",
    effect: "every row is read while nobody can read or write the table",
    workaround: "add it NOT VALID, and VALIDATE it in a migration of its own, which writers do not notice",
    bad: "ALTER TABLE orders ADD CONSTRAINT positive CHECK (total > 0);",
    good: "ALTER TABLE orders ADD CONSTRAINT positive CHECK (total > 0) NOT VALID;",
    check,
};

fn check(script: &Script, found: &mut Vec<Finding>) {
    promises(
        script,
        |table, promised| match promised {
            Promised::Check { condition } => Some(format!(
                "reads all of {table} under an exclusive lock, to check {condition}"
            )),
            _ => None,
        },
        &RULE,
        found,
    );
}
