//! FW-NOT-NULL-SCANS: makes a column NOT NULL while nobody can use the table.

use crate::model::loss::{Finding, Severity};
use crate::rules::forward::promises;
use crate::rules::rule::{Direction, Rule};
use crate::rules::script::Script;
use crate::sql::promise::Promised;

/// The rule.
pub(in crate::rules) static RULE: Rule = Rule {
    id: "FW-NOT-NULL-SCANS",
    direction: Direction::Forward,
    severity: Severity::Warn,
    title: "reads a table under an exclusive lock to make a column NOT NULL",
    condition: "SET NOT NULL on a table that the script did not make",
    effect: "every row is read while nobody can read or write the table",
    workaround: "add CHECK (c IS NOT NULL) NOT VALID, VALIDATE it in a migration of its own, then SET NOT NULL, which believes the constraint, and drop that",
    bad: "ALTER TABLE orders ALTER note SET NOT NULL;",
    good: "ALTER TABLE orders ADD CONSTRAINT filled CHECK (note IS NOT NULL) NOT VALID;",
    check,
};

fn check(script: &Script, found: &mut Vec<Finding>) {
    promises(
        script,
        |table, promised| match promised {
            Promised::NotNull { column } => Some(format!(
                "reads all of {table} under an exclusive lock, since {column} is to be NOT NULL"
            )),
            _ => None,
        },
        &RULE,
        found,
    );
}
