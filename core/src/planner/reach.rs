//! The walk through the scripts: what each statement touches, in today's names.

use crate::ident::TableName;
use crate::model::plan::{Refusal, Step};
use crate::model::relation::{ForeignKey, Oid, RelationKind, World};
use crate::planner::names::{Bound, Names};
use crate::planner::touch::{Action, Place, Reach, Root, RootObject, Touch};
use crate::sql::mask;
use crate::sql::statement::{Dml, Drop, Kind, Name, Statement, TableAction};

/// The schema that no script may touch: what is applied, and what was done, stands there.
const OWN_SCHEMA: &str = "pgbelay";

/// Walks through `scripts`, the statements of each of `steps` in order.
pub fn walk(world: &World, steps: &[Step], scripts: &[Vec<Statement>]) -> Reach {
    let mut walker = Walker {
        world,
        steps,
        names: Names::new(world),
        reach: Reach::default(),
        place: Place {
            step: 0,
            statement: 0,
            line: 0,
        },
        path_set: false,
    };
    for (step, statements) in scripts.iter().enumerate() {
        walker.names.set_path(None);
        for (number, statement) in statements.iter().enumerate() {
            walker.place = Place {
                step,
                statement: number,
                line: statement.line,
            };
            walker.statement(statement);
        }
    }
    walker.reach.replaced = walker.names.replaced();
    walker.reach
}

struct Walker<'a> {
    world: &'a World,
    steps: &'a [Step],
    names: Names<'a>,
    reach: Reach,
    place: Place,
    /// A script set `search_path`: names in expressions no longer mean what they mean to us.
    path_set: bool,
}

impl Walker<'_> {
    fn statement(&mut self, statement: &Statement) {
        if mask::mentions(&statement.text, OWN_SCHEMA) {
            self.refuse(
                "RB-SIDE-EFFECT",
                "it names the schema pgbelay, where ledger and journal are".to_owned(),
                false,
            );
        }
        for function in &statement.functions {
            self.reach.functions.push((self.place, function.clone()));
        }
        match &statement.kind {
            Kind::DropTable(drop) | Kind::DropMatview(drop) => self.drop_relations(drop),
            Kind::DropSchema(drop) => self.drop_schemas(drop),
            Kind::DropType(drop) => self.drop_types(drop),
            Kind::DropSequence(drop) => self.drop_others("sequence", drop),
            Kind::DropExtension(drop) => self.drop_others("extension", drop),
            Kind::DropDefinition { what, drop, on } => {
                // Later statements may rely on the trigger, rule or policy being gone.
                if let Some(on) = on {
                    let (_, bound) = self.names.relation(on);
                    self.redefine(bound);
                }
                self.drop_definitions(what, drop);
            }
            Kind::AlterTable {
                table,
                only,
                if_exists,
                actions,
            } => self.alter_table(table, *only, *if_exists, actions),
            Kind::Truncate {
                tables, cascade, ..
            } => self.truncate(tables, *cascade),
            Kind::Delete(dml) => {
                let countable = self.countable(statement, dml);
                self.touch(&dml.table, dml.only, Action::Delete(countable));
            }
            Kind::Update(dml) => {
                let countable = self.countable(statement, dml);
                self.update(dml, countable);
            }
            Kind::Insert { table, updates } => {
                if *updates {
                    self.touch(table, false, any_update());
                }
                self.touch(table, false, Action::Insert);
            }
            Kind::Changes {
                deletes,
                updates,
                inserts,
            } => {
                for table in deletes {
                    self.touch(table, false, Action::Delete(None));
                }
                for table in updates {
                    self.touch(table, false, any_update());
                }
                for table in inserts {
                    self.touch(table, false, Action::Insert);
                }
            }
            Kind::CopyFrom(_) => self.refuse(
                "RB-OPAQUE",
                "COPY FROM reads rows that are not part of the script".to_owned(),
                false,
            ),
            Kind::Opaque { what } => {
                self.reach.opaque = true;
                self.refuse(
                    "RB-OPAQUE",
                    format!("{what} runs code that can't be judged from its text"),
                    true,
                );
            }
            Kind::Refuse { what, why } => {
                self.reach.opaque = true;
                self.refuse("RB-SIDE-EFFECT", format!("{what}: {why}"), true);
            }
            Kind::Unknown { why } => {
                self.reach.opaque = true;
                self.refuse("RB-UNPARSEABLE", why.clone(), true);
            }
            Kind::Transaction { .. } => self.refuse(
                "RB-TXN-CONTROL",
                "transaction control would leave the transaction that makes the rollback safe"
                    .to_owned(),
                false,
            ),
            Kind::NonTransactional { what, .. } => self.refuse(
                "RB-NON-TX",
                format!("{what} can't run inside a transaction, so it can't be undone as one step"),
                false,
            ),
            other => self.naming(other),
        }
    }

    /// Statements that lose nothing, but change what later names mean.
    fn naming(&mut self, kind: &Kind) {
        match kind {
            Kind::Rename { from, to } => {
                let (full, bound) = self.names.relation(from);
                self.redefine(bound);
                let renamed = TableName::new(&full.schema, to);
                self.names.rename(&full, renamed);
            }
            Kind::SetSchema { from, to } => {
                let (full, bound) = self.names.relation(from);
                self.redefine(bound);
                let moved = TableName::new(to, &full.name);
                self.names.rename(&full, moved);
            }
            Kind::RenameColumn { table, from, to } => {
                if let (_, Bound::Existing(oid)) = self.names.relation(table) {
                    self.redefine(Bound::Existing(oid));
                    for member in self.world.family(oid) {
                        self.names.rename_column(member, from, to);
                    }
                }
            }
            Kind::RenameSchema { from, to } => self.names.rename_schema(from, to),
            Kind::AlterType {
                name,
                renamed_to,
                moved_to,
                adds_value: _,
            } => {
                if let Some((full, _)) = self.names.find_type(name) {
                    let schema = moved_to.as_ref().unwrap_or(&full.schema);
                    let new = renamed_to.as_ref().unwrap_or(&full.name);
                    let renamed = TableName::new(schema, new);
                    self.names.rename_type(&full, renamed);
                }
            }
            Kind::CreateTable(name) => self.names.create(name),
            Kind::CreateType(name) => self.names.create_type(name),
            Kind::CreateSchema(name) => self.names.create_schema(name),
            Kind::Setting { name, values } if name == "search_path" => {
                self.path_set = true;
                let reset = values.is_empty() || values.iter().any(|v| v == "default");
                self.names.set_path((!reset).then(|| values.clone()));
            }
            _ => {}
        }
    }

    fn refuse(&mut self, rule: &'static str, reason: String, forceable: bool) {
        self.reach.refusals.push(Refusal {
            rule,
            path: self.steps[self.place.step].script.path.clone(),
            line: self.place.line,
            reason,
            forceable,
        });
    }

    fn fails(&mut self, reason: String) {
        self.reach.failures.push((self.place, reason));
    }

    fn root(&mut self, object: RootObject, cascade: bool) {
        self.reach.roots.push(Root {
            object,
            cascade,
            place: self.place,
        });
    }

    fn redefine(&mut self, bound: Bound) {
        if let Bound::Existing(table) = bound {
            self.push(table, false, Action::Redefine);
        }
    }

    fn push(&mut self, table: Oid, only: bool, action: Action) {
        let family = self.world.family(table);
        let relations = family
            .iter()
            .filter_map(|oid| self.world.relations.get(oid));
        let foreign = relations.clone().any(|r| r.kind == RelationKind::Foreign);
        if foreign && action != Action::Redefine {
            self.refuse(
                "RB-SIDE-EFFECT",
                "it changes rows of a foreign table, which can neither be kept nor rolled back"
                    .to_owned(),
                true,
            );
        }
        self.reach.touches.push(Touch {
            table,
            only,
            action,
            place: self.place,
        });
    }

    fn touch(&mut self, name: &Name, only: bool, action: Action) {
        match self.names.relation(name) {
            (_, Bound::Existing(table)) => self.push(table, only, action),
            (_, Bound::Created) => {}
            (full, Bound::Nothing) => self.fails(format!("there is no table {full}")),
        }
    }

    fn drop_relations(&mut self, drop: &Drop) {
        for name in &drop.names {
            let (full, bound) = self.names.relation(name);
            match bound {
                Bound::Existing(oid) => self.root(RootObject::Relation(oid), drop.cascade),
                Bound::Created => {}
                Bound::Nothing if drop.if_exists => {}
                Bound::Nothing => self.fails(format!("there is no table {full}")),
            }
            self.names.drop(&full);
        }
    }

    fn drop_schemas(&mut self, drop: &Drop) {
        for name in &drop.names {
            match self.names.schema(&name.name) {
                Some(oid) => self.root(RootObject::Schema(oid), drop.cascade),
                None if drop.if_exists => {}
                None if self.names.has_schema(&name.name) => {}
                None => self.fails(format!("there is no schema {}", name.name)),
            }
            self.names.drop_schema(&name.name);
        }
    }

    fn drop_types(&mut self, drop: &Drop) {
        for name in &drop.names {
            match self.names.find_type(name) {
                Some((full, oid)) => {
                    if let Some(oid) = oid {
                        self.root(RootObject::Type(oid), drop.cascade);
                    }
                    self.names.drop_type(&full);
                }
                None if drop.if_exists => {}
                None => self.fails(format!("there is no type {}", name.name)),
            }
        }
    }

    fn drop_others(&mut self, what: &str, drop: &Drop) {
        for name in &drop.names {
            self.root(
                RootObject::Other(what.to_owned(), name.clone()),
                drop.cascade,
            );
        }
    }

    fn drop_definitions(&mut self, what: &str, drop: &Drop) {
        for name in &drop.names {
            if what == "view" {
                let (full, bound) = self.names.relation(name);
                if let Bound::Existing(oid) = bound {
                    self.root(RootObject::Relation(oid), drop.cascade);
                }
                self.names.drop(&full);
            } else if matches!(what, "index" | "function" | "procedure" | "routine") {
                self.drop_others(what, drop);
                return;
            } else if drop.cascade && !matches!(what, "trigger" | "rule" | "policy" | "statistics")
            {
                self.refuse(
                    "RB-CASCADE-HIDDEN",
                    format!("what CASCADE reaches from this {what} can't be told"),
                    true,
                );
                self.reach.opaque = true;
            }
        }
    }

    fn alter_table(&mut self, name: &Name, only: bool, if_exists: bool, actions: &[TableAction]) {
        let (full, bound) = self.names.relation(name);
        let table = match bound {
            Bound::Existing(oid) => Some(oid),
            Bound::Created => None,
            Bound::Nothing => {
                if !if_exists {
                    self.fails(format!("there is no table {full}"));
                }
                return;
            }
        };
        for action in actions {
            if let TableAction::Refuse { what, why } = action {
                self.refuse("RB-SIDE-EFFECT", format!("{what}: {why}"), true);
                self.reach.opaque = true;
                continue;
            }
            let Some(table) = table else { continue };
            self.push(table, only, Action::Redefine);
            match action {
                TableAction::DropColumn {
                    column,
                    if_exists,
                    cascade,
                } => self.drop_column(table, column, *if_exists, *cascade),
                TableAction::AlterType {
                    column,
                    new_type,
                    using,
                } => self.retype(table, only, column, new_type, using.as_ref()),
                TableAction::AddColumn { column } => {
                    for member in self.world.family(table) {
                        self.names.add_column(member, column);
                    }
                }
                TableAction::DropConstraint { name, cascade } => {
                    self.root(RootObject::Constraint(table, name.clone()), *cascade);
                }
                TableAction::DetachPartition {
                    concurrently: true, ..
                } => self.refuse(
                    "RB-NON-TX",
                    "DETACH PARTITION CONCURRENTLY can't run inside a transaction".to_owned(),
                    false,
                ),
                TableAction::DetachPartition { .. }
                | TableAction::Definition { .. }
                | TableAction::Refuse { .. } => {}
            }
        }
    }

    fn drop_column(&mut self, table: Oid, column: &str, if_exists: bool, cascade: bool) {
        let mut found = false;
        for member in self.world.family(table) {
            let Some(original) = self.names.column(member, column) else {
                found = true; // added by the same scripts: nothing is lost
                continue;
            };
            let relation = self.world.relations.get(&member);
            if relation.is_some_and(|r| r.column(&original).is_some()) {
                found = true;
                self.root(RootObject::Column(member, original), cascade);
            }
        }
        if !found && !if_exists {
            self.fails(format!("there is no column {column}"));
        }
    }

    fn retype(
        &mut self,
        table: Oid,
        only: bool,
        column: &str,
        new_type: &str,
        using: Option<&String>,
    ) {
        let Some(original) = self.names.column(table, column) else {
            return;
        };
        let known = self.world.relations.get(&table);
        if known.is_none_or(|r| r.column(&original).is_none()) {
            self.fails(format!("there is no column {column}"));
            return;
        }
        let action = Action::Retype {
            first: original == column && !self.path_set && !self.changed(table),
            column: original,
            new_type: new_type.to_owned(),
            using: using.cloned(),
        };
        self.push(table, only, action);
    }

    fn truncate(&mut self, tables: &[Name], cascade: bool) {
        let mut reached = Vec::new();
        for name in tables {
            match self.names.relation(name) {
                (_, Bound::Existing(table)) => reached.push(table),
                (_, Bound::Created) => {}
                (full, Bound::Nothing) => self.fails(format!("there is no table {full}")),
            }
        }
        let mut next = 0;
        while cascade && next < reached.len() {
            let family = self.world.family(reached[next]);
            next += 1;
            for key in &self.world.foreign_keys {
                if family.contains(&key.to) && !reached.contains(&key.from) {
                    reached.push(key.from);
                }
            }
        }
        for table in reached {
            self.push(table, false, Action::Truncate);
        }
    }

    fn update(&mut self, dml: &Dml, countable: Option<Box<Dml>>) {
        let (_, bound) = self.names.relation(&dml.table);
        let columns = match bound {
            // A column that the scripts added themselves holds nothing worth keeping.
            Bound::Existing(table) => dml
                .columns
                .iter()
                .filter_map(|column| self.names.column(table, column))
                .collect(),
            _ => Vec::new(),
        };
        if matches!(bound, Bound::Existing(_)) && columns.is_empty() && !dml.columns.is_empty() {
            self.touch(&dml.table, dml.only, Action::Insert); // rows change, no old value goes
            return;
        }
        self.touch(&dml.table, dml.only, Action::Update { countable, columns });
    }

    /// The statement, if nothing that it reads was changed by an earlier one: then its rows can
    /// be counted on today's data.
    fn countable(&self, statement: &Statement, dml: &Dml) -> Option<Box<Dml>> {
        let untouched = |name: &Name| match self.names.relation(name) {
            (full, Bound::Existing(oid)) => {
                let relation = self.world.relations.get(&oid);
                relation.is_some_and(|r| match r.kind {
                    RelationKind::View | RelationKind::Matview => !self.any_rows_changed(),
                    _ => r.name == full && !self.changed(oid),
                })
            }
            (_, Bound::Created | Bound::Nothing) => false,
        };
        let same_columns = self.names.columns_untouched();
        let known = same_columns
            && !self.reach.opaque
            && !self.path_set
            && untouched(&dml.table)
            && statement.reads.iter().all(untouched);
        known.then(|| Box::new(dml.clone()))
    }

    /// Earlier statements that change rows.
    fn earlier_dml(&self) -> impl Iterator<Item = &Touch> {
        self.reach
            .touches
            .iter()
            .filter(|touch| touch.place != self.place && touch.action != Action::Redefine)
    }

    fn any_rows_changed(&self) -> bool {
        self.earlier_dml().next().is_some()
    }

    /// True when an earlier statement may have changed rows of `table`: directly, through foreign
    /// keys, or because a trigger ran, which may change anything.
    fn changed(&self, table: Oid) -> bool {
        self.earlier_dml().any(|touch| {
            let reached = self.reached_from(touch.table);
            reached.contains(&table)
                || reached
                    .iter()
                    .filter_map(|oid| self.world.relations.get(oid))
                    .any(|r| r.triggers)
        })
    }

    /// `from`, its partitions and children, and every table that foreign keys may change when
    /// rows of those are deleted or updated, their ancestors included.
    fn reached_from(&self, from: Oid) -> Vec<Oid> {
        let mut reached = self.world.family(from);
        let mut next = 0;
        while next < reached.len() {
            let at = reached[next];
            next += 1;
            let acts = |key: &&ForeignKey| {
                !matches!(key.on_delete, 'a' | 'r') || !matches!(key.on_update, 'a' | 'r')
            };
            let children = self.world.foreign_keys.iter();
            let children = children.filter(|key| key.to == at).filter(acts);
            let ancestors = self.world.relations.get(&at).into_iter();
            let more: Vec<Oid> = children
                .flat_map(|key| self.world.family(key.from))
                .chain(ancestors.flat_map(|r| r.parents.iter().copied()))
                .filter(|oid| !reached.contains(oid))
                .collect();
            reached.extend(more);
        }
        reached
    }
}

fn any_update() -> Action {
    Action::Update {
        countable: None,
        columns: Vec::new(),
    }
}
