//! What the statements lock, by the tables of today.

use std::collections::BTreeSet;

use crate::ident::TableName;
use crate::model::lock::LockMode;
use crate::model::relation::{Oid, RelationKind};
use crate::planner::names::Bound;
use crate::planner::reach::Walker;
use crate::sql::locks::{self, Acts, On};
use crate::sql::statement::{Kind, Name, Statement, TableAction};

/// What is locked with a table when that goes, or its columns and constraints do, by what the
/// scripts did: the table that a foreign key of theirs refers to, or the one that it became a
/// partition of. What is so today, the catalog tells.
#[derive(Debug)]
pub(super) struct Tie {
    /// What the table is called by now.
    of: TableName,
    /// Which it is today, unless the scripts made it.
    table: Option<Oid>,
    /// Who is locked.
    to: Vec<Oid>,
    /// What happens to its rows when something happens to theirs.
    acts: Acts,
}

impl Walker<'_> {
    pub(super) fn lock(&mut self, statement: &Statement) {
        for (on, mode) in locks::of(statement) {
            let (_, bound) = self.names.relation(on.name());
            match (&on, bound) {
                (On::Index(name), _) => {
                    let parts = self.names.parts(name, true).into_iter();
                    let tables = parts.filter_map(|oid| self.world.parts.get(&oid)?.table);
                    let tables: Vec<Oid> = tables.collect();
                    self.locked(tables, mode);
                }
                (On::Domain(name), _) => {
                    let domain = self.names.find_type(name).and_then(|(_, oid)| oid);
                    let tables = domain.map(|oid| self.world.with_domain(oid));
                    self.locked(tables.unwrap_or_default(), mode);
                }
                (On::Typed(name), _) => {
                    let composite = self.names.find_type(name).and_then(|(_, oid)| oid);
                    let relations = self.world.relations.values();
                    let made = relations.filter(|r| composite.is_some() && r.of_type == composite);
                    let made: Vec<Oid> = made.map(|r| r.oid).collect();
                    self.locked_families(made, mode);
                }
                (On::Gaining(_, partition), Bound::Existing(oid)) => {
                    self.locked([oid], mode);
                    self.repartitioned(oid, partition, LockMode::ShareRowExclusive);
                }
                (On::Losing(_, partition), Bound::Existing(oid)) => {
                    self.locked([oid], mode);
                    self.repartitioned(oid, partition, LockMode::AccessExclusive);
                }
                (On::Attached(_), Bound::Existing(oid)) => {
                    // Its own foreign keys become part of the other table's.
                    self.locked_families(self.referred(oid), mode);
                    self.locked_families([oid], mode);
                }
                (On::Referenced(_, by, acts), Bound::Existing(oid)) => {
                    self.locked_families([oid], mode);
                    self.tie(by, self.families([oid]), *acts);
                }
                (On::Beneath(_), Bound::Existing(oid)) => {
                    let relation = self.world.relations.get(&oid);
                    if relation.is_some_and(|r| r.kind == RelationKind::View) {
                        self.reach.locked_views.push((oid, mode));
                    }
                    self.locked_families([oid], mode);
                }
                (On::Relation(_), Bound::Existing(oid)) => self.locked_families([oid], mode),
                _ => {}
            }
        }
        self.lock_tied(&statement.kind);
    }

    fn locked(&mut self, tables: impl IntoIterator<Item = Oid>, mode: LockMode) {
        let locks = tables.into_iter().map(|table| (table, mode));
        self.reach.locks.extend(locks);
    }

    pub(super) fn locked_families(
        &mut self,
        tables: impl IntoIterator<Item = Oid>,
        mode: LockMode,
    ) {
        self.locked(self.families(tables), mode);
    }

    fn families(&self, tables: impl IntoIterator<Item = Oid>) -> Vec<Oid> {
        let families = tables.into_iter().map(|table| self.world.family(table));
        families.flatten().collect()
    }

    /// The tables that `oid` refers to today.
    fn referred(&self, oid: Oid) -> Vec<Oid> {
        let keys = self.world.foreign_keys.iter();
        keys.filter(|key| key.from == oid)
            .map(|key| key.to)
            .collect()
    }

    /// The tables that refer to `oid` today.
    pub(super) fn referring(&self, oid: Oid) -> BTreeSet<Oid> {
        let keys = self.world.foreign_keys.iter();
        keys.filter(|key| key.to == oid)
            .map(|key| key.from)
            .collect()
    }

    /// The table `parent` gets or loses `partition`: its default partition may hold other rows then,
    /// and foreign keys come or go on both ends. `others` is the lock on those that refer to it. All
    /// of it is locked once more when the partition goes.
    fn repartitioned(&mut self, parent: Oid, partition: &Name, others: LockMode) {
        let default = self.families(self.world.default_partition(parent));
        let referred = self.families(self.referred(parent));
        self.locked(default.clone(), LockMode::AccessExclusive);
        self.locked(referred.clone(), LockMode::ShareRowExclusive);
        self.locked(self.referring(parent), others);
        let with = [parent].into_iter().chain(default).chain(referred);
        // Its rows are the parent's from here on.
        let acts = Acts {
            deletes: true,
            updates: true,
        };
        self.tie(partition, with.collect(), acts);
    }

    fn tie(&mut self, name: &Name, to: Vec<Oid>, acts: Acts) {
        let (of, bound) = self.names.relation(name);
        let table = match bound {
            Bound::Existing(oid) => Some(oid),
            _ => None,
        };
        self.ties.push(Tie {
            of,
            table,
            to,
            acts,
        });
    }

    /// The tables of today that scripts made refer to one of `tables`, or become part of it.
    pub(super) fn tied_to(&self, tables: &[Oid]) -> Vec<Oid> {
        let ties = self.ties.iter();
        ties.filter(|tie| tie.to.iter().any(|oid| tables.contains(oid)))
            .filter_map(|tie| tie.table)
            .collect()
    }

    /// The tables of today whose rows go (`deletes`) or change when rows of `tables` do, by what scripts
    /// made.
    pub(super) fn drawn_along(&self, tables: &[Oid], deletes: bool) -> Vec<Oid> {
        let acts = |acts: Acts| if deletes { acts.deletes } else { acts.updates };
        let ties = self.ties.iter().filter(|tie| acts(tie.acts));
        ties.filter(|tie| tie.to.iter().any(|oid| tables.contains(oid)))
            .filter_map(|tie| tie.table)
            .collect()
    }

    /// Notes that a table is called `to` from here on.
    pub(super) fn tied_is_called(&mut self, from: &TableName, to: &TableName) {
        for tie in self.ties.iter_mut().filter(|tie| tie.of == *from) {
            tie.of = to.clone();
        }
    }

    /// Notes that a schema is called `to` from here on.
    pub(super) fn ties_moved(&mut self, from: &str, to: &str) {
        for tie in self.ties.iter_mut().filter(|tie| tie.of.schema == from) {
            to.clone_into(&mut tie.of.schema);
        }
    }

    /// Locks what is tied to tables that go, or of which columns or constraints do.
    fn lock_tied(&mut self, kind: &Kind) {
        let drops = |action: &TableAction| {
            matches!(
                action,
                TableAction::DropColumn { .. }
                    | TableAction::DropConstraint { .. }
                    | TableAction::AlterType { .. }
            )
        };
        let (tables, schemas): (Vec<&Name>, Vec<&Name>) = match kind {
            Kind::DropTable(drop) => (drop.names.iter().collect(), Vec::new()),
            Kind::DropSchema(drop) => (Vec::new(), drop.names.iter().collect()),
            Kind::AlterTable { table, actions, .. } if actions.iter().any(drops) => {
                (vec![table], Vec::new())
            }
            _ => return,
        };
        let tables: Vec<TableName> = (tables.into_iter())
            .map(|name| self.names.relation(name).0)
            .collect();
        let goes = |tie: &&Tie| {
            tables.contains(&tie.of) || schemas.iter().any(|schema| schema.name == tie.of.schema)
        };
        let gone = self.ties.iter().filter(goes);
        let gone: Vec<Oid> = gone.flat_map(|tie| tie.to.clone()).collect();
        self.locked(gone, LockMode::AccessExclusive);
    }
}
