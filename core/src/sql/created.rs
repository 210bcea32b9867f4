//! What a script made itself, and may therefore destroy without anyone losing anything.

use crate::sql::statement::Kind;
use crate::sql::statement::Name;
use crate::sql::statement::Statement;
use crate::sql::statement::TableAction;

/// The tables, types, schemas and columns that a script has created so far.
///
/// Names are compared as written. Whatever could change what a name means (another search path,
/// code that can't be read) makes it forget everything: then nothing counts as the script's own.
#[derive(Debug, Default)]
pub struct Created {
    tables: Vec<Name>,
    types: Vec<Name>,
    schemas: Vec<String>,
    columns: Vec<(Name, String)>,
}

impl Created {
    /// Whether the script created this table.
    pub fn has_table(&self, table: &Name) -> bool {
        self.tables.contains(table) || self.in_own_schema(table)
    }

    /// Whether the script created this type.
    pub fn has_type(&self, name: &Name) -> bool {
        self.types.contains(name) || self.in_own_schema(name)
    }

    /// Whether the script created this schema.
    pub fn has_schema(&self, schema: &Name) -> bool {
        self.schemas.contains(&schema.name)
    }

    /// Whether the script added this column, or created its table.
    pub fn has_column(&self, table: &Name, column: &str) -> bool {
        self.has_table(table) || self.columns.iter().any(|(t, c)| t == table && c == column)
    }

    /// Takes note of what `statement` does. To be called after it was judged.
    pub fn note(&mut self, statement: &Statement) {
        if statement.functions.iter().any(|f| f.name == "set_config") {
            *self = Self::default();
        }
        match &statement.kind {
            Kind::CreateTable(table) => self.tables.push(table.clone()),
            Kind::CreateType(name) => self.types.push(name.clone()),
            Kind::CreateSchema(schema) => self.schemas.push(schema.clone()),
            Kind::AlterTable { table, actions, .. } => self.note_actions(table, actions),
            Kind::DropTable(drop) => drop.names.iter().for_each(|n| self.forget_table(n)),
            Kind::DropType(drop) => {
                for gone in &drop.names {
                    self.types.retain(|t| t.name != gone.name);
                }
            }
            Kind::Rename { from, to } => {
                let renamed = Name {
                    schema: from.schema.clone(),
                    name: to.clone(),
                };
                self.move_table(from, &renamed);
            }
            Kind::SetSchema { from, to } => {
                let moved = Name {
                    schema: Some(to.clone()),
                    name: from.name.clone(),
                };
                self.move_table(from, &moved);
            }
            Kind::RenameColumn { table, from, .. } => {
                self.columns
                    .retain(|(t, c)| t.name != table.name || c != from);
            }
            Kind::Setting { name, .. } if name == "search_path" => *self = Self::default(),
            // Takes the extension's tables along, into a schema that may be the script's own.
            Kind::Definition { what } if what == "ALTER EXTENSION" => *self = Self::default(),
            Kind::AlterType { .. }
            | Kind::DropSchema(_)
            | Kind::RenameSchema { .. }
            | Kind::Transaction { .. }
            | Kind::Opaque { .. }
            | Kind::Refuse { .. }
            | Kind::Unknown { .. } => *self = Self::default(),
            _ => {}
        }
    }

    fn note_actions(&mut self, table: &Name, actions: &[TableAction]) {
        for action in actions {
            match action {
                TableAction::AddColumn { column } => {
                    self.columns.push((table.clone(), column.clone()));
                }
                TableAction::DropColumn { column, .. } => {
                    self.columns
                        .retain(|(t, c)| t.name != table.name || c != column);
                }
                // A column that held values before may be of an own type now, and go with it.
                TableAction::AlterType { .. } => {
                    self.types.clear();
                    self.schemas.clear();
                }
                // A table with rows may be part of an own one now, and go with it.
                TableAction::Definition { what }
                    if matches!(what.as_str(), "ATTACH PARTITION" | "INHERIT TABLE") =>
                {
                    *self = Self::default();
                }
                _ => {}
            }
        }
    }

    /// Everything in a schema that the script created is its own too.
    fn in_own_schema(&self, name: &Name) -> bool {
        name.schema
            .as_ref()
            .is_some_and(|schema| self.schemas.contains(schema))
    }

    /// Whatever is called like `table` in any schema: the name may mean another one from now on.
    fn forget_table(&mut self, table: &Name) {
        self.tables.retain(|t| t.name != table.name);
        self.columns.retain(|(t, _)| t.name != table.name);
        if let Some(schema) = &table.schema {
            self.schemas.retain(|s| s != schema);
        }
    }

    fn move_table(&mut self, from: &Name, to: &Name) {
        let own = self.tables.contains(from);
        let columns: Vec<String> = self
            .columns
            .iter()
            .filter(|(t, _)| t == from)
            .map(|(_, c)| c.clone())
            .collect();
        self.forget_table(from);
        self.forget_table(to);
        if own {
            self.tables.push(to.clone());
        }
        self.columns
            .extend(columns.into_iter().map(|c| (to.clone(), c)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::parse;

    #[test]
    fn only_what_is_certainly_the_scripts_own_counts() {
        let check = |sql: &str, table: &str, expected: bool| {
            let mut created = Created::default();
            for statement in &parse::script(sql) {
                created.note(statement);
            }
            let (schema, name) = table.split_once('.').unwrap_or(("", table));
            let table = Name {
                schema: (!schema.is_empty()).then(|| schema.to_owned()),
                name: name.to_owned(),
            };
            assert_eq!(created.has_table(&table), expected, "{sql}");
        };
        check("create table t (a int)", "t", true);
        check("create temp table t as select 1", "t", true);
        check("create table t (a int)", "public.t", false);
        check("create table if not exists t (a int)", "t", false);
        check("create table t (a int); drop table t", "t", false);
        check("create table t (a int); drop table public.t", "t", false);
        check("create table t (a int); set search_path to x", "t", false);
        check(
            "create table t (a int); select set_config('a', 'b', true)",
            "t",
            false,
        );
        check("create table t (a int); do $$ begin end $$", "t", false);
        check(
            "create table t (a int); alter table t rename to u",
            "u",
            true,
        );
        check(
            "create table t (a int); alter table t rename to u",
            "t",
            false,
        );
        check(
            "create table t (a int); alter table t set schema s",
            "s.t",
            true,
        );
        check(
            "create table t (a int); alter table s.t rename to u",
            "t",
            false,
        );
        check("create schema s", "s.t", true);
        check("create schema if not exists s", "s.t", false);
        check("create schema s; drop table s.t", "s.t", false);
        check("create table t (a int); savepoint a", "t", false);
        check("create schema s; alter table t set schema s", "s.t", false);
        check(
            "create schema s; alter table u alter c type s.x",
            "s.t",
            false,
        );
        check(
            "create schema s; alter extension e set schema s",
            "s.t",
            false,
        );
        check(
            "create table t (a int); alter table t attach partition p default",
            "t",
            false,
        );
        check(
            "create table t (a int); alter table p inherit t",
            "t",
            false,
        );
    }

    #[test]
    fn columns_follow_their_table() {
        let check = |sql: &str, column: &str, expected: bool| {
            let mut created = Created::default();
            for statement in &parse::script(sql) {
                created.note(statement);
            }
            let table = Name {
                schema: None,
                name: "t".to_owned(),
            };
            assert_eq!(created.has_column(&table, column), expected, "{sql}");
        };
        check("alter table t add a int", "a", true);
        check("alter table t add column if not exists a int", "a", false);
        check("alter table t add a int, drop a", "a", false);
        check(
            "alter table t add a int; alter table t rename a to b",
            "b",
            false,
        );
        check(
            "alter table u add a int; alter table u rename to t",
            "a",
            true,
        );
        check("alter table s.t add a int", "a", false);
    }
}
