//! Statements that are known and have no place in a rollback script, with the reasons.

use squawk_syntax::SyntaxKind;
use squawk_syntax::SyntaxNode;

use crate::sql::classify::outside;
use crate::sql::classify::refuse;
use crate::sql::statement::Kind;

/// Roles, memberships, tablespaces' owners: shared by all databases of a server.
pub(in crate::sql) const CLUSTER: &str =
    "it changes the whole cluster, which a snapshot of one database can't keep";
/// Publications and subscriptions.
pub(super) const REPLICATION: &str = "a position in a replication stream can't be put back";
/// Servers, wrappers, user mappings, foreign tables.
pub(in crate::sql) const FOREIGN: &str =
    "what lies on a foreign server, and how to log in there, can't be kept";
const SESSION: &str = "it changes the session that the toolkit itself works in";
const CURSOR: &str = "cursors can't be followed, so what they reach isn't known";
const MESSAGE: &str = "it is seen outside the transaction";

/// What the statements that stand for themselves do.
pub(super) fn kind(statement: &SyntaxNode) -> Option<Kind> {
    Some(match statement.kind() {
        SyntaxKind::LISTEN | SyntaxKind::UNLISTEN | SyntaxKind::NOTIFY => {
            refuse(statement, MESSAGE)
        }
        SyntaxKind::LOAD => refuse(statement, "it loads foreign code into the server"),
        SyntaxKind::CHECKPOINT => refuse(statement, CLUSTER),
        SyntaxKind::DISCARD | SyntaxKind::DEALLOCATE => refuse(statement, SESSION),
        SyntaxKind::DECLARE | SyntaxKind::FETCH | SyntaxKind::MOVE | SyntaxKind::CLOSE => {
            refuse(statement, CURSOR)
        }
        SyntaxKind::IMPORT_FOREIGN_SCHEMA => refuse(statement, FOREIGN),
        SyntaxKind::REASSIGN => refuse(
            statement,
            "whose the objects were can't be told from the statement",
        ),
        SyntaxKind::REPACK => outside(statement, false),
        _ => return None,
    })
}
