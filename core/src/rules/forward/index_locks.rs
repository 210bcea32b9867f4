//! FW-INDEX-LOCKS: builds an index while nobody can write the table.

use crate::model::loss::{Finding, Severity};
use crate::rules::rule::{Direction, Rule};
use crate::rules::script::Script;
use crate::sql::locks;
use crate::sql::statement::Kind;

/// The rule.
pub(in crate::rules) static RULE: Rule = Rule {
    id: "FW-INDEX-LOCKS",
    direction: Direction::Forward,
    severity: Severity::Warn,
    title: "builds an index while nobody can write the table",
    condition: "CREATE INDEX without CONCURRENTLY, on a table that the script did not make",
    effect: "writers wait until the index is there",
    workaround: "CREATE INDEX CONCURRENTLY in a migration of its own, with `transaction: off`",
    bad: "CREATE INDEX ON orders (note);",
    good: "CREATE TABLE t (a int); CREATE INDEX ON t (a);",
    check,
};

fn check(script: &Script, found: &mut Vec<Finding>) {
    script.each(
        |statement, created| match &statement.kind {
            Kind::Definition { what } if what == "CREATE INDEX" => locks::of(statement)
                .into_iter()
                .filter(|(on, _)| !created.has_table(on.name()))
                .map(|(on, _)| format!("builds an index on {on} while nobody can write it"))
                .collect(),
            _ => Vec::new(),
        },
        &RULE,
        found,
    );
}
