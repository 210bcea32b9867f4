//! RB-DROP-TABLE: drops a table.

use crate::model::loss::Finding;
use crate::model::loss::Severity;
use crate::rules::rule::{Direction, Rule};
use crate::rules::script::Script;
use crate::sql::statement::Kind;

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
    script.each(
        |statement, created| match &statement.kind {
            Kind::DropTable(drop) => drop
                .names
                .iter()
                .filter(|table| !created.has_table(table))
                .map(|table| format!("drops table {table} with every row in it"))
                .collect(),
            _ => Vec::new(),
        },
        &RULE,
        found,
    );
}
