//! The walk through the scripts: what each statement touches, in today's names.

mod drops;
mod locks;
mod rows;
mod sequences;

use crate::ident::TableName;
use crate::model::lock::LockMode;
use crate::model::plan::{Refusal, Step};
use crate::model::relation::{Oid, RelationKind, World};
use crate::planner::names::{Bound, Names};
use crate::planner::reach::locks::Tie;
use crate::planner::touch::{Action, Place, Reach, Root, RootObject, Touch};
use crate::sql::mask;
use crate::sql::statement::{Kind, Name, Statement, TableAction};

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
        ties: Vec::new(),
        routines_renamed: false,
        meaning_changed: false,
        setting_renamed: false,
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

/// True for definitions that no expression can tell from others.
fn is_about_storage(what: &str) -> bool {
    let words = [
        "COMMENT",
        "GRANT",
        "REVOKE",
        "CREATE INDEX",
        "REINDEX",
        "CREATE STATISTICS",
    ];
    words.iter().any(|word| what.starts_with(word))
}

struct Walker<'a> {
    world: &'a World,
    steps: &'a [Step],
    names: Names<'a>,
    reach: Reach,
    place: Place,
    /// What goes with tables, by what the scripts did.
    ties: Vec<Tie>,
    /// A script may have given a function another name.
    routines_renamed: bool,
    /// A script set `search_path`, or changed a type or a function: expressions no longer mean
    /// what they mean today.
    meaning_changed: bool,
    /// A script may have made a function that is called as one of those that set sequences.
    setting_renamed: bool,
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
        self.calls(statement);
        self.promised(statement);
        self.lock(statement);
        match &statement.kind {
            Kind::DropTable(drop) | Kind::DropMatview(drop) => self.drop_relations(drop),
            Kind::DropSchema(drop) => self.drop_schemas(drop),
            Kind::DropType(drop) => self.drop_types(drop),
            Kind::DropSequence(drop) => self.drop_parts(drop, false),
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
            Kind::CopyFrom(table) if statement.data.is_some() => {
                self.touch(table, false, Action::Insert);
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
                let renamed = |full: &TableName| TableName::new(&full.schema, to);
                let sure = bound == Bound::Nothing;
                self.names.rename_part(from, sure, renamed);
                self.redefine(bound);
                let renamed = renamed(&full);
                self.tied_is_called(&full, &renamed);
                self.names.rename(&full, renamed);
            }
            Kind::SetSchema { from, to } => {
                let (full, bound) = self.names.relation(from);
                self.redefine(bound);
                let moved = |full: &TableName| TableName::new(to, &full.name);
                let sure = bound == Bound::Nothing;
                self.names.rename_part(from, sure, moved);
                let moved = moved(&full);
                self.tied_is_called(&full, &moved);
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
            Kind::RenameSchema { from, to } => {
                self.ties_moved(from, to);
                self.names.rename_schema(from, to);
            }
            Kind::Definition { what } if !is_about_storage(what) => {
                self.meaning_changed = true;
                let routines = ["ALTER FUNCTION", "ALTER PROCEDURE", "ALTER ROUTINE"];
                self.routines_renamed |= routines.iter().any(|alter| what.starts_with(alter));
            }
            Kind::AlterType {
                name,
                renamed_to,
                moved_to,
                adds_value: _,
            } => {
                self.meaning_changed = true;
                if let Some((full, _)) = self.names.find_type(name) {
                    let schema = moved_to.as_ref().unwrap_or(&full.schema);
                    let new = renamed_to.as_ref().unwrap_or(&full.name);
                    let renamed = TableName::new(schema, new);
                    self.names.rename_type(&full, renamed);
                }
            }
            Kind::CreateTable(name) => self.names.create(name),
            Kind::EnsureTable(name) => {
                // Where nothing has the name any more, what has it then is the script's own.
                self.meaning_changed = true;
                self.names.create(name);
            }
            Kind::CreateType(name) => {
                self.meaning_changed = true;
                self.names.create_type(name);
            }
            Kind::CreateSchema(name) => self.names.create_schema(name),
            Kind::Setting { name, values } if name == "search_path" => {
                self.meaning_changed = true;
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
        let (beneath, action) = self.beneath(table, action);
        if beneath == table {
            self.push_at(table, None, only, action);
        } else {
            self.locked_families([beneath], LockMode::RowExclusive);
            self.push_at(beneath, Some(table), false, action);
        }
    }

    fn push_at(&mut self, table: Oid, through: Option<Oid>, only: bool, action: Action) {
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
        let deletes = match action {
            Action::Delete(_) => Some(true),
            Action::Update { .. } => Some(false),
            _ => None,
        };
        self.reach.touches.push(Touch {
            table,
            only,
            through,
            action,
            place: self.place,
        });
        if let Some(deletes) = deletes {
            self.push_along(table, deletes);
        }
    }

    /// Rows of `table` go (`deletes`) or change, and others with them, through what the scripts made: how
    /// many can't be asked of today's rows.
    fn push_along(&mut self, table: Oid, deletes: bool) {
        let reached = self.reached_from(table);
        let mut along = Vec::new();
        if deletes {
            let gone = self.drawn_along(&reached, true).into_iter();
            along.extend(gone.map(|oid| (oid, Action::Delete(None))));
        }
        let changed = self.drawn_along(&reached, false).into_iter();
        along.extend(changed.map(|oid| {
            let (countable, columns) = (None, Vec::new());
            (oid, Action::Update { countable, columns })
        }));
        for (other, action) in along {
            let place = self.place;
            let known = |t: &Touch| t.table == other && t.action == action && t.place == place;
            if other != table && !self.reach.touches.iter().any(known) {
                self.push(other, false, action);
            }
        }
    }

    fn touch(&mut self, name: &Name, only: bool, action: Action) {
        match self.names.relation(name) {
            (_, Bound::Existing(table)) => self.push(table, only, action),
            (_, Bound::Created) => {}
            (full, Bound::Nothing) => self.fails(format!("there is no table {full}")),
        }
    }

    fn alter_table(&mut self, name: &Name, only: bool, if_exists: bool, actions: &[TableAction]) {
        let (full, bound) = self.names.relation(name);
        let table = match bound {
            Bound::Existing(oid) => Some(oid),
            Bound::Created => None,
            Bound::Nothing => {
                // A sequence can be altered as a table.
                if !if_exists && self.names.parts(name, false).is_empty() {
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
                    if let Some(original) = self.names.constraint(table, name) {
                        self.root(RootObject::Constraint(table, original), *cascade);
                    }
                }
                TableAction::RenameConstraint { from, to } => {
                    self.names.rename_constraint(table, from, to);
                }
                TableAction::DetachPartition {
                    concurrently: true, ..
                } => self.refuse(
                    "RB-NON-TX",
                    "DETACH PARTITION CONCURRENTLY can't run inside a transaction".to_owned(),
                    false,
                ),
                TableAction::DetachPartition { .. } => {
                    // Their foreign keys refer to the partition by constraints of their own.
                    for other in self.referring(table) {
                        self.push(other, true, Action::Redefine);
                    }
                }
                TableAction::Definition { .. } | TableAction::Refuse { .. } => {}
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
            first: original == column && !self.meaning_changed && !self.changed(table),
            column: original,
            new_type: new_type.to_owned(),
            using: using.cloned(),
        };
        self.push(table, only, action);
    }
}

fn any_update() -> Action {
    Action::Update {
        countable: None,
        columns: Vec::new(),
    }
}
