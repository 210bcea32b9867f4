//! RB-CASCADE-HIDDEN: what CASCADE takes unseen.

use crate::model::loss::Severity;
use crate::rules::database::not_from_files;
use crate::rules::rule::{Direction, Rule};

/// The rule.
pub(in crate::rules) static RULE: Rule = Rule {
    id: "RB-CASCADE-HIDDEN",
    direction: Direction::Back,
    severity: Severity::Block,
    title: "CASCADE takes more than is named",
    condition: "a DROP … CASCADE takes tables, columns or rows with it that the script doesn't name",
    effect: "rows go that nobody who reads the script can see going",
    workaround: "name each object in a DROP of its own, without CASCADE",
    bad: "DROP SCHEMA app CASCADE;",
    good: "DROP TABLE app.orders;\nDROP SCHEMA app;",
    check: not_from_files,
};
