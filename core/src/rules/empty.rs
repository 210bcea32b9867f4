//! RB-EMPTY: an empty way back.

use crate::model::loss::Finding;
use crate::model::loss::Severity;
use crate::rules::rule::{Direction, Rule};
use crate::rules::script::Script;
use crate::sql::statement::Kind;

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "RB-EMPTY",
    direction: Direction::Back,
    severity: Severity::Block,
    title: "an empty way back",
    condition: "a rollback file holds no statement, or only a SELECT of constants",
    effect: "the ledger would say rolled back while nothing was",
    workaround: "write the way back, or delete the file so that the gap shows",
    bad: "-- nothing to do\nSELECT 1;",
    good: "DROP VIEW report;",
    check,
};

fn check(script: &Script, found: &mut Vec<Finding>) {
    let idle = script
        .statements()
        .iter()
        .all(|s| s.kind == Kind::Query && s.functions.is_empty() && s.reads.is_empty());
    if idle && !script.is_missing() {
        let message = "the rollback does nothing".to_owned();
        found.push(script.finding(&RULE, 0, message));
    }
}
