//! What a name in a script means at the point where it stands: earlier statements of the same
//! rollback may have renamed, moved, created or dropped what it names.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::ident::TableName;
use crate::model::relation::{Oid, Part, RelationKind, World};
use crate::sql::statement::Name;

/// What a relation name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// A relation that is there before the scripts run.
    Existing(Oid),
    /// A relation that an earlier statement made.
    Created,
    /// Nothing that the world knows: missing, or an index or a sequence.
    Nothing,
}

/// The state of all names while a plan walks through the scripts.
#[derive(Debug)]
pub struct Names<'w> {
    world: &'w World,
    path: Vec<String>,
    relations: HashMap<TableName, Bound>,
    /// Indexes and sequences, and what they may be called by now. One that went with its table stays:
    /// what it is taken for is one more of several.
    parts: BTreeMap<Oid, BTreeSet<TableName>>,
    /// Current name of a column → its original name; `None` for a column that a script added.
    columns: HashMap<(Oid, String), Option<String>>,
    /// The same of constraints.
    constraints: HashMap<(Oid, String), Option<String>>,
    schemas: HashMap<String, Option<Oid>>,
    types: HashMap<TableName, Option<Oid>>,
}

impl<'w> Names<'w> {
    /// The names as they are before the first statement.
    pub fn new(world: &'w World) -> Self {
        let relations = world.relations.values();
        let relations = relations.map(|r| (r.name.clone(), Bound::Existing(r.oid)));
        let parts = world.parts.iter();
        let parts = parts.map(|(oid, part)| (*oid, BTreeSet::from([part.name.clone()])));
        Self {
            world,
            path: world.search_path.clone(),
            relations: relations.collect(),
            parts: parts.collect(),
            columns: HashMap::new(),
            constraints: HashMap::new(),
            schemas: world
                .schemas
                .iter()
                .map(|(name, oid)| (name.clone(), Some(*oid)))
                .collect(),
            types: world
                .types
                .iter()
                .map(|(name, oid)| (name.clone(), Some(*oid)))
                .collect(),
        }
    }

    /// `SET search_path`; `None` puts the session's own back.
    pub fn set_path(&mut self, path: Option<Vec<String>>) {
        let own = |schema: String| {
            let stands_for_role = schema == "$user";
            if stands_for_role {
                self.world.role.clone()
            } else {
                schema
            }
        };
        let path = path.map(|path| path.into_iter().map(own).collect());
        self.path = path.unwrap_or_else(|| self.world.search_path.clone());
    }

    /// The schemas in which names without one are looked for, by their original names.
    pub fn original_path(&self) -> Vec<String> {
        let path = self.path.iter();
        path.filter_map(|schema| self.original_schema(schema))
            .collect()
    }

    /// What the schema called `name` by now is called today.
    pub fn original_schema(&self, name: &str) -> Option<String> {
        let oid = self.schema(name)?;
        let mut today = self.world.schemas.iter();
        today
            .find(|(_, known)| **known == oid)
            .map(|(name, _)| name.clone())
    }

    /// The full name that `name` resolves to, and what it stands for.
    pub fn relation(&self, name: &Name) -> (TableName, Bound) {
        let candidates = self.candidates(name);
        candidates
            .iter()
            .find_map(|full| self.relations.get(full).map(|bound| (full.clone(), *bound)))
            .unwrap_or_else(|| (self.new_name(name), Bound::Nothing))
    }

    /// The name that a CREATE of `name` would give.
    pub fn new_name(&self, name: &Name) -> TableName {
        let schema = name
            .schema
            .clone()
            .or_else(|| self.path.iter().find(|s| self.has_schema(s)).cloned())
            .unwrap_or_else(|| "public".to_owned());
        TableName::new(schema, name.name.clone())
    }

    fn candidates(&self, name: &Name) -> Vec<TableName> {
        match &name.schema {
            Some(schema) => vec![TableName::new(schema, &name.name)],
            None => self
                .path
                .iter()
                .map(|schema| TableName::new(schema, &name.name))
                .collect(),
        }
    }

    /// Notes a CREATE.
    pub fn create(&mut self, name: &Name) {
        let full = self.new_name(name);
        self.relations.entry(full).or_insert(Bound::Created);
    }

    /// Notes a DROP.
    pub fn drop(&mut self, full: &TableName) {
        self.relations.remove(full);
    }

    /// Tables that are gone, and another one is called as they were.
    pub fn replaced(&self) -> Vec<Oid> {
        let there = |oid: Oid| self.relations.values().any(|b| *b == Bound::Existing(oid));
        let all = self.world.relations.values();
        all.filter(|r| r.kind == RelationKind::Table)
            .filter(|r| self.relations.contains_key(&r.name) && !there(r.oid))
            .map(|r| r.oid)
            .collect()
    }

    /// Notes that `from` is called `to` from here on.
    pub fn rename(&mut self, from: &TableName, to: TableName) {
        let Some(bound) = self.relations.remove(from) else {
            return;
        };
        // Indexes and sequences move with their table.
        if let (Bound::Existing(table), true) = (bound, from.schema != to.schema) {
            for names in self.parts_of(table, |_| true) {
                let moved = |name: &TableName| TableName::new(&to.schema, &name.name);
                *names = names.iter().map(moved).collect();
            }
        }
        self.relations.insert(to, bound);
    }

    /// The indexes, or else sequences, that `name` may mean.
    pub fn parts(&self, name: &Name, index: bool) -> Vec<Oid> {
        let candidates = self.candidates(name);
        let meant = |(oid, names): &(&Oid, &BTreeSet<TableName>)| {
            let part = self.world.parts.get(oid);
            part.is_some_and(|part| part.index == index)
                && candidates.iter().any(|full| names.contains(full))
        };
        let meant = self.parts.iter().filter(meant);
        meant.map(|(oid, _)| *oid).collect()
    }

    /// Notes that the index or sequence `name` is called what `to` makes of that from here on; unless
    /// `sure` that there is no table of that name, perhaps.
    pub fn rename_part(&mut self, name: &Name, sure: bool, to: impl Fn(&TableName) -> TableName) {
        let candidates = self.candidates(name);
        let mut meant = self.parts(name, true);
        meant.extend(self.parts(name, false));
        let sure = sure && meant.len() == 1;
        let mut renamed = Vec::new();
        for oid in meant {
            let Some(names) = self.parts.get_mut(&oid) else {
                continue;
            };
            let known: Vec<TableName> = names.iter().cloned().collect();
            for full in known.iter().filter(|full| candidates.contains(full)) {
                if sure {
                    names.remove(full);
                }
                names.insert(to(full));
                let part = self.world.parts.get(&oid).filter(|part| part.constraint);
                if let Some(table) = part.and_then(|part| part.table) {
                    renamed.push((table, full.name.clone(), to(full).name));
                }
            }
        }
        for (table, from, to) in renamed.into_iter().filter(|(_, from, to)| from != to) {
            self.constraint_is_called(table, &from, &to, sure);
        }
    }

    fn parts_of(
        &mut self,
        table: Oid,
        which: impl Fn(&Part) -> bool,
    ) -> impl Iterator<Item = &mut BTreeSet<TableName>> {
        let world = self.world;
        let of = move |oid: &Oid| {
            let part = world.parts.get(oid);
            part.is_some_and(|part| part.table == Some(table) && which(part))
        };
        self.parts
            .iter_mut()
            .filter(move |(oid, _)| of(oid))
            .map(|(_, names)| names)
    }

    /// The original name of the constraint `name`; `None` when none of today's is called so.
    pub fn constraint(&self, table: Oid, name: &str) -> Option<String> {
        let known = self.constraints.get(&(table, name.to_owned()));
        known.cloned().unwrap_or_else(|| Some(name.to_owned()))
    }

    /// Notes a renamed constraint.
    pub fn rename_constraint(&mut self, table: Oid, from: &str, to: &str) {
        self.constraint_is_called(table, from, to, true);
        for names in self.parts_of(table, |part| part.constraint) {
            let called = |name: &TableName| {
                let name = name.clone();
                if name.name == from {
                    TableName::new(name.schema, to)
                } else {
                    name
                }
            };
            *names = names.iter().map(called).collect();
        }
    }

    fn constraint_is_called(&mut self, table: Oid, from: &str, to: &str, sure: bool) {
        let original = self.constraint(table, from);
        if sure {
            self.constraints.insert((table, from.to_owned()), None);
        }
        self.constraints.insert((table, to.to_owned()), original);
    }

    /// The original name of `column`; `None` when a script added it.
    pub fn column(&self, table: Oid, column: &str) -> Option<String> {
        self.columns
            .get(&(table, column.to_owned()))
            .cloned()
            .unwrap_or_else(|| Some(column.to_owned()))
    }

    /// True while no column was added or renamed by a script.
    pub fn columns_untouched(&self) -> bool {
        self.columns.is_empty()
    }

    /// True when no column of `table` has another name or meaning than today.
    pub fn columns_of_untouched(&self, table: Oid) -> bool {
        self.columns.keys().all(|(of, _)| *of != table)
    }

    /// Notes a new column.
    pub fn add_column(&mut self, table: Oid, column: &str) {
        self.columns.insert((table, column.to_owned()), None);
    }

    /// Notes a renamed column.
    pub fn rename_column(&mut self, table: Oid, from: &str, to: &str) {
        let original = self.column(table, from);
        self.columns.insert((table, to.to_owned()), original);
    }

    /// The oid of schema `name`; `None` when it is not there or was made by a script.
    pub fn schema(&self, name: &str) -> Option<Oid> {
        self.schemas.get(name).copied().flatten()
    }

    /// True when there is a schema `name`, from before or made by a script.
    pub fn has_schema(&self, name: &str) -> bool {
        self.schemas.contains_key(name)
    }

    /// Notes CREATE SCHEMA.
    pub fn create_schema(&mut self, name: &str) {
        self.schemas.entry(name.to_owned()).or_insert(None);
    }

    /// Notes DROP SCHEMA.
    pub fn drop_schema(&mut self, name: &str) {
        self.schemas.remove(name);
        self.relations.retain(|full, _| full.schema != name);
    }

    /// Notes ALTER SCHEMA … RENAME.
    pub fn rename_schema(&mut self, from: &str, to: &str) {
        if let Some(oid) = self.schemas.remove(from) {
            self.schemas.insert(to.to_owned(), oid);
        }
        let moved = |name: &TableName| {
            let name = name.clone();
            if name.schema == from {
                TableName::new(to, name.name)
            } else {
                name
            }
        };
        let relations = self.relations.drain();
        self.relations = relations
            .map(|(name, bound)| (moved(&name), bound))
            .collect();
        for names in self.parts.values_mut() {
            *names = names.iter().map(moved).collect();
        }
        let types = self.types.drain();
        self.types = types.map(|(name, oid)| (moved(&name), oid)).collect();
    }

    /// Notes CREATE TYPE.
    pub fn create_type(&mut self, name: &Name) {
        let full = self.new_name(name);
        self.types.entry(full).or_insert(None);
    }

    /// The full name of type `name` and its oid (`None`: a script made it), if there is one.
    pub fn find_type(&self, name: &Name) -> Option<(TableName, Option<Oid>)> {
        self.candidates(name)
            .into_iter()
            .find_map(|full| self.types.get(&full).map(|oid| (full, *oid)))
    }

    /// Notes DROP TYPE.
    pub fn drop_type(&mut self, full: &TableName) {
        self.types.remove(full);
    }

    /// Notes that type `from` is called `to` from here on.
    pub fn rename_type(&mut self, from: &TableName, to: TableName) {
        if let Some(oid) = self.types.remove(from) {
            self.types.insert(to, oid);
        }
    }
}
