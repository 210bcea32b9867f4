//! Which statements of a dump make missing objects again.

use std::collections::BTreeSet;

use super::Change;
use super::Entry;
use super::ObjectKey;
use super::ObjectKind;
use super::Phase;
use super::about;
use super::family::{bare, has_word};

/// The entries that make the `missing` objects again, in the order of the dump, and the objects
/// that no entry makes.
///
/// What lies within another object counts as found when that one is missing too: columns and
/// inline constraints of a table, the owner of anything, triggers that partitions inherit. Columns
/// and inline constraints of tables that still exist aren't: [`super::rebuild`] writes those.
pub fn missing_statements<'a>(
    missing: &[ObjectKey],
    entries: &'a [Entry],
) -> (Vec<&'a Entry>, Vec<ObjectKey>) {
    let all: BTreeSet<&ObjectKey> = missing.iter().collect();
    let mut chosen = BTreeSet::new();
    let mut left = Vec::new();
    for key in missing {
        let mut found = false;
        for (place, entry) in entries.iter().enumerate() {
            if makes(entry, key, &all) {
                chosen.insert(place);
                found = true;
            }
        }
        if !found && !is_within(key, &all) {
            left.push(key.clone());
        }
    }
    let chosen: Vec<&Entry> = chosen.iter().filter_map(|p| entries.get(*p)).collect();
    left.retain(|key| !is_inherited(key, &chosen));
    (chosen, left)
}

/// The functions among `found` that columns and types need, which come before others: those that `definitions`
/// of what is missing or differs have in them. Not those of rows of tables, which come later.
pub fn ahead<'a>(
    found: &[&'a Entry],
    definitions: impl Iterator<Item = &'a str>,
) -> Vec<&'a Entry> {
    let is = |entry: &&&Entry, kinds: &[&str]| kinds.contains(&&*entry.kind);
    let relations = ["TABLE", "FOREIGN TABLE", "VIEW", "MATERIALIZED VIEW"];
    let relations = found.iter().filter(|entry| is(entry, &relations));
    let relations: Vec<String> = relations.map(|e| bare(&e.schema, &e.name)).collect();
    let head = |entry: &Entry| {
        let end = entry.sql.find("\n    AS ");
        entry.sql[..end.unwrap_or(entry.sql.len())].to_owned()
    };
    let functions = found.iter().filter(|entry| is(entry, &["FUNCTION"]));
    let mut left: Vec<&Entry> = functions
        .filter(|entry| !relations.iter().any(|name| has_word(&head(entry), name)))
        .copied()
        .collect();
    let early = found.iter().filter(|entry| entry.phase() == Phase::Early);
    let mut texts: Vec<&str> = definitions.chain(early.map(|entry| &*entry.sql)).collect();
    let mut ahead: Vec<&Entry> = Vec::new();
    while !texts.is_empty() {
        let is_needed = |entry: &&Entry| {
            let name = entry.name.split('(').next().unwrap_or_default();
            let name = bare(&entry.schema, name);
            texts.iter().any(|text| has_word(text, &name))
        };
        let (needed, others): (Vec<_>, Vec<_>) = left.into_iter().partition(is_needed);
        texts = needed.iter().map(|entry| &*entry.sql).collect();
        ahead.extend(needed);
        left = others;
    }
    ahead
}

/// The entries that put tables and schemas back into publications that lost them.
pub fn publication_statements<'a>(changed: &[Change], entries: &'a [Entry]) -> Vec<&'a Entry> {
    let lost = |entry: &Entry| {
        changed.iter().any(|change| {
            let after: Vec<&str> = change.after.lines().collect();
            change.key.kind == ObjectKind::Publication
                && change
                    .before
                    .lines()
                    .filter(|line| !after.contains(line))
                    .any(|line| is_published(entry, &change.key.name, &line.replace('"', "")))
        })
    };
    entries.iter().filter(|entry| lost(entry)).collect()
}

/// True when `entry` adds what `line` says to the publication: `table app.orders (id)`.
fn is_published(entry: &Entry, publication: &str, line: &str) -> bool {
    let added = entry.name.strip_prefix(publication);
    let Some(name) = added.and_then(|n| n.strip_prefix(' ')) else {
        return false;
    };
    match entry.kind.as_str() {
        "PUBLICATION TABLE" => {
            let table = format!("table {}.{name}", entry.schema).replace('"', "");
            line.strip_prefix(&table)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
        }
        "PUBLICATION TABLES IN SCHEMA" => line == format!("schema {name}").replace('"', ""),
        _ => false,
    }
}

/// True when `entry` makes `key`, or a part of it that has an entry of its own.
fn makes(entry: &Entry, key: &ObjectKey, missing: &BTreeSet<&ObjectKey>) -> bool {
    let kind = entry.kind.as_str();
    if key.kind.is_about() {
        return about::makes(entry, key);
    }
    let named = entry.schema == key.schema && entry.name == key.name;
    let on_table = || {
        let table = key.table.as_deref().unwrap_or_default();
        entry.schema == key.schema
            && entry
                .name
                .strip_prefix(table)
                .and_then(|n| n.strip_prefix(' '))
                == Some(&key.name)
    };
    let starts = |prefix: &str| {
        entry.schema == key.schema
            && entry
                .name
                .strip_prefix(prefix)
                .is_some_and(|n| n.starts_with(' '))
    };
    if !key.kind.is_made_by(kind) {
        return false;
    }
    match (key.kind, kind) {
        // A table's constraint has the same header as a domain's.
        (ObjectKind::Type, "CHECK CONSTRAINT") => {
            starts(&key.name) && entry.sql.starts_with("ALTER DOMAIN")
        }
        (ObjectKind::Constraint, "INDEX ATTACH") | (ObjectKind::Publication, "PUBLICATION") => {
            named
        }
        (ObjectKind::Column, _) => on_table() && table_is_in(key, missing),
        (
            ObjectKind::Constraint | ObjectKind::Trigger | ObjectKind::Rule | ObjectKind::Policy,
            _,
        ) => on_table(),
        // Views that need each other are made empty first and filled by their rule.
        (ObjectKind::View, "RULE") => {
            entry.schema == key.schema && entry.name.strip_suffix(" _RETURN") == Some(&key.name)
        }
        (ObjectKind::View, "DEFAULT") => starts(&key.name),
        (ObjectKind::Publication, _) => {
            let of = entry.name.strip_prefix(&key.name);
            of.is_some_and(|n| n.starts_with(' '))
        }
        (ObjectKind::Aggregate, _) => {
            entry.schema == key.schema
                && (entry.name == key.name || entry.name.replace("(*)", "()") == key.name)
        }
        (ObjectKind::Operator, _) => is_operator(entry, key),
        (ObjectKind::OperatorClass | ObjectKind::OperatorFamily, _) => is_using(entry, key),
        (ObjectKind::Cast, _) => entry.name.strip_prefix("CAST ") == Some(&key.name),
        (ObjectKind::UserMapping, _) => entry.name.strip_prefix("USER MAPPING ") == Some(&key.name),
        (ObjectKind::DefaultPrivileges, _) => {
            let what = entry.name.strip_prefix("DEFAULT PRIVILEGES FOR ");
            entry.schema == key.schema
                && what.is_some_and(|what| key.name == format!("{} {what}", entry.owner))
        }
        // A schema lies in no schema for pg_dump.
        (ObjectKind::Schema, _) => entry.name == key.name,
        _ => named,
    }
}

/// The argument types stand in the statement, not in the header.
fn is_operator(entry: &Entry, key: &ObjectKey) -> bool {
    let Some((left, right)) = key
        .name
        .strip_prefix(&entry.name)
        .and_then(|n| n.strip_prefix('(')?.strip_suffix(')')?.rsplit_once(", "))
    else {
        return false;
    };
    let takes = |word: &str, type_name: &str| {
        let given = entry
            .sql
            .lines()
            .find_map(|l| l.trim().trim_end_matches(',').strip_prefix(word));
        given.unwrap_or("NONE") == type_name
    };
    entry.schema == key.schema && takes("LEFTARG = ", left) && takes("RIGHTARG = ", right)
}

/// `opc USING btree` against the header `opc` and the statement's `USING btree`.
fn is_using(entry: &Entry, key: &ObjectKey) -> bool {
    let method = key.name.strip_prefix(&entry.name);
    entry.schema == key.schema
        && method.is_some_and(|m| m.starts_with(" USING ") && entry.sql.contains(m))
}

fn table_is_in(key: &ObjectKey, missing: &BTreeSet<&ObjectKey>) -> bool {
    let Some(table) = &key.table else {
        return false;
    };
    let table = ObjectKey {
        kind: ObjectKind::Table,
        schema: key.schema.clone(),
        table: None,
        name: table.clone(),
    };
    missing.contains(&table)
}

/// True for what comes with another object that is missing too.
fn is_within(key: &ObjectKey, missing: &BTreeSet<&ObjectKey>) -> bool {
    match key.kind {
        ObjectKind::Owner => missing.iter().any(|other| about::concerns(key, other)),
        ObjectKind::Column | ObjectKind::Constraint => table_is_in(key, missing),
        _ => false,
    }
}

/// True for a partition's copy of a trigger that `chosen` makes on its parent.
fn is_inherited(key: &ObjectKey, chosen: &[&Entry]) -> bool {
    key.kind == ObjectKind::Trigger
        && chosen.iter().any(|entry| {
            entry.kind == "TRIGGER"
                && entry
                    .name
                    .strip_suffix(&key.name)
                    .is_some_and(|n| n.ends_with(' '))
        })
}

#[cfg(test)]
#[path = "missing_tests.rs"]
mod tests;
