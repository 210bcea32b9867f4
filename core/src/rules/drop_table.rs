//! RB-DROP-TABLE: drops a table.

use crate::model::loss::Finding;
use crate::model::loss::Severity;
use crate::rules::rule::{Direction, Rule};
use crate::rules::script::Script;
use crate::sql::created::Created;
use crate::sql::statement::Kind;
use crate::sql::statement::Statement;

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "RB-DROP-TABLE",
    direction: Direction::Back,
    severity: Severity::Block,
    title: "drops a table",
    condition: "DROP TABLE of a table that the script did not create",
    effect: "every row goes, and its indexes, constraints, triggers and sequences; with CASCADE what depends on it too",
    workaround: "nothing to do when a snapshot is taken: `rollback undo` puts it back; else keep the data in another table",
    bad: "DROP TABLE orders;",
    good: "CREATE TEMP TABLE t (a int); DROP TABLE t;",
    check,
};

fn check(script: &Script, found: &mut Vec<Finding>) {
    script.each(told, &RULE, found);
}

/// What there is to say of `statement`.
pub(super) fn told(statement: &Statement, created: &Created) -> Vec<String> {
    match &statement.kind {
        Kind::DropTable(drop) => drop
            .names
            .iter()
            .filter(|table| !created.has_table(table))
            .map(|table| format!("drops table {table} with every row in it"))
            .collect(),
        _ => Vec::new(),
    }
}
