//! Places in a text, for messages.

/// A place in a text: line and column, both counted from one, the column in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// The line.
    pub line: u32,
    /// The column.
    pub column: u32,
}

/// Where byte `offset` of `text` is. An offset beyond the end means the end.
pub fn of(text: &str, offset: usize) -> Position {
    let mut end = offset.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let before = &text[..end];
    let start = before.rfind('\n').map_or(0, |i| i + 1);
    Position {
        line: 1 + before.bytes().filter(|b| *b == b'\n').count() as u32,
        column: 1 + before[start..].chars().count() as u32,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_lines_and_characters() {
        let check = |offset, line, column| {
            assert_eq!(of("aé\nb\n", offset), Position { line, column }, "{offset}");
        };
        check(0, 1, 1);
        check(1, 1, 2);
        check(2, 1, 2);
        check(3, 1, 3);
        check(4, 2, 1);
        check(6, 3, 1);
        check(99, 3, 1);
    }
}
