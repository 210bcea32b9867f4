//! RB-REFUSED: a statement that is not accepted.

use crate::model::loss::Finding;
use crate::model::loss::Severity;
use crate::rules::rule::{Direction, Rule};
use crate::rules::script::Script;
use crate::rules::side_effect;
use crate::sql::statement::Kind;
use crate::sql::statement::TableAction;

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "RB-REFUSED",
    direction: Direction::Back,
    severity: Severity::Block,
    title: "a statement that is not accepted",
    condition: "SET ROLE, DISABLE TRIGGER, SET UNLOGGED, DROP OWNED, cursors, and whatever concerns roles, replication or foreign servers",
    effect: "it would switch off what protects the rollback, or reach what a snapshot can't keep",
    workaround: "do it outside the migration",
    bad: "ALTER TABLE orders DISABLE TRIGGER ALL;",
    good: "ALTER TABLE orders ENABLE TRIGGER ALL;",
    check,
};

fn check(script: &Script, found: &mut Vec<Finding>) {
    script.each(
        |statement, _| match &statement.kind {
            Kind::Refuse { what, why } if !side_effect::OUTSIDE.contains(&what.as_str()) => {
                vec![format!("{what}: {why}")]
            }
            Kind::AlterTable { actions, .. } => actions
                .iter()
                .filter_map(|action| match action {
                    TableAction::Refuse { what, why } => Some(format!("{what}: {why}")),
                    _ => None,
                })
                .collect(),
            _ => Vec::new(),
        },
        &RULE,
        found,
    );
}
