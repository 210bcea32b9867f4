//! Statements that lead from one schema to another: a migration, as far as it can be written from what
//! is there in the end.
//!
//! Dropping and making again is right for what holds no rows; columns are altered. Renames can't be
//! told from a column that goes and another one that comes. Whoever writes such statements down tries
//! them out first.

use crate::sql::parse;

use super::changed::{self, Conversion};
use super::render::AddColumn;
use super::{
    Catalog, Change, Diff, Entry, ObjectKey, ObjectKind, Phase, about, diff, missing_statements,
    removals, repair,
};

/// Statements that make `to` of `from`. `entries` is a dump of `to`.
pub fn statements(from: &Catalog, to: &Catalog, entries: &[Entry]) -> Vec<String> {
    let Diff {
        mut missing,
        mut extra,
        changed: differing,
        ..
    } = diff(to, from);
    let (again, altered): (Vec<Change>, Vec<Change>) = differing
        .into_iter()
        .partition(|change| changed::is_made_again(change.key.kind));
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
    let mut attach = Vec::new();
    for change in &altered {
        let steps = changed::steps(change, Conversion::Cast);
        script.extend(steps.early.into_iter().chain(steps.late));
        attach.extend(steps.attach);
    }
    script.extend(of(Phase::Main));
    script.extend(attach);
    script.extend(last.iter().flat_map(added));
    script.extend(repair::constraints(to, &left));
    script.extend(of(Phase::Late));
    script.extend(of(Phase::Last));
    let routines = altered
        .iter()
        .filter(|change| changed::is_routine(change.key.kind));
    for change in routines {
        let key = [change.key.clone()];
        let (found, _) = missing_statements(&key, entries);
        script.extend(
            found
                .iter()
                .flat_map(|entry| own(&entry.sql))
                .map(changed::replacing),
        );
    }
    script
}

/// The statements of a dump's entry, but for the one that says whose the object is.
fn own(sql: &str) -> Vec<String> {
    let all = parse::script(sql).into_iter().map(|s| s.text);
    let about_owner = |text: &String| text.starts_with("ALTER ") && text.contains(" OWNER TO ");
    all.filter(|text| !about_owner(text)).collect()
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
