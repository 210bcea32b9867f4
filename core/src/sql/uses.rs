//! What a statement calls and reads, wherever in it that is written.

use squawk_syntax::SyntaxKind;
use squawk_syntax::SyntaxNode;

use crate::sql::name;
use crate::sql::statement::Name;
use crate::sql::tree;

/// Every function that running the statement may call, once each, in order of appearance.
///
/// What a statement only stores to be run later (the body of a routine, a view's query, a
/// trigger's function, a rule's action, a policy's condition) is left out.
pub(super) fn functions(statement: &SyntaxNode) -> Vec<Name> {
    if stores_code(statement.kind()) {
        return Vec::new();
    }
    unique(
        statement
            .descendants()
            .filter(|n| n.kind() == SyntaxKind::CALL_EXPR)
            .filter_map(|n| callee(&n)),
    )
}

/// Every table or view that the statement reads by name or whose rows it changes, once each.
/// Names of its own CTEs are left out.
pub(super) fn reads(statement: &SyntaxNode) -> Vec<Name> {
    unique(statement.descendants().filter_map(|n| relation(&n)))
}

fn stores_code(kind: SyntaxKind) -> bool {
    matches!(
        kind,
        SyntaxKind::CREATE_FUNCTION
            | SyntaxKind::CREATE_PROCEDURE
            | SyntaxKind::CREATE_VIEW
            | SyntaxKind::CREATE_TRIGGER
            | SyntaxKind::CREATE_EVENT_TRIGGER
            | SyntaxKind::CREATE_RULE
            | SyntaxKind::CREATE_POLICY
            | SyntaxKind::ALTER_POLICY
    )
}

/// The name in front of a call's arguments. Calls with a grammar of their own (`extract`, `trim`,
/// `exists` and the like) always mean the built-in function and have none.
fn callee(call: &SyntaxNode) -> Option<Name> {
    let function = call.first_child()?;
    match function.kind() {
        SyntaxKind::NAME_REF | SyntaxKind::FIELD_EXPR => name::from_parts(
            function
                .descendants()
                .filter(|n| n.kind() == SyntaxKind::NAME_REF)
                .filter_map(|n| name::simple(&n))
                .collect(),
        ),
        _ => None,
    }
}

/// The relation that `node` names, when rows of it are read or changed there.
fn relation(node: &SyntaxNode) -> Option<Name> {
    let named = match node.kind() {
        SyntaxKind::RELATION_NAME_REF | SyntaxKind::TABLE_NAME_REF => name::path(node)?,
        _ => return None,
    };
    let parent = node.parent()?;
    let owner = match parent.kind() {
        SyntaxKind::RELATION_NAME | SyntaxKind::TABLE_RELATION_NAME => parent.parent()?,
        _ => parent,
    };
    match owner.kind() {
        SyntaxKind::INSERT
        | SyntaxKind::UPDATE
        | SyntaxKind::DELETE
        | SyntaxKind::MERGE
        | SyntaxKind::COPY_TABLE => Some(named),
        SyntaxKind::RELATION_FROM_ITEM | SyntaxKind::TABLE => {
            (!is_cte(node, &named)).then_some(named)
        }
        _ => None,
    }
}

/// Whether `named`, as written at `node`, means a CTE.
fn is_cte(node: &SyntaxNode, named: &Name) -> bool {
    named.schema.is_none()
        && node
            .ancestors()
            .filter_map(|scope| with_clause(&scope))
            .any(|with| visible(&with, node).any(|cte| cte == named.name))
}

/// The WITH clause whose names are known throughout `scope`.
fn with_clause(scope: &SyntaxNode) -> Option<SyntaxNode> {
    // In `WITH … SELECT … UNION SELECT …` the tree hangs the clause on the first SELECT.
    let mut owner = scope.clone();
    while owner.kind() == SyntaxKind::COMPOUND_SELECT {
        owner = owner.first_child()?;
    }
    tree::child(&owner, SyntaxKind::WITH_CLAUSE)
}

/// The CTE names of `with` that are known at `node`: all of them, but inside the clause itself,
/// without RECURSIVE, only those before.
fn visible(with: &SyntaxNode, node: &SyntaxNode) -> impl Iterator<Item = String> {
    let inside = with.text_range().contains_range(node.text_range());
    let limited = inside && !tree::has(with, SyntaxKind::RECURSIVE_KW);
    let start = node.text_range().start();
    tree::children(with, SyntaxKind::WITH_TABLE)
        .filter(move |cte| !limited || cte.text_range().end() <= start)
        .filter_map(|cte| name::simple_in(&cte, SyntaxKind::CTE_NAME))
}

fn unique(names: impl Iterator<Item = Name>) -> Vec<Name> {
    let mut once: Vec<Name> = Vec::new();
    for name in names {
        if !once.contains(&name) {
            once.push(name);
        }
    }
    once
}
