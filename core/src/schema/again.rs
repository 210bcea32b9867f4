//! What is dropped and made again because it differs, or because something else can't be made otherwise
//! while it is there.

use std::collections::BTreeSet;

use super::{Catalog, Change, ObjectKey, ObjectKind, about};

/// The objects of both `to` and `from` that are made again: those that differ, and those that stand in the
/// way of what goes. A view of a view that goes is one, as is whatever looks at a table of which a column
/// goes or gets another type. One too many does no harm.
pub fn all(
    to: &Catalog,
    from: &Catalog,
    differing: &[Change],
    extra: &[ObjectKey],
) -> Vec<ObjectKey> {
    let made_again = |change: &&Change| change.key.kind.facts().made_again;
    let mut again: BTreeSet<ObjectKey> = differing
        .iter()
        .filter(made_again)
        .map(|change| change.key.clone())
        .collect();
    let gone = extra.iter().filter(|key| key.kind == ObjectKind::Column);
    let retyped = differing.iter().filter(|change| is_retyped(change));
    let columns = gone.chain(retyped.map(|change| &change.key));
    let tables: BTreeSet<(String, String)> = columns
        .filter_map(|key| Some((key.schema.clone(), key.table.clone()?)))
        .collect();
    let views = extra.iter().filter(|key| key.kind.is_view());
    let mut looked_at: Vec<String> = tables
        .iter()
        .map(|(schema, table)| bare(schema, table))
        .chain(views.chain(&again).map(|key| bare(&key.schema, &key.name)))
        .collect();
    let stays = |key: &&ObjectKey| to.get(key).is_some() && from.get(key).is_some();
    loop {
        let mut found = Vec::new();
        for (key, object) in from.objects() {
            let of_table = key
                .table
                .as_ref()
                .is_some_and(|table| tables.contains(&(key.schema.clone(), table.clone())));
            let looks = match key.kind {
                ObjectKind::View | ObjectKind::Matview | ObjectKind::Rule => {
                    let definition = object.definition.replace('"', "");
                    looked_at.iter().any(|name| definition.contains(name))
                }
                ObjectKind::Policy | ObjectKind::Trigger => of_table,
                _ => false,
            };
            if looks && !again.contains(key) && stays(&key) {
                found.push(key.clone());
            }
        }
        if found.is_empty() {
            return again.into_iter().collect();
        }
        let views = found.iter().filter(|key| key.kind.is_view());
        looked_at.extend(views.map(|key| bare(&key.schema, &key.name)));
        again.extend(found);
    }
}

/// What goes with the objects `again` and has to come back: they themselves, what belongs to views, and
/// what is said of all of them.
pub fn lost(to: &Catalog, from: &Catalog, again: &[ObjectKey]) -> Vec<ObjectKey> {
    let of_view = |key: &ObjectKey| {
        let is = |view: &ObjectKey| {
            view.kind.is_view()
                && view.schema == key.schema
                && Some(&view.name) == key.table.as_ref()
        };
        key.kind != ObjectKind::Column && again.iter().any(is)
    };
    let both = to.objects().keys().filter(|key| from.get(key).is_some());
    let parts = both
        .clone()
        .filter(|key| of_view(key) && !again.contains(key));
    let all: Vec<ObjectKey> = again.iter().chain(parts).cloned().collect();
    let said = both.filter(|key| key.kind.is_about() && key.kind != ObjectKind::Owner);
    let said = said.filter(|key| all.iter().any(|object| about::concerns(key, object)));
    all.iter().chain(said).cloned().collect()
}

/// True for a column that has another type.
fn is_retyped(change: &Change) -> bool {
    let type_of = |definition: &str| definition.lines().next().unwrap_or_default().to_owned();
    change.key.kind == ObjectKind::Column && type_of(&change.before) != type_of(&change.after)
}

/// The name of a relation as definitions have it, without quotes.
fn bare(schema: &str, name: &str) -> String {
    format!("{schema}.{name}").replace('"', "")
}
