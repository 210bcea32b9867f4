//! FW-DESTROYS: destroys data that no rollback brings back.

use crate::model::loss::{Finding, Severity};
use crate::rules::rule::{Direction, Rule};
use crate::rules::script::Script;
use crate::rules::{drop_column, drop_table, truncate};

/// The rule.
pub(in crate::rules) static RULE: Rule = Rule {
    id: "FW-DESTROYS",
    direction: Direction::Forward,
    severity: Severity::Warn,
    title: "destroys data that no rollback script brings back",
    condition: "DROP TABLE, DROP COLUMN or TRUNCATE in the script that applies a migration",
    effect: "what it destroys is in no snapshot of a rollback",
    workaround: "take a backup first: `migrate upgrade --backup` saves what pending migrations touch",
    bad: "ALTER TABLE orders DROP note;",
    good: "ALTER TABLE orders ALTER note DROP NOT NULL;",
    check,
};

fn check(script: &Script, found: &mut Vec<Finding>) {
    let told = [drop_table::told, drop_column::told, truncate::told];
    script.each(
        |statement, created| {
            told.iter()
                .flat_map(|told| told(statement, created))
                .collect()
        },
        &RULE,
        found,
    );
}
