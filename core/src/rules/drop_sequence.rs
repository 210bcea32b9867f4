//! RB-DROP-SEQUENCE: drops a sequence.

use crate::model::loss::Finding;
use crate::model::loss::Severity;
use crate::rules::rule::{Direction, Rule};
use crate::rules::script::Script;
use crate::sql::statement::Kind;

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "RB-DROP-SEQUENCE",
    direction: Direction::Back,
    severity: Severity::Warn,
    title: "drops a sequence",
    condition: "DROP SEQUENCE",
    effect: "the position is lost: a new sequence would give out numbers again",
    workaround: "nothing to do when a snapshot is taken: `rollback undo` puts it back; else keep the data in another table",
    bad: "DROP SEQUENCE order_numbers;",
    good: "ALTER SEQUENCE order_numbers OWNED BY orders.number;",
    check,
};

fn check(script: &Script, found: &mut Vec<Finding>) {
    script.each(
        |statement, _| match &statement.kind {
            Kind::DropSequence(drop) => drop
                .names
                .iter()
                .map(|name| format!("drops sequence {name} with its position"))
                .collect(),
            _ => Vec::new(),
        },
        &RULE,
        found,
    );
}
