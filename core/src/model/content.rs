//! What tables and sequences hold at a moment, and what became of it by another.

use std::collections::BTreeMap;

/// What a database holds, without the values themselves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Content {
    /// By table, as `schema.name`.
    pub tables: BTreeMap<String, Rows>,
    /// By sequence, as `schema.name`: where it stands, in words.
    pub sequences: BTreeMap<String, String>,
}

/// The rows of a table: two are alike when number and digest are. Neither the order of rows nor
/// that of columns counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rows {
    /// How many.
    pub count: i64,
    /// Of all of them; empty where there are none.
    pub digest: String,
}

/// What became of a table that holds something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Became {
    /// It isn't there any more.
    Gone {
        /// The rows that it had.
        rows: i64,
    },
    /// It has more rows, or fewer.
    Counted {
        /// How many it had.
        before: i64,
        /// How many it has.
        after: i64,
    },
    /// As many rows, with other values or columns.
    Rewritten {
        /// How many.
        rows: i64,
    },
}

impl Content {
    /// The same, with each table called as `names` has it, if it does. One that has its name by
    /// now, and isn't meant, is left out.
    #[must_use]
    pub fn called(self, names: &BTreeMap<String, String>) -> Self {
        let (known, mut tables): (BTreeMap<_, _>, BTreeMap<_, _>) =
            (self.tables.into_iter()).partition(|(name, _)| names.contains_key(name));
        let called = |(name, rows)| Some((names.get(&name)?.clone(), rows));
        tables.extend(known.into_iter().filter_map(called));
        Self { tables, ..self }
    }

    /// What became of each table that holds something else in `after`, by name. Tables that are
    /// only in `after` are left out: nothing of theirs was lost.
    pub fn became<'a>(&'a self, after: &Self) -> Vec<(&'a str, Became)> {
        let fate = |(name, was): (&'a String, &Rows)| {
            let became = match after.tables.get(name) {
                None => Became::Gone { rows: was.count },
                Some(is) if is.count != was.count => Became::Counted {
                    before: was.count,
                    after: is.count,
                },
                Some(is) if is.digest != was.digest => Became::Rewritten { rows: was.count },
                Some(_) => return None,
            };
            Some((name.as_str(), became))
        };
        self.tables.iter().filter_map(fate).collect()
    }

    /// The sequences that stand elsewhere in `after`, or aren't there.
    pub fn moved_sequences<'a>(&'a self, after: &Self) -> Vec<&'a str> {
        let sequences = self.sequences.iter();
        let moved = sequences.filter(|(name, at)| after.sequences.get(*name) != Some(at));
        moved.map(|(name, _)| name.as_str()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_table_does_not_stand_for_the_one_that_had_its_name() {
        let content = |tables: &[(&str, i64)]| Content {
            tables: (tables.iter())
                .map(|&(name, count)| {
                    let digest = count.to_string();
                    (name.to_owned(), Rows { count, digest })
                })
                .collect(),
            ..Content::default()
        };
        let before = content(&[("t", 3), ("a", 1), ("b", 2)]);
        for renamed in ["old", "zold"] {
            let after = content(&[("t", 0), (renamed, 3), ("a", 2), ("b", 1)]);
            let names = [(renamed, "t"), ("a", "b"), ("b", "a")];
            let names = names.map(|(now, then)| (now.to_owned(), then.to_owned()));
            assert_eq!(before.became(&after.called(&names.into())), []);
        }
    }

    #[test]
    fn only_what_changed_is_told() {
        let content = |tables: &[(&str, i64, &str)], at: &str| Content {
            tables: (tables.iter())
                .map(|&(name, count, digest)| {
                    let digest = digest.to_owned();
                    (name.to_owned(), Rows { count, digest })
                })
                .collect(),
            sequences: [("s".to_owned(), at.to_owned())].into(),
        };
        let before = content(
            &[("a", 3, "x"), ("b", 2, "y"), ("c", 1, "z"), ("d", 0, "")],
            "1",
        );
        let after = content(
            &[("a", 3, "x"), ("b", 1, "y"), ("c", 1, "w"), ("new", 1, "")],
            "2",
        );
        let expected = [
            (
                "b",
                Became::Counted {
                    before: 2,
                    after: 1,
                },
            ),
            ("c", Became::Rewritten { rows: 1 }),
            ("d", Became::Gone { rows: 0 }),
        ];
        assert_eq!(before.became(&after), expected);
        assert_eq!(before.moved_sequences(&after), ["s"]);
        assert_eq!(before.became(&before), []);
        assert!(before.moved_sequences(&before).is_empty());
    }
}
