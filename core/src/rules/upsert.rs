//! RB-UPSERT: overwrites rows that are in the way.

use crate::model::loss::Finding;
use crate::model::loss::Severity;
use crate::rules::rule::{Direction, Rule};
use crate::rules::script::Script;
use crate::sql::statement::Kind;

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "RB-UPSERT",
    direction: Direction::Back,
    severity: Severity::Block,
    title: "overwrites rows that are in the way",
    condition: "INSERT with ON CONFLICT DO UPDATE",
    effect: "the old values of rows that are there already go",
    workaround: "nothing to do when a snapshot is taken: `rollback undo` puts it back; else keep the data in another table",
    bad: "INSERT INTO t VALUES (1, 2) ON CONFLICT (a) DO UPDATE SET b = 2;",
    good: "INSERT INTO t VALUES (1, 2) ON CONFLICT DO NOTHING;",
    check,
};

fn check(script: &Script, found: &mut Vec<Finding>) {
    script.each(
        |statement, created| match &statement.kind {
            Kind::Insert {
                table,
                updates: true,
            } if !created.has_table(table) => {
                vec![format!(
                    "overwrites values in {table} where a row is there already"
                )]
            }
            _ => Vec::new(),
        },
        &RULE,
        found,
    );
}
