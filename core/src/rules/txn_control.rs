//! RB-TXN-CONTROL: control of the transaction.

use crate::model::loss::Finding;
use crate::model::loss::Severity;
use crate::rules::rule::{Direction, Rule};
use crate::rules::script::Script;
use crate::sql::statement::Kind;

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "RB-TXN-CONTROL",
    direction: Direction::Back,
    severity: Severity::Block,
    title: "control of the transaction",
    condition: "BEGIN, COMMIT, ROLLBACK, SAVEPOINT or the like, other than one BEGIN and COMMIT around everything",
    effect: "the script would leave the transaction that makes the rollback atomic",
    workaround: "delete them: the whole script runs in one transaction",
    bad: "DROP VIEW a; COMMIT; DROP VIEW b;",
    good: "BEGIN; DROP VIEW a; DROP VIEW b; COMMIT;",
    check,
};

fn check(script: &Script, found: &mut Vec<Finding>) {
    script.each(
        |statement, _| match statement.kind {
            Kind::Transaction { .. } => vec!["controls the transaction".to_owned()],
            _ => Vec::new(),
        },
        &RULE,
        found,
    );
}
