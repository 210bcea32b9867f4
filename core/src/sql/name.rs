//! Names as PostgreSQL reads them: folded to lower case unless quoted, cut at 63 bytes.

use std::fmt;

use squawk_syntax::SyntaxKind;
use squawk_syntax::SyntaxNode;

use crate::sql::quote;
use crate::sql::statement::Name;
use crate::sql::tree;

/// The longest identifier, in bytes: `NAMEDATALEN` less one.
const LONGEST: usize = 63;

/// An identifier token as PostgreSQL stores it.
pub(super) fn fold(token: &str) -> String {
    let name = match token.strip_prefix('"') {
        Some(quoted) => quoted
            .strip_suffix('"')
            .unwrap_or(quoted)
            .replace("\"\"", "\""),
        // Only ASCII letters: so does the server in a UTF-8 database.
        None => token.to_ascii_lowercase(),
    };
    cut(name)
}

/// `name` cut at 63 bytes, at the end of a character.
fn cut(mut name: String) -> String {
    if name.len() > LONGEST {
        let end = (0..=LONGEST).rev().find(|i| name.is_char_boundary(*i));
        name.truncate(end.unwrap_or(0));
    }
    name
}

/// The single identifier that `node` holds.
pub(super) fn simple(node: &SyntaxNode) -> Option<String> {
    tree::tokens(node).next().map(|t| fold(t.text()))
}

/// The identifier of the first child of `kind`.
pub(super) fn simple_in(node: &SyntaxNode, kind: SyntaxKind) -> Option<String> {
    simple(&tree::child(node, kind)?)
}

/// The (qualified) name that `node` holds in a path. Of `database.schema.name` the last two count.
pub(super) fn path(node: &SyntaxNode) -> Option<Name> {
    let outermost = node.descendants().find(|n| is_path(n.kind()))?;
    let parts: Vec<String> = outermost
        .descendants()
        .filter(|n| {
            matches!(
                n.kind(),
                SyntaxKind::PATH_SEGMENT | SyntaxKind::PATH_SEGMENT_REF
            )
        })
        .filter_map(|n| simple(&n))
        .collect();
    from_parts(parts)
}

/// The (qualified) name in the first child of `kind`.
pub(super) fn path_in(node: &SyntaxNode, kind: SyntaxKind) -> Option<Name> {
    path(&tree::child(node, kind)?)
}

/// The name made of the last two of `parts`.
pub(super) fn from_parts(mut parts: Vec<String>) -> Option<Name> {
    let name = parts.pop()?;
    Some(Name {
        schema: parts.pop(),
        name,
    })
}

/// A name without a schema.
pub(super) fn bare(name: String) -> Name {
    Name { schema: None, name }
}

/// For people: `schema.name`, each part quoted where SQL would need it.
impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(schema) = &self.schema {
            write!(f, "{}.", readable(schema))?;
        }
        f.write_str(&readable(&self.name))
    }
}

fn readable(name: &str) -> String {
    let first = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_');
    let rest = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    if first && name.bytes().all(rest) {
        name.to_owned()
    } else {
        quote::ident(&name.escape_debug().to_string())
    }
}

fn is_path(kind: SyntaxKind) -> bool {
    matches!(kind, SyntaxKind::PATH | SyntaxKind::PATH_REF)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_shown_so_that_nothing_hides_in_them() {
        let shown = |schema: Option<&str>, name: &str| {
            let schema = schema.map(str::to_owned);
            let name = name.to_owned();
            Name { schema, name }.to_string()
        };
        assert_eq!(shown(Some("public"), "orders"), "public.orders");
        assert_eq!(shown(None, "Orders"), "\"Orders\"");
        assert_eq!(shown(Some("a.b"), "c\nd"), "\"a.b\".\"c\\nd\"");
    }

    #[test]
    fn identifiers_are_folded_and_cut_as_the_server_does() {
        assert_eq!(fold("Orders"), "orders");
        assert_eq!(fold("\"Or\"\"ders\""), "Or\"ders");
        assert_eq!(fold("ÄB"), "Äb");
        assert_eq!(fold(&"a".repeat(70)), "a".repeat(63));
        assert_eq!(fold(&format!("{}é", "a".repeat(62))), "a".repeat(62));
        assert_eq!(fold(&format!("{}é", "a".repeat(61))).len(), 63);
    }
}
