//! RB-NO-KEY: changes of a table that has no key.

use crate::model::loss::Severity;
use crate::rules::database::not_from_files;
use crate::rules::rule::{Direction, Rule};

/// The rule.
pub(in crate::rules) static RULE: Rule = Rule {
    id: "RB-NO-KEY",
    direction: Direction::Back,
    severity: Severity::Block,
    title: "rows can't be told apart afterwards",
    condition: "both columns and rows of a table change, and no key survives",
    effect: "what was there can't be put back to the rows that it belongs to",
    workaround: "give the table a primary key, or split the migration in two",
    bad: "ALTER TABLE log DROP note;\nUPDATE log SET level = 0;   -- no key",
    good: "ALTER TABLE log DROP note;",
    check: not_from_files,
};
