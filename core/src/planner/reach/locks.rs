//! What the statements lock, by the tables of today.

use std::collections::BTreeSet;

use crate::ident::TableName;
use crate::model::lock::LockMode;
use crate::model::relation::{Oid, RelationKind};
use crate::planner::names::Bound;
use crate::planner::reach::Walker;
use crate::planner::touch::Action;
use crate::sql::locks::{self, On};
use crate::sql::statement::{Kind, Name, Statement, TableAction};

/// What is locked with a table when that goes, or its columns and constraints do, by what the
/// scripts did: the table that a foreign key of theirs refers to, or the one that it became a
/// partition of. What is so today, the catalog tells.
#[derive(Debug)]
pub(super) struct Tie {
    /// What the table is called by now.
    of: TableName,
    /// Who is locked.
    to: Vec<Oid>,
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
                (On::Gaining(_), Bound::Existing(oid)) => {
                    self.locked([oid], mode);
                    self.repartitioned(oid, LockMode::ShareRowExclusive);
                    if let Kind::CreateTable(name) | Kind::EnsureTable(name) = &statement.kind {
                        self.tie_partition(name, oid);
                    }
                }
                (On::Losing(_), Bound::Existing(oid)) => {
                    self.locked([oid], mode);
                    // Their foreign keys are part of what changes.
                    for other in self.repartitioned(oid, LockMode::AccessExclusive) {
                        self.push(other, true, Action::Redefine);
                    }
                    if let Some(TableAction::DetachPartition { partition, .. }) =
                        actions(&statement.kind).first()
                    {
                        self.tie_partition(partition, oid);
                    }
                }
                (On::Attached(name), _) => {
                    if let Bound::Existing(oid) = bound {
                        // Its own foreign keys become part of the other table's.
                        self.locked_families(self.referred(oid), mode);
                        self.locked_families(vec![oid], mode);
                    }
                    if let Kind::AlterTable { table, .. } = &statement.kind
                        && let (_, Bound::Existing(parent)) = self.names.relation(table)
                    {
                        self.tie_partition(name, parent);
                    }
                }
                (On::Referenced(_), Bound::Existing(oid)) => {
                    self.locked_families(vec![oid], mode);
                    if let Kind::AlterTable { table: name, .. }
                    | Kind::CreateTable(name)
                    | Kind::EnsureTable(name) = &statement.kind
                    {
                        self.tie(name, self.world.family(oid));
                    }
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
        self.lock_tied(&statement.kind);
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

    /// The tables that `oid` refers to today.
    fn referred(&self, oid: Oid) -> Vec<Oid> {
        let keys = self.world.foreign_keys.iter();
        keys.filter(|key| key.from == oid)
            .map(|key| key.to)
            .collect()
    }

    /// A partitioned table gets or loses a partition: its default partition may hold other rows
    /// then, and foreign keys come or go on both ends. `mode` is the lock on those that refer to
    /// it, which are returned.
    fn repartitioned(&mut self, oid: Oid, mode: LockMode) -> BTreeSet<Oid> {
        let default = self.world.default_partition(oid);
        self.locked_families(default.into_iter().collect(), LockMode::AccessExclusive);
        self.locked_families(self.referred(oid), LockMode::ShareRowExclusive);
        let keys = self.world.foreign_keys.iter();
        let from: BTreeSet<Oid> = keys.filter(|k| k.to == oid).map(|k| k.from).collect();
        self.locked(from.iter().copied(), mode);
        from
    }

    /// Ties the table `name`, which becomes or was a partition of `parent`, to that and to what it
    /// refers to.
    fn tie_partition(&mut self, name: &Name, parent: Oid) {
        let with_families = |oids: Vec<Oid>| {
            let families = oids.into_iter().map(|oid| self.world.family(oid));
            families.flatten().collect::<Vec<Oid>>()
        };
        let mut to = with_families(self.referred(parent));
        to.extend(with_families(
            self.world.default_partition(parent).into_iter().collect(),
        ));
        to.push(parent);
        self.tie(name, to);
    }

    fn tie(&mut self, name: &Name, to: Vec<Oid>) {
        let (of, _) = self.names.relation(name);
        self.ties.push(Tie { of, to });
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
            Kind::AlterTable { table, .. } if actions(kind).iter().any(drops) => {
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

fn actions(kind: &Kind) -> &[TableAction] {
    match kind {
        Kind::AlterTable { actions, .. } => actions,
        _ => &[],
    }
}
