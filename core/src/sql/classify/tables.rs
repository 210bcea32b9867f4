//! ALTER TABLE, action by action.

use squawk_syntax::SyntaxKind;
use squawk_syntax::SyntaxNode;

use crate::sql::classify::alters;
use crate::sql::classify::columns;
use crate::sql::name;
use crate::sql::statement::Kind;
use crate::sql::statement::TableAction;
use crate::sql::tree;

/// What ALTER TABLE does.
pub(super) fn kind(statement: &SyntaxNode) -> Option<Kind> {
    let target = tree::child(statement, SyntaxKind::TABLE_RELATION_NAME)?;
    let table = name::path(&target)?;
    let actions = alters::actions(statement);
    if let [action] = actions.as_slice()
        && let Some(kind) = alters::relation_action(&table, action)
    {
        return Some(kind);
    }
    let actions = actions
        .iter()
        .map(action)
        .collect::<Option<Vec<TableAction>>>()?;
    (!actions.is_empty()).then(|| Kind::AlterTable {
        table,
        only: tree::has(&target, SyntaxKind::ONLY_KW),
        if_exists: tree::has(statement, SyntaxKind::IF_EXISTS),
        actions,
    })
}

/// What one action does. `None` when that isn't known, or when it can't stand beside others.
fn action(node: &SyntaxNode) -> Option<TableAction> {
    let cascade = tree::has(node, SyntaxKind::CASCADE);
    Some(match node.kind() {
        SyntaxKind::DROP_COLUMN => TableAction::DropColumn {
            column: name::simple_in(node, SyntaxKind::COLUMN_NAME_REF)?,
            if_exists: tree::has(node, SyntaxKind::IF_EXISTS),
            cascade,
        },
        // A column that may have been there already isn't said to be added: it may hold values.
        SyntaxKind::ADD_COLUMN if tree::has(node, SyntaxKind::IF_NOT_EXISTS) => {
            TableAction::Definition {
                what: "ADD COLUMN IF NOT EXISTS".to_owned(),
            }
        }
        SyntaxKind::ADD_COLUMN => TableAction::AddColumn {
            column: name::simple_in(node, SyntaxKind::COLUMN_NAME)?,
        },
        SyntaxKind::ALTER_COLUMN => return columns::action(node),
        SyntaxKind::DROP_CONSTRAINT => TableAction::DropConstraint {
            name: name::simple_in(node, SyntaxKind::CONSTRAINT_NAME_REF)?,
            cascade,
        },
        SyntaxKind::DETACH_PARTITION => TableAction::DetachPartition {
            partition: name::path_in(node, SyntaxKind::TABLE_NAME_REF)?,
            concurrently: tree::has(node, SyntaxKind::DETACH_CONCURRENTLY),
        },
        SyntaxKind::DISABLE_TRIGGER
        | SyntaxKind::DISABLE_RULE
        | SyntaxKind::ENABLE_REPLICA_TRIGGER
        | SyntaxKind::ENABLE_REPLICA_RULE => refuse(
            node,
            "what guards and follows the table's rows would not run",
        ),
        SyntaxKind::SET_UNLOGGED => refuse(
            node,
            "every row would be lost in a crash, and is not on any standby",
        ),
        SyntaxKind::MERGE_PARTITIONS | SyntaxKind::SPLIT_PARTITION => refuse(
            node,
            "partitions that are merged or split can't be kept yet",
        ),
        SyntaxKind::RENAME_CONSTRAINT => TableAction::RenameConstraint {
            from: name::simple_in(node, SyntaxKind::CONSTRAINT_NAME_REF)?,
            to: name::simple_in(node, SyntaxKind::CONSTRAINT_NAME)?,
        },
        SyntaxKind::ADD_CONSTRAINT
        | SyntaxKind::ALTER_CONSTRAINT
        | SyntaxKind::VALIDATE_CONSTRAINT
        | SyntaxKind::ATTACH_PARTITION
        | SyntaxKind::CLUSTER_ON
        | SyntaxKind::DISABLE_RLS
        | SyntaxKind::ENABLE_ALWAYS_RULE
        | SyntaxKind::ENABLE_ALWAYS_TRIGGER
        | SyntaxKind::ENABLE_RLS
        | SyntaxKind::ENABLE_RULE
        | SyntaxKind::ENABLE_TRIGGER
        | SyntaxKind::FORCE_RLS
        | SyntaxKind::NO_FORCE_RLS
        | SyntaxKind::INHERIT_TABLE
        | SyntaxKind::NO_INHERIT_TABLE
        | SyntaxKind::OF_TYPE
        | SyntaxKind::NOT_OF
        | SyntaxKind::OWNER_TO
        | SyntaxKind::REPLICA_IDENTITY
        | SyntaxKind::RESET_OPTIONS
        | SyntaxKind::SET_ACCESS_METHOD
        | SyntaxKind::SET_LOGGED
        | SyntaxKind::SET_OPTIONS
        | SyntaxKind::SET_TABLESPACE
        | SyntaxKind::SET_WITHOUT_CLUSTER
        | SyntaxKind::SET_WITHOUT_OIDS => TableAction::Definition {
            what: tree::words(node),
        },
        _ => return None,
    })
}

fn refuse(node: &SyntaxNode, why: &str) -> TableAction {
    TableAction::Refuse {
        what: tree::words(node),
        why: why.to_owned(),
    }
}
