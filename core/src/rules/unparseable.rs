//! RB-UNPARSEABLE: a statement that is not understood.

use crate::model::loss::Finding;
use crate::model::loss::Severity;
use crate::rules::rule::{Direction, Rule};
use crate::rules::script::Script;
use crate::sql::statement::Kind;

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "RB-UNPARSEABLE",
    direction: Direction::Back,
    severity: Severity::Block,
    title: "a statement that is not understood",
    condition: "a statement has a syntax error, or a form outside the grammar",
    effect: "what it would destroy is not known",
    workaround: "correct it; commands of psql have to go",
    bad: "DROP TABEL orders;",
    good: "DROP VIEW report;",
    check,
};

fn check(script: &Script, found: &mut Vec<Finding>) {
    script.each(
        |statement, _| match &statement.kind {
            Kind::Unknown { why } => vec![why.clone()],
            _ => Vec::new(),
        },
        &RULE,
        found,
    );
}
