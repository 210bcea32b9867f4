//! The line of a script that a message is about, as it is shown beneath it.

use crate::sql::mask;

/// What lines of an excerpt begin with.
pub const MARGIN: &str = "  | ";

/// No line is shown wider, in characters.
const WIDTH: usize = 100;

/// The line of `text` that holds character `at` (counted from zero), its values hidden, with a
/// mark beneath that character. Without `at`, the first line.
pub fn of(text: &str, at: Option<usize>) -> String {
    let hidden = mask::in_place(text);
    let at = at.filter(|at| *at < hidden.chars().count());
    let before: String = hidden.chars().take(at.unwrap_or(0)).collect();
    let start = before.rfind('\n').map_or(0, |i| i + 1);
    let column = before[start..].chars().count();
    let line: Vec<char> = hidden[start..]
        .chars()
        .take_while(|c| *c != '\n')
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    // Of a long line the part around the character.
    let from = column.saturating_sub(WIDTH * 2 / 3);
    let from = from.min(line.len().saturating_sub(WIDTH));
    let shown: String = line.iter().skip(from).take(WIDTH).collect();
    let shown = shown.trim_end();
    if at.is_none() {
        return format!("{MARGIN}{shown}");
    }
    format!("{MARGIN}{shown}\n{MARGIN}{}^", " ".repeat(column - from))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_and_a_mark() {
        let check = |text, at, expected: &str| assert_eq!(of(text, at), expected, "{text}");
        check("select x", Some(7), "  | select x\n  |        ^");
        check(
            "select\n\tx from t\nwhere",
            Some(8),
            "  |  x from t\n  |  ^",
        );
        check(
            "select 'a\nsecret', é, x",
            Some(22),
            "  | ???????, é, x\n  |             ^",
        );
        check("select 1\nfrom t", None, "  | select ?");
        check("select 1", Some(99), "  | select ?");
        check("", Some(0), "  | ");
        let long = format!("select {}, x from t", "a".repeat(500));
        let shown = of(&long, Some(509));
        let lines: Vec<&str> = shown.lines().collect();
        assert!(lines[0].len() <= WIDTH + 4 && lines[0].ends_with(", x from t"));
        assert_eq!(lines[0].find(" x from"), lines[1].find('^').map(|i| i - 1));
    }
}
