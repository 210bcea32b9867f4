//! RB-TRUNCATE: truncates a table.

use crate::model::loss::Finding;
use crate::model::loss::Severity;
use crate::rules::rule::{Direction, Rule};
use crate::rules::script::Script;
use crate::sql::created::Created;
use crate::sql::statement::Kind;
use crate::sql::statement::Statement;

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
    script.each(told, &RULE, found);
}

/// What there is to say of `statement`.
pub(super) fn told(statement: &Statement, created: &Created) -> Vec<String> {
    match &statement.kind {
        Kind::Truncate {
            tables, cascade, ..
        } => tables
            .iter()
            .filter(|table| *cascade || !created.has_table(table))
            .map(|table| format!("deletes every row of {table}"))
            .collect(),
        _ => Vec::new(),
    }
}
