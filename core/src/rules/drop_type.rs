//! RB-DROP-TYPE: drops a type with its columns.

use crate::model::loss::Finding;
use crate::model::loss::Severity;
use crate::rules::rule::{Direction, Rule};
use crate::rules::script::Script;
use crate::sql::statement::Kind;

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "RB-DROP-TYPE",
    direction: Direction::Back,
    severity: Severity::Block,
    title: "drops a type with its columns",
    condition: "DROP TYPE or DROP DOMAIN with CASCADE",
    effect: "every column of the type goes with its values",
    workaround: "change the columns to another type first, then drop the type without CASCADE",
    bad: "DROP TYPE mood CASCADE;",
    good: "DROP TYPE mood;",
    check,
};

fn check(script: &Script, found: &mut Vec<Finding>) {
    script.each(
        |statement, created| match &statement.kind {
            Kind::DropType(drop) if drop.cascade => drop
                .names
                .iter()
                .filter(|name| !created.has_type(name))
                .map(|name| format!("drops type {name} with every column of it"))
                .collect(),
            _ => Vec::new(),
        },
        &RULE,
        found,
    );
}
