//! ALTER COLUMN, option by option.

use squawk_syntax::SyntaxKind;
use squawk_syntax::SyntaxNode;

use crate::sql::name;
use crate::sql::statement::TableAction;
use crate::sql::tree;

/// What ALTER COLUMN does. `None` when that isn't known.
pub(in crate::sql) fn action(node: &SyntaxNode) -> Option<TableAction> {
    let column = name::simple_in(node, SyntaxKind::COLUMN_NAME_REF)?;
    let mut options = node
        .children()
        .filter(|n| n.kind() != SyntaxKind::COLUMN_NAME_REF);
    let (Some(option), None) = (options.next(), options.next()) else {
        return None;
    };
    match option.kind() {
        SyntaxKind::SET_TYPE => set_type(column, &option),
        SyntaxKind::SET_EXPRESSION => Some(TableAction::Refuse {
            what: "ALTER COLUMN SET EXPRESSION".to_owned(),
            why: "it rewrites every value of the column".to_owned(),
        }),
        SyntaxKind::ADD_GENERATED
        | SyntaxKind::DROP_DEFAULT
        | SyntaxKind::DROP_EXPRESSION
        | SyntaxKind::DROP_IDENTITY
        | SyntaxKind::DROP_NOT_NULL
        | SyntaxKind::RESET_OPTIONS
        | SyntaxKind::RESTART
        | SyntaxKind::SET_COMPRESSION
        | SyntaxKind::SET_DEFAULT
        | SyntaxKind::SET_GENERATED
        | SyntaxKind::SET_GENERATED_OPTIONS
        | SyntaxKind::SET_NOT_NULL
        | SyntaxKind::SET_OPTIONS
        | SyntaxKind::SET_SEQUENCE_OPTION
        | SyntaxKind::SET_STATISTICS
        | SyntaxKind::SET_STORAGE => Some(TableAction::Definition {
            what: format!("ALTER COLUMN {}", tree::words(&option)),
        }),
        _ => None,
    }
}

fn set_type(column: String, option: &SyntaxNode) -> Option<TableAction> {
    let new_type = option
        .children()
        .find(|n| !matches!(n.kind(), SyntaxKind::COLLATE | SyntaxKind::USING_EXPR))?;
    Some(TableAction::AlterType {
        column,
        new_type: tree::text(&new_type),
        using: tree::child(option, SyntaxKind::USING_EXPR).map(|n| tree::after(&n, 1)),
    })
}
