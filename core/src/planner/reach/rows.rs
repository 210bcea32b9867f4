//! Statements about rows, and whether today's rows can be asked what they will do.

use crate::model::relation::{ForeignKey, Oid, RelationKind};
use crate::planner::names::Bound;
use crate::planner::reach::Walker;
use crate::planner::touch::{Action, Kept, Touch};
use crate::sql::promise::Promised;
use crate::sql::statement::{Dml, Name, Statement};

impl Walker<'_> {
    pub(super) fn truncate(&mut self, tables: &[Name], cascade: bool) {
        let mut reached = Vec::new();
        for name in tables {
            match self.names.relation(name) {
                (_, Bound::Existing(table)) => reached.push(table),
                (_, Bound::Created) => {}
                (full, Bound::Nothing) => self.fails(format!("there is no table {full}")),
            }
        }
        let mut next = 0;
        while next < reached.len() {
            let family = self.world.family(reached[next]);
            next += 1;
            let keys = self.world.foreign_keys.iter();
            let keys = keys.filter(|key| cascade && family.contains(&key.to));
            let keys = keys.map(|key| key.from).chain(self.tied_to(&family));
            for table in keys.collect::<Vec<Oid>>() {
                if !reached.contains(&table) {
                    reached.push(table);
                }
            }
        }
        for table in reached {
            self.push(table, false, Action::Truncate);
        }
    }

    pub(super) fn update(&mut self, dml: &Dml, countable: Option<Box<Dml>>) {
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
    pub(super) fn countable(&self, statement: &Statement, dml: &Dml) -> Option<Box<Dml>> {
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
            && !self.meaning_changed
            && untouched(&dml.table)
            && statement.reads.iter().all(untouched);
        known.then(|| Box::new(dml.clone()))
    }

    /// The table whose rows change when those of `table` do, which may be a view; and how, in the
    /// names of its own columns. A view has rules and triggers by itself.
    pub(super) fn beneath(&mut self, table: Oid, action: Action) -> (Oid, Action) {
        let writes = matches!(
            action,
            Action::Delete(_) | Action::Update { .. } | Action::Insert
        );
        let world = self.world;
        let (mut at, mut action) = (table, action);
        while let Some(view) = world.views.get(&at).filter(|_| writes) {
            if !world.relations.contains_key(&view.relation) {
                break;
            }
            let relation = world.relations.get(&at);
            if relation.is_some_and(|r| r.triggers) {
                self.push_at(at, None, true, Action::Insert);
            }
            if let Action::Update { columns, .. } = &mut action {
                let its = columns
                    .iter()
                    .map(|column| view.columns.get(column).cloned());
                *columns = its.collect::<Option<_>>().unwrap_or_default();
            }
            at = view.relation;
        }
        (at, action)
    }

    /// Notes the promises of `statement` that today's rows can be asked about.
    pub(super) fn promised(&mut self, statement: &Statement) {
        for promise in &statement.promises {
            let Some(table) = self.as_today(&promise.table) else {
                continue;
            };
            let to = match &promise.promised {
                Promised::Refers { to, .. } => match self.as_today(to) {
                    None => continue,
                    to => to,
                },
                _ => None,
            };
            self.reach.promises.push(Kept {
                place: self.place,
                table,
                to,
                promise: promise.clone(),
            });
        }
    }

    /// The table that `name` means, if it holds the rows and columns that it holds today.
    fn as_today(&self, name: &Name) -> Option<Oid> {
        let (full, Bound::Existing(table)) = self.names.relation(name) else {
            return None;
        };
        let same_name = self
            .world
            .relations
            .get(&table)
            .is_some_and(|r| r.name == full);
        let known =
            same_name && !self.reach.opaque && !self.meaning_changed && !self.changed(table);
        let members = self.world.family(table);
        let mut members = members.iter();
        (known && members.all(|m| self.names.columns_of_untouched(*m))).then_some(table)
    }

    /// Earlier statements that change rows.
    pub(super) fn earlier_dml(&self) -> impl Iterator<Item = &Touch> {
        self.reach
            .touches
            .iter()
            .filter(|touch| touch.place != self.place && touch.action != Action::Redefine)
    }

    pub(super) fn any_rows_changed(&self) -> bool {
        self.earlier_dml().next().is_some()
    }

    /// True when an earlier statement may have changed rows of `table`: directly, through foreign
    /// keys, or because a trigger ran, which may change anything.
    pub(super) fn changed(&self, table: Oid) -> bool {
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
    pub(super) fn reached_from(&self, from: Oid) -> Vec<Oid> {
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
