//! The classification, statement by statement, in a short form that is easy to compare.

mod definitions;
mod hostile;
mod rows;
mod session;
mod tables;

use crate::sql::parse;
use crate::sql::statement::Dml;
use crate::sql::statement::Drop;
use crate::sql::statement::Kind;
use crate::sql::statement::Name;
use crate::sql::statement::Statement;
use crate::sql::statement::TableAction;

/// Asserts what each statement is, in the words of [`short`].
fn check(cases: &[(&str, &str)]) {
    for (sql, expected) in cases {
        let statements = parse::script(sql);
        assert_eq!(statements.len(), 1, "{sql}: {statements:?}");
        assert_eq!(short(&statements[0].kind), *expected, "{sql}");
        assert_eq!(statements[0].text, sql.trim_end_matches(';'), "{sql}");
        never_panics(sql);
    }
}

/// Asserts which functions a statement calls, and what it reads.
fn check_uses(cases: &[(&str, &str, &str)]) {
    for (sql, functions, reads) in cases {
        let statements = parse::script(sql);
        assert_eq!(statements.len(), 1, "{sql}: {statements:?}");
        assert_eq!(names(&statements[0].functions), *functions, "{sql}");
        assert_eq!(names(&statements[0].reads), *reads, "{sql}");
        never_panics(sql);
    }
}

/// Truncated and mutated, the statement may become anything, but ranges stay true.
fn never_panics(sql: &str) {
    let cuts = sql.char_indices().map(|(i, _)| i);
    for at in cuts.step_by(3) {
        consistent(&sql[..at]);
        consistent(&sql[at..]);
        consistent(&format!(
            "{}{}{}",
            &sql[..at],
            "';$$(\"\\"[at % 7..].chars().next().unwrap_or(';'),
            &sql[at..]
        ));
    }
}

fn consistent(sql: &str) -> Vec<Statement> {
    let statements = parse::script(sql);
    let mut last = 0;
    for statement in &statements {
        assert!(statement.range.start >= last, "{sql}");
        assert_eq!(statement.text, sql[statement.range.clone()], "{sql}");
        last = statement.range.end;
    }
    statements
}

fn name(name: &Name) -> String {
    match &name.schema {
        Some(schema) => format!("{schema}|{}", name.name),
        None => name.name.clone(),
    }
}

fn names(all: &[Name]) -> String {
    all.iter().map(name).collect::<Vec<_>>().join(" ")
}

fn flag(on: bool, word: &str) -> String {
    if on {
        format!(" {word}")
    } else {
        String::new()
    }
}

fn drop(what: &str, drop: &Drop) -> String {
    format!(
        "drop {what} {}{}{}",
        names(&drop.names),
        flag(drop.if_exists, "if_exists"),
        flag(drop.cascade, "cascade")
    )
}

fn dml(what: &str, dml: &Dml) -> String {
    let part = |label: &str, text: &Option<String>| {
        text.as_ref()
            .map_or(String::new(), |t| format!(" {label}[{t}]"))
    };
    let columns = (!dml.columns.is_empty()).then(|| dml.columns.join(","));
    format!(
        "{what} {}{}{}{}{}{}{}",
        name(&dml.table),
        flag(dml.only, "only"),
        part("alias", &dml.alias),
        part("set", &columns),
        part("using", &dml.using),
        part("where", &dml.predicate),
        part("with", &dml.with),
    )
}

fn action(action: &TableAction) -> String {
    match action {
        TableAction::DropColumn {
            column,
            if_exists,
            cascade,
        } => format!(
            "drop {column}{}{}",
            flag(*if_exists, "if_exists"),
            flag(*cascade, "cascade")
        ),
        TableAction::AlterType {
            column,
            new_type,
            using,
        } => {
            let using = using
                .as_ref()
                .map_or(String::new(), |u| format!(" using[{u}]"));
            format!("type {column}[{new_type}]{using}")
        }
        TableAction::AddColumn { column } => format!("add {column}"),
        TableAction::DropConstraint { name, cascade } => {
            format!("constraint {name}{}", flag(*cascade, "cascade"))
        }
        TableAction::RenameConstraint { from, to } => format!("constraint {from} to {to}"),
        TableAction::DetachPartition {
            partition,
            concurrently,
        } => {
            format!(
                "detach {}{}",
                name(partition),
                flag(*concurrently, "concurrently")
            )
        }
        TableAction::Definition { what } => what.clone(),
        TableAction::Refuse { what, .. } => format!("refuse {what}"),
    }
}

/// A kind in one line.
fn short(kind: &Kind) -> String {
    match kind {
        Kind::DropTable(d) => drop("table", d),
        Kind::DropSchema(d) => drop("schema", d),
        Kind::DropType(d) => drop("type", d),
        Kind::DropSequence(d) => drop("sequence", d),
        Kind::DropMatview(d) => drop("matview", d),
        Kind::DropExtension(d) => drop("extension", d),
        Kind::DropDefinition { what, drop: d, on } => {
            let on = on
                .as_ref()
                .map_or(String::new(), |t| format!(" on {}", name(t)));
            format!("{}{on}", drop(what, d))
        }
        Kind::AlterTable {
            table,
            only,
            if_exists,
            actions,
        } => {
            let actions: Vec<String> = actions.iter().map(action).collect();
            format!(
                "alter {}{}{}: {}",
                name(table),
                flag(*only, "only"),
                flag(*if_exists, "if_exists"),
                actions.join("; ")
            )
        }
        Kind::Truncate {
            tables,
            cascade,
            restart_identity,
        } => format!(
            "truncate {}{}{}",
            names(tables),
            flag(*cascade, "cascade"),
            flag(*restart_identity, "restart")
        ),
        Kind::Delete(d) => dml("delete", d),
        Kind::Update(d) => dml("update", d),
        Kind::Insert { table, updates } => {
            format!("insert {}{}", name(table), flag(*updates, "updates"))
        }
        Kind::Changes {
            deletes,
            updates,
            inserts,
        } => format!(
            "changes -[{}] ~[{}] +[{}]",
            names(deletes),
            names(updates),
            names(inserts)
        ),
        Kind::AlterType {
            name: n,
            renamed_to,
            moved_to,
            adds_value,
        } => {
            let to = |label, to: &Option<String>| {
                to.as_ref()
                    .map_or(String::new(), |t| format!(" {label} {t}"))
            };
            format!(
                "type {}{}{}{}",
                name(n),
                to("to", renamed_to),
                to("schema", moved_to),
                flag(*adds_value, "adds_value")
            )
        }
        other => short_other(other),
    }
}

/// The kinds that are short anyway.
fn short_other(kind: &Kind) -> String {
    match kind {
        Kind::Rename { from, to } => format!("rename {} to {to}", name(from)),
        Kind::RenameColumn { table, from, to } => {
            format!("rename {} column {from} to {to}", name(table))
        }
        Kind::SetSchema { from, to } => format!("move {} to {to}", name(from)),
        Kind::RenameSchema { from, to } => format!("rename schema {from} to {to}"),
        Kind::AlterSequence(n) => format!("alter sequence {}", name(n)),
        Kind::CreateTable(n) => format!("create table {}", name(n)),
        Kind::EnsureTable(n) => format!("ensure table {}", name(n)),
        Kind::CreateType(n) => format!("create type {}", name(n)),
        Kind::CreateSchema(n) => format!("create schema {n}"),
        Kind::Definition { what } => what.clone(),
        Kind::Setting { name, values } => format!("set {name} [{}]", values.join(",")),
        Kind::Query => "query".to_owned(),
        Kind::Transaction { opens, closes } => {
            format!(
                "transaction{}{}",
                flag(*opens, "opens"),
                flag(*closes, "closes")
            )
        }
        Kind::Harmless => "harmless".to_owned(),
        Kind::NonTransactional {
            what,
            definition_only,
        } => {
            format!("outside {what}{}", flag(*definition_only, "definition"))
        }
        Kind::Opaque { what } => format!("opaque {what}"),
        Kind::Refuse { what, .. } => format!("refuse {what}"),
        Kind::CopyFrom(n) => format!("copy {}", name(n)),
        Kind::Unknown { .. } => "unknown".to_owned(),
        other => format!("{other:?}"),
    }
}
