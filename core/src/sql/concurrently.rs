//! Statements that keep out of transactions, in a form that can run inside one.

use squawk_syntax::{SourceFile, SyntaxKind};

use crate::sql::parse;
use crate::sql::statement::{Kind, Statement};
use crate::sql::tree;

/// `statement` without CONCURRENTLY; `None` when it has none, or is nothing without it.
///
/// It then locks more and longer. In return it is part of the transaction that makes a rollback
/// safe. The text keeps its length, so that places in it stay what they are.
pub fn inside_transaction(statement: &Statement) -> Option<Statement> {
    let parsed = SourceFile::parse(&statement.text).syntax_node();
    let token = tree::tokens(&parsed).find(|t| t.kind() == SyntaxKind::CONCURRENTLY_KW)?;
    let range = token.text_range();
    let (start, end) = (usize::from(range.start()), usize::from(range.end()));
    let mut text = statement.text.clone();
    text.replace_range(start..end, &" ".repeat(end - start));
    again(statement, &text).filter(|s| !matches!(s.kind, Kind::NonTransactional { .. }))
}

/// `ALTER TYPE … ADD VALUE` as a statement that does nothing when the value is there; `None` for
/// anything else.
pub fn unless_there(statement: &Statement) -> Option<Statement> {
    let Kind::AlterType {
        adds_value: true, ..
    } = statement.kind
    else {
        return None;
    };
    let parsed = SourceFile::parse(&statement.text).syntax_node();
    let mut tokens = tree::tokens(&parsed).skip_while(|t| t.kind() != SyntaxKind::VALUE_KW);
    let value = tokens.next()?;
    if tokens.next()?.kind() == SyntaxKind::IF_KW {
        return Some(statement.clone());
    }
    let mut text = statement.text.clone();
    text.insert_str(usize::from(value.text_range().end()), " IF NOT EXISTS");
    again(statement, &text)
}

/// `statement` with another text.
fn again(statement: &Statement, text: &str) -> Option<Statement> {
    let mut parsed = parse::script(text).into_iter();
    let (one, None) = (parsed.next()?, parsed.next()) else {
        return None;
    };
    let understood = !matches!(one.kind, Kind::Unknown { .. });
    understood.then(|| Statement {
        range: statement.range.clone(),
        line: statement.line,
        ..one
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> Statement {
        parse::script(text).remove(0)
    }

    #[test]
    fn without_concurrently() {
        for (text, expected) in [
            (
                "DROP INDEX CONCURRENTLY a.i",
                Some("DROP INDEX              a.i"),
            ),
            (
                "create unique index concurrently if not exists i on t (a)",
                Some("create unique index              if not exists i on t (a)"),
            ),
            (
                "REINDEX INDEX CONCURRENTLY i",
                Some("REINDEX INDEX              i"),
            ),
            (
                "ALTER TABLE t DETACH PARTITION p CONCURRENTLY",
                Some("ALTER TABLE t DETACH PARTITION p"),
            ),
            ("DROP INDEX i", None),
            ("VACUUM t", None),
            ("SELECT 'CONCURRENTLY'", None),
        ] {
            let found = inside_transaction(&one(text));
            assert_eq!(
                found.as_ref().map(|s| s.text.trim_end()),
                expected,
                "{text}"
            );
        }
    }

    #[test]
    fn a_value_that_may_be_there() {
        for (text, expected) in [
            (
                "ALTER TYPE m ADD VALUE 'x'",
                Some("ALTER TYPE m ADD VALUE IF NOT EXISTS 'x'"),
            ),
            (
                "alter type s.m add value if not exists 'x' before 'y'",
                Some("alter type s.m add value if not exists 'x' before 'y'"),
            ),
            ("ALTER TYPE m RENAME VALUE 'a' TO 'b'", None),
        ] {
            let found = unless_there(&one(text));
            assert_eq!(found.as_ref().map(|s| s.text.as_str()), expected, "{text}");
        }
    }
}
