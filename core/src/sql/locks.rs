//! The table locks that a statement takes, by its words.
//!
//! After "Explicit Locking" and the pages of the commands in PostgreSQL's manual. Where a command
//! takes different locks in different forms, the stronger one is told.

use squawk_syntax::SourceFile;

use crate::sql::deep;
use crate::sql::statement::{Kind, Name, Statement, TableAction};
use crate::sql::tree;

const ACCESS_EXCLUSIVE: &str = "ACCESS EXCLUSIVE";
const EXCLUSIVE: &str = "EXCLUSIVE";
const SHARE_ROW_EXCLUSIVE: &str = "SHARE ROW EXCLUSIVE";
const SHARE: &str = "SHARE";
const SHARE_UPDATE_EXCLUSIVE: &str = "SHARE UPDATE EXCLUSIVE";
const ROW_EXCLUSIVE: &str = "ROW EXCLUSIVE";

/// The relations that `statement` locks, as written, each with the mode. Plain reads are left out:
/// they are in nobody's way.
pub fn of(statement: &Statement) -> Vec<(String, &'static str)> {
    let words = words(&statement.text);
    let mut locks = match &statement.kind {
        Kind::DropTable(drop) | Kind::DropMatview(drop) => each(&drop.names, ACCESS_EXCLUSIVE),
        Kind::DropDefinition { on: Some(on), .. } => each([on], ACCESS_EXCLUSIVE),
        Kind::DropDefinition { what, drop, .. } if what == "view" => {
            each(&drop.names, ACCESS_EXCLUSIVE)
        }
        Kind::AlterTable { table, actions, .. } => each([table], altering(actions)),
        Kind::Truncate { tables, .. } => each(tables, ACCESS_EXCLUSIVE),
        Kind::Delete(dml) | Kind::Update(dml) => each([&dml.table], ROW_EXCLUSIVE),
        Kind::Insert { table, .. } | Kind::CopyFrom(table) => each([table], ROW_EXCLUSIVE),
        Kind::Changes {
            deletes,
            updates,
            inserts,
        } => each(deletes.iter().chain(updates).chain(inserts), ROW_EXCLUSIVE),
        Kind::Rename { from: table, .. }
        | Kind::RenameColumn { table, .. }
        | Kind::SetSchema { from: table, .. } => each([table], ACCESS_EXCLUSIVE),
        Kind::Definition { .. } | Kind::EnsureTable(_) | Kind::NonTransactional { .. } => {
            defining(&words)
        }
        _ => Vec::new(),
    };
    // A foreign key puts triggers on the table that it refers to.
    for (place, _) in words
        .iter()
        .enumerate()
        .filter(|(_, w)| is(w, "REFERENCES"))
    {
        locks.extend(name_at(&words, place + 1).map(|name| (name, SHARE_ROW_EXCLUSIVE)));
    }
    locks.dedup();
    locks
}

fn each<'a>(
    names: impl IntoIterator<Item = &'a Name>,
    mode: &'static str,
) -> Vec<(String, &'static str)> {
    let written = |name: &Name| match &name.schema {
        Some(schema) => format!("{schema}.{}", name.name),
        None => name.name.clone(),
    };
    let names = names.into_iter();
    names.map(|name| (written(name), mode)).collect()
}

fn altering(actions: &[TableAction]) -> &'static str {
    let gentle = |action: &TableAction| match action {
        TableAction::Definition { what } => ["VALIDATE", "CLUSTER", "ATTACH"]
            .iter()
            .any(|w| what.starts_with(w)),
        TableAction::DetachPartition { concurrently, .. } => *concurrently,
        _ => false,
    };
    if actions.iter().all(gentle) {
        SHARE_UPDATE_EXCLUSIVE
    } else {
        ACCESS_EXCLUSIVE
    }
}

/// What CREATE INDEX, CREATE TRIGGER and their like lock: the table after ON.
fn defining(words: &[String]) -> Vec<(String, &'static str)> {
    let has = |word: &str| words.iter().any(|w| is(w, word));
    let first = |n: usize, word: &str| words.get(n).is_some_and(|w| is(w, word));
    let after = |word: &str, mode| {
        let place = words.iter().position(|w| is(w, word));
        let name = place.and_then(|place| name_at(words, place + 1));
        name.map(|name| (name, mode)).into_iter().collect()
    };
    let mut kinds = words.iter().skip(1).map(|w| w.to_ascii_uppercase());
    let kind = kinds.find(|word| {
        !["OR", "REPLACE", "UNIQUE", "CONSTRAINT", "MATERIALIZED"].contains(&word.as_str())
    });
    match kind.as_deref() {
        Some("INDEX") if first(0, "CREATE") && has("CONCURRENTLY") => {
            after("ON", SHARE_UPDATE_EXCLUSIVE)
        }
        Some("INDEX") if first(0, "CREATE") => after("ON", SHARE),
        Some("TRIGGER") if first(0, "CREATE") => after("ON", SHARE_ROW_EXCLUSIVE),
        Some("RULE") if first(0, "CREATE") => after("TO", ACCESS_EXCLUSIVE),
        Some("POLICY") => after("ON", ACCESS_EXCLUSIVE),
        Some("VIEW") if first(0, "REFRESH") && has("CONCURRENTLY") => {
            after("CONCURRENTLY", EXCLUSIVE)
        }
        Some("VIEW") if first(0, "REFRESH") => after("VIEW", ACCESS_EXCLUSIVE),
        _ => Vec::new(),
    }
}

fn is(token: &str, word: &str) -> bool {
    token.eq_ignore_ascii_case(word)
}

/// The name that begins at `place`, as written.
fn name_at(words: &[String], place: usize) -> Option<String> {
    let mut rest = words.get(place..)?.iter().skip_while(|w| is(w, "ONLY"));
    let mut name = rest.next()?.clone();
    while let (Some(dot), Some(part)) = (rest.next(), rest.next()) {
        if dot != "." {
            break;
        }
        name = format!("{name}.{part}");
    }
    Some(name)
}

fn words(text: &str) -> Vec<String> {
    let parse = |text: &str| {
        let parsed = SourceFile::parse(text).syntax_node();
        tree::tokens(&parsed).map(|t| t.text().to_owned()).collect()
    };
    deep::run(text, parse).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::parse;

    #[test]
    fn modes_are_those_of_the_manual() {
        let check = |sql: &str, expected: &str| {
            let found: Vec<String> = parse::script(sql)
                .iter()
                .flat_map(of)
                .map(|(name, mode)| format!("{name} {mode}"))
                .collect();
            assert_eq!(found.join(", "), expected, "{sql}");
        };
        check("alter table s.t add a int", "s.t ACCESS EXCLUSIVE");
        check(
            "alter table t validate constraint c",
            "t SHARE UPDATE EXCLUSIVE",
        );
        check(
            "alter table t add constraint f foreign key (a) references u (id)",
            "t ACCESS EXCLUSIVE, u SHARE ROW EXCLUSIVE",
        );
        check(
            "create table n (a int references s.u)",
            "s.u SHARE ROW EXCLUSIVE",
        );
        check("create unique index i on only s.t (a)", "s.t SHARE");
        check(
            "create index concurrently i on t (a)",
            "t SHARE UPDATE EXCLUSIVE",
        );
        check(
            "create trigger x after insert on t execute function f()",
            "t SHARE ROW EXCLUSIVE",
        );
        check("create policy p on t", "t ACCESS EXCLUSIVE");
        check("drop trigger x on t", "t ACCESS EXCLUSIVE");
        check("refresh materialized view v", "v ACCESS EXCLUSIVE");
        check("refresh materialized view concurrently v", "v EXCLUSIVE");
        check("truncate a, b", "a ACCESS EXCLUSIVE, b ACCESS EXCLUSIVE");
        check(
            "insert into t values (1); delete from u",
            "t ROW EXCLUSIVE, u ROW EXCLUSIVE",
        );
        check(
            "create table t (); comment on table t is 'on t'; select 1 from t",
            "",
        );
    }
}
