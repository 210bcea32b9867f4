//! The order in which migrations are applied: what they depend on first, then by version.

use std::collections::BTreeMap;

use crate::ident::Revision;
use crate::model::migration::Migration;

/// Sorts `migrations`; returns what is wrong with their dependencies, in words.
pub(super) fn sort(migrations: &mut Vec<Migration>) -> Vec<String> {
    let problems = check(migrations);
    if !problems.is_empty() {
        return problems;
    }
    let mut waiting: BTreeMap<Revision, Migration> = migrations
        .drain(..)
        .map(|m| (m.revision.clone(), m))
        .collect();
    while let Some(next) = ready(&waiting) {
        migrations.extend(waiting.remove(&next));
    }
    if waiting.is_empty() {
        return Vec::new();
    }
    let names: Vec<String> = waiting.values().map(Migration::full_name).collect();
    vec![format!(
        "migrations wait for each other in a circle, or for one that does: {}",
        names.join(", ")
    )]
}

/// The migrations that no other one follows, of those in the order of application. One without
/// dependencies follows the one before it, so that several heads are the ends of branches.
pub fn heads(migrations: &[Migration]) -> Vec<&Migration> {
    let before = std::iter::once(None).chain(migrations.iter().map(Some));
    let mut followed: Vec<&Revision> = Vec::new();
    for (migration, before) in migrations.iter().zip(before) {
        if migration.depends_on.is_empty() {
            followed.extend(before.map(|m| &m.revision));
        }
        followed.extend(&migration.depends_on);
    }
    let open = |m: &&Migration| !followed.contains(&&m.revision);
    migrations.iter().filter(open).collect()
}

/// The first of `waiting` by version that waits for none of the others.
fn ready(waiting: &BTreeMap<Revision, Migration>) -> Option<Revision> {
    waiting
        .values()
        .find(|m| !m.depends_on.iter().any(|d| waiting.contains_key(d)))
        .map(|m| m.revision.clone())
}

fn check(migrations: &[Migration]) -> Vec<String> {
    let mut problems = Vec::new();
    for migration in migrations {
        for dependency in &migration.depends_on {
            if *dependency == migration.revision {
                problems.push(format!("'{}' depends on itself", migration.up.path));
            } else if !migrations.iter().any(|m| m.revision == *dependency) {
                problems.push(format!(
                    "'{}' depends on {dependency}, which is not there",
                    migration.up.path
                ));
            }
        }
    }
    problems
}
