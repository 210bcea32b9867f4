//! What the statements lock, by the tables of today.

use std::collections::BTreeSet;

use crate::ident::TableName;
use crate::model::lock::LockMode;
use crate::model::relation::{Oid, RelationKind};
use crate::planner::names::Bound;
use crate::planner::reach::Walker;
use crate::sql::locks::{self, On};
use crate::sql::statement::{Kind, Name, Statement, TableAction};

/// A foreign key that the scripts made.
#[derive(Debug)]
pub(super) struct Reference {
    /// The table that refers, by what it is called by now.
    from: (TableName, Bound),
    /// The table that it refers to.
    to: Oid,
}

impl Walker<'_> {
    pub(super) fn lock(&mut self, statement: &Statement) {
        for (on, mode) in locks::of(statement) {
            let (_, bound) = self.names.relation(on.name());
            match (&on, bound) {
                (On::Index(_), Bound::Part(oid)) => {
                    let part = self.world.parts.get(&oid);
                    self.locked(part.and_then(|part| part.table), mode);
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
                (On::Gaining(_), Bound::Existing(oid)) => {
                    self.locked([oid], mode);
                    self.repartitioned(oid, LockMode::ShareRowExclusive);
                }
                (On::Losing(_), Bound::Existing(oid)) => {
                    self.locked([oid], mode);
                    self.repartitioned(oid, LockMode::AccessExclusive);
                }
                (On::Attached(_), Bound::Existing(oid)) => {
                    // Its own foreign keys become part of the other table's.
                    let keys = self.world.foreign_keys.iter();
                    let own = keys.filter(|key| key.from == oid).map(|key| key.to);
                    self.locked_families(own.chain([oid]).collect(), mode);
                }
                (On::Referenced(_), Bound::Existing(oid)) => {
                    self.locked_families(vec![oid], mode);
                    self.refers(&statement.kind, oid);
                }
                (On::Beneath(_), Bound::Existing(oid)) => {
                    let relation = self.world.relations.get(&oid);
                    if relation.is_some_and(|r| r.kind == RelationKind::View) {
                        self.reach.locked_views.push((oid, mode));
                    }
                    self.locked_families(vec![oid], mode);
                }
                (On::Relation(_), Bound::Existing(oid)) => self.locked_families(vec![oid], mode),
                _ => {}
            }
        }
        self.drop_references(&statement.kind);
    }

    fn locked(&mut self, tables: impl IntoIterator<Item = Oid>, mode: LockMode) {
        let locks = tables.into_iter().map(|table| (table, mode));
        self.reach.locks.extend(locks);
    }

    fn locked_families(&mut self, tables: Vec<Oid>, mode: LockMode) {
        for table in tables {
            self.locked(self.world.family(table), mode);
        }
    }

    /// A partitioned table gets or loses a partition: its default partition may hold other rows
    /// then, and foreign keys come or go on both ends; `others` is the lock on who refers to it.
    fn repartitioned(&mut self, oid: Oid, others: LockMode) {
        let default = self.world.default_partition(oid);
        self.locked_families(default.into_iter().collect(), LockMode::AccessExclusive);
        let keys = self.world.foreign_keys.iter();
        let to = keys.clone().filter(|key| key.from == oid).map(|key| key.to);
        self.locked_families(to.collect(), LockMode::ShareRowExclusive);
        let from: BTreeSet<Oid> = keys.filter(|k| k.to == oid).map(|k| k.from).collect();
        self.locked(from, others);
    }

    /// Notes that the table of a statement refers to another one from here on.
    fn refers(&mut self, kind: &Kind, to: Oid) {
        let (Kind::AlterTable { table, .. } | Kind::CreateTable(table) | Kind::EnsureTable(table)) =
            kind
        else {
            return;
        };
        let from = match self.names.relation(table) {
            (_, Bound::Nothing) => (self.names.new_name(table), Bound::Created),
            known => known,
        };
        self.references.push(Reference { from, to });
    }

    /// Notes that a table that may refer to another one is called `to` from here on.
    pub(super) fn reference_renamed(&mut self, from: &TableName, to: &TableName) {
        for reference in self.references.iter_mut().filter(|r| r.from.0 == *from) {
            reference.from.0 = to.clone();
        }
    }

    /// Triggers go with a foreign key, on the table that it refers to. Today's are known from the
    /// catalog, and those that the scripts make are not.
    fn drop_references(&mut self, kind: &Kind) {
        let tables: Vec<&Name> = match kind {
            Kind::DropTable(drop) => drop.names.iter().collect(),
            Kind::AlterTable { table, actions, .. } => {
                let drops = |action: &TableAction| {
                    matches!(
                        action,
                        TableAction::DropColumn { .. }
                            | TableAction::DropConstraint { .. }
                            | TableAction::AlterType { .. }
                    )
                };
                actions
                    .iter()
                    .any(drops)
                    .then_some(table)
                    .into_iter()
                    .collect()
            }
            _ => return,
        };
        let tables: Vec<_> = (tables.into_iter())
            .map(|name| self.names.relation(name))
            .collect();
        let same = |from: &(TableName, Bound)| {
            let existing = matches!(from.1, Bound::Existing(_));
            let is = |(name, bound): &(TableName, Bound)| {
                if existing {
                    *bound == from.1
                } else {
                    *name == from.0
                }
            };
            tables.iter().any(is)
        };
        let gone = self.references.iter().filter(|r| same(&r.from));
        let gone: Vec<Oid> = gone.map(|r| r.to).collect();
        self.locked_families(gone, LockMode::AccessExclusive);
    }
}
