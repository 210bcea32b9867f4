//! How the values of a row are laid out in a table of our own, each as text and known by the number
//! of its column.
//!
//! Few of them have a column each. A page of the server has room for 8160 bytes of a row, and of a
//! row before and after a change that is 1600 columns at most; a value of up to 24 bytes can't be
//! put elsewhere. So many of them lie together in arrays, which can be.

use std::collections::BTreeMap;

use crate::model::backup::PartColumn;

/// Of how many columns the values before and after, and what an undo adds to them, surely find
/// room in one row as text.
pub const FEW: usize = 160;

/// How many lie in one array. Each is looked for from its beginning, and all arrays have to find
/// room in one row.
const TOGETHER: i16 = 64;

/// A layout. In expressions a letter tells values of one number apart: before and after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    numbers: Vec<i16>,
    packed: bool,
}

impl Layout {
    /// The layout of the columns with `numbers`.
    pub fn of(numbers: &[i16]) -> Self {
        Self {
            numbers: numbers.to_vec(),
            packed: numbers.len() > FEW,
        }
    }

    /// How the same values lie in a part of a backup with `columns`.
    #[must_use]
    pub fn as_kept(&self, columns: &[PartColumn]) -> Self {
        Self {
            numbers: self.numbers.clone(),
            packed: columns.iter().any(|c| c.type_name == Self::MANY),
        }
    }

    const ONE: &str = "text";
    const MANY: &str = "text[]";

    /// True where values lie in arrays.
    pub const fn is_packed(&self) -> bool {
        self.packed
    }

    /// The type of each column of the table.
    pub const fn type_name(&self) -> &'static str {
        if self.packed { Self::MANY } else { Self::ONE }
    }

    /// The names of the columns of the table.
    pub fn names(&self, letter: char) -> Vec<String> {
        let all = self.lay_out(letter, |_| None);
        all.into_iter().map(|(name, _)| name).collect()
    }

    /// The value of column `number` in the row `alias`.
    pub fn value(&self, alias: &str, letter: char, number: i16) -> String {
        if self.packed {
            let (array, place) = place(number);
            format!("{alias}.{letter}_{array}[{place}]")
        } else {
            format!("{alias}.{letter}{number}")
        }
    }

    /// True where the row `alias` has other values of column `number` before and after.
    pub fn differs(&self, alias: &str, number: i16) -> String {
        let value = |letter| self.value(alias, letter, number);
        format!("{} IS DISTINCT FROM {}", value('b'), value('a'))
    }

    /// The columns of the table, name and expression; `value` is the expression for the column with a
    /// number, and `None` where there is no value.
    pub fn lay_out(
        &self,
        letter: char,
        value: impl Fn(i16) -> Option<String>,
    ) -> Vec<(String, String)> {
        let value = |number| value(number).unwrap_or_else(|| "NULL::pg_catalog.text".to_owned());
        if !self.packed {
            let one = |n: &i16| (format!("{letter}{n}"), value(*n));
            return self.numbers.iter().map(one).collect();
        }
        let mut arrays: BTreeMap<i16, BTreeMap<i16, String>> = BTreeMap::new();
        for number in &self.numbers {
            let (array, place) = place(*number);
            arrays
                .entry(array)
                .or_default()
                .insert(place, value(*number));
        }
        let array = |(array, values): (i16, BTreeMap<i16, String>)| {
            let last = values.last_key_value().map_or(0, |last| *last.0);
            let value = |place| values.get(&place).map_or("NULL", String::as_str);
            let values: Vec<&str> = (1..=last).map(value).collect();
            let values = values.join(", ");
            (
                format!("{letter}_{array}"),
                format!("ARRAY[{values}]::pg_catalog.text[]"),
            )
        };
        arrays.into_iter().map(array).collect()
    }

    /// The rows of `table`, to be read from: whatever lies in arrays, those of `letters` and the
    /// columns `flags`, is fetched once for all values of a row. `others` are its other columns.
    pub fn rows(&self, table: &str, letters: &str, flags: &[&str], others: &[&str]) -> String {
        if !self.packed {
            return table.to_owned();
        }
        let names = letters.chars().flat_map(|letter| self.names(letter));
        let flags = flags.iter().map(|f| (*f).to_owned());
        let arrays = names
            .chain(flags)
            .map(|name| format!("{name}[:] AS {name}"));
        let others = others.iter().map(|o| (*o).to_owned());
        let columns: Vec<String> = others.chain(arrays).collect();
        // OFFSET keeps the planner from fetching an array anew wherever one of its values is named.
        format!("(SELECT {} FROM {table} OFFSET 0)", columns.join(", "))
    }
}

/// The array that holds the value of column `number`, and where in it.
const fn place(number: i16) -> (i16, i16) {
    let from = number - 1;
    (from / TOGETHER, from % TOGETHER + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_have_a_column_each() {
        let layout = Layout::of(&[1, 3]);
        assert_eq!(layout.names('b'), ["b1", "b3"]);
        assert_eq!(layout.value("e", 'b', 3), "e.b3");
        assert_eq!(layout.rows("t", "b", &[], &["had"]), "t");
        let laid_out = layout.lay_out('b', |n| (n == 3).then(|| "x".to_owned()));
        let [one, three] = laid_out.try_into().unwrap();
        assert_eq!(one, ("b1".to_owned(), "NULL::pg_catalog.text".to_owned()));
        assert_eq!(three, ("b3".to_owned(), "x".to_owned()));
    }

    #[test]
    fn many_lie_in_arrays_by_their_numbers() {
        let numbers: Vec<i16> = (1..=200).filter(|n| *n != 66).collect();
        let layout = Layout::of(&numbers);
        assert_eq!(layout.names('a'), ["a_0", "a_1", "a_2", "a_3"]);
        assert_eq!(layout.value("e", 'a', 64), "e.a_0[64]");
        assert_eq!(layout.value("e", 'a', 65), "e.a_1[1]");
        let laid_out = layout.lay_out('a', |n| Some(format!("v{n}")));
        assert!(laid_out[1].1.starts_with("ARRAY[v65, NULL, v67, "));
        let last = "ARRAY[v193, v194, v195, v196, v197, v198, v199, v200]::pg_catalog.text[]";
        assert_eq!(laid_out[3].1, last);
        assert_eq!(
            layout.rows("t", "a", &["f"], &["had"]),
            "(SELECT had, a_0[:] AS a_0, a_1[:] AS a_1, a_2[:] AS a_2, a_3[:] AS a_3, f[:] AS f \
             FROM t OFFSET 0)"
        );
    }
}
