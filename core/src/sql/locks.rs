//! The table locks that a statement takes, by its words.
//!
//! After "Explicit Locking" and the pages of the commands in PostgreSQL's manual. Where a command
//! takes different locks in different forms, the stronger one is told.

use std::fmt;

use squawk_syntax::SourceFile;

use crate::model::lock::LockMode;
use crate::sql::deep;
use crate::sql::name;
use crate::sql::statement::{Kind, Name, Statement, TableAction};
use crate::sql::tree;

/// What a lock is on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum On {
    /// A relation with its partitions and children.
    Relation(Name),
    /// The table of this index.
    Index(Name),
    /// The same; and of a view, what it reads.
    Beneath(Name),
    /// The same, since a foreign key of the second one refers to it from here on, and acts.
    Referenced(Name, Name, Acts),
    /// A table that becomes a partition.
    Attached(Name),
    /// A partitioned table that gets a partition.
    Gaining(Name, Name),
    /// A partitioned table that loses one.
    Losing(Name, Name),
    /// Every table with a column of this domain.
    Domain(Name),
    /// Every table made OF this type.
    Typed(Name),
}

/// What a foreign key does to rows that refer to one that goes or gets another key.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Acts {
    /// They go, too.
    pub deletes: bool,
    /// They get other values.
    pub updates: bool,
}

impl On {
    /// What the statement names.
    pub const fn name(&self) -> &Name {
        match self {
            Self::Relation(name)
            | Self::Index(name)
            | Self::Beneath(name)
            | Self::Referenced(name, ..)
            | Self::Attached(name)
            | Self::Gaining(name, _)
            | Self::Losing(name, _)
            | Self::Domain(name)
            | Self::Typed(name) => name,
        }
    }
}

impl fmt::Display for On {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Index(name) => write!(f, "the table of {name}"),
            Self::Domain(name) => write!(f, "every table with a column of {name}"),
            Self::Typed(name) => write!(f, "every table of type {name}"),
            _ => write!(f, "{}", self.name()),
        }
    }
}

/// What `statement` locks, each with the mode. Plain reads are left out: they are in nobody's way.
pub fn of(statement: &Statement) -> Vec<(On, LockMode)> {
    let words = words(&statement.text);
    let mut locks = match &statement.kind {
        Kind::DropTable(drop) | Kind::DropMatview(drop) => {
            each(&drop.names, LockMode::AccessExclusive)
        }
        Kind::DropDefinition { on: Some(on), .. } => each([on], LockMode::AccessExclusive),
        Kind::DropDefinition { what, drop, .. } if what == "view" => {
            each(&drop.names, LockMode::AccessExclusive)
        }
        Kind::AlterTable { table, actions, .. } => altering(&words, table, actions),
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
        Kind::CreateTable(table) | Kind::EnsureTable(table) => {
            let parent = behind(&words, |pair| {
                is(&pair[0], "PARTITION") && is(&pair[1], "OF")
            });
            let gaining = |parent| {
                (
                    On::Gaining(parent, table.clone()),
                    LockMode::AccessExclusive,
                )
            };
            let parent = parent.map(gaining).into_iter();
            parent.chain(referenced(&words, table)).collect()
        }
        Kind::AlterType { name, .. } => of_type(&words, name),
        Kind::Definition { .. } | Kind::NonTransactional { .. } => defining(&words),
        Kind::Harmless if first(&words, 0, "LOCK") => locking(&words),
        _ => Vec::new(),
    };
    locks.dedup();
    locks
}

fn each<'a>(names: impl IntoIterator<Item = &'a Name>, mode: LockMode) -> Vec<(On, LockMode)> {
    let lock = |name: &Name| (On::Relation(name.clone()), mode);
    names.into_iter().map(lock).collect()
}

/// What ALTER TABLE locks.
fn altering(words: &[String], table: &Name, actions: &[TableAction]) -> Vec<(On, LockMode)> {
    let attaching = |pair: &[String]| is(&pair[0], "ATTACH") && is(&pair[1], "PARTITION");
    if let Some(partition) = behind(words, attaching) {
        let parent = On::Gaining(table.clone(), partition.clone());
        return vec![
            (parent, LockMode::ShareUpdateExclusive),
            (On::Attached(partition), LockMode::AccessExclusive),
        ];
    }
    if let [
        TableAction::DetachPartition {
            partition,
            concurrently,
        },
    ] = actions
    {
        let mode = if *concurrently {
            LockMode::ShareUpdateExclusive
        } else {
            LockMode::AccessExclusive
        };
        return vec![
            (On::Losing(table.clone(), partition.clone()), mode),
            (On::Relation(partition.clone()), LockMode::AccessExclusive),
        ];
    }
    let gentle = |action: &TableAction| match action {
        TableAction::Definition { what } => {
            ["VALIDATE", "CLUSTER"].iter().any(|w| what.starts_with(w))
        }
        _ => false,
    };
    let mode = if actions.iter().all(gentle) {
        LockMode::ShareUpdateExclusive
    } else {
        LockMode::AccessExclusive
    };
    let mut locks = each([table], mode);
    locks.extend(referenced(words, table));
    locks
}

/// The tables that foreign keys of `by` refer to: they put triggers there.
fn referenced(words: &[String], by: &Name) -> impl Iterator<Item = (On, LockMode)> {
    let places = words.iter().enumerate();
    let places = places.filter(|(_, word)| is(word, "REFERENCES"));
    let names =
        places.filter_map(|(place, _)| Some((name_at(words, place + 1)?, acts(words, place))));
    names.map(|(name, acts)| {
        let on = On::Referenced(name, by.clone(), acts);
        (on, LockMode::ShareRowExclusive)
    })
}

/// What the foreign key does whose REFERENCES stands at `place`.
fn acts(words: &[String], place: usize) -> Acts {
    let rest = words.get(place + 1..).unwrap_or_default();
    let end = rest.iter().position(|word| is(word, "REFERENCES"));
    let rest = &rest[..end.unwrap_or(rest.len())];
    let on = |event: &str, action: &str| {
        let here = |w: &[String]| is(&w[0], "ON") && is(&w[1], event) && is(&w[2], action);
        rest.windows(3).any(here)
    };
    Acts {
        deletes: on("DELETE", "CASCADE"),
        updates: on("DELETE", "SET") || on("UPDATE", "CASCADE") || on("UPDATE", "SET"),
    }
}

/// The name behind two words that are what is looked for.
fn behind(words: &[String], wanted: impl Fn(&[String]) -> bool) -> Option<Name> {
    let place = words.windows(2).position(wanted)?;
    name_at(words, place + 2)
}

/// What ALTER TYPE and ALTER DOMAIN lock.
fn of_type(words: &[String], name: &Name) -> Vec<(On, LockMode)> {
    let has = |word: &str| words.iter().any(|w| is(w, word));
    // A domain's rows are looked through, unless nothing is promised of those that are there.
    let not_valid = words.last().is_some_and(|w| is(w, "VALID"));
    let action = words.iter().position(|w| {
        let actions = ["ADD", "VALIDATE", "SET"];
        actions.iter().any(|action| is(w, action))
    });
    let checks = action.is_some_and(|place| {
        let harmless = ["DEFAULT", "SCHEMA"];
        !harmless.iter().any(|word| first(words, place + 1, word))
    });
    if first(words, 1, "DOMAIN") && checks && !not_valid {
        vec![(On::Domain(name.clone()), LockMode::Share)]
    } else if first(words, 1, "TYPE") && has("CASCADE") {
        vec![(On::Typed(name.clone()), LockMode::AccessExclusive)]
    } else {
        Vec::new()
    }
}

/// What LOCK locks.
fn locking(words: &[String]) -> Vec<(On, LockMode)> {
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
    let begin = 1 + usize::from(first(tables, 1, "TABLE"));
    let names = tables.get(begin..).unwrap_or_default();
    let names = names.split(|word| word == ",");
    let names = names.filter_map(|name| name_at(name, 0));
    names.map(|name| (On::Beneath(name), mode)).collect()
}

/// What CREATE INDEX, CREATE TRIGGER and their like lock.
fn defining(words: &[String]) -> Vec<(On, LockMode)> {
    let has = |word: &str| words.iter().any(|w| is(w, word));
    let after = |word: &str, mode| {
        let place = words.iter().position(|w| is(w, word));
        let name = place.and_then(|place| name_at(words, place + 1));
        let lock = name.map(|name| (On::Relation(name), mode));
        lock.into_iter().collect()
    };
    let (creates, alters) = (first(words, 0, "CREATE"), first(words, 0, "ALTER"));
    if first(words, 0, "REINDEX") {
        return rebuilding(words);
    }
    if first(words, 0, "CLUSTER") {
        return clustering(words);
    }
    let mut kinds = words.iter().skip(1).map(|w| w.to_ascii_uppercase());
    let kind = kinds.find(|word| {
        !["OR", "REPLACE", "UNIQUE", "CONSTRAINT", "MATERIALIZED"].contains(&word.as_str())
    });
    match kind.as_deref() {
        Some("INDEX") if creates && has("CONCURRENTLY") => {
            after("ON", LockMode::ShareUpdateExclusive)
        }
        Some("INDEX") if creates => after("ON", LockMode::Share),
        Some("TRIGGER") if creates => after("ON", LockMode::ShareRowExclusive),
        Some("RULE") if creates => after("TO", LockMode::AccessExclusive),
        Some("POLICY") if creates => after("ON", LockMode::AccessExclusive),
        Some("TRIGGER" | "RULE" | "POLICY") if alters => after("ON", LockMode::AccessExclusive),
        Some("VIEW") if first(words, 0, "REFRESH") && has("CONCURRENTLY") => {
            after("CONCURRENTLY", LockMode::Exclusive)
        }
        Some("VIEW") if first(words, 0, "REFRESH") => after("VIEW", LockMode::AccessExclusive),
        Some("VIEW") if alters && first(words, 1, "MATERIALIZED") => {
            let word = if has("EXISTS") { "EXISTS" } else { "VIEW" };
            after(word, LockMode::AccessExclusive)
        }
        _ => Vec::new(),
    }
}

/// What REINDEX locks: a table, or that of an index.
fn rebuilding(words: &[String]) -> Vec<(On, LockMode)> {
    let mode = if words.iter().any(|w| is(w, "CONCURRENTLY")) {
        LockMode::ShareUpdateExclusive
    } else {
        LockMode::Share
    };
    let target = |word: &String| is(word, "TABLE") || is(word, "INDEX");
    let place = words.iter().position(target).unwrap_or_default();
    let on = if first(words, place, "INDEX") {
        On::Index
    } else {
        On::Relation
    };
    let name = name_at(words, place + 1).filter(|_| place > 0);
    name.map(|name| (on(name), mode)).into_iter().collect()
}

/// What CLUSTER locks: `t`, `t USING i` or `i ON t`.
fn clustering(words: &[String]) -> Vec<(On, LockMode)> {
    let options = words.iter().rposition(|w| w == ")" || is(w, "VERBOSE"));
    let on = words.iter().position(|w| is(w, "ON"));
    let name = name_at(words, on.or(options).unwrap_or_default() + 1);
    let lock = name.map(|name| (On::Relation(name), LockMode::AccessExclusive));
    lock.into_iter().collect()
}

fn first(words: &[String], place: usize, word: &str) -> bool {
    words.get(place).is_some_and(|w| is(w, word))
}

fn is(token: &str, word: &str) -> bool {
    token.eq_ignore_ascii_case(word)
}

/// The name that begins at `place`.
fn name_at(words: &[String], place: usize) -> Option<Name> {
    let skipped = |word: &&String| is(word, "ONLY") || is(word, "CONCURRENTLY");
    let mut rest = words.get(place..)?.iter().skip_while(skipped);
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
                .map(|(on, mode)| format!("{on} {}", mode.as_str()))
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
            "create table t (); comment on table t is 'on t'; select 1 from t; \
             grant references, trigger on t to public; revoke trigger on t from public",
            "",
        );
    }

    #[test]
    fn what_is_named_by_its_index_its_type_or_its_view() {
        let check = |sql: &str, expected: &[(On, LockMode)]| {
            let found: Vec<_> = parse::script(sql).iter().flat_map(of).collect();
            assert_eq!(found, expected, "{sql}");
        };
        let name = |name: &str| Name {
            schema: None,
            name: name.to_owned(),
        };
        let table = |table| On::Relation(name(table));
        let index = || On::Index(name("i"));
        check("reindex table t", &[(table("t"), LockMode::Share)]);
        check("reindex (verbose) index i", &[(index(), LockMode::Share)]);
        check(
            "reindex index concurrently i",
            &[(index(), LockMode::ShareUpdateExclusive)],
        );
        for sql in [
            "cluster t",
            "cluster verbose t",
            "cluster (verbose) t using i",
            "cluster i on t",
            "alter trigger x on t rename to y",
            "alter rule x on t rename to y",
            "alter materialized view if exists t set (fillfactor = 50)",
            "alter materialized view t cluster on i",
        ] {
            check(sql, &[(table("t"), LockMode::AccessExclusive)]);
        }
        for sql in [
            "alter domain d add check (value > 0)",
            "alter domain d add constraint c not null",
            "alter domain d validate constraint c",
            "alter domain d set not null",
        ] {
            check(sql, &[(On::Domain(name("d")), LockMode::Share)]);
        }
        for sql in [
            "alter domain d add check (value > 0) not valid",
            "alter domain d set default 1",
            "alter domain d set schema s",
            "alter domain d drop not null",
            "alter type e add value 'x'",
            "alter type c add attribute b int",
        ] {
            check(sql, &[]);
        }
        check(
            "alter type c add attribute b int cascade",
            &[(On::Typed(name("c")), LockMode::AccessExclusive)],
        );
        check(
            "lock v in exclusive mode",
            &[(On::Beneath(name("v")), LockMode::Exclusive)],
        );
        check(
            "alter table t attach partition p default",
            &[
                (
                    On::Gaining(name("t"), name("p")),
                    LockMode::ShareUpdateExclusive,
                ),
                (On::Attached(name("p")), LockMode::AccessExclusive),
            ],
        );
    }
}
