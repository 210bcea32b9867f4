//! RB-NO-FILE: an applied migration without a file.

use crate::model::loss::Severity;
use crate::rules::database::not_from_files;
use crate::rules::rule::{Direction, Rule};

/// The rule.
pub(in crate::rules) static RULE: Rule = Rule {
    id: "RB-NO-FILE",
    direction: Direction::Back,
    severity: Severity::Warn,
    title: "the migration has no file here",
    condition: "an applied migration has no file in the folder",
    effect: "the script that was stored in the database when it was applied runs, unseen",
    workaround: "check out the revision that holds the file",
    bad: "(no file: 0042_orders_rollback.sql)",
    good: "DROP TABLE orders;",
    check: not_from_files,
};
