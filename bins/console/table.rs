//! Tables: no frame, one thin line under the head, numbers to the right.

use tabled::builder::Builder;
use tabled::settings::object::Columns;
use tabled::settings::style::{HorizontalLine, Style};
use tabled::settings::{Alignment, Modify, Padding};

use crate::text;

/// A table under construction. Every cell is made safe for the terminal.
#[derive(Debug)]
pub struct Table {
    rows: Vec<Vec<String>>,
    right: Vec<bool>,
}

impl Table {
    /// A table with these column heads; a head that begins with `>` is aligned to the right.
    pub fn new(heads: &[&str]) -> Self {
        let bare = |head: &&str| head.trim_start_matches('>').to_owned();
        Self {
            rows: vec![heads.iter().map(bare).collect()],
            right: heads.iter().map(|head| head.starts_with('>')).collect(),
        }
    }

    /// Adds a row.
    pub fn row<S: AsRef<str>>(&mut self, cells: impl IntoIterator<Item = S>) {
        let cells = cells.into_iter().map(|cell| text::safe(cell.as_ref()));
        self.rows.push(cells.collect());
    }

    /// The table as text, each line indented by two spaces, with a line break at the end.
    pub fn render(self) -> String {
        let line = HorizontalLine::new('─').intersection('─');
        let mut table = Builder::from_iter(self.rows).build();
        table
            .with(Style::blank().horizontals([(1, line)]))
            .with(Padding::new(0, 1, 0, 0));
        for (column, right) in self.right.into_iter().enumerate() {
            if right {
                table.with(Modify::new(Columns::one(column)).with(Alignment::right()));
            }
        }
        let mut text = String::new();
        for line in table.to_string().lines() {
            text.push_str("  ");
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_calm_table() {
        let mut table = Table::new(&["table", ">rows"]);
        table.row(["public.orders", "1,234"]);
        table.row(["evil\x1b[0m", "7"]);
        let expected = "  table           rows\n  ──────────────────────\n  public.orders  1,234\n";
        let text = table.render();
        assert!(!text.contains('\x1b'), "{text}");
        assert_eq!(text.lines().count(), 4, "{text}");
        assert_eq!(text.lines().nth(2), expected.lines().nth(2), "{text}");
    }
}
