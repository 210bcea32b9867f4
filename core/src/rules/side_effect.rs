//! RB-SIDE-EFFECT: an effect outside the transaction.

use crate::model::loss::Finding;
use crate::model::loss::Severity;
use crate::rules::rule::{Direction, Rule};
use crate::rules::script::Script;
use crate::sql::builtin;
use crate::sql::moved;
use crate::sql::statement::{Kind, Name, Statement};

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "RB-SIDE-EFFECT",
    direction: Direction::Back,
    severity: Severity::Block,
    title: "an effect outside the transaction",
    condition: "a call of a function that acts on sequences, settings, locks, files, other servers or the server process; COPY to or from a program or file; NOTIFY, LISTEN, LOAD, CHECKPOINT",
    effect: "a ROLLBACK doesn't take it back",
    workaround: "do it outside the migration",
    bad: "SELECT dblink_exec('db', 'drop table t');",
    good: "SELECT lower('X');",
    check,
};

fn check(script: &Script, found: &mut Vec<Finding>) {
    script.each(
        |statement, _| {
            let mut messages: Vec<String> = statement
                .functions
                .iter()
                .filter(|f| builtin::acts_outside(f) && !kept(statement, f))
                .map(|f| format!("calls {f}, which acts outside the transaction"))
                .collect();
            if let Kind::Refuse { what, why } = &statement.kind
                && OUTSIDE.contains(&what.as_str())
            {
                messages.push(format!("{what}: {why}"));
            }
            messages
        },
        &RULE,
        found,
    );
}

/// Whether `function` sets sequences that the statement names: their positions are kept.
fn kept(statement: &Statement, function: &Name) -> bool {
    function.name == "setval" && moved::by_setval(&statement.text).is_some()
}

/// The refused statements that are this rule's; the others are RB-REFUSED's.
pub(super) const OUTSIDE: [&str; 6] =
    ["COPY", "NOTIFY", "LISTEN", "UNLISTEN", "LOAD", "CHECKPOINT"];
