//! RB-DELETE-ALL: deletes every row.

use crate::model::loss::Finding;
use crate::model::loss::Severity;
use crate::rules::rule::{Direction, Rule};
use crate::rules::script;
use crate::rules::script::Script;
use crate::sql::statement::Kind;

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "RB-DELETE-ALL",
    direction: Direction::Back,
    severity: Severity::Block,
    title: "deletes every row",
    condition: "DELETE without a condition",
    effect: "all rows go, and those that reference them with ON DELETE CASCADE",
    workaround: "nothing to do when a snapshot is taken: `rollback undo` puts it back; else keep the data in another table",
    bad: "DELETE FROM orders;",
    good: "CREATE TABLE t (a int); DELETE FROM t;",
    check,
};

fn check(script: &Script, found: &mut Vec<Finding>) {
    script.each(
        |statement, created| match &statement.kind {
            Kind::Delete(dml) if script::takes_all(dml) && !created.has_table(&dml.table) => {
                vec![format!("deletes every row of {}", dml.table)]
            }
            _ => Vec::new(),
        },
        &RULE,
        found,
    );
}
