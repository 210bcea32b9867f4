//! Hides the values in SQL text before it is shown or logged.

use squawk_syntax::SourceFile;
use squawk_syntax::SyntaxElement;
use squawk_syntax::SyntaxKind;

use crate::sql::deep;

/// `text` with every string, number and dollar-quoted body replaced by `?`, and comments by a
/// space: what is left names objects and keywords, never values. Text that can't be read is
/// hidden as a whole.
pub fn literals(text: &str) -> String {
    deep::run(text, masked).unwrap_or_else(|| "?".to_owned())
}

/// `text` with every character of such a value replaced by `?`, and of a comment by a space: what
/// is left stands where it stood, line by line. Text that can't be read is hidden as a whole.
pub fn in_place(text: &str) -> String {
    let each = |text: &str, by: char| -> String {
        let hide = |c| if c == '\n' { c } else { by };
        text.chars().map(hide).collect()
    };
    let hidden = deep::run(text, |text| {
        tokens(text, |t| each(t, '?'), |t| each(t, ' '))
    });
    hidden.unwrap_or_else(|| each(text, '?'))
}

/// True when an identifier of `text` is `name`, in quotes or not, outside of strings.
pub fn mentions(text: &str, name: &str) -> bool {
    let masked = literals(text).to_ascii_lowercase();
    let part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '$');
    masked == "?" || masked.split(|c| !part(c)).any(|word| word == name)
}

fn masked(text: &str) -> String {
    tokens(text, |_| "?".to_owned(), |_| " ".to_owned())
}

/// `text` with what `value` makes of values and `comment` of comments.
fn tokens(text: &str, value: impl Fn(&str) -> String, comment: impl Fn(&str) -> String) -> String {
    let tree = SourceFile::parse(text).syntax_node();
    let tokens = tree
        .descendants_with_tokens()
        .filter_map(SyntaxElement::into_token);
    let mut shown = String::with_capacity(text.len());
    for token in tokens {
        match token.kind() {
            SyntaxKind::STRING
            | SyntaxKind::ESC_STRING
            | SyntaxKind::BIT_STRING
            | SyntaxKind::BYTE_STRING
            | SyntaxKind::NATIONAL_STRING
            | SyntaxKind::UNICODE_ESC_STRING
            | SyntaxKind::DOLLAR_QUOTED_STRING
            | SyntaxKind::INT_NUMBER
            | SyntaxKind::NUMERIC_NUMBER
            | SyntaxKind::ERROR => shown += &value(token.text()),
            SyntaxKind::COMMENT => shown += &comment(token.text()),
            _ => shown.push_str(token.text()),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_hidden_names_are_not() {
        let check = |sql, expected: &str| assert_eq!(literals(sql), expected, "{sql}");
        check("select 'a', 1.5 from t", "select ?, ? from t");
        check(
            "update \"T 1\" set a = E'x\\'y'",
            "update \"T 1\" set a = ?",
        );
        check("do $x$ begin 'secret' end $x$", "do ?");
        check(
            "select b'1', x'ff', n'a', u&'b', $$c$$, 0x1f",
            "select ?, ?, ?, ?, ?, ?",
        );
        check("select a /* 42 */ -- secret", "select a    ");
        check("select 'unterminated", "select ?");
        check("select $1, a1", "select $1, a1");
        check(
            "insert into t values (-1, 'it''s')",
            "insert into t values (-?, ?)",
        );
    }
}
