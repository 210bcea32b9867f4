//! What is dropped and made again because it differs, or because something else can't be made otherwise
//! while it is there.

use std::collections::BTreeSet;

use super::family::{bare, has_word};
use super::{Catalog, Change, Object, ObjectKey, ObjectKind, about, changed, render};

/// The objects of both `to` and `from` that are made again: those that differ, and those that stand in the
/// way of what goes. A view of a view that goes is one, as is whatever looks at a table of which a column
/// goes or gets another type. One too many does no harm. A column with values of its own only where it
/// `may_go`.
pub fn all(
    to: &Catalog,
    from: &Catalog,
    differing: &[Change],
    extra: &[ObjectKey],
    may_go: &dyn Fn(&ObjectKey) -> bool,
) -> Vec<ObjectKey> {
    let made_again = |change: &&Change| {
        change.key.kind.facts().made_again
            || changed::is_drawn_otherwise(change)
            || changed::is_computed_otherwise(change)
                && (render::generated(&change.after).is_some() || may_go(&change.key))
    };
    let again = differing.iter().filter(made_again);
    let mut again: BTreeSet<ObjectKey> = again.map(|change| change.key.clone()).collect();
    let retyped = differing.iter().filter(|change| is_retyped(change));
    let retyped: Vec<&ObjectKey> = retyped.map(|change| &change.key).collect();
    let stays = |key: &&ObjectKey| to.get(key).is_some() && from.get(key).is_some();
    loop {
        let going = Going::new(from, extra, &again, &retyped);
        let stands = |(key, object): &(&ObjectKey, &Object)| {
            !again.contains(*key) && going.is_needed_by(key, &object.definition) && stays(key)
        };
        let found = from.objects().iter().filter(stands);
        let found: Vec<ObjectKey> = found.map(|(key, _)| key.clone()).collect();
        if found.is_empty() {
            return again.into_iter().collect();
        }
        again.extend(found);
    }
}

/// What goes, or gets another type.
struct Going<'a> {
    /// Relations that are looked at.
    relations: Vec<String>,
    /// Tables some column of which does.
    tables: BTreeSet<(&'a str, Option<&'a str>)>,
    /// Columns that get another type.
    retyped: &'a [&'a ObjectKey],
    /// Columns that come back in the place of those that are there.
    columns: Vec<&'a ObjectKey>,
    /// Tables that lose a key.
    keys: Vec<String>,
}

impl<'a> Going<'a> {
    fn new(
        from: &Catalog,
        extra: &'a [ObjectKey],
        again: &'a BTreeSet<ObjectKey>,
        retyped: &'a [&'a ObjectKey],
    ) -> Self {
        let all = || extra.iter().chain(again);
        let is_column = |key: &&ObjectKey| key.kind == ObjectKind::Column;
        let columns = all().filter(is_column).chain(retyped.iter().copied());
        let tables: BTreeSet<_> = columns
            .map(|key| (&*key.schema, key.table.as_deref()))
            .collect();
        let looked_at = tables
            .iter()
            .filter_map(|(schema, table)| Some(bare(schema, (*table)?)));
        let views = all().filter(|key| key.kind.is_view());
        let is_key = |key: &&ObjectKey| {
            let definition = from.get(key).map_or("", |object| &object.definition);
            ["PRIMARY KEY ", "UNIQUE ", "CREATE UNIQUE INDEX "]
                .iter()
                .any(|word| definition.starts_with(word))
        };
        let keys = all().filter(is_key);
        let keys = keys.filter_map(|key| Some(bare(&key.schema, key.table.as_ref()?)));
        Self {
            relations: looked_at
                .chain(views.map(|key| bare(&key.schema, &key.name)))
                .collect(),
            keys: keys.collect(),
            columns: again.iter().filter(is_column).collect(),
            tables,
            retyped,
        }
    }

    /// True when `key`, defined by `definition`, stands in the way.
    fn is_needed_by(&self, key: &ObjectKey, definition: &str) -> bool {
        let of_table = || self.tables.contains(&(&*key.schema, key.table.as_deref()));
        let names = |columns: &[&ObjectKey]| {
            columns.iter().any(|column| {
                (&column.schema, &column.table) == (&key.schema, &key.table)
                    && has_word(definition, &column.name)
            })
        };
        match key.kind {
            ObjectKind::View | ObjectKind::Matview | ObjectKind::Rule => {
                let definition = definition.replace('"', "");
                self.relations.iter().any(|name| definition.contains(name))
            }
            ObjectKind::Policy | ObjectKind::Trigger => of_table(),
            ObjectKind::Column => render::generated(definition).is_some() && names(self.retyped),
            ObjectKind::Index => names(&self.columns),
            ObjectKind::Constraint => {
                names(&self.columns) || {
                    let definition = definition.replace('"', "");
                    let refers =
                        |table: &String| definition.contains(&format!("REFERENCES {table}("));
                    definition.starts_with("FOREIGN KEY ") && self.keys.iter().any(refers)
                }
            }
            ObjectKind::Statistics => self.columns.iter().any(|column| {
                let table = column.table.as_deref().unwrap_or_default();
                has_word(definition, &bare(&column.schema, table))
                    && has_word(definition, &column.name)
            }),
            _ => false,
        }
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
