//! RB-ROW-SECURITY: rows are hidden from the role.

use crate::model::loss::Severity;
use crate::rules::database::not_from_files;
use crate::rules::rule::{Direction, Rule};

/// The rule.
pub(in crate::rules) static RULE: Rule = Rule {
    id: "RB-ROW-SECURITY",
    direction: Direction::Back,
    severity: Severity::Block,
    title: "rows are hidden from the role",
    condition: "row-level security applies to the role that rolls back, on a table that has to be kept",
    effect: "what it hides would be neither counted nor kept, and a script would leave it as it is",
    workaround: "run as a role with BYPASSRLS, or `ALTER TABLE … NO FORCE ROW LEVEL SECURITY` for the owner",
    bad: "UPDATE devices SET platform = NULL;   -- by a role that sees some of the rows",
    good: "UPDATE devices SET platform = NULL;   -- by a role that sees all of them",
    check: not_from_files,
};
