//! What must be saved, and what is lost: the walk's findings joined with what the catalog's
//! dependencies and the foreign keys drag along.

mod chain;
mod earlier;

use std::collections::{BTreeMap, BTreeSet};

use crate::ident::TableName;
use crate::model::loss::Certainty;
use crate::model::plan::{Capture, Coverage, Fate};
use crate::model::relation::{Oid, Relation, RelationKind, World};
use crate::planner::count;
use crate::planner::coverage::chain::{Path, Rows};
use crate::planner::coverage::earlier::{Earlier, What};
use crate::planner::extent::{self, Need};
use crate::planner::touch::{Action, Place, Reach, Touch};
use crate::sql::statement::Dml;

/// Something that goes because it depends on what a script drops (or is it).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dependent {
    /// For a relation or a column: the relation.
    pub relation: Option<Oid>,
    /// For a column: its number; else 0.
    pub column: i16,
    /// The table that it is part of the definition of: an index, a constraint, a trigger.
    pub part_of: Option<Oid>,
    /// The kind of object, in words: `view`, `table column`, `index`.
    pub kind: String,
    /// Its full name.
    pub identity: String,
    /// The statement that drops it.
    pub place: Place,
    /// True for the object that the script itself names.
    pub named: bool,
}

/// A number to be found out about a loss.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Measure {
    /// The rule that a loss falls under.
    pub rule: &'static str,
    /// The table.
    pub table: Oid,
    /// The columns whose values go; empty: whole rows.
    pub columns: Vec<String>,
    /// Why, in words.
    pub why: String,
    /// The statement.
    pub place: Place,
    /// The query that counts; `None`: the rows of the table are an upper bound.
    pub query: Option<String>,
    /// How far the query's answer can be relied on.
    pub certainty: Certainty,
    /// For a type change: what it takes to judge that by itself.
    pub conversion: Option<Conversion>,
}

/// The queries about a type change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conversion {
    /// Computes every new value: where it fails, the script fails.
    pub there: String,
    /// Counts the values that are written in another way afterwards: as many as may not come back,
    /// where there is no way from the new type to the old.
    pub rewritten: String,
}

impl Measure {
    /// Every query that measuring takes.
    pub fn queries(&self) -> impl Iterator<Item = &String> {
        let conversion = self.conversion.iter();
        let conversion = conversion.flat_map(|c| [&c.there, &c.rewritten]);
        self.query.iter().chain(conversion)
    }
}

/// What is saved, watched and measured.
#[derive(Debug, Clone, Default)]
pub struct Covered {
    /// What is saved, by table.
    pub coverage: BTreeMap<Oid, Coverage>,
    /// What is watched.
    pub capture: Capture,
    /// What is measured.
    pub measures: Vec<Measure>,
    /// Tables whose triggers will fire.
    pub triggers: Vec<Oid>,
}

/// Joins `reach` and `dependents` into what is saved, watched and measured. With `everything`,
/// all tables are saved whole: the way when the reach of a script can't be told.
pub fn cover(world: &World, reach: &Reach, dependents: &[Dependent], everything: bool) -> Covered {
    let mut cover = Cover {
        world,
        needs: BTreeMap::new(),
        measures: Vec::new(),
        earlier: Earlier::default(),
    };
    for touch in &reach.touches {
        let members = if touch.only {
            vec![touch.table]
        } else {
            world.family(touch.table)
        };
        cover.touch(touch, &members);
    }
    cover.drops(dependents);
    for oid in &reach.replaced {
        cover.need(*oid).replaced = true;
    }
    if everything || reach.opaque {
        for relation in world.relations.values() {
            if relation.kind == RelationKind::Table {
                let need = cover.need(relation.oid);
                need.full = true;
                need.rows_change = true;
            }
        }
    }
    cover.finish(everything || reach.opaque)
}

/// Tables whose columns and rows both change and that have no key by which an undo could tell
/// their old rows apart, by the statement that touches them first.
pub fn blurred(world: &World, reach: &Reach, covered: &Covered) -> BTreeMap<Place, Vec<TableName>> {
    let mut blurred: BTreeMap<Place, Vec<TableName>> = BTreeMap::new();
    for (oid, coverage) in &covered.coverage {
        let reshaped = !coverage.dropped.is_empty() || !coverage.retyped.is_empty();
        let kept = coverage.fate == Fate::Kept;
        if kept && reshaped && coverage.rows_change && coverage.key.is_empty() {
            let touches = reach.touches.iter();
            let mut touches = touches.filter(|t| world.family(t.table).contains(oid));
            let place = touches.next().map_or_else(Place::default, |t| t.place);
            blurred
                .entry(place)
                .or_default()
                .push(coverage.table.clone());
        }
    }
    blurred
}

struct Cover<'w> {
    world: &'w World,
    needs: BTreeMap<Oid, Need>,
    measures: Vec<Measure>,
    earlier: Earlier,
}

impl Cover<'_> {
    fn need(&mut self, oid: Oid) -> &mut Need {
        self.needs.entry(oid).or_default()
    }

    fn stores(&self, oid: Oid) -> Option<&Relation> {
        let relation = self.world.relations.get(&oid)?;
        (relation.kind == RelationKind::Table).then_some(relation)
    }

    fn drops(&mut self, dependents: &[Dependent]) {
        let mut gone = BTreeSet::new();
        for dependent in dependents.iter().filter(|d| d.column == 0) {
            let Some(relation) = dependent.relation.and_then(|oid| self.stores(oid)) else {
                continue;
            };
            let (oid, query) = (relation.oid, count::own(relation));
            if gone.insert(oid) {
                let need = self.need(oid);
                need.dropped = true;
                need.full = true;
                let (rule, why) = if dependent.named {
                    ("RB-DROP-TABLE", "dropped")
                } else {
                    ("RB-CASCADE-HIDDEN", "dropped by CASCADE")
                };
                let complete = self.earlier.complete(oid, dependent.place);
                self.measure(rule, oid, why, dependent.place, Some(&query));
                self.sure(complete);
            }
        }
        for dependent in dependents.iter().filter(|d| d.column > 0) {
            let Some(relation) = dependent.relation.and_then(|oid| self.stores(oid)) else {
                continue;
            };
            let number = dependent.column;
            let Some(column) = relation.columns.iter().find(|c| c.number == number) else {
                continue;
            };
            let (oid, name) = (relation.oid, column.name.clone());
            if gone.contains(&oid) {
                continue;
            }
            let query = count::values(relation, &name);
            let generated = column.generated;
            let complete = self.earlier.values_complete(oid, &name, dependent.place);
            let need = self.need(oid);
            need.redefined = true;
            if !need.dropped_columns.insert(name.clone()) || generated {
                continue;
            }
            self.measures.push(Measure {
                rule: if dependent.named {
                    "RB-DROP-COLUMN"
                } else {
                    "RB-CASCADE-HIDDEN"
                },
                table: oid,
                columns: vec![name],
                why: if dependent.named {
                    "column dropped"
                } else {
                    "column dropped by CASCADE"
                }
                .to_owned(),
                place: dependent.place,
                query: Some(query),
                certainty: Certainty::Exact,
                conversion: None,
            });
            self.sure(complete);
        }
    }

    fn touch(&mut self, touch: &Touch, members: &[Oid]) {
        let place = touch.place;
        match &touch.action {
            Action::Redefine => {
                for member in members {
                    self.need(*member).redefined = true;
                    self.earlier
                        .note(self.world, *member, place, What::Definition);
                }
            }
            Action::Insert => {
                for member in members {
                    self.need(*member).rows_change = true;
                    self.earlier.note(self.world, *member, place, What::Added);
                }
            }
            Action::Truncate => {
                for member in members {
                    let need = self.need(*member);
                    need.full = true;
                    need.rows_change = true;
                    if let Some(query) = self.stores(*member).map(count::own) {
                        let complete = self.earlier.complete(*member, place);
                        self.measure("RB-TRUNCATE", *member, "truncated", place, Some(&query));
                        self.sure(complete);
                    }
                    self.earlier.note(self.world, *member, place, What::Rows);
                }
            }
            Action::Delete(countable) => {
                let rows = self.meant(touch, members, countable.as_deref(), "deleted");
                self.delete(&rows, &mut Path::default());
            }
            Action::Update { countable, columns } => {
                let rows = self.meant(touch, members, countable.as_deref(), "updated");
                self.update(&rows, columns, &mut Path::default());
            }
            Action::Retype {
                column,
                new_type,
                using,
                first,
            } => {
                for member in members {
                    let Some(relation) = self.stores(*member) else {
                        continue;
                    };
                    let using = using.as_deref();
                    let query = first.then(|| count::converted(relation, column, new_type, using));
                    let conversion = first.then(|| Conversion {
                        there: count::there(relation, column, new_type, using),
                        rewritten: count::rewritten(relation, column, new_type, using),
                    });
                    let assigned = What::Columns(vec![column.clone()]);
                    self.earlier.note(self.world, *member, place, assigned);
                    let using_plain = using.is_none();
                    let need = self.need(*member);
                    need.redefined = true;
                    let to = if using_plain {
                        new_type.clone()
                    } else {
                        String::new()
                    };
                    need.retyped.insert(column.clone(), to);
                    self.measures.push(Measure {
                        rule: "RB-NARROW-TYPE",
                        table: *member,
                        columns: vec![column.clone()],
                        why: format!("changed by the conversion to {new_type}"),
                        place,
                        certainty: Certainty::Exact,
                        query,
                        conversion,
                    });
                }
            }
        }
    }

    /// The rows that a statement changes itself.
    fn meant(&self, touch: &Touch, members: &[Oid], countable: Option<&Dml>, verb: &str) -> Rows {
        let (table, place) = (touch.table, touch.place);
        let named = touch.through.unwrap_or(table);
        let named = self.world.relations.get(&named);
        let view = named.filter(|_| touch.through.is_some());
        let query = named.zip(countable);
        let query = query.map(|(relation, dml)| count::matching(relation, dml));
        let certainty = if self.earlier.once(members, place) {
            Certainty::Exact
        } else {
            Certainty::UpperBound
        };
        Rows {
            table,
            members: members.to_vec(),
            // Rows of a view have other columns.
            query: query.clone().filter(|_| view.is_none()),
            as_many: query,
            certainty,
            why: view.map_or_else(
                || verb.to_owned(),
                |view| format!("{verb} through {}", view.name),
            ),
            place,
        }
    }

    /// Rows of `table` that are to be counted; all columns of them are meant.
    fn measure(
        &mut self,
        rule: &'static str,
        table: Oid,
        why: &str,
        place: Place,
        rows: Option<&str>,
    ) {
        self.measures.push(Measure {
            rule,
            table,
            columns: Vec::new(),
            why: why.to_owned(),
            place,
            query: rows.map(count::count),
            certainty: Certainty::Exact,
            conversion: None,
        });
    }

    /// The last measure counts what is lost, if `exact`; else no more than that is lost.
    fn sure(&mut self, exact: bool) {
        if let (false, Some(measure)) = (exact, self.measures.last_mut()) {
            measure.certainty = Certainty::UpperBound;
        }
    }

    fn finish(self, everything: bool) -> Covered {
        let mut measures = self.measures;
        measures.sort_by_key(|m| m.place);
        let mut covered = Covered {
            measures,
            ..Covered::default()
        };
        for (oid, need) in &self.needs {
            let Some(relation) = self.world.relations.get(oid) else {
                continue;
            };
            if need.rows_change && relation.triggers {
                covered.triggers.push(*oid);
            }
            if relation.kind == RelationKind::Table {
                covered
                    .coverage
                    .insert(*oid, extent::decide(relation, need));
            }
        }
        let everything = everything || !covered.triggers.is_empty();
        let watched = |r: &&Relation| {
            let known = covered.coverage.get(&r.oid);
            let survives = known.is_none_or(|c| c.fate == Fate::Kept);
            let changes = known.is_some_and(|c| c.rows_change);
            r.kind == RelationKind::Table && (survives && everything || changes)
        };
        let relations = self.world.relations.values();
        covered.capture = Capture {
            tables: relations.filter(watched).map(|r| r.oid).collect(),
            everything,
        };
        covered
    }
}
