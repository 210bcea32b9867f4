//! What makes an object that is there, and not as it should be, as it should be: all but values.

use crate::ident::TableName;
use crate::sql::quote;

use super::render;
use super::{Change, ObjectKey, ObjectKind};

/// Statements, in four parts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Steps {
    /// What takes away what needs other things: before those go.
    pub first: Vec<String>,
    /// What takes a promise away, and another type: before rows are put back.
    pub early: Vec<String>,
    /// What makes a table a part of another one: once that is there.
    pub attach: Vec<String>,
    /// What promises something: once the rows are there.
    pub late: Vec<String>,
}

/// How values of a column become those of another type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conversion {
    /// As a migration would: by a cast.
    Cast,
    /// By what they are as text. Old ones are put back afterwards.
    Text,
}

/// True for a column that is computed, and was not or by something else, so that it is made anew: no
/// statement changes that.
pub fn is_computed_otherwise(change: &Change) -> bool {
    if change.key.kind != ObjectKind::Column {
        return false;
    }
    let [to, from] = [&change.before, &change.after].map(|d| render::generated(d));
    let stays = to.is_none() && from.as_ref().is_some_and(|(_, stored)| *stored);
    to != from && !stays
}

/// True for a sequence that is an identity's, and was none's or another one's: no statement changes that.
pub fn is_drawn_otherwise(change: &Change) -> bool {
    let of = |definition| fact(definition, "identity of ");
    change.key.kind == ObjectKind::Sequence && of(&change.before) != of(&change.after)
}

/// A statement that makes a routine, so that it takes the place of the one that is there.
pub fn replacing(create: String) -> String {
    match create.strip_prefix("CREATE ") {
        Some(rest) if rest.starts_with("FUNCTION") || rest.starts_with("PROCEDURE") => {
            format!("CREATE OR REPLACE {rest}")
        }
        _ => create,
    }
}

/// What validates a constraint that was valid before; `None` for anything else.
pub fn validate(change: &Change) -> Option<String> {
    const NOT: &str = "\nnot validated";
    let table = change.key.table.as_ref()?;
    let validated = change.key.kind == ObjectKind::Constraint
        && change.after.contains(NOT)
        && !change.before.contains(NOT);
    let table = quote::table(&TableName::new(&change.key.schema, table));
    let name = quote::ident(&change.key.name);
    validated.then(|| format!("ALTER TABLE {table} VALIDATE CONSTRAINT {name}"))
}

/// The steps for a column, a table or a sequence; none for anything else. What the column of a child has
/// `inherited` from one that changes alike comes with that.
pub fn steps(change: &Change, conversion: Conversion, inherited: bool) -> Steps {
    match change.key.kind {
        ObjectKind::Column => column(change, conversion, inherited).unwrap_or_default(),
        ObjectKind::Table => table(change),
        ObjectKind::Sequence => sequence(change),
        _ => Steps::default(),
    }
}

fn column(change: &Change, conversion: Conversion, inherited: bool) -> Option<Steps> {
    let steps = |definition: &str| render::steps(&change.key, definition);
    let (to, from) = (steps(&change.before)?, steps(&change.after)?);
    let alter = render::alter_column(&change.key)?;
    // Children have their own.
    let only = alter.replacen("ALTER TABLE ", "ALTER TABLE ONLY ", 1);
    let type_of = |definition: &str| definition.lines().next().unwrap_or_default().to_owned();
    let (old, new) = (type_of(&change.after), type_of(&change.before));
    let generated = [&change.before, &change.after].map(|d| render::generated(d).is_some());
    let mut first = Vec::new();
    let mut early = Vec::new();
    let mut late = Vec::new();
    let retyped = old != new;
    if from.default.is_some() && (retyped || to.default.is_none()) {
        first.push(format!("{only} DROP DEFAULT"));
    }
    if from.identity.is_some() && to.identity.is_none() && !inherited {
        first.push(format!("{alter} DROP IDENTITY"));
    }
    if generated == [false, true] && !inherited {
        first.push(format!("{alter} DROP EXPRESSION"));
    }
    let renamed = render::rename_not_null(&change.key, &change.before, &change.after);
    let other = to.set_not_null != from.set_not_null && renamed.is_none();
    if other && from.set_not_null.is_some() {
        early.push(format!("{alter} DROP NOT NULL"));
    }
    if retyped && !inherited {
        let name = quote::ident(&change.key.name);
        let bare = new.split(" COLLATE ").next().unwrap_or_default();
        let value = match (conversion, generated) {
            (_, [true, _]) => String::new(),
            (Conversion::Cast, _) => format!(" USING {name}::{bare}"),
            (Conversion::Text, _) => format!(" USING {name}::pg_catalog.text::{bare}"),
        };
        early.push(format!("{alter} TYPE {new}{value}"));
    }
    if retyped || to.default != from.default {
        late.extend(to.set_default);
    }
    late.extend(renamed);
    if other {
        late.extend(to.set_not_null);
    }
    if let (Some(kind), true) = (&to.identity, to.identity != from.identity)
        && from.identity.is_some()
        && !inherited
    {
        late.push(format!("{alter} SET GENERATED {}", kind.to_uppercase()));
    }
    let settings = to.settings.iter();
    let given = settings.filter(|setting| !from.settings.contains(setting));
    late.extend(given.cloned());
    Some(Steps {
        first,
        early,
        attach: Vec::new(),
        late,
    })
}

/// Row level security, options, what tells rows apart for subscribers, whether it is logged.
fn table(change: &Change) -> Steps {
    let alter = alter_table(&change.key);
    let has = |definition: &str, fact: &str| definition.lines().any(|line| line == fact);
    let facts = [
        (
            "row level security",
            "ENABLE ROW LEVEL SECURITY",
            "DISABLE ROW LEVEL SECURITY",
        ),
        (
            "row level security forced",
            "FORCE ROW LEVEL SECURITY",
            "NO FORCE ROW LEVEL SECURITY",
        ),
        ("unlogged", "SET UNLOGGED", "SET LOGGED"),
    ];
    let turned = facts.into_iter().filter_map(|(fact, on, off)| {
        match (has(&change.before, fact), has(&change.after, fact)) {
            (true, false) => Some(on.to_owned()),
            (false, true) => Some(off.to_owned()),
            _ => None,
        }
    });
    let mut late: Vec<String> = turned.collect();
    let identity = |definition: &str| match fact(definition, "replica identity ") {
        Some("f") => "FULL",
        Some("n") => "NOTHING",
        _ => "DEFAULT",
    };
    if identity(&change.before) != identity(&change.after) {
        late.push(format!("REPLICA IDENTITY {}", identity(&change.before)));
    }
    for (word, prefix) in [("with ", ""), ("toast with ", "toast.")] {
        let of = |definition| fact(definition, word).map(str::to_owned);
        let (to, from) = (of(&change.before), of(&change.after));
        if to == from {
            continue;
        }
        let name = |option: &str| {
            let name = option.split_once('=').map_or(option, |(name, _)| name);
            format!("{prefix}{}", quote::ident(name))
        };
        let options = |list: &str, one: &dyn Fn(&str) -> String| {
            list.split(", ").map(one).collect::<Vec<_>>().join(", ")
        };
        late.extend(from.map(|list| format!("RESET ({})", options(&list, &name))));
        let value = |option: &str| {
            let value = option.split_once('=').map_or("", |(_, value)| value);
            format!("{} = {}", name(option), quote::literal(value))
        };
        late.extend(to.map(|list| format!("SET ({})", options(&list, &value))));
    }
    let (first, attach) = parents(change, &alter);
    Steps {
        first,
        attach,
        early: Vec::new(),
        late: late.iter().map(|rest| format!("{alter} {rest}")).collect(),
    }
}

/// What a sequence counts by, and whose it is. That of an identity belongs to its column for good.
fn sequence(change: &Change) -> Steps {
    let mut words = Vec::new();
    for (line, word) in [
        ("as ", "AS "),
        ("increment ", "INCREMENT BY "),
        ("minimum ", "MINVALUE "),
        ("maximum ", "MAXVALUE "),
        ("start ", "START WITH "),
        ("cache ", "CACHE "),
    ] {
        let (to, from) = (fact(&change.before, line), fact(&change.after, line));
        words.extend(
            to.filter(|to| Some(*to) != from)
                .map(|to| format!("{word}{to}")),
        );
    }
    let cycles = |definition: &str| definition.lines().any(|line| line == "cycle");
    match (cycles(&change.before), cycles(&change.after)) {
        (true, false) => words.push("CYCLE".to_owned()),
        (false, true) => words.push("NO CYCLE".to_owned()),
        _ => {}
    }
    let owned = |definition| fact(definition, "owned by ");
    let (to, from) = (owned(&change.before), owned(&change.after));
    if to != from {
        words.push(format!("OWNED BY {}", to.unwrap_or("NONE")));
    }
    let name = quote::table(&TableName::new(&change.key.schema, &change.key.name));
    let alter = (!words.is_empty()).then(|| format!("ALTER SEQUENCE {name} {}", words.join(" ")));
    Steps {
        late: alter.into_iter().collect(),
        ..Steps::default()
    }
}

/// What takes a table from the parents that it should not have, and gives it those that it should.
fn parents(change: &Change, alter: &str) -> (Vec<String>, Vec<String>) {
    let table = quote::table(&TableName::new(&change.key.schema, &change.key.name));
    let mut first = Vec::new();
    let mut attach = Vec::new();
    let partition = |definition| {
        let rest = fact(definition, "partition of ")?;
        let end = rest.find(" FOR VALUES ");
        rest.split_at_checked(end.unwrap_or(rest.len().checked_sub(" DEFAULT".len())?))
    };
    let (to, from) = (partition(&change.before), partition(&change.after));
    if to != from {
        first.extend(from.map(|(of, _)| format!("ALTER TABLE {of} DETACH PARTITION {table}")));
        attach.extend(
            to.map(|(of, bound)| format!("ALTER TABLE ONLY {of} ATTACH PARTITION {table}{bound}")),
        );
    }
    let inherits = |definition| -> Vec<String> {
        let list = fact(definition, "inherits ")
            .unwrap_or_default()
            .split(", ");
        let parents = list.filter(|parent| !parent.is_empty());
        parents.map(str::to_owned).collect()
    };
    let (to, from) = (inherits(&change.before), inherits(&change.after));
    // What stays makes no column the child's own, but another order takes all of them.
    let mut stay: Vec<&String> = from.iter().filter(|parent| to.contains(parent)).collect();
    if !stay.iter().copied().eq(to.iter().take(stay.len())) {
        stay.clear();
    }
    let each = |list: &[String], word: &str| -> Vec<String> {
        let parents = list.iter().filter(|parent| !stay.contains(parent));
        parents
            .map(|parent| format!("{alter} {word} {parent}"))
            .collect()
    };
    first.extend(each(&from, "NO INHERIT"));
    attach.extend(each(&to, "INHERIT"));
    (first, attach)
}

fn alter_table(key: &ObjectKey) -> String {
    let name = TableName::new(&key.schema, &key.name);
    format!("ALTER TABLE {}", quote::table(&name))
}

/// What the line of `definition` that begins with `word` goes on with.
fn fact<'a>(definition: &'a str, word: &str) -> Option<&'a str> {
    definition.lines().find_map(|line| line.strip_prefix(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(kind: ObjectKind, before: &str, after: &str) -> Change {
        Change {
            key: ObjectKey {
                kind,
                schema: "app".to_owned(),
                table: (kind == ObjectKind::Column).then(|| "t".to_owned()),
                name: if kind == ObjectKind::Column { "c" } else { "t" }.to_owned(),
            },
            before: before.to_owned(),
            after: after.to_owned(),
        }
    }

    #[test]
    fn what_differs_is_set_and_nothing_else() {
        let c = "ALTER COLUMN \"c\"";
        for (kind, before, after, first, early, late) in [
            (
                ObjectKind::Column,
                "character varying(9)\ndefault 'a'",
                "text\nnot null\nidentity always",
                vec![format!("{c} DROP IDENTITY")],
                vec![
                    format!("{c} DROP NOT NULL"),
                    format!(
                        "{c} TYPE character varying(9) USING \"c\"::pg_catalog.text::character varying(9)"
                    ),
                ],
                vec![format!("{c} SET DEFAULT 'a'")],
            ),
            (
                ObjectKind::Column,
                "text\nnot null",
                "text\ndefault 'a'\nstorage plain",
                vec![format!("{c} DROP DEFAULT")],
                vec![],
                vec![format!("{c} SET NOT NULL")],
            ),
            (
                ObjectKind::Column,
                "integer\nidentity always",
                "integer\nidentity by default",
                vec![],
                vec![],
                vec![format!("{c} SET GENERATED ALWAYS")],
            ),
            (
                ObjectKind::Table,
                "access method heap\nwith fillfactor=70\nrow level security\nreplica identity f",
                "unlogged\naccess method heap\nwith autovacuum_enabled=off, fillfactor=50\n\
                 toast with autovacuum_enabled=off",
                vec![],
                vec![],
                [
                    "ENABLE ROW LEVEL SECURITY",
                    "SET LOGGED",
                    "REPLICA IDENTITY FULL",
                    "RESET (\"autovacuum_enabled\", \"fillfactor\")",
                    "SET (\"fillfactor\" = '70')",
                    "RESET (toast.\"autovacuum_enabled\")",
                ]
                .map(str::to_owned)
                .to_vec(),
            ),
        ] {
            let on = |all: Vec<String>| -> Vec<String> {
                let alter = "ALTER TABLE \"app\".\"t\"";
                let one = |rest: &String| {
                    let only = [" SET DEFAULT", " DROP DEFAULT"]
                        .iter()
                        .any(|w| rest.contains(w));
                    let only = if only {
                        "ALTER TABLE ONLY"
                    } else {
                        "ALTER TABLE"
                    };
                    format!("{} {rest}", alter.replace("ALTER TABLE", only))
                };
                all.iter().map(one).collect()
            };
            let expected = Steps {
                first: on(first),
                attach: Vec::new(),
                early: on(early),
                late: on(late),
            };
            let steps = steps(&change(kind, before, after), Conversion::Text, false);
            assert_eq!(steps, expected);
        }
    }

    #[test]
    fn a_sequence_counts_and_belongs_as_before() {
        let before = "as integer\nstart 1\nincrement 2\nminimum 1\nmaximum 9\ncache 1\ncycle\nowned by a.\"t\".c";
        let after = "as bigint\nstart 1\nincrement 1\nminimum 1\nmaximum 99\ncache 1";
        let late = |before, after| {
            steps(
                &change(ObjectKind::Sequence, before, after),
                Conversion::Text,
                false,
            )
            .late
        };
        let sequence = "ALTER SEQUENCE \"app\".\"t\"";
        assert_eq!(
            late(before, after),
            [format!(
                "{sequence} AS integer INCREMENT BY 2 MAXVALUE 9 CYCLE OWNED BY a.\"t\".c"
            )]
        );
        assert_eq!(
            late(after, before),
            [format!(
                "{sequence} AS bigint INCREMENT BY 1 MAXVALUE 99 NO CYCLE OWNED BY NONE"
            )]
        );
    }

    #[test]
    fn parts_of_other_tables_are_taken_out_and_in() {
        let table = "\"app\".\"t\"";
        for (before, after, first, attach) in [
            (
                "partition of app.p FOR VALUES FROM (1) TO (2)\naccess method heap",
                "access method heap",
                vec![],
                vec![format!(
                    "ALTER TABLE ONLY app.p ATTACH PARTITION {table} FOR VALUES FROM (1) TO (2)"
                )],
            ),
            (
                "partition of app.p DEFAULT",
                "partition of app.\"q r\" FOR VALUES IN ('a')",
                vec![format!("ALTER TABLE app.\"q r\" DETACH PARTITION {table}")],
                vec![format!(
                    "ALTER TABLE ONLY app.p ATTACH PARTITION {table} DEFAULT"
                )],
            ),
            (
                "inherits app.a, app.b",
                "inherits app.c, app.a",
                vec![format!("ALTER TABLE {table} NO INHERIT app.c")],
                vec![format!("ALTER TABLE {table} INHERIT app.b")],
            ),
            (
                "inherits app.b, app.a",
                "inherits app.a",
                vec![format!("ALTER TABLE {table} NO INHERIT app.a")],
                vec![
                    format!("ALTER TABLE {table} INHERIT app.b"),
                    format!("ALTER TABLE {table} INHERIT app.a"),
                ],
            ),
        ] {
            let expected = Steps {
                first,
                attach,
                ..Steps::default()
            };
            let change = change(ObjectKind::Table, before, after);
            let steps = steps(&change, Conversion::Cast, false);
            assert_eq!(steps, expected);
        }
    }
}
