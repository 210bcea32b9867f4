//! What a statement does, by the kind of its node. What isn't listed is unknown.

mod alters;
pub(super) mod columns;
mod creates;
mod dml;
mod drops;
mod refused;
mod settings;
mod tables;

pub(super) use refused::{CLUSTER, FOREIGN};

use squawk_syntax::SyntaxKind;
use squawk_syntax::SyntaxNode;

use crate::sql::name;
use crate::sql::statement::Kind;
use crate::sql::tree;

/// What `statement`, a statement's node, does.
pub(super) fn kind(statement: &SyntaxNode) -> Kind {
    let family = format!("{:?}", statement.kind());
    let found = match statement.kind() {
        SyntaxKind::SELECT
        | SyntaxKind::SELECT_INTO
        | SyntaxKind::COMPOUND_SELECT
        | SyntaxKind::PAREN_SELECT
        | SyntaxKind::VALUES
        | SyntaxKind::TABLE
        | SyntaxKind::INSERT
        | SyntaxKind::UPDATE
        | SyntaxKind::DELETE
        | SyntaxKind::MERGE => dml::kind(statement),
        SyntaxKind::TRUNCATE => dml::truncate(statement),
        SyntaxKind::COPY => dml::copy(statement),
        SyntaxKind::EXPLAIN => Some(explain(statement)),
        SyntaxKind::SET
        | SyntaxKind::RESET
        | SyntaxKind::SHOW
        | SyntaxKind::SET_ROLE
        | SyntaxKind::SET_SESSION_AUTH
        | SyntaxKind::RESET_ROLE
        | SyntaxKind::RESET_SESSION_AUTH => settings::kind(statement),
        SyntaxKind::BEGIN
        | SyntaxKind::COMMIT_TRANSACTION
        | SyntaxKind::COMMIT_PREPARED
        | SyntaxKind::ROLLBACK_TRANSACTION
        | SyntaxKind::ROLLBACK_TO_SAVEPOINT
        | SyntaxKind::ROLLBACK_PREPARED
        | SyntaxKind::SAVEPOINT_CREATE
        | SyntaxKind::RELEASE_SAVEPOINT
        | SyntaxKind::PREPARE_TRANSACTION
        | SyntaxKind::SET_TRANSACTION
        | SyntaxKind::SET_CONSTRAINTS => Some(settings::transaction(statement)),
        SyntaxKind::LOCK | SyntaxKind::ANALYZE => Some(Kind::Harmless),
        SyntaxKind::DO | SyntaxKind::CALL | SyntaxKind::EXECUTE | SyntaxKind::PREPARE => {
            Some(Kind::Opaque {
                what: tree::words(statement),
            })
        }
        SyntaxKind::COMMENT_ON | SyntaxKind::SECURITY_LABEL => Some(definition(statement)),
        SyntaxKind::REFRESH => Some(Kind::Definition {
            what: "REFRESH MATERIALIZED VIEW".to_owned(),
        }),
        SyntaxKind::GRANT | SyntaxKind::REVOKE => Some(privileges(statement)),
        SyntaxKind::REINDEX => Some(reindex(statement)),
        SyntaxKind::CLUSTER => Some(cluster(statement)),
        SyntaxKind::VACUUM => Some(outside(statement, false)),
        _ if family.starts_with("DROP_") => drops::kind(statement),
        _ if family.starts_with("CREATE_") => creates::kind(statement),
        _ if family.starts_with("ALTER_") => alters::kind(statement),
        _ => refused::kind(statement),
    };
    found.unwrap_or_else(|| Kind::Unknown {
        why: format!(
            "{} in a form that is not understood",
            tree::words(statement)
        ),
    })
}

/// A change of definitions only, named after the statement.
fn definition(statement: &SyntaxNode) -> Kind {
    Kind::Definition {
        what: tree::words(statement),
    }
}

/// A statement that can't run in a transaction.
fn outside(statement: &SyntaxNode, definition_only: bool) -> Kind {
    Kind::NonTransactional {
        what: tree::words(statement),
        definition_only,
    }
}

/// A statement that is understood and not accepted.
fn refuse(statement: &SyntaxNode, why: &str) -> Kind {
    Kind::Refuse {
        what: tree::words(statement),
        why: why.to_owned(),
    }
}

/// EXPLAIN reads, unless it runs the statement.
fn explain(statement: &SyntaxNode) -> Kind {
    let option_list = tree::child(statement, SyntaxKind::EXPLAIN_OPTION_LIST);
    let analyzes = tree::has(statement, SyntaxKind::EXPLAIN_ANALYZE)
        || option_list.is_some_and(|list| {
            tree::children(&list, SyntaxKind::EXPLAIN_OPTION).any(|option| {
                name::simple(&option).is_none_or(|n| n == "analyze" || n == "analyse")
            })
        });
    if analyzes {
        Kind::Refuse {
            what: "EXPLAIN ANALYZE".to_owned(),
            why: "it runs the statement that it explains".to_owned(),
        }
    } else {
        Kind::Query
    }
}

/// Privileges on objects are part of their definitions; membership of a role is not.
fn privileges(statement: &SyntaxNode) -> Kind {
    if tree::has(statement, SyntaxKind::ON_PRIVILEGE_OBJECTS_CLAUSE) {
        definition(statement)
    } else {
        refuse(statement, CLUSTER)
    }
}

fn reindex(statement: &SyntaxNode) -> Kind {
    let wide = [
        SyntaxKind::REINDEX_TARGET_DATABASE,
        SyntaxKind::REINDEX_TARGET_SCHEMA,
        SyntaxKind::REINDEX_TARGET_SYSTEM,
        SyntaxKind::REINDEX_OPTION_CONCURRENTLY,
    ];
    let concurrently = tree::tokens(statement).any(|t| t.kind() == SyntaxKind::CONCURRENTLY_KW);
    if concurrently || tree::contains(statement, &wide) {
        outside(statement, true)
    } else {
        definition(statement)
    }
}

/// CLUSTER of all tables commits after each.
fn cluster(statement: &SyntaxNode) -> Kind {
    if tree::has(statement, SyntaxKind::TABLE_NAME_REF)
        || tree::has(statement, SyntaxKind::CLUSTER_LEGACY)
    {
        definition(statement)
    } else {
        outside(statement, false)
    }
}
