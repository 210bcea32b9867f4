//! What of a server's message may be shown: the server's own words, and names that stand in the script
//! or in the catalog. Whatever else is in it may be a row's value.

use tokio_postgres::error::{DbError, ErrorPosition};

/// Classes whose messages, where the server itself makes them, name what is there: constraints, tables,
/// settings of the connection.
const PLAIN: [&str; 19] = [
    "00", "03", "08", "21", "23", "24", "25", "26", "28", "2B", "2D", "34", "3B", "40", "44", "53",
    "54", "55", "57",
];

/// Codes of other classes of which the same is true: what is there already, and what isn't allowed.
const NAMING: [&str; 8] = [
    "42501", "42701", "42710", "42723", "42P04", "42P06", "42P07", "42P16",
];

/// Source files of procedural languages and of foreign data wrappers, which raise what they are told.
const RAISING: [&str; 9] = [
    "plpy_elog.c",
    "plpy_exec.c",
    "plpy_main.c",
    "plpy_plpymodule.c",
    "plpy_spi.c",
    "plperl.c",
    "pltcl.c",
    "dblink.c",
    "connection.c",
];

/// Words that stand between two names in the server's messages.
const BETWEEN: [&str; 26] = [
    "of",
    "relation",
    "in",
    "on",
    "for",
    "table",
    "column",
    "violates",
    "foreign",
    "key",
    "constraint",
    "check",
    "and",
    "to",
    "type",
    "from",
    "index",
    "is",
    "not",
    "trigger",
    "policy",
    "rule",
    "schema",
    "role",
    "function",
    "with",
];

/// A message, and who made it.
#[derive(Debug, Default)]
pub(super) struct Said<'a> {
    code: &'a str,
    message: &'a str,
    /// A function of somebody's made it, not the server.
    raised: bool,
    /// The query that failed was made by a function, perhaps of values.
    internal: bool,
    /// Names that the server gives beside the message.
    names: Vec<&'a str>,
    /// The function that raised it.
    function: Option<&'a str>,
}

impl<'a> Said<'a> {
    /// What is known of `error`.
    pub(super) fn of(error: &'a DbError) -> Self {
        let names = [
            error.schema(),
            error.table(),
            error.column(),
            error.datatype(),
            error.constraint(),
        ];
        Self {
            code: error.code().code(),
            message: error.message(),
            raised: raised(error.file(), error.routine()),
            internal: matches!(error.position(), Some(ErrorPosition::Internal { .. })),
            names: names.into_iter().flatten().collect(),
            function: error.where_().and_then(function),
        }
    }

    /// True when the server itself says so, about a query that no function made.
    pub(super) const fn is_the_servers(&self) -> bool {
        !self.raised && !self.internal
    }

    /// The message as it was, unless somebody's function made it: for what is said before any row is
    /// read.
    pub(super) fn plain(&self) -> String {
        if self.raised {
            return self.shown("");
        }
        self.message.to_owned()
    }

    /// What may be shown of it, for the statement `text`.
    pub(super) fn shown(&self, text: &str) -> String {
        if self.raised {
            return spelt_out(self.message, text).unwrap_or_else(|| self.withheld());
        }
        let class = self.code.get(..2).unwrap_or_default();
        if self.internal && class == "42" {
            return mask_quoted(self.message);
        }
        if PLAIN.contains(&class) || NAMING.contains(&self.code) {
            return self.message.to_owned();
        }
        match class {
            "22" | "XX" => mask_data(self.message),
            _ => self.mask_unknown(text),
        }
    }

    fn withheld(&self) -> String {
        let who = match self.function {
            Some(function) => format!("function {function}"),
            None => "a function or DO block".to_owned(),
        };
        format!("{who} raised an exception; its text is withheld, since it may quote rows")
    }

    /// Masks what is quoted, but for names that stand in `text` or that the server gives as names.
    fn mask_unknown(&self, text: &str) -> String {
        let parts: Vec<&str> = self.message.split('"').collect();
        let between = |part: &&str| {
            let mut words = part.split_whitespace();
            words.all(|word| BETWEEN.contains(&word))
        };
        // A value may hold quotes itself: only where the words between are the server's, each quoted
        // part is one.
        let inner = parts.len().saturating_sub(1);
        let regular = parts.len() % 2 == 1
            && (2..inner).step_by(2).all(|place| between(&parts[place]))
            && !self.message.contains(|c| FOREIGN_QUOTES.contains(&c));
        if !regular {
            return mask_quoted(self.message);
        }
        let known = |name: &str| self.names.contains(&name) || stands_in(text, name);
        let shown = parts
            .iter()
            .enumerate()
            .map(|(place, part)| match place % 2 {
                1 if known(part) => format!("\"{part}\""),
                1 => "\"…\"".to_owned(),
                _ => (*part).to_owned(),
            });
        shown.collect()
    }
}

/// True when the message comes from code that raises what it is told: where it comes from is not the
/// server's own source.
fn raised(file: Option<&str>, routine: Option<&str>) -> bool {
    if matches!(routine, Some("exec_stmt_raise" | "exec_stmt_assert")) {
        return true;
    }
    let Some(file) = file else { return false };
    let name = file.rsplit('/').next().unwrap_or(file);
    let own = [".c", ".y", ".l"].iter().any(|end| name.ends_with(end));
    RAISING.contains(&name) || !own
}

/// The function in the first line of a context: `f()` of `PL/pgSQL function f() line 1 at RAISE`.
fn function(context: &str) -> Option<&str> {
    let line = context.lines().next()?;
    let rest = line.strip_prefix("PL/pgSQL function ")?;
    let (name, _) = rest.split_once(" line ")?;
    let plain = name.ends_with(')') && name.contains('(');
    plain.then_some(name)
}

/// A message whose text stands in a `RAISE` of the script itself: `a % b` shows as `a … b`.
fn spelt_out(message: &str, text: &str) -> Option<String> {
    let lower = text.to_ascii_lowercase();
    let raises = lower
        .match_indices("raise")
        .chain(lower.match_indices("assert"));
    raises
        .filter_map(|(at, _)| literal(&text[at..]))
        .find(|format| fits(message, format))
        .map(|format| {
            format
                .replace("%%", "\u{0}")
                .replace('%', "…")
                .replace('\u{0}', "%")
        })
}

/// The first literal of the statement that `text` begins with.
fn literal(text: &str) -> Option<String> {
    let start = text.find('\'')?;
    if text[..start].contains(';') {
        return None;
    }
    let mut literal = String::new();
    let mut rest = text[start + 1..].chars().peekable();
    loop {
        match rest.next()? {
            '\'' if rest.peek() == Some(&'\'') => {
                rest.next();
                literal.push('\'');
            }
            '\'' => return Some(literal),
            c => literal.push(c),
        }
    }
}

/// True when `message` is what the `format` of a RAISE makes, whatever its values are.
fn fits(message: &str, format: &str) -> bool {
    let format = format.replace("%%", "\u{0}");
    let parts: Vec<String> = format.split('%').map(|p| p.replace('\u{0}', "%")).collect();
    let words = |part: &String| part.chars().any(char::is_alphabetic);
    if !parts.iter().any(words) {
        return false;
    }
    let (Some(first), Some(last)) = (parts.first(), parts.last()) else {
        return false;
    };
    if parts.len() == 1 {
        return message == first;
    }
    let Some(mut rest) = message.strip_prefix(first.as_str()) else {
        return false;
    };
    for part in &parts[1..parts.len() - 1] {
        let Some(at) = rest.find(part.as_str()) else {
            return false;
        };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last.as_str())
}

/// True when `name` stands in `text` as a word, in upper or lower case; of a qualified name, each part.
fn stands_in(text: &str, name: &str) -> bool {
    if name.is_empty() {
        return false;
    }
    let (text, name) = (text.to_lowercase(), name.to_lowercase());
    let word = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
    let whole = |name: &str| {
        text.match_indices(name).any(|(at, _)| {
            let before = text[..at].chars().next_back();
            let after = text[at + name.len()..].chars().next();
            let open = name.starts_with(word) && before.is_some_and(word);
            let close = name.ends_with(word) && after.is_some_and(word);
            !open && !close
        })
    };
    whole(&name) || (name.contains('.') && name.split('.').all(|p| !p.is_empty() && whole(p)))
}

/// Quotes of other locales.
const FOREIGN_QUOTES: [char; 10] = ['«', '»', '„', '“', '”', '‚', '‘', '’', '‹', '›'];

/// From the first quote to the last: a quoted value may hold quotes itself.
fn mask_quoted(message: &str) -> String {
    let quote = |c: char| c == '"' || FOREIGN_QUOTES.contains(&c);
    match (message.find(quote), message.rfind(quote)) {
        (Some(first), Some(last)) if first < last => {
            let tail = message[last..].chars().next().map_or(0, char::len_utf8);
            format!("{}\"…\"{}", &message[..first], &message[last + tail..])
        }
        (Some(first), _) => format!("{}…", &message[..first]),
        _ => message.to_owned(),
    }
}

/// As [`mask_quoted`], and every word with a digit: `date field value out of range: 2026-13-01`.
fn mask_data(message: &str) -> String {
    mask_quoted(message)
        .split(' ')
        .map(|word| {
            if word.contains(|c: char| c.is_ascii_digit()) {
                "…"
            } else {
                word
            }
        })
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
#[path = "told_tests.rs"]
mod tests;
