//! RB-MISSING: no way back.

use crate::model::loss::Finding;
use crate::model::loss::Severity;
use crate::rules::rule;
use crate::rules::rule::{Direction, Rule};
use crate::rules::script::Script;

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "RB-MISSING",
    direction: Direction::Back,
    severity: Severity::Block,
    title: "no way back",
    condition: "a migration has no rollback file",
    effect: "the migration can't be rolled back",
    workaround: "write <version>_<name>_rollback.sql",
    bad: rule::NO_SCRIPT,
    good: "DROP VIEW report;",
    check,
};

fn check(script: &Script, found: &mut Vec<Finding>) {
    if script.is_missing() {
        found.push(script.finding(&RULE, 0, "there is no rollback file".to_owned()));
    }
}
