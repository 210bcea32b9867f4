//! FW-DESTROYS: destroys data that no rollback brings back.

use crate::model::loss::{Finding, Severity};
use crate::rules::rule::{Direction, Rule};
use crate::rules::script::Script;
use crate::sql::statement::{Kind, TableAction};

/// The rule.
pub(in crate::rules) static RULE: Rule = Rule {
    id: "FW-DESTROYS",
    direction: Direction::Forward,
    severity: Severity::Warn,
    title: "destroys data that no rollback script brings back",
    condition: "DROP TABLE, DROP COLUMN or TRUNCATE in the script that applies a migration",
    effect: "what it destroys is in no snapshot of a rollback",
    workaround: "take a backup first: `migrate upgrade --backup` saves what pending migrations touch",
    bad: "ALTER TABLE orders DROP note;",
    good: "ALTER TABLE orders ALTER note DROP NOT NULL;",
    check,
};

fn check(script: &Script, found: &mut Vec<Finding>) {
    script.each(
        |statement, created| match &statement.kind {
            Kind::DropTable(drop) => drop
                .names
                .iter()
                .filter(|table| !created.has_table(table))
                .map(|table| format!("drops {table} with its rows"))
                .collect(),
            Kind::Truncate { tables, .. } => tables
                .iter()
                .filter(|table| !created.has_table(table))
                .map(|table| format!("empties {table}"))
                .collect(),
            Kind::AlterTable { table, actions, .. } => actions
                .iter()
                .filter_map(|action| match action {
                    TableAction::DropColumn { column, .. }
                        if !created.has_column(table, column) =>
                    {
                        Some(format!("drops column {column} of {table} with its values"))
                    }
                    _ => None,
                })
                .collect(),
            _ => Vec::new(),
        },
        &RULE,
        found,
    );
}
