//! What must be saved, and what is lost: the walk's findings joined with what the catalog's
//! dependencies and the foreign keys drag along.

use std::collections::{BTreeMap, BTreeSet};

use crate::ident::TableName;
use crate::model::loss::Certainty;
use crate::model::plan::{Capture, Coverage, Fate};
use crate::model::relation::{ForeignKey, Oid, Relation, RelationKind, World};
use crate::planner::count;
use crate::planner::extent::{self, Need};
use crate::planner::touch::{Action, Place, Reach};

/// Something that goes because it depends on what a script drops (or is it).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dependent {
    /// For a relation or a column: the relation.
    pub relation: Option<Oid>,
    /// For a column: its number; else 0.
    pub column: i16,
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
    /// True for a type change: an error of class 22 foretells that the script fails.
    pub conversion: bool,
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
    };
    cover.drops(dependents);
    for touch in &reach.touches {
        let members = if touch.only {
            vec![touch.table]
        } else {
            world.family(touch.table)
        };
        cover.touch(touch.table, &members, &touch.action, touch.place);
    }
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
/// their old rows apart, with the statement that changes the columns.
pub fn blurred(world: &World, reach: &Reach, covered: &Covered) -> Vec<(Place, TableName)> {
    let mut blurred = Vec::new();
    for (oid, coverage) in &covered.coverage {
        let reshaped = !coverage.dropped.is_empty() || !coverage.retyped.is_empty();
        let kept = coverage.fate == Fate::Kept;
        if kept && reshaped && coverage.rows_change && coverage.key.is_empty() {
            let touches = reach.touches.iter();
            let mut touches = touches.filter(|t| world.family(t.table).contains(oid));
            let place = touches.next().map_or_else(Place::default, |t| t.place);
            blurred.push((place, coverage.table.clone()));
        }
    }
    blurred
}

struct Cover<'w> {
    world: &'w World,
    needs: BTreeMap<Oid, Need>,
    measures: Vec<Measure>,
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
            let (oid, query) = (relation.oid, count::all(relation));
            if gone.insert(oid) {
                let need = self.need(oid);
                need.dropped = true;
                need.full = true;
                let (rule, why) = if dependent.named {
                    ("RB-DROP-TABLE", "dropped")
                } else {
                    ("RB-CASCADE-HIDDEN", "dropped by CASCADE")
                };
                self.measure(rule, oid, Vec::new(), why, dependent.place, Some(&query));
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
                conversion: false,
            });
        }
    }

    fn touch(&mut self, table: Oid, members: &[Oid], action: &Action, place: Place) {
        match action {
            Action::Redefine => {
                for member in members {
                    self.need(*member).redefined = true;
                }
            }
            Action::Insert => {
                for member in members {
                    self.need(*member).rows_change = true;
                }
            }
            Action::Truncate => {
                for member in members {
                    let need = self.need(*member);
                    need.full = true;
                    need.rows_change = true;
                    if let Some(query) = self.stores(*member).map(count::all) {
                        self.measure(
                            "RB-TRUNCATE",
                            *member,
                            Vec::new(),
                            "truncated",
                            place,
                            Some(&query),
                        );
                    }
                }
            }
            Action::Delete(countable) => {
                let relation = self.world.relations.get(&table);
                let rows = relation
                    .zip(countable.as_deref())
                    .map(|(relation, dml)| count::matching(relation, dml));
                self.delete(
                    table,
                    members,
                    rows.as_deref(),
                    "deleted",
                    place,
                    &mut Vec::new(),
                );
            }
            Action::Update { countable, columns } => {
                let relation = self.world.relations.get(&table);
                let rows = relation
                    .zip(countable.as_deref())
                    .map(|(relation, dml)| count::matching(relation, dml));
                self.update(
                    table,
                    members,
                    columns,
                    rows.as_deref(),
                    "updated",
                    place,
                    &mut Vec::new(),
                );
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
                    let query = first
                        .then(|| count::converted(relation, column, new_type, using.as_deref()));
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
                        conversion: true,
                    });
                }
            }
        }
    }

    /// Rows of `table` go (those that `rows` selects, if that is known), and with them what
    /// foreign keys say.
    fn delete(
        &mut self,
        table: Oid,
        members: &[Oid],
        rows: Option<&str>,
        why: &str,
        place: Place,
        path: &mut Vec<String>,
    ) {
        self.rows_change(table, members, rows, None);
        self.measure("RB-DELETE", table, Vec::new(), why, place, rows);
        for key in self.keys_to(members, |key| key.on_delete) {
            if path.contains(&key.name) {
                continue; // a cycle of cascades: counted once, captured as it happens
            }
            path.push(key.name.clone());
            let child_rows = self.referring(&key, rows);
            let members = self.world.family(key.from);
            if key.on_delete == 'c' {
                let why = format!("deleted through {}", key.name);
                self.delete(key.from, &members, child_rows.as_deref(), &why, place, path);
            } else {
                let why = format!("emptied through {}", key.name);
                let columns = &key.from_columns;
                self.update(
                    key.from,
                    &members,
                    columns,
                    child_rows.as_deref(),
                    &why,
                    place,
                    path,
                );
            }
            path.pop();
        }
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "one recursive step, called from three places"
    )]
    fn update(
        &mut self,
        table: Oid,
        members: &[Oid],
        columns: &[String],
        rows: Option<&str>,
        why: &str,
        place: Place,
        path: &mut Vec<String>,
    ) {
        self.rows_change(table, members, rows, Some(columns));
        self.measure("RB-UPDATE", table, columns.to_vec(), why, place, rows);
        for key in self.keys_to(members, |key| key.on_update) {
            let hit = columns.is_empty() || key.to_columns.iter().any(|c| columns.contains(c));
            if !hit || path.contains(&key.name) {
                continue;
            }
            path.push(key.name.clone());
            let child_rows = self.referring(&key, rows);
            let members = self.world.family(key.from);
            let why = format!("updated through {}", key.name);
            let columns = &key.from_columns;
            self.update(
                key.from,
                &members,
                columns,
                child_rows.as_deref(),
                &why,
                place,
                path,
            );
            path.pop();
        }
    }

    /// Foreign keys to any of `members` whose action (`on_delete` or `on_update`) changes rows.
    /// A key of a partitioned table stands for those of its partitions.
    fn keys_to(&self, members: &[Oid], action: fn(&ForeignKey) -> char) -> Vec<ForeignKey> {
        let mut keys: Vec<ForeignKey> = Vec::new();
        for key in &self.world.foreign_keys {
            let acts = members.contains(&key.to) && matches!(action(key), 'c' | 'n' | 'd');
            if acts
                && !keys
                    .iter()
                    .any(|k| self.world.family(k.from).contains(&key.from))
            {
                keys.retain(|k| !self.world.family(key.from).contains(&k.from));
                keys.push(key.clone());
            }
        }
        keys
    }

    fn referring(&self, key: &ForeignKey, parents: Option<&str>) -> Option<String> {
        let child = self.world.relations.get(&key.from)?;
        parents.map(|parents| count::referring(child, key, parents))
    }

    fn rows_change(
        &mut self,
        table: Oid,
        members: &[Oid],
        rows: Option<&str>,
        columns: Option<&[String]>,
    ) {
        for member in members {
            let alone = *member == table;
            let triggers = self.world.relations.get(member).is_some_and(|r| r.triggers);
            let need = self.need(*member);
            need.rows_change = true;
            match (rows, columns) {
                // The query selects rows of the whole family, which have the parent's columns.
                (Some(rows), _) if alone && members.len() == 1 => {
                    need.matching.push(rows.to_owned());
                }
                (_, Some(columns)) if !triggers && !columns.is_empty() => {
                    need.columns.extend(columns.iter().cloned());
                }
                _ => need.full = true,
            }
        }
    }

    fn measure(
        &mut self,
        rule: &'static str,
        table: Oid,
        columns: Vec<String>,
        why: &str,
        place: Place,
        rows: Option<&str>,
    ) {
        self.measures.push(Measure {
            rule,
            table,
            columns,
            why: why.to_owned(),
            place,
            query: rows.map(count::count),
            certainty: Certainty::Exact,
            conversion: false,
        });
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

/// The planner's estimate of how many rows `table` and its partitions hold.
pub fn upper_bound(world: &World, table: Oid) -> u64 {
    world
        .family(table)
        .iter()
        .filter_map(|oid| world.relations.get(oid))
        .map(|relation| relation.estimated_rows.max(0).unsigned_abs())
        .sum()
}
