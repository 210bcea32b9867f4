//! RB-WILL-FAIL: statements that can't work.

use crate::model::loss::Severity;
use crate::rules::database::not_from_files;
use crate::rules::rule::{Direction, Rule};

/// The rule.
pub(in crate::rules) static RULE: Rule = Rule {
    id: "RB-WILL-FAIL",
    direction: Direction::Back,
    severity: Severity::Block,
    title: "the script will fail",
    condition: "a statement can't work on this database: an object is not there, something depends on it, or rows that are there break what it adds (NOT NULL, CHECK, UNIQUE, a reference)",
    effect: "nothing is changed, and the rollback is of no use when it is needed",
    workaround: "correct the script; `validate roundtrip` tries it out",
    bad: "DROP TABLE no_such_table;",
    good: "DROP TABLE IF EXISTS no_such_table;",
    check: not_from_files,
};
