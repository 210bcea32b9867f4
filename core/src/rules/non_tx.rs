//! RB-NON-TX: a statement that can't run in a transaction.

use crate::model::loss::Finding;
use crate::model::loss::Severity;
use crate::rules::rule::{Direction, Rule};
use crate::rules::script::Script;
use crate::sql::statement::Kind;
use crate::sql::statement::TableAction;

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "RB-NON-TX",
    direction: Direction::Back,
    severity: Severity::Warn,
    title: "a statement that can't run in a transaction",
    condition: "CONCURRENTLY, VACUUM, ALTER SYSTEM, databases, tablespaces",
    effect: "a rollback leaves CONCURRENTLY out, so the table is locked until its transaction ends; anything else of the kind is refused",
    workaround: "use the form without CONCURRENTLY, or put it in a migration of its own with `-- transaction: off`",
    bad: "DROP INDEX CONCURRENTLY orders_by_day;",
    good: "DROP INDEX orders_by_day;",
    check,
};

fn check(script: &Script, found: &mut Vec<Finding>) {
    script.each(
        |statement, _| match &statement.kind {
            Kind::NonTransactional { what, .. } => {
                vec![format!("{what} can't run in a transaction")]
            }
            Kind::AlterTable { actions, .. } => actions
                .iter()
                .filter(|a| {
                    matches!(
                        a,
                        TableAction::DetachPartition {
                            concurrently: true,
                            ..
                        }
                    )
                })
                .map(|_| "DETACH PARTITION CONCURRENTLY can't run in a transaction".to_owned())
                .collect(),
            _ => Vec::new(),
        },
        &RULE,
        found,
    );
}
