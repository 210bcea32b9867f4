//! Statements that lead from one schema to another: a migration, as far as it can be written from what
//! is there in the end.
//!
//! Dropping and making again is right for what holds no rows; columns are altered. Renames can't be
//! told from a column that goes and another one that comes. Whoever writes such statements down tries
//! them out first.

use crate::ident::TableName;
use crate::sql::parse;
use crate::sql::quote;

use super::render::{self, AddColumn};
use super::{
    Catalog, Change, Diff, Entry, ObjectKey, ObjectKind, Phase, about, diff, missing_statements,
    removals, repair,
};

/// Statements that make `to` of `from`. `entries` is a dump of `to`.
pub fn statements(from: &Catalog, to: &Catalog, entries: &[Entry]) -> Vec<String> {
    let Diff {
        mut missing,
        mut extra,
        changed,
        ..
    } = diff(to, from);
    let (again, altered): (Vec<Change>, Vec<Change>) = changed
        .into_iter()
        .partition(|change| is_made_again(change.key.kind));
    missing.extend(again.iter().map(|change| change.key.clone()));
    let comments = altered.iter().filter(|c| c.key.kind == ObjectKind::Comment);
    missing.extend(comments.map(|change| change.key.clone()));
    extra.extend(again.into_iter().map(|change| change.key));

    let mut script = uncommented(&extra);
    script.extend(removals(&extra, &|_| true));
    let (found, left) = missing_statements(&missing, entries);
    let of = |phase: Phase| {
        let found = found.iter().filter(move |entry| entry.phase() == phase);
        found.flat_map(|entry| own(&entry.sql)).collect::<Vec<_>>()
    };
    script.extend(of(Phase::Early));
    let columns = repair::columns(to, &missing);
    let (last, first): (Vec<_>, Vec<_>) = columns.into_iter().partition(|c| c.of_relation);
    script.extend(first.iter().flat_map(added));
    script.extend(altered.iter().flat_map(column));
    script.extend(altered.iter().flat_map(row_security));
    script.extend(of(Phase::Main));
    script.extend(last.iter().flat_map(added));
    script.extend(repair::constraints(to, &left));
    script.extend(of(Phase::Late));
    let routines = altered.iter().filter(|change| is_routine(change.key.kind));
    for change in routines {
        let key = [change.key.clone()];
        let (found, _) = missing_statements(&key, entries);
        script.extend(
            found
                .iter()
                .flat_map(|entry| own(&entry.sql))
                .map(replacing),
        );
    }
    script
}

/// What holds no rows and no other thing, and so can be dropped and made again.
const fn is_made_again(kind: ObjectKind) -> bool {
    use ObjectKind::{Constraint, Index, Matview, Policy, Rule, Statistics, Trigger, View};
    matches!(
        kind,
        View | Matview | Index | Constraint | Trigger | Rule | Policy | Statistics
    )
}

const fn is_routine(kind: ObjectKind) -> bool {
    matches!(kind, ObjectKind::Function | ObjectKind::Procedure)
}

/// The statements of a dump's entry, but for the one that says whose the object is.
fn own(sql: &str) -> Vec<String> {
    let all = parse::script(sql).into_iter().map(|s| s.text);
    let about_owner = |text: &String| text.starts_with("ALTER ") && text.contains(" OWNER TO ");
    all.filter(|text| !about_owner(text)).collect()
}

fn replacing(create: String) -> String {
    match create.strip_prefix("CREATE ") {
        Some(rest) if rest.starts_with("FUNCTION") || rest.starts_with("PROCEDURE") => {
            format!("CREATE OR REPLACE {rest}")
        }
        _ => create,
    }
}

/// Adds a column as one would by hand: rows that are there get its default.
fn added(column: &repair::MissingColumn) -> Vec<String> {
    let AddColumn {
        add,
        settings,
        default,
        set_not_null,
        ..
    } = &column.steps;
    if column.inherited {
        return Vec::new();
    }
    let default = default
        .as_ref()
        .map_or_else(String::new, |d| format!(" DEFAULT {d}"));
    let plain = |set: &&String| set.ends_with(" SET NOT NULL");
    let not_null = set_not_null.as_ref().filter(plain);
    let not_null = not_null.map_or("", |_| " NOT NULL");
    let add = format!("{add}{default}{not_null}");
    let named = set_not_null.iter().filter(|set| !plain(set));
    std::iter::once(add)
        .chain(named.cloned())
        .chain(settings.iter().cloned())
        .collect()
}

/// What takes comments off objects that stay.
fn uncommented(extra: &[ObjectKey]) -> Vec<String> {
    let stays = |key: &&ObjectKey| !extra.iter().any(|other| about::concerns(key, other));
    let comments = extra.iter().filter(|key| key.kind == ObjectKind::Comment);
    let off = |key: &ObjectKey| {
        let about::Tag { word, identity } = about::tag(&key.name)?;
        Some(format!("COMMENT ON {word} {identity} IS NULL"))
    };
    comments.filter(stays).filter_map(off).collect()
}

/// What turns row level security of a table on or off.
fn row_security(change: &Change) -> Vec<String> {
    let key = &change.key;
    if key.kind != ObjectKind::Table {
        return Vec::new();
    }
    let alter = format!(
        "ALTER TABLE {}",
        quote::table(&TableName::new(&key.schema, &key.name))
    );
    let has = |definition: &str, fact: &str| definition.lines().any(|line| line == fact);
    let facts = [
        ("row level security", "ENABLE", "DISABLE"),
        ("row level security forced", "FORCE", "NO FORCE"),
    ];
    let turned = facts.into_iter().filter_map(|(fact, on, off)| {
        match (has(&change.before, fact), has(&change.after, fact)) {
            (true, false) => Some(on),
            (false, true) => Some(off),
            _ => None,
        }
    });
    turned
        .map(|word| format!("{alter} {word} ROW LEVEL SECURITY"))
        .collect()
}

/// What makes a column as it should be (`before`) of what it is (`after`).
fn column(change: &Change) -> Vec<String> {
    let steps = |definition: &str| render::steps(&change.key, definition);
    let (Some(to), Some(from)) = (steps(&change.before), steps(&change.after)) else {
        return Vec::new();
    };
    let Some(alter) = render::alter_column(&change.key) else {
        return Vec::new();
    };
    let type_of = |definition: &str| definition.lines().next().unwrap_or_default().to_owned();
    let (old, new) = (type_of(&change.after), type_of(&change.before));
    let mut script = Vec::new();
    let retyped = old != new;
    let default_goes = from.default.is_some() && (retyped || to.default.is_none());
    if default_goes {
        script.push(format!("{alter} DROP DEFAULT"));
    }
    if retyped {
        let name = quote::ident(&change.key.name);
        let bare = new.split(" COLLATE ").next().unwrap_or_default();
        script.push(format!("{alter} TYPE {new} USING {name}::{bare}"));
    }
    if let Some(set) = to
        .set_default
        .filter(|_| retyped || to.default != from.default)
    {
        script.push(set);
    }
    let renamed = render::rename_not_null(&change.key, &change.before, &change.after);
    match (to.set_not_null, from.set_not_null) {
        _ if renamed.is_some() => script.extend(renamed),
        (Some(set), Some(old)) if set != old => {
            script.extend([format!("{alter} DROP NOT NULL"), set]);
        }
        (Some(set), None) => script.push(set),
        (None, Some(_)) => script.push(format!("{alter} DROP NOT NULL")),
        _ => {}
    }
    let settings = to.settings.into_iter();
    script.extend(settings.filter(|setting| !from.settings.contains(setting)));
    script
}
