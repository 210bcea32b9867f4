//! What earlier statements have changed: a count on today's data may not be true any more when
//! its statement runs.

use std::collections::BTreeMap;

use crate::model::relation::{Oid, World};
use crate::planner::touch::Place;

/// How a statement changes a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// Definitions change.
    Definition,
    /// Rows are added.
    Added,
    /// These columns are assigned; empty: any.
    Columns(Vec<String>),
    /// Rows go.
    Rows,
}

/// Changes of tables by the statements looked at so far.
#[derive(Debug, Default)]
pub struct Earlier {
    changes: BTreeMap<Oid, Vec<(Place, What)>>,
    /// The first statement after which triggers may have changed anything.
    fired: Option<Place>,
}

impl Earlier {
    /// The statement at `place` changes `table`.
    pub fn note(&mut self, world: &World, table: Oid, place: Place, what: What) {
        let fires = world.relations.get(&table).is_some_and(|r| r.triggers);
        if fires && what != What::Definition {
            self.fired = Some(self.fired.map_or(place, |at| at.min(place)));
        }
        self.changes.entry(table).or_default().push((place, what));
    }

    /// True when the rows of `tables` that hold some values in `columns` at `place` are among those
    /// that hold them today.
    pub fn no_others_hold(&self, tables: &[Oid], columns: &[String], place: Place) -> bool {
        !self.any(tables, place, |at, what| {
            at < place
                && match what {
                    What::Added => true,
                    What::Columns(assigned) => {
                        assigned.is_empty() || assigned.iter().any(|c| columns.contains(c))
                    }
                    What::Definition | What::Rows => false,
                }
        })
    }

    /// True when neither a statement before `place` nor what has been found of the one there
    /// changes anything about `tables`.
    pub fn once(&self, tables: &[Oid], place: Place) -> bool {
        !self.any(tables, place, |_, _| true)
    }

    /// True when today's rows of `table` are all still there at `place`.
    pub fn complete(&self, table: Oid, place: Place) -> bool {
        !self.any(&[table], place, |_, what| *what == What::Rows)
    }

    /// True when today's values of a column of `table` are all still there at `place`.
    pub fn values_complete(&self, table: Oid, column: &str, place: Place) -> bool {
        !self.any(&[table], place, |_, what| match what {
            What::Rows => true,
            What::Columns(columns) => {
                columns.is_empty() || columns.iter().any(|name| name == column)
            }
            What::Added | What::Definition => false,
        })
    }

    /// Whether there is a change of `tables` up to `place` that `counts`.
    fn any(&self, tables: &[Oid], place: Place, counts: impl Fn(Place, &What) -> bool) -> bool {
        let changes = tables.iter().filter_map(|oid| self.changes.get(oid));
        let mut changes = changes.flatten().filter(|(at, _)| *at <= place);
        self.fired.is_some_and(|at| at < place) || changes.any(|(at, what)| counts(*at, what))
    }
}
