//! ALTER of anything but a table's columns.

use squawk_syntax::SyntaxKind;
use squawk_syntax::SyntaxNode;

use crate::sql::classify::definition;
use crate::sql::classify::outside;
use crate::sql::classify::refuse;
use crate::sql::classify::refused;
use crate::sql::classify::tables;
use crate::sql::name;
use crate::sql::statement::Kind;
use crate::sql::statement::Name;
use crate::sql::tree;

const ATTRIBUTE: &str =
    "drops or changes an attribute of a composite type; its values can't be kept yet";

/// What an ALTER statement does. `None` for objects that aren't known.
pub(super) fn kind(statement: &SyntaxNode) -> Option<Kind> {
    if tree::has(statement, SyntaxKind::ALL_IN_TABLESPACE) {
        return Some(refuse(statement, "which tables it moves isn't written"));
    }
    Some(match statement.kind() {
        SyntaxKind::ALTER_TABLE => return tables::kind(statement),
        SyntaxKind::ALTER_VIEW | SyntaxKind::ALTER_INDEX | SyntaxKind::ALTER_MATERIALIZED_VIEW => {
            return relation(statement);
        }
        SyntaxKind::ALTER_SEQUENCE => return sequence(statement),
        SyntaxKind::ALTER_TYPE | SyntaxKind::ALTER_DOMAIN => return data_type(statement),
        SyntaxKind::ALTER_SCHEMA => match tree::child(statement, SyntaxKind::SCHEMA_RENAME_TO) {
            Some(rename) => Kind::RenameSchema {
                from: name::simple_in(statement, SyntaxKind::SCHEMA_REF)?,
                to: name::simple_in(&rename, SyntaxKind::SCHEMA)?,
            },
            None if tree::has(statement, SyntaxKind::OWNER_TO) => definition(statement),
            None => return None,
        },
        SyntaxKind::ALTER_EXTENSION => return extension(statement),
        SyntaxKind::ALTER_SYSTEM => outside(statement, false),
        SyntaxKind::ALTER_ROLE
        | SyntaxKind::ALTER_USER
        | SyntaxKind::ALTER_GROUP
        | SyntaxKind::ALTER_DATABASE
        | SyntaxKind::ALTER_TABLESPACE => refuse(statement, refused::CLUSTER),
        SyntaxKind::ALTER_PUBLICATION | SyntaxKind::ALTER_SUBSCRIPTION => {
            refuse(statement, refused::REPLICATION)
        }
        SyntaxKind::ALTER_SERVER
        | SyntaxKind::ALTER_USER_MAPPING
        | SyntaxKind::ALTER_FOREIGN_DATA_WRAPPER
        | SyntaxKind::ALTER_FOREIGN_TABLE => refuse(statement, refused::FOREIGN),
        SyntaxKind::ALTER_EVENT_TRIGGER => refuse(
            statement,
            "it changes what runs in the toolkit's own transaction",
        ),
        SyntaxKind::ALTER_AGGREGATE
        | SyntaxKind::ALTER_COLLATION
        | SyntaxKind::ALTER_CONVERSION
        | SyntaxKind::ALTER_DEFAULT_PRIVILEGES
        | SyntaxKind::ALTER_FUNCTION
        | SyntaxKind::ALTER_LANGUAGE
        | SyntaxKind::ALTER_LARGE_OBJECT
        | SyntaxKind::ALTER_OPERATOR
        | SyntaxKind::ALTER_OPERATOR_CLASS
        | SyntaxKind::ALTER_OPERATOR_FAMILY
        | SyntaxKind::ALTER_POLICY
        | SyntaxKind::ALTER_PROCEDURE
        | SyntaxKind::ALTER_ROUTINE
        | SyntaxKind::ALTER_RULE
        | SyntaxKind::ALTER_STATISTICS
        | SyntaxKind::ALTER_TEXT_SEARCH_CONFIGURATION
        | SyntaxKind::ALTER_TEXT_SEARCH_DICTIONARY
        | SyntaxKind::ALTER_TEXT_SEARCH_PARSER
        | SyntaxKind::ALTER_TEXT_SEARCH_TEMPLATE
        | SyntaxKind::ALTER_TRIGGER => definition(statement),
        _ => return None,
    })
}

/// The one thing that an action of a relation does, when it has a kind of its own.
pub(super) fn relation_action(relation: &Name, action: &SyntaxNode) -> Option<Kind> {
    let renames = [
        (SyntaxKind::TABLE_RENAME_TO, SyntaxKind::TABLE_NAME),
        (SyntaxKind::VIEW_RENAME_TO, SyntaxKind::VIEW),
        (SyntaxKind::INDEX_RENAME_TO, SyntaxKind::INDEX),
        (SyntaxKind::SEQUENCE_RENAME_TO, SyntaxKind::SEQUENCE),
    ];
    if let Some((_, to)) = renames.iter().find(|(kind, _)| *kind == action.kind()) {
        return Some(Kind::Rename {
            from: relation.clone(),
            to: name::path_in(action, *to)?.name,
        });
    }
    match action.kind() {
        SyntaxKind::SET_SCHEMA => Some(Kind::SetSchema {
            from: relation.clone(),
            to: name::simple_in(action, SyntaxKind::SCHEMA_REF)?,
        }),
        SyntaxKind::RENAME_COLUMN => Some(Kind::RenameColumn {
            table: relation.clone(),
            from: name::simple_in(action, SyntaxKind::COLUMN_NAME_REF)?,
            to: name::simple_in(action, SyntaxKind::COLUMN_NAME)?,
        }),
        _ => None,
    }
}

/// The actions of an ALTER: what comes after the object.
pub(super) fn actions(statement: &SyntaxNode) -> Vec<SyntaxNode> {
    statement
        .children()
        .filter(|n| {
            !matches!(
                n.kind(),
                SyntaxKind::IF_EXISTS
                    | SyntaxKind::TABLE_RELATION_NAME
                    | SyntaxKind::VIEW_REF
                    | SyntaxKind::INDEX_REF
                    | SyntaxKind::SEQUENCE_REF
            )
        })
        .collect()
}

fn relation(statement: &SyntaxNode) -> Option<Kind> {
    let named = [SyntaxKind::VIEW_REF, SyntaxKind::INDEX_REF]
        .into_iter()
        .find_map(|kind| name::path_in(statement, kind))?;
    match actions(statement).as_slice() {
        [] => None,
        [action] => relation_action(&named, action).or_else(|| Some(definition(statement))),
        _ => Some(definition(statement)),
    }
}

fn sequence(statement: &SyntaxNode) -> Option<Kind> {
    let named = name::path_in(statement, SyntaxKind::SEQUENCE_REF)?;
    match actions(statement).as_slice() {
        [] => None,
        [action] => relation_action(&named, action).or(Some(Kind::AlterSequence(named))),
        _ => Some(Kind::AlterSequence(named)),
    }
}

/// ALTER TYPE and ALTER DOMAIN.
fn data_type(statement: &SyntaxNode) -> Option<Kind> {
    let object = [SyntaxKind::TYPE_NAME_REF, SyntaxKind::DOMAIN_REF];
    let named = object
        .into_iter()
        .find_map(|kind| name::path_in(statement, kind))?;
    let action = statement.children().find(|n| !object.contains(&n.kind()))?;
    let (mut renamed_to, mut moved_to, mut adds_value) = (None, None, false);
    match action.kind() {
        SyntaxKind::TYPE_RENAME_TO => {
            renamed_to = Some(name::path_in(&action, SyntaxKind::TYPE_NAME)?.name);
        }
        SyntaxKind::DOMAIN_RENAME_TO => {
            renamed_to = Some(name::path_in(&action, SyntaxKind::DOMAIN)?.name);
        }
        SyntaxKind::SET_SCHEMA => {
            moved_to = Some(name::simple_in(&action, SyntaxKind::SCHEMA_REF)?);
        }
        SyntaxKind::ADD_VALUE => adds_value = true,
        SyntaxKind::RENAME_VALUE
        | SyntaxKind::RENAME_ATTRIBUTE
        | SyntaxKind::OWNER_TO
        | SyntaxKind::SET_DEFAULT
        | SyntaxKind::DROP_DEFAULT
        | SyntaxKind::SET_NOT_NULL
        | SyntaxKind::DROP_NOT_NULL
        | SyntaxKind::ADD_CONSTRAINT
        | SyntaxKind::DROP_CONSTRAINT
        | SyntaxKind::RENAME_CONSTRAINT
        | SyntaxKind::VALIDATE_CONSTRAINT => {}
        SyntaxKind::SET_OPTIONS => return Some(definition(statement)),
        SyntaxKind::ALTER_TYPE_ATTRIBUTE_ACTION_LIST => {
            let adds_only = action
                .children()
                .all(|n| n.kind() == SyntaxKind::ADD_ATTRIBUTE);
            if !adds_only {
                return Some(refuse(statement, ATTRIBUTE));
            }
        }
        _ => return None,
    }
    Some(Kind::AlterType {
        name: named,
        renamed_to,
        moved_to,
        adds_value,
    })
}

fn extension(statement: &SyntaxNode) -> Option<Kind> {
    if tree::has(statement, SyntaxKind::ALTER_EXTENSION_UPDATE) {
        return Some(Kind::Opaque {
            what: "ALTER EXTENSION UPDATE".to_owned(),
        });
    }
    if tree::has(statement, SyntaxKind::SET_SCHEMA) {
        return Some(definition(statement));
    }
    let member = tree::has(statement, SyntaxKind::ALTER_EXTENSION_ADD)
        || tree::has(statement, SyntaxKind::ALTER_EXTENSION_DROP);
    member.then(|| {
        refuse(
            statement,
            "it changes what counts as the extension's own, and so what a backup holds",
        )
    })
}
