//! RB-MERGE: changes rows in several ways at once.

use crate::model::loss::Finding;
use crate::model::loss::Severity;
use crate::rules::rule::{Direction, Rule};
use crate::rules::script::Script;
use crate::sql::statement::Kind;
use crate::sql::statement::Name;

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "RB-MERGE",
    direction: Direction::Back,
    severity: Severity::Block,
    title: "changes rows in several ways at once",
    condition: "MERGE, or a statement with INSERT, UPDATE, DELETE or MERGE in a CTE, that updates or deletes",
    effect: "old values and rows go, as with UPDATE and DELETE",
    workaround: "nothing to do when a snapshot is taken: `rollback undo` puts it back; else keep the data in another table",
    bad: "WITH d AS (DELETE FROM a RETURNING *) INSERT INTO b SELECT * FROM d;",
    good: "MERGE INTO t USING u ON t.a = u.a WHEN NOT MATCHED THEN INSERT VALUES (1);",
    check,
};

fn check(script: &Script, found: &mut Vec<Finding>) {
    script.each(
        |statement, created| match &statement.kind {
            Kind::Changes {
                deletes, updates, ..
            } => {
                let lost = |verb: &str, table: &Name| {
                    (!created.has_table(table)).then(|| format!("{verb} {table}"))
                };
                let deleted = deletes.iter().filter_map(|t| lost("deletes rows of", t));
                let updated = updates
                    .iter()
                    .filter_map(|t| lost("overwrites values in", t));
                deleted.chain(updated).collect()
            }
            _ => Vec::new(),
        },
        &RULE,
        found,
    );
}
