//! RB-EDITED: a rollback script that was edited since.

use crate::model::loss::Severity;
use crate::rules::database::not_from_files;
use crate::rules::rule::{Direction, Rule};

/// The rule.
pub(in crate::rules) static RULE: Rule = Rule {
    id: "RB-EDITED",
    direction: Direction::Back,
    severity: Severity::Info,
    title: "the rollback script was edited",
    condition: "the rollback file is not the one that was there when the migration was applied",
    effect: "what runs is not what was reviewed then",
    workaround: "review it again; the file is what runs",
    bad: "DROP TABLE orders;   -- edited since",
    good: "DROP TABLE orders;   -- as it was applied",
    check: not_from_files,
};
