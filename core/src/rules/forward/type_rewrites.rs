//! FW-TYPE-REWRITES: changes the type of a column while nobody can use the table.

use crate::model::loss::{Finding, Severity};
use crate::rules::rule::{Direction, Rule};
use crate::rules::script::Script;
use crate::sql::statement::{Kind, TableAction};

/// The rule.
pub(in crate::rules) static RULE: Rule = Rule {
    id: "FW-TYPE-REWRITES",
    direction: Direction::Forward,
    severity: Severity::Warn,
    title: "may rewrite a table under an exclusive lock",
    condition: "ALTER COLUMN TYPE on a table that the script did not make",
    effect: "unless the new type holds the old one as it is (a longer varchar, text), every row is written again while nobody can read or write the table",
    workaround: "add a column of the new type, fill it in batches, and exchange the two",
    bad: "ALTER TABLE orders ALTER id TYPE bigint;",
    good: "ALTER TABLE orders ADD id8 bigint;",
    check,
};

fn check(script: &Script, found: &mut Vec<Finding>) {
    script.each(
        |statement, created| match &statement.kind {
            Kind::AlterTable { table, actions, .. } => actions
                .iter()
                .filter_map(|action| match action {
                    TableAction::AlterType {
                        column, new_type, ..
                    } if !created.has_column(table, column) => Some(format!(
                        "changes {column} of {table} to {new_type}, which may write every row again \
                         under an exclusive lock"
                    )),
                    _ => None,
                })
                .collect(),
            _ => Vec::new(),
        },
        &RULE,
        found,
    );
}
