//! What really happened in a transaction, by signs that no script can avoid leaving.
//!
//! A rollback and an undo are guarded alike: signs are read before anything of ours can fire code,
//! after the scripts, and once more after the last statement that may. What the server counted of a
//! table must be what was recorded of it.

mod marks;
mod rows;

use std::collections::{BTreeMap, BTreeSet};

use crate::model::plan::{Coverage, Extent, Fate};
use crate::model::relation::{Oid, Relation, RelationKind, World};
use crate::pg::capture::Recorded;
use crate::pg::event_triggers::EventTrigger;

pub use marks::{Marks, Written, counting, marks};
pub use rows::{Counted, Look, begin_look, count};

/// One state of the database within the transaction.
#[derive(Debug, Clone, Copy)]
pub struct State<'a> {
    /// Its structure.
    pub world: &'a World,
    /// Its signs.
    pub marks: &'a Marks,
}

/// What was foretold, and what was seen.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// What is saved of each table.
    pub coverage: &'a BTreeMap<Oid, Coverage>,
    /// What was recorded of each table that is watched.
    pub recorded: &'a BTreeMap<Oid, Recorded>,
    /// What a look at the rows of a table came to.
    pub counted: &'a BTreeMap<Oid, Counted>,
    /// What fires when anything is defined.
    pub event_triggers: &'a [EventTrigger],
}

/// What happened beside what was announced, saved and recorded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Surplus {
    /// In words, each about one table.
    pub what: Vec<String>,
    /// Tables of which the server counted other changes than were recorded. What an exception block
    /// took back is counted too: only a look at the rows can tell.
    pub unexplained: Vec<Oid>,
}

/// Everything that happened between `before` and `after` to tables, rows or columns that are
/// neither saved nor watched. Nothing, if all went as announced.
pub fn surplus(before: State<'_>, after: State<'_>, known: Known<'_>) -> Surplus {
    let mut surplus = Surplus::default();
    if !before.marks.same_ours(after.marks) {
        let what = "the ledger or the journal was changed".to_owned();
        surplus.what.push(what);
    }
    surplus.what.extend(outside(before, after));
    let renamed = before.marks.renamed_labels(after.marks);
    let tables = before.world.relations.values();
    for relation in tables.filter(|r| r.kind == RelationKind::Table) {
        let covered = known.coverage.get(&relation.oid);
        let Some(now) = after.world.relations.get(&relation.oid) else {
            let full = covered.is_some_and(|c| c.extent == Extent::Full);
            if !covered.is_some_and(|c| full || c.fate == Fate::Dropped) {
                surplus.what.push(format!("{} was dropped", relation.name));
            }
            continue;
        };
        surplus.what.extend(columns(relation, now, covered));
        let wrote = before.marks.written(after.marks, relation.oid);
        // Changed rows are recorded as text, with the labels of that moment.
        let renamed = relation
            .columns
            .iter()
            .filter(|c| wrote.any() && renamed.contains(&c.type_oid));
        surplus.what.extend(renamed.map(|c| {
            format!(
                "rows of {} were changed and labels of {} renamed, so that the rows could not be \
                 read again",
                relation.name, c.type_name
            )
        }));
        rows_of(relation, before, after, known, &mut surplus);
    }
    surplus
}

/// What happened between `before` and `after` to rows of tables that are not `expected` to change: it
/// is all that may be left when the scripts, and what was put back, have been looked at.
pub fn beside(
    before: State<'_>,
    after: State<'_>,
    expected: &BTreeSet<Oid>,
    event_triggers: &[EventTrigger],
) -> Vec<String> {
    let mut surplus = Surplus {
        what: outside(before, after),
        ..Surplus::default()
    };
    let known = Known {
        coverage: &BTreeMap::new(),
        recorded: &BTreeMap::new(),
        counted: &BTreeMap::new(),
        event_triggers,
    };
    let tables = before.world.relations.values();
    for relation in tables.filter(|r| r.kind == RelationKind::Table) {
        if !expected.contains(&relation.oid) {
            rows_of(relation, before, after, known, &mut surplus);
        }
    }
    surplus.what
}

/// What no table's rows show.
fn outside(before: State<'_>, after: State<'_>) -> Vec<String> {
    let mut what = Vec::new();
    if before.marks.large_objects() != after.marks.large_objects() {
        what.push("large objects were changed or removed".to_owned());
    }
    for oid in after.marks.foreign().difference(before.marks.foreign()) {
        let tables = [after.world, before.world];
        let name = tables
            .into_iter()
            .find_map(|world| world.relations.get(oid));
        let name = name.map_or_else(|| "a foreign table".to_owned(), |r| r.name.to_string());
        what.push(format!(
            "rows of {name} were changed, which are in another place and can't be put back"
        ));
    }
    if !after.marks.counts() {
        what.push("the server was told to count no more (track_counts)".to_owned());
    }
    what
}

/// What happened to the columns of `relation` beside what is saved.
fn columns(relation: &Relation, now: &Relation, covered: Option<&Coverage>) -> Vec<String> {
    let full = covered.is_some_and(|c| c.extent == Extent::Full);
    let mut what = Vec::new();
    for column in relation.columns.iter().filter(|c| !c.generated) {
        let still = now.columns.iter().find(|c| c.number == column.number);
        let expected = |list: fn(&Coverage) -> &Vec<String>| {
            full || covered.is_some_and(|c| list(c).contains(&column.name))
        };
        match still {
            None if !expected(|c| &c.dropped) => {
                what.push(format!("{}.{} was dropped", relation.name, column.name));
            }
            Some(c) if !c.same_type(column) && !expected(|c| &c.retyped) => {
                what.push(format!(
                    "the type of {}.{} was changed",
                    relation.name, column.name
                ));
            }
            _ => {}
        }
    }
    what
}

/// What happened to the rows of `relation` beside what was recorded.
fn rows_of(
    relation: &Relation,
    before: State<'_>,
    after: State<'_>,
    known: Known<'_>,
    surplus: &mut Surplus,
) {
    let oid = relation.oid;
    let covered = known.coverage.get(&oid);
    let full = covered.is_some_and(|c| c.extent == Extent::Full);
    let wrote = before.marks.written(after.marks, oid);
    let another_file = before.marks.another_file(after.marks, oid);
    let Some(recorded) = known.recorded.get(&oid) else {
        if another_file && !full {
            let what = format!("{} was truncated or rewritten", relation.name);
            surplus.what.push(what);
        }
        // A table that was to go and is still there, with other rows, was not followed.
        if wrote.any() && !(wrote.only_inserted() && logs(relation, known.event_triggers)) {
            surplus.what.push(format!(
                "rows of {} were changed{}",
                relation.name,
                perhaps(known.event_triggers)
            ));
        }
        return;
    };
    if !recorded.intact {
        surplus.what.push(format!(
            "what happened to rows of {} could not be watched",
            relation.name
        ));
        return;
    }
    // TRUNCATE was recorded, and sets the counts back; all else that makes another file keeps the
    // rows, and needs a definition to be changed that was foretold.
    let foretold = full || recorded.truncated || covered.is_some_and(|c| c.redefined);
    if another_file && !foretold {
        let what = format!("{} was rewritten", relation.name);
        surplus.what.push(what);
    }
    if recorded.truncated || wrote.is(recorded) {
        return;
    }
    // Event triggers fire on what we define to record, too: before this was begun, or is counted.
    if wrote.is_but_for_new_rows(recorded) && logs(relation, known.event_triggers) {
        return;
    }
    match known.counted.get(&oid) {
        None => surplus.unexplained.push(oid),
        Some(counted) if counted.agrees(recorded, another_file) => {}
        Some(_) => surplus.what.push(format!(
            "rows of {} were changed by something that no trigger sees",
            relation.name
        )),
    }
}

/// True where an event trigger names the table: what it notes there is no loss.
fn logs(relation: &Relation, event_triggers: &[EventTrigger]) -> bool {
    event_triggers
        .iter()
        .any(|trigger| trigger.mentions(&relation.name.name))
}

fn perhaps(event_triggers: &[EventTrigger]) -> String {
    if event_triggers.is_empty() {
        return String::new();
    }
    let names: Vec<&str> = event_triggers.iter().map(|t| t.name.as_str()).collect();
    format!(
        " (perhaps by the event trigger {}, which fires whenever something is defined)",
        names.join(" or ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ident::TableName;

    const T: Oid = 1;

    fn world() -> World {
        let relation = Relation {
            oid: T,
            name: TableName::new("app", "t"),
            kind: RelationKind::Table,
            columns: Vec::new(),
            keys: Vec::new(),
            uniques: Vec::new(),
            conditional: Vec::new(),
            parents: Vec::new(),
            triggers: false,
            estimated_rows: 0,
            of_type: None,
            default_partition: false,
            extension: None,
        };
        World {
            relations: BTreeMap::from([(T, relation)]),
            ..World::default()
        }
    }

    fn recorded(deleted: i64) -> Recorded {
        Recorded {
            deleted,
            intact: true,
            ..Recorded::default()
        }
    }

    /// What comes of `deleted` rows counted, in file `file` instead of 1.
    fn found(deleted: i64, file: u32, recorded: Option<Recorded>) -> Surplus {
        let world = world();
        let written = Written {
            deleted,
            ..Written::default()
        };
        let (was, is) = (
            Marks::of_one(T, 1, Written::default()),
            Marks::of_one(T, file, written),
        );
        let [before, after] = [&was, &is].map(|marks| State {
            world: &world,
            marks,
        });
        let known = Known {
            coverage: &BTreeMap::new(),
            recorded: &recorded.map(|r| (T, r)).into_iter().collect(),
            counted: &BTreeMap::new(),
            event_triggers: &[],
        };
        surplus(before, after, known)
    }

    #[test]
    fn what_is_counted_must_be_recorded() {
        let unwatched = found(2, 1, None);
        assert_eq!(unwatched.what, ["rows of app.t were changed"]);
        assert_eq!(found(2, 1, Some(recorded(2))), Surplus::default());
        // By code that calls no triggers, or taken back: the rows are to be looked at.
        assert_eq!(found(2, 1, Some(recorded(1))).unexplained, [T]);
        assert_eq!(found(2, 1, Some(recorded(3))).unexplained, [T]);
        let off = Recorded {
            intact: false,
            ..recorded(2)
        };
        assert_eq!(found(2, 1, Some(off)).what.len(), 1);
    }

    #[test]
    fn no_new_file_is_excused_that_was_not_foretold() {
        assert_eq!(found(0, 2, None).what.len(), 1);
        assert_eq!(found(0, 2, Some(recorded(0))).what, ["app.t was rewritten"]);
        let truncated = Recorded {
            truncated: true,
            ..recorded(0)
        };
        assert_eq!(found(0, 2, Some(truncated)), Surplus::default());
    }
}
