//! The tables that a rollback locks until its end.
//!
//! Whoever reads a plan wants to know who will have to wait, so a table too many is better than one
//! too few. What each statement locks by its words, [`crate::sql::locks`] knows; here is what goes
//! along: the other table of a foreign key, the parent of a partition, and what we lock ourselves.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::lock::{Lock, LockMode};
use crate::model::relation::{ForeignKey, Oid, RelationKind, World};
use crate::planner::coverage::{Covered, Dependent};
use crate::planner::touch::{Action, Reach};

/// The strongest lock on each table of `world` that scripts which reach that far, and drop
/// `dependents`, will hold. By oid.
pub fn of(world: &World, reach: &Reach, dependents: &[Dependent], covered: &Covered) -> Vec<Lock> {
    let mut locks = Locks {
        world,
        strongest: BTreeMap::new(),
    };
    for (oid, coverage) in &covered.coverage {
        if coverage.redefined {
            locks.ahead(*oid, LockMode::AccessExclusive);
        }
    }
    for oid in &covered.capture.tables {
        locks.ahead(*oid, LockMode::ShareRowExclusive);
    }
    for (oid, mode) in &reach.locks {
        locks.add(*oid, *mode);
    }
    for dependent in dependents {
        let of = dependent.relation.into_iter().chain(dependent.part_of);
        for oid in of {
            locks.add(oid, LockMode::AccessExclusive);
        }
        if let Some(oid) = dependent.relation.filter(|_| dependent.column == 0) {
            locks.parents(oid);
        }
    }
    for touch in &reach.touches {
        match &touch.action {
            Action::Retype { column, .. } => {
                locks.retyped(&world.family(touch.table), column);
            }
            // By CASCADE, too.
            Action::Truncate => {
                for member in world.family(touch.table) {
                    locks.add(member, LockMode::AccessExclusive);
                }
            }
            _ => {}
        }
    }
    locks.finish()
}

struct Locks<'w> {
    world: &'w World,
    strongest: BTreeMap<Oid, (LockMode, Option<LockMode>)>,
}

impl Locks<'_> {
    fn add(&mut self, oid: Oid, mode: LockMode) {
        let known = self.strongest.entry(oid).or_insert((mode, None));
        known.0 = known.0.max(mode);
    }

    /// A lock that we take ourselves, before any script runs.
    fn ahead(&mut self, oid: Oid, mode: LockMode) {
        self.add(oid, mode);
        (self.strongest.entry(oid)).and_modify(|known| known.1 = known.1.max(Some(mode)));
    }

    /// The partitioned table that loses the partition `oid`, and its default partition.
    fn parents(&mut self, oid: Oid) {
        let parents = self.world.relations.get(&oid).map(|r| r.parents.clone());
        let relations = &self.world.relations;
        let split = |oid: &Oid| {
            let relation = relations.get(oid);
            relation.is_some_and(|r| r.kind == RelationKind::Partitioned)
        };
        let parents: Vec<Oid> = parents
            .unwrap_or_default()
            .into_iter()
            .filter(split)
            .collect();
        for parent in parents {
            self.add(parent, LockMode::AccessExclusive);
            if let Some(default) = self.world.default_partition(parent) {
                self.add(default, LockMode::AccessExclusive);
            }
        }
    }

    /// A foreign key over a column whose type changes is made anew, with triggers on both tables.
    fn retyped(&mut self, members: &[Oid], column: &String) {
        let concerned = |key: &&ForeignKey| {
            members.contains(&key.from) && key.from_columns.contains(column)
                || members.contains(&key.to) && key.to_columns.contains(column)
        };
        let keys = self.world.foreign_keys.iter().filter(concerned);
        let ends: BTreeSet<Oid> = keys.flat_map(|key| [key.from, key.to]).collect();
        for oid in ends {
            self.add(oid, LockMode::AccessExclusive);
        }
    }

    fn finish(self) -> Vec<Lock> {
        let strongest = self.strongest.into_iter();
        let told = strongest.filter_map(|(oid, (mode, ahead))| {
            let relation = self.world.relations.get(&oid)?;
            let is_view = relation.kind == RelationKind::View;
            (!is_view && mode >= LockMode::Share).then(|| Lock {
                table: relation.name.clone(),
                mode,
                ahead,
            })
        });
        told.collect()
    }
}
