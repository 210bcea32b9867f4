//! SQL as tokens, read as the server reads them. What could be read in two ways is not read at all.

/// A token; what is quoted is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token<'a> {
    /// Its text.
    pub text: &'a str,
    /// In how many parentheses it stands.
    pub depth: u32,
}

impl Token<'_> {
    /// A word that isn't quoted, in upper case.
    pub fn word(&self) -> Option<String> {
        let begins = self.text.starts_with(|c: char| begins_word(c));
        (begins && !self.text.ends_with('\'')).then(|| self.text.to_ascii_uppercase())
    }

    fn is_escaping(&self) -> bool {
        self.text.starts_with(['E', 'e']) && self.text.ends_with('\'')
    }
}

const fn begins_word(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_' || !c.is_ascii()
}

/// The statements of `sql`, without the semicolons between them; `None` where that can't be told:
/// something is never closed, or what `pg_dump` never writes makes the meaning hang on more than this
/// knows. With `standard_strings` a backslash in a plain string is one.
pub fn statements(sql: &str, standard_strings: bool) -> Option<Vec<Vec<Token<'_>>>> {
    let (mut all, mut now): (Vec<Vec<Token<'_>>>, Vec<Token<'_>>) = (Vec::new(), Vec::new());
    let (mut depth, mut at) = (0_u32, 0);
    while let Some(c) = sql.get(at..)?.chars().next() {
        let rest = &sql[at..];
        let length = match c {
            _ if c.is_ascii_whitespace() || c == '\x0b' => {
                at += 1;
                continue;
            }
            '-' if rest.starts_with("--") => {
                at += rest.find(['\n', '\r']).unwrap_or(rest.len());
                continue;
            }
            '/' if rest.starts_with("/*") => {
                at += comment(rest)?;
                continue;
            }
            ';' if depth == 0 => {
                all.push(std::mem::take(&mut now));
                at += 1;
                continue;
            }
            '(' | '[' => {
                depth += 1;
                1
            }
            ')' | ']' => {
                depth = depth.checked_sub(1)?;
                1
            }
            '\'' => {
                // After an E'…' the next string goes on with it, across a line.
                if now.last().is_some_and(Token::is_escaping) {
                    return None;
                }
                quoted(rest, 0, '\'', !standard_strings)?
            }
            '"' => quoted(rest, 0, '"', false)?,
            'E' | 'e' if rest[1..].starts_with('\'') => quoted(rest, 1, '\'', true)?,
            'N' | 'n' | 'B' | 'b' | 'X' | 'x' if rest[1..].starts_with('\'') => {
                quoted(rest, 1, '\'', !standard_strings)?
            }
            '$' => dollars(rest)?,
            _ if begins_word(c) => word(rest)?,
            _ if c.is_ascii_digit() => rest
                .find(|c: char| !c.is_ascii_digit())
                .unwrap_or(rest.len()),
            _ => c.len_utf8(),
        };
        let text = &rest[..length];
        let inner = if matches!(c, '(' | '[') {
            depth - 1
        } else {
            depth
        };
        now.push(Token { text, depth: inner });
        at += length;
    }
    if depth > 0 {
        return None;
    }
    all.push(now);
    all.retain(|statement| !statement.is_empty());
    Some(all)
}

/// The length of the comment that `text` begins with; comments nest.
fn comment(text: &str) -> Option<usize> {
    let (mut open, mut at) = (0_u32, 0);
    loop {
        let rest = text.get(at..)?;
        if rest.starts_with("/*") {
            open += 1;
            at += 2;
        } else if rest.starts_with("*/") {
            open -= 1;
            at += 2;
            if open == 0 {
                return Some(at);
            }
        } else {
            at += rest.chars().next()?.len_utf8();
        }
    }
}

/// The length of the quoted text that begins after `prefix` bytes. A doubled quote is one in it.
fn quoted(text: &str, prefix: usize, quote: char, escapes: bool) -> Option<usize> {
    let mut chars = text[prefix + 1..].char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        if escapes && c == '\\' {
            chars.next()?;
        } else if c == quote {
            if chars.peek().is_some_and(|(_, next)| *next == quote) {
                chars.next();
            } else {
                return Some(prefix + 1 + at + 1);
            }
        }
    }
    None
}

/// The length of the text in dollars that `text` begins with; of `$1` and the like, one.
fn dollars(text: &str) -> Option<usize> {
    let tag = text[1..].find(|c: char| !(begins_word(c) || c.is_ascii_digit()));
    let tag = &text[1..=tag?];
    if tag.starts_with(|c: char| c.is_ascii_digit()) {
        return Some(1);
    }
    let delimiter = text.get(..tag.len() + 2).filter(|d| d.ends_with('$'))?;
    let end = text[delimiter.len()..].find(delimiter)?;
    Some(delimiter.len() + end + delimiter.len())
}

/// The length of the word that `text` begins with. `pg_dump` quotes names that hold a dollar.
fn word(text: &str) -> Option<usize> {
    let inside = |c: char| begins_word(c) || c.is_ascii_digit() || c == '$';
    let length = text.find(|c| !inside(c)).unwrap_or(text.len());
    // U&'…' may say what its own escape is, U&"…" too.
    let rest = &text[length..];
    let unicode = text[..length].eq_ignore_ascii_case("u")
        && (rest.starts_with("&'") || rest.starts_with("&\""));
    (!text[..length].contains('$') && !unicode).then_some(length)
}
