//! RB-OPAQUE: code that can't be judged from its text.

use crate::model::loss::Finding;
use crate::model::loss::Severity;
use crate::rules::rule::{Direction, Rule};
use crate::rules::script::Script;
use crate::sql::builtin;
use crate::sql::statement::Kind;

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "RB-OPAQUE",
    direction: Direction::Back,
    severity: Severity::Block,
    title: "code that can't be judged from its text",
    condition: "DO, CALL, EXECUTE, PREPARE, or a call of a function that is not one of PostgreSQL's own",
    effect: "it may change anything; only a rehearsal or the run itself shows what",
    workaround: "write plain statements",
    bad: "DO $$ BEGIN DELETE FROM orders; END $$;",
    good: "ALTER TABLE t ALTER c TYPE text USING lower(c);",
    check,
};

fn check(script: &Script, found: &mut Vec<Finding>) {
    script.each(
        |statement, _| {
            let mut messages: Vec<String> = statement
                .functions
                .iter()
                .filter(|f| !builtin::is_pure(f) && !builtin::acts_outside(f))
                .map(|f| format!("calls {f}, whose effects can't be told from its name"))
                .collect();
            if let Kind::Opaque { what } = &statement.kind {
                messages.push(format!(
                    "{what} runs code that can't be judged from its text"
                ));
            }
            messages
        },
        &RULE,
        found,
    );
}
