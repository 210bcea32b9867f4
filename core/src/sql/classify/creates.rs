//! CREATE, by kind of object.

use squawk_syntax::SyntaxKind;
use squawk_syntax::SyntaxNode;

use crate::sql::classify::definition;
use crate::sql::classify::dml;
use crate::sql::classify::outside;
use crate::sql::classify::refuse;
use crate::sql::classify::refused;
use crate::sql::name;
use crate::sql::statement::Kind;
use crate::sql::tree;

/// What a CREATE statement does. `None` for objects that aren't known.
pub(super) fn kind(statement: &SyntaxNode) -> Option<Kind> {
    Some(match statement.kind() {
        SyntaxKind::CREATE_TABLE
        | SyntaxKind::CREATE_TABLE_AS
        | SyntaxKind::CREATE_MATERIALIZED_VIEW => return table(statement),
        SyntaxKind::CREATE_TYPE => {
            Kind::CreateType(name::path_in(statement, SyntaxKind::TYPE_NAME)?)
        }
        SyntaxKind::CREATE_DOMAIN => {
            Kind::CreateType(name::path_in(statement, SyntaxKind::DOMAIN)?)
        }
        SyntaxKind::CREATE_SCHEMA => return schema(statement),
        SyntaxKind::CREATE_INDEX if tree::has(statement, SyntaxKind::CONCURRENTLY_KW) => {
            Kind::NonTransactional {
                what: "CREATE INDEX CONCURRENTLY".to_owned(),
                definition_only: true,
            }
        }
        SyntaxKind::CREATE_DATABASE
        | SyntaxKind::CREATE_TABLESPACE
        | SyntaxKind::CREATE_SUBSCRIPTION => outside(statement, false),
        SyntaxKind::CREATE_ROLE | SyntaxKind::CREATE_USER | SyntaxKind::CREATE_GROUP => {
            refuse(statement, refused::CLUSTER)
        }
        SyntaxKind::CREATE_PUBLICATION => refuse(statement, refused::REPLICATION),
        SyntaxKind::CREATE_SERVER
        | SyntaxKind::CREATE_USER_MAPPING
        | SyntaxKind::CREATE_FOREIGN_DATA_WRAPPER
        | SyntaxKind::CREATE_FOREIGN_TABLE => refuse(statement, refused::FOREIGN),
        SyntaxKind::CREATE_EVENT_TRIGGER => refuse(
            statement,
            "it would run on what the toolkit does in the same transaction",
        ),
        SyntaxKind::CREATE_ACCESS_METHOD
        | SyntaxKind::CREATE_AGGREGATE
        | SyntaxKind::CREATE_CAST
        | SyntaxKind::CREATE_COLLATION
        | SyntaxKind::CREATE_CONVERSION
        | SyntaxKind::CREATE_EXTENSION
        | SyntaxKind::CREATE_FUNCTION
        | SyntaxKind::CREATE_INDEX
        | SyntaxKind::CREATE_LANGUAGE
        | SyntaxKind::CREATE_OPERATOR
        | SyntaxKind::CREATE_OPERATOR_CLASS
        | SyntaxKind::CREATE_OPERATOR_FAMILY
        | SyntaxKind::CREATE_POLICY
        | SyntaxKind::CREATE_PROCEDURE
        | SyntaxKind::CREATE_RULE
        | SyntaxKind::CREATE_SEQUENCE
        | SyntaxKind::CREATE_STATISTICS
        | SyntaxKind::CREATE_TEXT_SEARCH_CONFIGURATION
        | SyntaxKind::CREATE_TEXT_SEARCH_DICTIONARY
        | SyntaxKind::CREATE_TEXT_SEARCH_PARSER
        | SyntaxKind::CREATE_TEXT_SEARCH_TEMPLATE
        | SyntaxKind::CREATE_TRANSFORM
        | SyntaxKind::CREATE_TRIGGER
        | SyntaxKind::CREATE_VIEW => definition(statement),
        _ => return None,
    })
}

/// A new table, with the rows of a query or without. One that may be there already isn't said to
/// be created: dropping it later in the script could drop what was there before.
fn table(statement: &SyntaxNode) -> Option<Kind> {
    if tree::has(statement, SyntaxKind::EXECUTE) {
        return Some(Kind::Opaque {
            what: "CREATE TABLE AS EXECUTE".to_owned(),
        });
    }
    if dml::changes_within(statement) {
        return None;
    }
    let name = name::path_in(statement, SyntaxKind::TABLE_NAME)
        .or_else(|| name::path_in(statement, SyntaxKind::VIEW))?;
    Some(if tree::has(statement, SyntaxKind::IF_NOT_EXISTS) {
        Kind::EnsureTable(name)
    } else {
        Kind::CreateTable(name)
    })
}

fn schema(statement: &SyntaxNode) -> Option<Kind> {
    let target = [SyntaxKind::NAMED_SCHEMA, SyntaxKind::AUTHORIZATION_SCHEMA]
        .into_iter()
        .find_map(|kind| tree::child(statement, kind))?;
    let elements = statement
        .children()
        .any(|c| c != target && c.kind() != SyntaxKind::IF_NOT_EXISTS);
    if elements {
        return None;
    }
    if tree::has(statement, SyntaxKind::IF_NOT_EXISTS) {
        return Some(Kind::Definition {
            what: "CREATE SCHEMA IF NOT EXISTS".to_owned(),
        });
    }
    match name::simple_in(&target, SyntaxKind::SCHEMA) {
        Some(name) => Some(Kind::CreateSchema(name)),
        // CREATE SCHEMA AUTHORIZATION: named after a role that may be CURRENT_USER.
        None => Some(definition(statement)),
    }
}
