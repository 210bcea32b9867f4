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
    Lines::of(text).position(offset)
}

/// The lines of a text, for many questions.
pub(super) struct Lines<'a> {
    text: &'a str,
    /// Where each line after the first starts.
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    /// The lines of `text`.
    pub(super) fn of(text: &'a str) -> Self {
        Self {
            text,
            starts: text.match_indices('\n').map(|(i, _)| i + 1).collect(),
        }
    }

    /// Where byte `offset` is. An offset beyond the end means the end.
    pub(super) fn position(&self, offset: usize) -> Position {
        let mut end = offset.min(self.text.len());
        while !self.text.is_char_boundary(end) {
            end -= 1;
        }
        let before = self.starts.partition_point(|start| *start <= end);
        let start = before.checked_sub(1).map_or(0, |i| self.starts[i]);
        Position {
            line: 1 + before as u32,
            column: 1 + self.text[start..end].chars().count() as u32,
        }
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
