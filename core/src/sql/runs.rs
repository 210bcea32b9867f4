//! Which statements run code that somebody has written, which only store it, and which may bring
//! new code.

use crate::sql::builtin;
use crate::sql::statement::{Kind, Statement};
use crate::sql::words::Words;

/// Definitions that only store what they are made of.
const STORING: [&str; 24] = [
    "COMMENT",
    "GRANT",
    "REVOKE",
    "SECURITY LABEL",
    "CREATE ACCESS METHOD",
    "CREATE AGGREGATE",
    "CREATE CAST",
    "CREATE COLLATION",
    "CREATE CONVERSION",
    "CREATE EXTENSION",
    "CREATE FUNCTION",
    "CREATE LANGUAGE",
    "CREATE OPERATOR",
    "CREATE POLICY",
    "CREATE PROCEDURE",
    "CREATE RULE",
    "CREATE SCHEMA",
    "CREATE SEQUENCE",
    "CREATE STATISTICS",
    "CREATE TEXT SEARCH",
    "CREATE TRANSFORM",
    "CREATE TRIGGER",
    "CREATE VIEW",
    "ALTER ",
];

/// Whether `statement` only stores a definition, so that nothing in its text is run by itself: an
/// index is filled.
pub fn only_stores(statement: &Statement) -> bool {
    match &statement.kind {
        Kind::Definition { what } => STORING.iter().any(|start| what.starts_with(start)),
        _ => false,
    }
}

/// Whether one of `statements` may run code, of the same script or from before.
pub fn runs_code(statements: &[Statement]) -> bool {
    let classes = |s: &Statement| s.text.to_ascii_lowercase().contains("operator");
    let classes = statements.iter().any(|s| only_stores(s) && classes(s));
    statements.iter().any(|s| runs(s, classes))
}

/// Whether `statement` may run code; with `classes`, there are operators and classes of somebody's
/// own.
fn runs(statement: &Statement, classes: bool) -> bool {
    if !statement.functions.is_empty() {
        return true;
    }
    let computes = || !Words::of(&statement.text).operators.is_empty();
    match &statement.kind {
        Kind::Delete(_)
        | Kind::Update(_)
        | Kind::Insert { .. }
        | Kind::Changes { .. }
        | Kind::CopyFrom(_)
        | Kind::Truncate { .. }
        | Kind::AlterTable { .. }
        | Kind::AlterType { .. }
        | Kind::Opaque { .. }
        | Kind::Refuse { .. }
        | Kind::Unknown { .. }
        | Kind::NonTransactional { .. } => true,
        Kind::Query | Kind::CreateTable(_) | Kind::EnsureTable(_) => {
            // Rows of a default partition are looked through for a new one.
            let divides = || statement.text.to_ascii_lowercase().contains("partition");
            !statement.reads.is_empty() || computes() || divides()
        }
        Kind::Harmless => !statement.text.to_ascii_lowercase().starts_with("lock"),
        Kind::Definition { what } if what.contains("INDEX") => classes || computes(),
        Kind::Definition { .. } => !only_stores(statement),
        _ => false,
    }
}

/// Whether there may be other code after `statement` than before, in a way that its text doesn't show.
pub fn brings_code(statement: &Statement) -> bool {
    let unknown = |name| !builtin::is_pure(name) && !name.name.starts_with("setval");
    match &statement.kind {
        Kind::Definition { what } => {
            let plain = ["COMMENT", "GRANT", "REVOKE", "CREATE SEQUENCE", "REINDEX"];
            !what.contains("INDEX") && !plain.iter().any(|start| what.starts_with(start))
        }
        Kind::CreateType(_)
        | Kind::AlterType { .. }
        | Kind::Opaque { .. }
        | Kind::Refuse { .. }
        | Kind::Unknown { .. }
        | Kind::NonTransactional { .. } => true,
        _ => statement.functions.iter().any(unknown),
    }
}
