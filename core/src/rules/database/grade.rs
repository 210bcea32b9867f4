//! RB-GRADE: a script that did not lead back when it was tried.

use crate::model::loss::Severity;
use crate::rules::database::not_from_files;
use crate::rules::rule::{Direction, Rule};

/// The rule.
pub(in crate::rules) static RULE: Rule = Rule {
    id: "RB-GRADE",
    direction: Direction::Back,
    severity: Severity::Warn,
    title: "the way back was tried, and did not lead back",
    condition: "`validate roundtrip` has tried these very scripts on made-up rows, and gave another grade than exact or order",
    effect: "what it found then is to be expected again: another schema, rows that the migration did not bring, or a failure",
    workaround: "`validate roundtrip` shows the difference; correct the rollback script, and try it again",
    bad: "-- up: ALTER TABLE orders ALTER total SET NOT NULL; ALTER TABLE orders ADD note text\nALTER TABLE orders DROP note;",
    good: "ALTER TABLE orders DROP note;\nALTER TABLE orders ALTER total DROP NOT NULL;",
    check: not_from_files,
};
