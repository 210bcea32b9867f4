//! DROP, by kind of object.

use squawk_syntax::SyntaxKind;
use squawk_syntax::SyntaxNode;

use crate::sql::classify::outside;
use crate::sql::classify::refuse;
use crate::sql::classify::refused;
use crate::sql::name;
use crate::sql::statement::Drop;
use crate::sql::statement::Kind;
use crate::sql::statement::Name;
use crate::sql::tree;

/// What a DROP statement does. `None` for objects that aren't known.
pub(super) fn kind(statement: &SyntaxNode) -> Option<Kind> {
    Some(match statement.kind() {
        SyntaxKind::DROP_TABLE => Kind::DropTable(drop_of(statement, SyntaxKind::TABLE_NAME_REF)?),
        SyntaxKind::DROP_SCHEMA => Kind::DropSchema(drop_of(statement, SyntaxKind::SCHEMA_REF)?),
        SyntaxKind::DROP_TYPE => Kind::DropType(drop_of(statement, SyntaxKind::TYPE_NAME_REF)?),
        SyntaxKind::DROP_DOMAIN => Kind::DropType(drop_of(statement, SyntaxKind::DOMAIN_REF)?),
        SyntaxKind::DROP_SEQUENCE => {
            Kind::DropSequence(drop_of(statement, SyntaxKind::SEQUENCE_REF)?)
        }
        SyntaxKind::DROP_MATERIALIZED_VIEW => {
            Kind::DropMatview(drop_of(statement, SyntaxKind::VIEW_REF)?)
        }
        SyntaxKind::DROP_EXTENSION => {
            Kind::DropExtension(drop_of(statement, SyntaxKind::EXTENSION_REF)?)
        }
        SyntaxKind::DROP_INDEX if tree::has(statement, SyntaxKind::CONCURRENTLY_KW) => {
            Kind::NonTransactional {
                what: "DROP INDEX CONCURRENTLY".to_owned(),
                definition_only: true,
            }
        }
        SyntaxKind::DROP_DATABASE | SyntaxKind::DROP_TABLESPACE => outside(statement, false),
        SyntaxKind::DROP_ROLE
        | SyntaxKind::DROP_USER
        | SyntaxKind::DROP_GROUP
        | SyntaxKind::DROP_OWNED => refuse(statement, refused::CLUSTER),
        SyntaxKind::DROP_PUBLICATION | SyntaxKind::DROP_SUBSCRIPTION => {
            refuse(statement, refused::REPLICATION)
        }
        SyntaxKind::DROP_SERVER
        | SyntaxKind::DROP_USER_MAPPING
        | SyntaxKind::DROP_FOREIGN_DATA_WRAPPER
        | SyntaxKind::DROP_FOREIGN_TABLE => refuse(statement, refused::FOREIGN),
        // Whole tables, or columns, would go with these.
        SyntaxKind::DROP_ACCESS_METHOD | SyntaxKind::DROP_COLLATION
            if tree::has(statement, SyntaxKind::CASCADE) =>
        {
            refuse(statement, "CASCADE drops tables or columns that use it")
        }
        _ => return definition(statement),
    })
}

/// DROP of an object that holds no data.
fn definition(statement: &SyntaxNode) -> Option<Kind> {
    let names = match statement.kind() {
        SyntaxKind::DROP_VIEW => SyntaxKind::VIEW_REF,
        SyntaxKind::DROP_INDEX => SyntaxKind::INDEX_REF,
        SyntaxKind::DROP_FUNCTION => SyntaxKind::FUNCTION_SIG_LIST,
        SyntaxKind::DROP_PROCEDURE => SyntaxKind::PROCEDURE_SIG_LIST,
        SyntaxKind::DROP_ROUTINE => SyntaxKind::ROUTINE_SIG_LIST,
        SyntaxKind::DROP_AGGREGATE => SyntaxKind::AGGREGATE,
        SyntaxKind::DROP_TRIGGER => SyntaxKind::TRIGGER_REF,
        SyntaxKind::DROP_RULE => SyntaxKind::RULE_REF,
        SyntaxKind::DROP_POLICY => SyntaxKind::POLICY_REF,
        SyntaxKind::DROP_STATISTICS => SyntaxKind::STATISTICS_REF,
        SyntaxKind::DROP_CAST => SyntaxKind::CAST_SIG,
        SyntaxKind::DROP_OPERATOR => SyntaxKind::OP_SIG_LIST,
        SyntaxKind::DROP_OPERATOR_CLASS => SyntaxKind::OP_CLASS_REF,
        SyntaxKind::DROP_OPERATOR_FAMILY => SyntaxKind::OP_FAMILY_REF,
        SyntaxKind::DROP_COLLATION => SyntaxKind::COLLATION_REF,
        SyntaxKind::DROP_CONVERSION => SyntaxKind::CONVERSION_REF,
        SyntaxKind::DROP_TEXT_SEARCH_PARSER => SyntaxKind::TEXT_SEARCH_PARSER_REF,
        SyntaxKind::DROP_TEXT_SEARCH_CONFIG => SyntaxKind::TEXT_SEARCH_CONFIGURATION_REF,
        SyntaxKind::DROP_TEXT_SEARCH_DICT => SyntaxKind::TEXT_SEARCH_DICTIONARY_REF,
        SyntaxKind::DROP_TEXT_SEARCH_TEMPLATE => SyntaxKind::TEXT_SEARCH_TEMPLATE_REF,
        SyntaxKind::DROP_ACCESS_METHOD => SyntaxKind::ACCESS_METHOD_REF,
        SyntaxKind::DROP_TRANSFORM | SyntaxKind::DROP_LANGUAGE => SyntaxKind::LANGUAGE_REF,
        SyntaxKind::DROP_EVENT_TRIGGER => SyntaxKind::EVENT_TRIGGER_REF,
        _ => return None,
    };
    let on = [SyntaxKind::ON_RELATION, SyntaxKind::ON_TABLE]
        .into_iter()
        .find_map(|kind| name::path_in(statement, kind));
    let words = tree::words(statement).to_lowercase();
    Some(Kind::DropDefinition {
        what: words.trim_start_matches("drop ").to_owned(),
        drop: drop_of(statement, names)?,
        on,
    })
}

/// The objects that a DROP names in children of kind `names`.
fn drop_of(statement: &SyntaxNode, names: SyntaxKind) -> Option<Drop> {
    let names = tree::children(statement, names)
        .flat_map(members)
        .map(|node| object(&node))
        .collect::<Option<Vec<Name>>>()?;
    (!names.is_empty()).then(|| Drop {
        names,
        if_exists: tree::has(statement, SyntaxKind::IF_EXISTS),
        cascade: tree::has(statement, SyntaxKind::CASCADE),
    })
}

/// The signatures of a list of them, or the node itself.
fn members(node: SyntaxNode) -> Vec<SyntaxNode> {
    match node.kind() {
        SyntaxKind::FUNCTION_SIG_LIST
        | SyntaxKind::PROCEDURE_SIG_LIST
        | SyntaxKind::ROUTINE_SIG_LIST
        | SyntaxKind::OP_SIG_LIST => node.children().collect(),
        _ => vec![node],
    }
}

/// The name of an object; for casts and operators, which have none, their signature.
fn object(node: &SyntaxNode) -> Option<Name> {
    match node.kind() {
        SyntaxKind::CAST_SIG | SyntaxKind::OP_SIG => Some(name::bare(tree::text(node))),
        SyntaxKind::FUNCTION_SIG
        | SyntaxKind::PROCEDURE_SIG
        | SyntaxKind::ROUTINE_SIG
        | SyntaxKind::AGGREGATE => node.first_child().and_then(|n| name::path(&n)),
        _ => name::path(node).or_else(|| name::simple(node).map(name::bare)),
    }
}
