//! RB-STORED-RESULT: rows of a materialized view go.

use crate::model::loss::Severity;
use crate::rules::database::not_from_files;
use crate::rules::rule::{Direction, Rule};

/// The rule.
pub(in crate::rules) static RULE: Rule = Rule {
    id: "RB-STORED-RESULT",
    direction: Direction::Back,
    severity: Severity::Block,
    title: "rows of a materialized view go",
    condition: "a materialized view is dropped or filled anew, and its query gives other rows today than it holds",
    effect: "nobody can write rows into it: an undo computes them anew, and they are not the same; those that \
             it held are kept up to 256 MiB, and laid aside in a table",
    workaround: "keep them in a table first, or make it a table",
    bad: "DROP MATERIALIZED VIEW month_2020;",
    good: "CREATE TABLE month_2020_kept AS TABLE month_2020;",
    check: not_from_files,
};
