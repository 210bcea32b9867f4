//! RB-UPDATE: overwrites values.

use crate::model::loss::Finding;
use crate::model::loss::Severity;
use crate::rules::rule::{Direction, Rule};
use crate::rules::script;
use crate::rules::script::Script;
use crate::sql::statement::Kind;

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "RB-UPDATE",
    direction: Direction::Back,
    severity: Severity::Block,
    title: "overwrites values",
    condition: "UPDATE with a condition, of columns that the script did not add",
    effect: "the old values go",
    workaround: "nothing to do when a snapshot is taken: `rollback undo` puts it back; else keep the data in another table",
    bad: "UPDATE orders SET note = '' WHERE note IS NULL;",
    good: "ALTER TABLE t ADD c int; UPDATE t SET c = 1 WHERE a = 2;",
    check,
};

fn check(script: &Script, found: &mut Vec<Finding>) {
    script.each(
        |statement, created| match &statement.kind {
            Kind::Update(dml)
                if !script::takes_all(dml)
                    && !dml
                        .columns
                        .iter()
                        .all(|c| created.has_column(&dml.table, c)) =>
            {
                vec![format!("overwrites values in {}", dml.table)]
            }
            _ => Vec::new(),
        },
        &RULE,
        found,
    );
}
