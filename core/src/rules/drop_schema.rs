//! RB-DROP-SCHEMA: drops a schema.

use crate::model::loss::Finding;
use crate::model::loss::Severity;
use crate::rules::rule::{Direction, Rule};
use crate::rules::script::Script;
use crate::sql::statement::Kind;

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "RB-DROP-SCHEMA",
    direction: Direction::Back,
    severity: Severity::Block,
    title: "drops a schema",
    condition: "DROP SCHEMA CASCADE",
    effect: "every table in it goes with its rows, and what depends on them elsewhere",
    workaround: "nothing to do when a snapshot is taken: `rollback undo` puts it back; else keep the data in another table",
    bad: "DROP SCHEMA app CASCADE;",
    good: "DROP SCHEMA app;",
    check,
};

fn check(script: &Script, found: &mut Vec<Finding>) {
    script.each(
        |statement, created| match &statement.kind {
            Kind::DropSchema(drop) if drop.cascade => drop
                .names
                .iter()
                .filter(|name| !created.has_schema(name))
                .map(|name| format!("drops schema {name} with everything in it"))
                .collect(),
            _ => Vec::new(),
        },
        &RULE,
        found,
    );
}
