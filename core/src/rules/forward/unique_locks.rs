//! FW-UNIQUE-LOCKS: builds an index for a constraint while nobody can use the table.

use crate::model::loss::{Finding, Severity};
use crate::rules::forward::promises;
use crate::rules::rule::{Direction, Rule};
use crate::rules::script::Script;
use crate::sql::promise::Promised;

/// The rule.
pub(in crate::rules) static RULE: Rule = Rule {
    id: "FW-UNIQUE-LOCKS",
    direction: Direction::Forward,
    severity: Severity::Warn,
    title: "builds an index under an exclusive lock",
    condition: "ADD UNIQUE or PRIMARY KEY without USING INDEX, on a table that the script did not make",
    effect: "the index is built while nobody can read or write the table",
    workaround: "CREATE UNIQUE INDEX CONCURRENTLY in a migration of its own, then ADD CONSTRAINT … USING INDEX",
    bad: "ALTER TABLE orders ADD CONSTRAINT once UNIQUE (number);",
    good: "ALTER TABLE orders ADD CONSTRAINT once UNIQUE USING INDEX orders_number;",
    check,
};

fn check(script: &Script, found: &mut Vec<Finding>) {
    promises(
        script,
        |table, promised| match promised {
            Promised::Unique { columns, .. } => Some(format!(
                "builds an index on {table} ({}) under an exclusive lock",
                columns.join(", ")
            )),
            _ => None,
        },
        &RULE,
        found,
    );
}
