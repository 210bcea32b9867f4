//! SET, RESET, SHOW, and the control of transactions.

use squawk_syntax::SyntaxKind;
use squawk_syntax::SyntaxNode;

use crate::sql::classify::refuse;
use crate::sql::name;
use crate::sql::statement::Kind;
use crate::sql::tree;

const GUARDED: &str = "it would switch off, or change, what protects the rollback";

/// What SET, RESET, SHOW do.
pub(super) fn kind(statement: &SyntaxNode) -> Option<Kind> {
    match statement.kind() {
        SyntaxKind::SHOW => Some(plain("show", Vec::new())),
        SyntaxKind::RESET => Some(reset(statement)),
        SyntaxKind::SET => set(statement),
        _ => Some(refuse(
            statement,
            "it changes whose privileges the rest of the script has",
        )),
    }
}

/// What BEGIN, COMMIT, ROLLBACK, SAVEPOINT and the like do.
pub(super) fn transaction(statement: &SyntaxNode) -> Kind {
    let modes = tree::child(statement, SyntaxKind::TRANSACTION_MODE_LIST);
    let as_usual = modes.is_none_or(|list| {
        list.children().all(|mode| {
            matches!(
                mode.kind(),
                SyntaxKind::READ_WRITE | SyntaxKind::READ_COMMITTED | SyntaxKind::NOT_DEFERRABLE
            )
        })
    });
    Kind::Transaction {
        opens: statement.kind() == SyntaxKind::BEGIN && as_usual,
        closes: statement.kind() == SyntaxKind::COMMIT_TRANSACTION
            && !tree::has(statement, SyntaxKind::AND_CHAIN),
    }
}

fn plain(name: &str, values: Vec<String>) -> Kind {
    Kind::Setting {
        name: name.to_owned(),
        values,
    }
}

fn reset(statement: &SyntaxNode) -> Kind {
    if tree::has(statement, SyntaxKind::RESET_TIME_ZONE) {
        return plain("timezone", Vec::new());
    }
    match tree::child(statement, SyntaxKind::CONFIG_PARAMETER_REF) {
        Some(parameter) if !is_guarded(&parameter_name(&parameter), &[]) => {
            plain(&parameter_name(&parameter), Vec::new())
        }
        // RESET ALL and RESET TRANSACTION ISOLATION LEVEL too.
        _ => refuse(statement, GUARDED),
    }
}

fn set(statement: &SyntaxNode) -> Option<Kind> {
    if tree::has(statement, SyntaxKind::SET_TIME_ZONE) {
        return Some(plain("timezone", Vec::new()));
    }
    if tree::has(statement, SyntaxKind::SET_XML_OPTION) {
        return Some(plain("xmloption", Vec::new()));
    }
    if let Some(schema) = tree::child(statement, SyntaxKind::SET_SCHEMA_VALUE) {
        return Some(plain("search_path", vec![value(&tree::after(&schema, 1))?]));
    }
    let config = tree::child(statement, SyntaxKind::SET_CONFIG)?;
    let name = parameter_name(&tree::child(&config, SyntaxKind::CONFIG_PARAMETER_REF)?);
    let assigned = tree::child(&config, SyntaxKind::TO_CONFIG_VALUE)?;
    let values: Vec<String> = assigned
        .children()
        .map(|v| value(&tree::text(&v)))
        .collect::<Option<_>>()?;
    if is_guarded(&name, &values) {
        return Some(Kind::Refuse {
            what: format!("SET {name}"),
            why: GUARDED.to_owned(),
        });
    }
    let kept = if name == "search_path" {
        values
    } else {
        Vec::new()
    };
    Some(plain(&name, kept))
}

/// A parameter's name. Their case never matters, not even in quotes.
fn parameter_name(node: &SyntaxNode) -> String {
    tree::tokens(node)
        .map(|t| name::fold(t.text()).to_ascii_lowercase())
        .collect()
}

/// A value as the server reads it. `None` for strings with escapes.
fn value(text: &str) -> Option<String> {
    match text.strip_prefix('\'') {
        Some(quoted) => quoted.strip_suffix('\'').map(|s| s.replace("''", "'")),
        None if text.contains('\'') || text.starts_with('$') => None,
        None => Some(name::fold(text)),
    }
}

/// Whether a setting is one that a script must leave alone: the toolkit's safety rests on it, or
/// the meaning of what follows does.
fn is_guarded(name: &str, values: &[String]) -> bool {
    let is = |allowed: &[&str]| matches!(values, [v] if allowed.iter().any(|a| v.eq_ignore_ascii_case(a)));
    match name {
        "standard_conforming_strings" => !is(&["on", "true", "yes", "1"]),
        "client_encoding" | "names" => !is(&["utf8", "utf-8", "unicode"]),
        "role"
        | "session_authorization"
        | "session_replication_role"
        | "event_triggers"
        | "allow_system_table_mods"
        | "zero_damaged_pages"
        | "ignore_checksum_failure"
        | "local_preload_libraries"
        | "session_preload_libraries" => true,
        _ => {
            name.starts_with("transaction_")
                || name.starts_with("default_transaction_")
                || name.starts_with("pgbelay.")
        }
    }
}
