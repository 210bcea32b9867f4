//! Cuts a syntax tree at the semicolons, and finds what makes a piece unfit to be judged.

use std::ops::Range;

use squawk_syntax::SyntaxElement;
use squawk_syntax::SyntaxKind;
use squawk_syntax::SyntaxNode;

use crate::sql::tree;

/// What stands between two semicolons: one statement, or whatever the parser made of it.
pub(super) struct Segment {
    /// The nodes at the top of the tree.
    pub nodes: Vec<SyntaxNode>,
    /// Where the segment before ended.
    pub previous: usize,
    /// Where the first token starts.
    pub start: usize,
    /// Where the last token before the semicolon ends.
    pub end: usize,
    /// Where the semicolon ends.
    pub next: usize,
}

/// Why a segment can't be judged.
pub(super) struct Fault {
    /// In words, without values.
    pub what: &'static str,
    /// Where.
    pub offset: usize,
}

/// The segments of a parsed script.
pub(super) fn of(root: &SyntaxNode) -> Vec<Segment> {
    let mut segments = Vec::new();
    let mut nodes: Vec<SyntaxNode> = Vec::new();
    let mut previous = 0;
    for node in root.children() {
        let closed = tree::tokens(&node)
            .last()
            .is_some_and(|t| t.kind() == SyntaxKind::SEMICOLON);
        nodes.push(node);
        if closed {
            previous = close(&mut segments, std::mem::take(&mut nodes), previous);
        }
    }
    close(&mut segments, nodes, previous);
    segments
}

/// Adds a segment of `nodes`, unless they hold nothing; returns its end.
fn close(segments: &mut Vec<Segment>, nodes: Vec<SyntaxNode>, previous: usize) -> usize {
    let tokens: Vec<Range<usize>> = nodes
        .iter()
        .flat_map(tree::tokens)
        .map(|t| t.text_range().start().into()..t.text_range().end().into())
        .collect();
    let (Some(first), Some(last)) = (tokens.first(), tokens.last()) else {
        return previous;
    };
    let closed = nodes
        .last()
        .and_then(|n| tree::tokens(n).last())
        .is_some_and(|t| t.kind() == SyntaxKind::SEMICOLON);
    let end = match tokens.len() {
        1 if closed => first.start,
        n if closed => tokens[n - 2].end,
        _ => last.end,
    };
    segments.push(Segment {
        nodes,
        previous,
        start: first.start,
        end,
        next: last.end,
    });
    last.end
}

impl Segment {
    /// The one statement that this is, `None` when empty.
    ///
    /// `errors` are the ranges of all errors in the script; one that touches this segment spoils
    /// it, as does one at its very edge.
    pub(super) fn judge(&self, errors: &[Range<usize>]) -> Result<Option<SyntaxNode>, Fault> {
        let touching = |e: &&Range<usize>| e.start <= self.next && e.end >= self.previous;
        if let Some(error) = errors.iter().find(touching) {
            let psql = self.find(|e| e.kind() == SyntaxKind::ERROR && e.to_string() == "\\");
            let variable = self.find(|e| e.kind() == SyntaxKind::NON_STANDARD_PARAM);
            return Err(match (psql, variable) {
                (Some(offset), _) => Fault {
                    what: "a command of psql, which only psql can run,",
                    offset,
                },
                (None, Some(offset)) => Fault {
                    what: "a variable of psql or a named parameter",
                    offset,
                },
                (None, None) => Fault {
                    what: "a syntax error",
                    offset: error.start,
                },
            });
        }
        let [node] = self.nodes.as_slice() else {
            return Err(self.fault("two statements without a semicolon between them"));
        };
        if node.kind() == SyntaxKind::EMPTY_STMT {
            return Ok(None);
        }
        let spoilers = [
            (
                self.find(|e| e.kind() == SyntaxKind::ERROR),
                "a syntax error",
            ),
            (
                self.find(|e| e.kind() == SyntaxKind::NON_STANDARD_PARAM),
                "a variable of psql or a named parameter",
            ),
            (
                self.find(is_unicode_name),
                "a name in Unicode escapes, which is not supported,",
            ),
            (
                self.find(|e| e.kind() == SyntaxKind::GRAPH_TABLE_FN),
                "a property graph, which is not supported,",
            ),
            (self.inner_semicolon(node), "a misplaced semicolon"),
        ];
        match spoilers
            .into_iter()
            .find_map(|(at, what)| at.map(|offset| Fault { what, offset }))
        {
            Some(fault) => Err(fault),
            None => Ok(Some(node.clone())),
        }
    }

    fn fault(&self, what: &'static str) -> Fault {
        Fault {
            what,
            offset: self.start,
        }
    }

    /// Where the first node or token is that `wanted` accepts.
    fn find(&self, wanted: impl Fn(&SyntaxElement) -> bool) -> Option<usize> {
        self.nodes
            .iter()
            .flat_map(SyntaxNode::descendants_with_tokens)
            .find(wanted)
            .map(|e| e.text_range().start().into())
    }

    /// Where a semicolon is inside the statement. Only bodies in SQL may hold some.
    fn inner_semicolon(&self, node: &SyntaxNode) -> Option<usize> {
        let may = matches!(
            node.kind(),
            SyntaxKind::CREATE_FUNCTION | SyntaxKind::CREATE_PROCEDURE | SyntaxKind::CREATE_RULE
        );
        tree::tokens(node)
            .filter(|t| !may && t.kind() == SyntaxKind::SEMICOLON)
            .map(|t| t.text_range().start().into())
            .find(|at| *at < self.end)
    }
}

fn is_unicode_name(element: &SyntaxElement) -> bool {
    element.as_token().is_some_and(|t| {
        t.kind() == SyntaxKind::IDENT
            && t.text()
                .get(..3)
                .is_some_and(|s| s.eq_ignore_ascii_case("u&\""))
    })
}
