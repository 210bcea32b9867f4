//! Rust as text: what stands in code, and not in comments or literals.

/// Where `text` stands in `code` and is not part of a longer name.
pub fn occurrences(code: &str, text: &str) -> impl Iterator<Item = usize> {
    let name_first = text.starts_with(is_name);
    let name_last = text.ends_with(is_name);
    code.match_indices(text)
        .map(|(offset, _)| offset)
        .filter(move |offset| {
            let before = code[..*offset].ends_with(is_name);
            let after = code[offset + text.len()..].starts_with(is_name);
            !(name_first && before || name_last && after)
        })
}

/// Where `code` names the package `name`: `use age;`, `age::x`, `::age::x`; neither the field
/// `manifest.age` nor the variable `age` nor a module `ours::age`.
pub fn packages(code: &str, name: &str) -> impl Iterator<Item = usize> {
    occurrences(code, name).filter(move |offset| {
        let before = code[..*offset].trim_end();
        let path = code[offset + name.len()..].trim_start().starts_with("::");
        match before.strip_suffix("::") {
            Some(owner) => !owner.ends_with(is_name),
            None => path || before.ends_with("use") || before.ends_with("crate"),
        }
    })
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// Each line, and where it begins.
pub fn lines(code: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut offset = 0;
    code.split_inclusive('\n').map(move |line| {
        let start = offset;
        offset += line.len();
        (start, line)
    })
}

/// The text with comments and the insides of literals blanked out; lines stay where they are.
pub fn code_of(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = comment(rest).or_else(|| literal(rest, &code));
        let length = length.unwrap_or_else(|| {
            code.push(first);
            0
        });
        if length == 0 {
            rest = &rest[first.len_utf8()..];
            continue;
        }
        code.extend(
            rest[..length]
                .chars()
                .map(|c| if c == '\n' { c } else { ' ' }),
        );
        rest = &rest[length..];
    }
    code
}

/// The length of the comment that `rest` begins with.
fn comment(rest: &str) -> Option<usize> {
    if rest.starts_with("//") {
        return Some(rest.find('\n').unwrap_or(rest.len()));
    }
    let mut inside = rest.strip_prefix("/*")?;
    let mut depth = 1;
    while depth > 0 && !inside.is_empty() {
        if let Some(after) = inside.strip_prefix("*/") {
            (inside, depth) = (after, depth - 1);
        } else if let Some(after) = inside.strip_prefix("/*") {
            (inside, depth) = (after, depth + 1);
        } else {
            inside = &inside[inside.chars().next().unwrap().len_utf8()..];
        }
    }
    Some(rest.len() - inside.len())
}

/// The length of the string or character that `rest` begins with, `before` being what precedes.
fn literal(rest: &str, before: &str) -> Option<usize> {
    let in_name = before.ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
    if let Some(raw) = rest.strip_prefix('r')
        && (!in_name || before.ends_with('b') || before.ends_with('c'))
    {
        let hashes = raw.len() - raw.trim_start_matches('#').len();
        if let Some(inside) = raw[hashes..].strip_prefix('"') {
            let end = format!("\"{}", "#".repeat(hashes));
            let inside = inside.find(&end).map_or(inside.len(), |at| at + end.len());
            return Some(2 + hashes + inside);
        }
    }
    let quote = rest.chars().next().filter(|c| ['"', '\''].contains(c))?;
    if quote == '\'' {
        // A lifetime is no character: 'a' is, 'a is not.
        let mut chars = rest.chars().skip(1);
        let (first, second) = (chars.next()?, chars.next()?);
        if first != '\\' && second != '\'' {
            return None;
        }
    }
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return Some(at + 1),
            _ => {}
        }
    }
    Some(rest.len())
}

// The test of the test: what is planted is found, what is fine is left alone.
