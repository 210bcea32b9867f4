//! Small questions to a syntax tree.

use squawk_syntax::SyntaxElement;
use squawk_syntax::SyntaxKind;
use squawk_syntax::SyntaxNode;
use squawk_syntax::SyntaxToken;

/// The first child of `kind`.
pub(super) fn child(node: &SyntaxNode, kind: SyntaxKind) -> Option<SyntaxNode> {
    node.children().find(|c| c.kind() == kind)
}

/// The children of `kind`.
pub(super) fn children(node: &SyntaxNode, kind: SyntaxKind) -> impl Iterator<Item = SyntaxNode> {
    node.children().filter(move |c| c.kind() == kind)
}

/// The node at the end of a path of kinds, each a child of the one before.
pub(super) fn at(node: &SyntaxNode, path: &[SyntaxKind]) -> Option<SyntaxNode> {
    path.iter()
        .try_fold(node.clone(), |node, kind| child(&node, *kind))
}

/// Whether a child node or token of `kind` is there.
pub(super) fn has(node: &SyntaxNode, kind: SyntaxKind) -> bool {
    node.children_with_tokens().any(|c| c.kind() == kind)
}

/// Whether any node below (or `node` itself) is of one of `kinds`.
pub(super) fn contains(node: &SyntaxNode, kinds: &[SyntaxKind]) -> bool {
    node.descendants().any(|n| kinds.contains(&n.kind()))
}

/// Whether `token` is white space or a comment.
pub(super) fn is_trivia(token: &SyntaxToken) -> bool {
    matches!(token.kind(), SyntaxKind::WHITESPACE | SyntaxKind::COMMENT)
}

/// The tokens below `node` that mean something.
pub(super) fn tokens(node: &SyntaxNode) -> impl Iterator<Item = SyntaxToken> {
    node.descendants_with_tokens()
        .filter_map(SyntaxElement::into_token)
        .filter(|t| !is_trivia(t))
}

/// The text of `node` without comments and white space around it and without a closing semicolon.
pub(super) fn text(node: &SyntaxNode) -> String {
    after(node, 0)
}

/// As [`text`], with the first `skipped` tokens left out: `after(where_clause, 1)` is the
/// condition.
pub(super) fn after(node: &SyntaxNode, skipped: usize) -> String {
    let mut kept = tokens(node).skip(skipped).peekable();
    let Some(start) = kept.peek().map(|t| t.text_range().start()) else {
        return String::new();
    };
    let end = kept
        .filter(|t| t.kind() != SyntaxKind::SEMICOLON)
        .last()
        .map_or(start, |t| t.text_range().end());
    let base = node.text_range().start();
    node.text().slice(start - base..end - base).to_string()
}

/// The node's kind in words: `CREATE INDEX` for `CREATE_INDEX`.
pub(super) fn words(node: &SyntaxNode) -> String {
    format!("{:?}", node.kind())
        .replace('_', " ")
        .replace(" RLS", " ROW LEVEL SECURITY")
}
