//! RB-NARROW-TYPE: changes the type of a column.

use crate::model::loss::Finding;
use crate::model::loss::Severity;
use crate::rules::rule::{Direction, Rule};
use crate::rules::script::Script;
use crate::sql::quote;
use crate::sql::statement::Kind;
use crate::sql::statement::TableAction;

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "RB-NARROW-TYPE",
    direction: Direction::Back,
    severity: Severity::Warn,
    title: "changes the type of a column",
    condition: "ALTER COLUMN TYPE",
    effect: "may lose values; counted against a database by `rollback validate`",
    workaround: "nothing to do when a snapshot is taken: `rollback undo` puts it back; else keep the data in another table",
    bad: "ALTER TABLE t ALTER c TYPE varchar(3) USING c::varchar(3);",
    good: "ALTER TABLE t ALTER c SET DEFAULT 1;",
    check,
};

fn check(script: &Script, found: &mut Vec<Finding>) {
    script.each(|statement, created| {
        match &statement.kind {
            Kind::AlterTable { table, actions, .. } => actions
                .iter()
                .filter_map(|action| match action {
                    TableAction::AlterType { column, .. } if !created.has_column(table, column) => {
                        let column = quote::ident(column);
                        Some(format!(
                            "changes the type of {column} of {table}: may lose values; counted against a database by `rollback validate`"
                        ))
                    }
                    _ => None,
                })
                .collect(),
            _ => Vec::new(),
        }
    }, &RULE, found);
}
