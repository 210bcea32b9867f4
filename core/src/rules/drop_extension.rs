//! RB-DROP-EXTENSION: drops an extension.

use crate::model::loss::Finding;
use crate::model::loss::Severity;
use crate::rules::rule::{Direction, Rule};
use crate::rules::script::Script;
use crate::sql::statement::Kind;

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "RB-DROP-EXTENSION",
    direction: Direction::Back,
    severity: Severity::Block,
    title: "drops an extension",
    condition: "DROP EXTENSION",
    effect: "tables of the extension go with their rows; with CASCADE columns of its types and indexes on its operators too",
    workaround: "leave the extension in place",
    bad: "DROP EXTENSION hstore CASCADE;",
    good: "CREATE EXTENSION hstore;",
    check,
};

fn check(script: &Script, found: &mut Vec<Finding>) {
    script.each(
        |statement, _| match &statement.kind {
            Kind::DropExtension(drop) => drop
                .names
                .iter()
                .map(|name| format!("drops extension {name} with its tables"))
                .collect(),
            _ => Vec::new(),
        },
        &RULE,
        found,
    );
}
