//! The table locks that a statement takes, by its words.
//!
//! After "Explicit Locking" and the pages of the commands in PostgreSQL's manual. Where a command
//! takes different locks in different forms, the stronger one is told.

use squawk_syntax::SourceFile;

use crate::model::lock::LockMode;
use crate::sql::deep;
use crate::sql::name;
use crate::sql::statement::{Kind, Name, Statement, TableAction};
use crate::sql::tree;

/// The relations that `statement` locks, each with the mode. Plain reads are left out:
/// they are in nobody's way.
pub fn of(statement: &Statement) -> Vec<(Name, LockMode)> {
    let words = words(&statement.text);
    let mut locks = match &statement.kind {
        Kind::DropTable(drop) | Kind::DropMatview(drop) => {
            each(&drop.names, LockMode::AccessExclusive)
        }
        Kind::DropDefinition { on: Some(on), .. } => each([on], LockMode::AccessExclusive),
        Kind::DropDefinition { what, drop, .. } if what == "view" => {
            each(&drop.names, LockMode::AccessExclusive)
        }
        Kind::AlterTable { table, actions, .. } => each([table], altering(actions)),
        Kind::Truncate { tables, .. } => each(tables, LockMode::AccessExclusive),
        Kind::Delete(dml) | Kind::Update(dml) => each([&dml.table], LockMode::RowExclusive),
        Kind::Insert { table, .. } | Kind::CopyFrom(table) => each([table], LockMode::RowExclusive),
        Kind::Changes {
            deletes,
            updates,
            inserts,
        } => each(
            deletes.iter().chain(updates).chain(inserts),
            LockMode::RowExclusive,
        ),
        Kind::Rename { from: table, .. }
        | Kind::RenameColumn { table, .. }
        | Kind::SetSchema { from: table, .. } => each([table], LockMode::AccessExclusive),
        Kind::CreateTable(_) | Kind::EnsureTable(_) => behind(&words, "OF"),
        Kind::Definition { .. } | Kind::NonTransactional { .. } => defining(&words),
        Kind::Harmless if words.first().is_some_and(|w| is(w, "LOCK")) => locking(&words),
        _ => Vec::new(),
    };
    if matches!(statement.kind, Kind::AlterTable { .. }) {
        locks.extend(behind(&words, "PARTITION"));
    }
    // A foreign key puts triggers on the table that it refers to.
    for (place, _) in words
        .iter()
        .enumerate()
        .filter(|(_, w)| is(w, "REFERENCES"))
    {
        locks.extend(name_at(&words, place + 1).map(|name| (name, LockMode::ShareRowExclusive)));
    }
    locks.dedup();
    locks
}

fn each<'a>(names: impl IntoIterator<Item = &'a Name>, mode: LockMode) -> Vec<(Name, LockMode)> {
    names.into_iter().map(|name| (name.clone(), mode)).collect()
}

fn altering(actions: &[TableAction]) -> LockMode {
    let gentle = |action: &TableAction| match action {
        TableAction::Definition { what } => ["VALIDATE", "CLUSTER", "ATTACH"]
            .iter()
            .any(|w| what.starts_with(w)),
        TableAction::DetachPartition { concurrently, .. } => *concurrently,
        _ => false,
    };
    if actions.iter().all(gentle) {
        LockMode::ShareUpdateExclusive
    } else {
        LockMode::AccessExclusive
    }
}

/// The table behind PARTITION OF, or the partition behind ATTACH PARTITION and DETACH PARTITION.
fn behind(words: &[String], last: &str) -> Vec<(Name, LockMode)> {
    let ends = |pair: &[String]| match pair {
        [first, second] if last == "OF" => is(first, "PARTITION") && is(second, last),
        [first, second] => (is(first, "ATTACH") || is(first, "DETACH")) && is(second, last),
        _ => false,
    };
    let place = words.windows(2).position(ends);
    let name = place.and_then(|place| name_at(words, place + 2));
    name.map(|name| (name, LockMode::AccessExclusive))
        .into_iter()
        .collect()
}

/// What LOCK locks.
fn locking(words: &[String]) -> Vec<(Name, LockMode)> {
    let end = words.iter().position(|w| is(w, "IN"));
    let (tables, mode) = words.split_at(end.unwrap_or(words.len()));
    let mode: Vec<&str> = mode.iter().skip(1).map(String::as_str).collect();
    let mode = mode.join(" ").to_ascii_uppercase();
    let mode = match mode.split_once(" MODE") {
        // The two that let others write.
        Some(("ACCESS SHARE" | "ROW SHARE", _)) => return Vec::new(),
        Some((mode, _)) => LockMode::called(mode).unwrap_or(LockMode::AccessExclusive),
        None => LockMode::AccessExclusive,
    };
    let first = 1 + usize::from(tables.get(1).is_some_and(|w| is(w, "TABLE")));
    let names = tables.get(first..).unwrap_or_default();
    let names = names.split(|word| word == ",");
    let names = names.filter_map(|name| name_at(name, 0));
    names.map(|name| (name, mode)).collect()
}

/// What CREATE INDEX, CREATE TRIGGER and their like lock: the table after ON.
fn defining(words: &[String]) -> Vec<(Name, LockMode)> {
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
            after("ON", LockMode::ShareUpdateExclusive)
        }
        Some("INDEX") if first(0, "CREATE") => after("ON", LockMode::Share),
        Some("TRIGGER") if first(0, "CREATE") => after("ON", LockMode::ShareRowExclusive),
        Some("RULE") if first(0, "CREATE") => after("TO", LockMode::AccessExclusive),
        Some("POLICY") => after("ON", LockMode::AccessExclusive),
        Some("VIEW") if first(0, "REFRESH") && has("CONCURRENTLY") => {
            after("CONCURRENTLY", LockMode::Exclusive)
        }
        Some("VIEW") if first(0, "REFRESH") => after("VIEW", LockMode::AccessExclusive),
        _ => Vec::new(),
    }
}

fn is(token: &str, word: &str) -> bool {
    token.eq_ignore_ascii_case(word)
}

/// The name that begins at `place`.
fn name_at(words: &[String], place: usize) -> Option<Name> {
    let mut rest = words.get(place..)?.iter().skip_while(|w| is(w, "ONLY"));
    let mut parts = vec![name::fold(rest.next()?)];
    while let (Some(dot), Some(part)) = (rest.next(), rest.next()) {
        if dot != "." {
            break;
        }
        parts.push(name::fold(part));
    }
    name::from_parts(parts)
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
                .map(|(name, mode)| format!("{name} {}", mode.as_str()))
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
        check(
            "create table p partition of s.t default",
            "s.t ACCESS EXCLUSIVE",
        );
        check(
            "alter table t detach partition p",
            "t ACCESS EXCLUSIVE, p ACCESS EXCLUSIVE",
        );
        check(
            "alter table t attach partition p default",
            "t SHARE UPDATE EXCLUSIVE, p ACCESS EXCLUSIVE",
        );
        check(
            "lock table only s.t, \"U\" in share row exclusive mode nowait",
            "s.t SHARE ROW EXCLUSIVE, \"U\" SHARE ROW EXCLUSIVE",
        );
        check("lock t", "t ACCESS EXCLUSIVE");
        check("lock t in row share mode", "");
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
