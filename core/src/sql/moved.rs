//! Which sequences a statement sets by `setval`.

use squawk_syntax::SourceFile;

use crate::sql::deep;
use crate::sql::name;
use crate::sql::statement::Name;
use crate::sql::tree;

/// What a call of `setval` names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Moved {
    /// A sequence.
    Sequence(Name),
    /// A table: the sequence of one of its columns.
    OfTable(Name),
}

/// What all calls of `setval` in the statement `text` name; `None` where that can't be read in it. The
/// names are right only if `setval` and `pg_get_serial_sequence` are the server's own.
pub fn by_setval(text: &str) -> Option<Vec<Moved>> {
    deep::run(text, |text| {
        let parsed = SourceFile::parse(text).syntax_node();
        let tokens: Vec<String> = tree::tokens(&parsed).map(|t| t.text().to_owned()).collect();
        let tokens: Vec<&str> = tokens.iter().map(String::as_str).collect();
        let calls = tokens.iter().enumerate();
        let calls = calls.filter(|(_, token)| name::fold(token) == "setval");
        calls.map(|(at, _)| moved(&tokens[at + 1..])).collect()
    })?
}

/// What the call whose arguments begin in front of `rest` names.
fn moved(rest: &[&str]) -> Option<Moved> {
    let rest = eat(rest, "(")?;
    let catalog = |rest| eat(rest, "pg_catalog").and_then(|rest| eat(rest, "."));
    let (moved, rest) = match rest.split_first()? {
        (first, rest) if first.starts_with('\'') => (Moved::Sequence(named(first)?), rest),
        _ => {
            let rest = catalog(rest).unwrap_or(rest);
            let rest = eat(eat(rest, "pg_get_serial_sequence")?, "(")?;
            let (table, rest) = rest.split_first()?;
            let (_, rest) = eat(rest, ",")?.split_first()?;
            (Moved::OfTable(named(table)?), eat(rest, ")")?)
        }
    };
    let cast = eat(rest, "::").or_else(|| eat(eat(rest, ":")?, ":"));
    let rest = match cast {
        Some(rest) => eat(catalog(rest).unwrap_or(rest), "regclass")?,
        None => rest,
    };
    eat(rest, ",").map(|_| moved)
}

fn eat<'a, 't>(tokens: &'a [&'t str], token: &str) -> Option<&'a [&'t str]> {
    let (first, rest) = tokens.split_first()?;
    first.eq_ignore_ascii_case(token).then_some(rest)
}

/// The name in a string, as the server reads it there; `None` for a number, which is no name.
fn named(string: &str) -> Option<Name> {
    let inside = string.strip_prefix('\'')?.strip_suffix('\'')?;
    if inside.contains('\\') {
        return None; // may mean another character
    }
    let inside = inside.replace("''", "'");
    let mut parts = Vec::new();
    let mut rest = inside.as_str();
    loop {
        rest = rest.trim_start();
        let end = if rest.starts_with('"') {
            closing(rest)?
        } else {
            rest.find(|c: char| c == '.' || c.is_whitespace())
                .unwrap_or(rest.len())
        };
        let (part, behind) = rest.split_at(end);
        if part.is_empty() || part.chars().all(|c| c.is_ascii_digit()) {
            return None;
        }
        parts.push(name::fold(part));
        let behind = behind.trim_start();
        match behind.strip_prefix('.') {
            Some(more) => rest = more,
            None if behind.is_empty() => break,
            None => return None,
        }
    }
    let name = parts.pop()?;
    (parts.len() < 2).then(|| Name {
        schema: parts.pop(),
        name,
    })
}

/// The end of the quoted identifier that `text` begins with.
fn closing(text: &str) -> Option<usize> {
    let mut at = 1;
    loop {
        at += text.get(at..)?.find('"')? + 1;
        if text.get(at..)?.starts_with('"') {
            at += 1;
        } else {
            return Some(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(schema: Option<&str>, name: &str) -> Name {
        Name {
            schema: schema.map(str::to_owned),
            name: name.to_owned(),
        }
    }

    #[test]
    fn what_is_set_is_found() {
        let sequence = |schema, n| Some(vec![Moved::Sequence(name(schema, n))]);
        let table = |schema, n| Some(vec![Moved::OfTable(name(schema, n))]);
        for (text, expected) in [
            ("select setval('S', 1)", sequence(None, "s")),
            (
                "select pg_catalog.setval('app.s'::regclass, 1, false)",
                sequence(Some("app"), "s"),
            ),
            (
                "select setval('\"My \"\"S\".\"x.y\"', 1)",
                sequence(Some("My \"S"), "x.y"),
            ),
            (
                "select setval(pg_get_serial_sequence('t', 'id'), (select max(id) from t))",
                table(None, "t"),
            ),
            (
                "SELECT setval(pg_catalog.pg_get_serial_sequence('app.t', 'id')::pg_catalog.regclass, 1)",
                table(Some("app"), "t"),
            ),
            ("select coalesce(setval('s', 1), 2)", sequence(None, "s")),
            ("select 1", Some(Vec::new())),
            ("select setval(s, 1) from t", None),
            ("select setval('a' || 'b', 1)", None),
            ("select setval('16400', 1)", None),
            ("select setval(E'a\\x62', 1)", None),
            ("select setval(lower('S')::regclass, 1)", None),
            ("select setval('s', 1), setval(other, 2)", None),
        ] {
            assert_eq!(by_setval(text), expected, "{text}");
        }
    }
}
