//! RB-DROP-COLUMN: drops a column.

use crate::model::loss::Finding;
use crate::model::loss::Severity;
use crate::rules::rule::{Direction, Rule};
use crate::rules::script::Script;
use crate::sql::created::Created;
use crate::sql::quote;
use crate::sql::statement::Kind;
use crate::sql::statement::Statement;
use crate::sql::statement::TableAction;

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "RB-DROP-COLUMN",
    direction: Direction::Back,
    severity: Severity::Block,
    title: "drops a column",
    condition: "DROP COLUMN of a column that the script did not add",
    effect: "its values go, and every index, constraint and statistics that uses it",
    workaround: "nothing to do when a snapshot is taken: `rollback undo` puts it back; else keep the data in another table",
    bad: "ALTER TABLE orders DROP COLUMN note;",
    good: "ALTER TABLE t ADD c int; ALTER TABLE t DROP COLUMN c;",
    check,
};

fn check(script: &Script, found: &mut Vec<Finding>) {
    script.each(told, &RULE, found);
}

/// What there is to say of `statement`.
pub(super) fn told(statement: &Statement, created: &Created) -> Vec<String> {
    match &statement.kind {
        Kind::AlterTable { table, actions, .. } => actions
            .iter()
            .filter_map(|action| match action {
                TableAction::DropColumn { column, .. } if !created.has_column(table, column) => {
                    let column = quote::ident(column);
                    Some(format!("drops column {column} of {table} with its values"))
                }
                _ => None,
            })
            .collect(),
        _ => Vec::new(),
    }
}
