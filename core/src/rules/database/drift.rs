//! RB-DRIFT: a schema that is not what was recorded.

use crate::model::loss::Severity;
use crate::rules::database::not_from_files;
use crate::rules::rule::{Direction, Rule};

/// The rule.
pub(in crate::rules) static RULE: Rule = Rule {
    id: "RB-DRIFT",
    direction: Direction::Back,
    severity: Severity::Warn,
    title: "the schema or a file is not what it was",
    condition: "the schema was changed beside the migrations since the last one was applied, or the file of an applied migration was edited",
    effect: "the rollback may end in another schema than the one before",
    workaround: "`validate drift` and `migrate status` show what differs; write a migration for it, or put the file back",
    bad: "ALTER TABLE orders ADD note text;   -- by hand, in production",
    good: "-- the same, as a migration of its own\nALTER TABLE orders ADD note text;",
    check: not_from_files,
};
