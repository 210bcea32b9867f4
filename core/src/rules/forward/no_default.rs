//! FW-NO-DEFAULT: adds a column that rows have no value for.

use crate::model::loss::{Finding, Severity};
use crate::rules::forward::promises;
use crate::rules::rule::{Direction, Rule};
use crate::rules::script::Script;
use crate::sql::promise::Promised;

/// The rule.
pub(in crate::rules) static RULE: Rule = Rule {
    id: "FW-NO-DEFAULT",
    direction: Direction::Forward,
    severity: Severity::Warn,
    title: "fails on a table that has rows",
    condition: "ADD COLUMN NOT NULL without a default, on a table that the script did not make",
    effect: "fails as soon as the table has a row",
    workaround: "give it a DEFAULT (a constant one costs nothing), or fill the column first and SET NOT NULL then",
    bad: "ALTER TABLE orders ADD note text NOT NULL;",
    good: "ALTER TABLE orders ADD note text NOT NULL DEFAULT '';",
    check,
};

fn check(script: &Script, found: &mut Vec<Finding>) {
    promises(
        script,
        |table, promised| match promised {
            Promised::Filled { column, .. } => Some(format!(
                "{column} of {table} must not be NULL and has no default: fails where there are rows"
            )),
            _ => None,
        },
        &RULE,
        found,
    );
}
