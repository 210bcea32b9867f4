//! RB-TRUNCATE: truncates a table.

use crate::model::loss::Finding;
use crate::model::loss::Severity;
use crate::rules::rule::{Direction, Rule};
use crate::rules::script::Script;
use crate::sql::statement::Kind;

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "RB-TRUNCATE",
    direction: Direction::Back,
    severity: Severity::Block,
    title: "truncates a table",
    condition: "TRUNCATE",
    effect: "every row goes, with CASCADE those of every referencing table too; no row trigger runs",
    workaround: "nothing to do when a snapshot is taken: `rollback undo` puts it back; else keep the data in another table",
    bad: "TRUNCATE orders;",
    good: "CREATE TABLE t (a int); TRUNCATE t;",
    check,
};

fn check(script: &Script, found: &mut Vec<Finding>) {
    script.each(
        |statement, created| match &statement.kind {
            Kind::Truncate {
                tables, cascade, ..
            } => tables
                .iter()
                .filter(|table| *cascade || !created.has_table(table))
                .map(|table| format!("deletes every row of {table}"))
                .collect(),
            _ => Vec::new(),
        },
        &RULE,
        found,
    );
}
