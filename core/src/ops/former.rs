//! Schemas that were recorded by a program which took what the server notes for itself, such as an
//! option of each column, for part of the definition. Such a record is proven with that, and from
//! then on goes without.

use std::collections::BTreeMap;

use crate::error::Result;
use crate::ident::Digest;
use crate::model::event::Event;
use crate::model::ledger::Entry;
use crate::ops::context::Context;
use crate::ops::stored_catalog;
use crate::pg::lock::Locked;
use crate::pg::{catalog, ledger, session};
use crate::schema::bookkeeping::{self, UnknownOption};
use crate::schema::{self, Catalog, Delta, Lines, Object, ObjectKey};

/// What is said once, where records are taken over.
const SAID: &str = "the schemas in the ledger were recorded with what this server keeps for itself \
                    (such as pg_attver); they prove right with it, and are compared without it from \
                    now on";

/// Tells of records that were `restated`, and of options that are `unknown`.
pub fn tell(ctx: &Context, restated: &[Entry], unknown: &[UnknownOption]) {
    let restated = (!restated.is_empty()).then(|| SAID.to_owned());
    for warning in restated.into_iter().chain(nobody_knows(unknown)) {
        ctx.observer.observe(Event::Warning(warning));
    }
}

/// What is said of options that nobody knows; `None` when there are none.
fn nobody_knows(options: &[UnknownOption]) -> Option<String> {
    const SHOWN: usize = 5;
    let (first, rest) = options.split_at(options.len().min(SHOWN));
    let mut named: Vec<String> = first.iter().map(ToString::to_string).collect();
    if !rest.is_empty() {
        named.push(format!("and {} more", rest.len()));
    }
    (!named.is_empty()).then(|| {
        format!(
            "unknown options, which are compared with nothing and put back by nobody: {}",
            named.join(", ")
        )
    })
}

/// Gives `entries` the fingerprints and changes that would be on record had the server's own options
/// been left out, as far as the old ones prove right; `recorded` is the schema now with every option,
/// `live` without. Returns those that were changed.
pub fn restate(entries: &mut [Entry], recorded: &Catalog, live: &Catalog) -> Result<Vec<Entry>> {
    if !is_former(entries, live) {
        return Ok(Vec::new());
    }
    let records = Records::of(entries, recorded)?;
    let mut changed = Vec::new();
    let mut state = live.clone();
    for (number, entry) in entries.iter_mut().enumerate().rev() {
        let was = entry.clone();
        let after = records.proven(entry.fingerprint_after, &state, Level::after(number));
        entry.fingerprint_after = after.or(entry.fingerprint_after);
        let Some(change) = &entry.change else {
            changed.extend((*entry != was).then(|| entry.clone()));
            break;
        };
        let delta = stored_catalog::delta_from_json(change)?;
        delta.take_back(&mut state);
        let before = records.proven(entry.fingerprint_before, &state, Level::before(number));
        entry.fingerprint_before = before.or(entry.fingerprint_before);
        // What isn't proven is kept as it was, since it may prove right another day.
        if after.is_some() && before.is_some() && bookkeeping::is_mentioned(change) {
            entry.change = Some(stored_catalog::delta_to_json(&delta)?);
        }
        changed.extend((*entry != was).then(|| entry.clone()));
    }
    changed.reverse();
    Ok(changed)
}

/// As [`restate`] in the database itself, before a run that records more. `entries` are those of
/// the ledger.
pub async fn accept(ctx: &Context, locked: &mut Locked, entries: &[Entry]) -> Result<()> {
    // What a baseline recorded shows only beside the schema.
    let baseline = |newest: &Entry| newest.change.is_none() && newest.fingerprint_after.is_some();
    if !mentions(entries) && !entries.last().is_some_and(baseline) {
        return Ok(());
    }
    let transaction = session::begin(locked.client()).await?;
    session::set_lock_timeout(&transaction, ctx.lock_timeout, true).await?;
    let recorded = catalog::read_aside_with_every_option(transaction.client()).await?;
    let (live, _) = bookkeeping::strip_catalog(&recorded);
    let restated = restate(&mut entries.to_vec(), &recorded, &live)?;
    ledger::restate(&transaction, &restated).await?;
    session::commit(transaction).await?;
    tell(ctx, &restated, &[]);
    Ok(())
}

/// The schema that a backup keeps as `recorded`, and the fingerprint that it must have, `expected`
/// having been recorded with it: both without the server's own options.
pub fn snapshot(recorded: Option<Catalog>, expected: Digest) -> (Option<Catalog>, Digest) {
    let Some(recorded) = recorded else {
        return (None, expected);
    };
    let (catalog, _) = bookkeeping::strip_catalog(&recorded);
    let proven = recorded.fingerprint() == expected;
    let expected = if proven {
        catalog.fingerprint()
    } else {
        expected
    };
    (Some(catalog), expected)
}

/// True where a record of `entries` may be of that kind.
fn is_former(entries: &[Entry], live: &Catalog) -> bool {
    mentions(entries)
        || entries.last().is_some_and(|newest| {
            let recorded = newest.fingerprint_after;
            recorded.is_some_and(|recorded| recorded != live.fingerprint())
        })
}

fn mentions(entries: &[Entry]) -> bool {
    entries.iter().any(|entry| {
        let change = entry.change.as_deref();
        change.is_some_and(bookkeeping::is_mentioned)
    })
}

/// A moment between two migrations, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Level(usize);

impl Level {
    const fn before(entry: usize) -> Self {
        Self(2 * entry)
    }

    const fn after(entry: usize) -> Self {
        Self(2 * entry + 1)
    }
}

/// Every definition that a migration left or found, as it was recorded, and as it is now.
#[derive(Debug)]
pub struct Records {
    known: BTreeMap<ObjectKey, Vec<(Level, Object)>>,
    now: Catalog,
}

impl Records {
    /// Those of `entries`, in a database whose schema is `now`, with every option.
    pub fn of(entries: &[Entry], now: &Catalog) -> Result<Self> {
        let mut known: BTreeMap<ObjectKey, Vec<(Level, Object)>> = BTreeMap::new();
        for (number, entry) in entries.iter().enumerate() {
            let Some(change) = &entry.change else {
                continue;
            };
            let Delta { changes } = stored_catalog::recorded_delta(change)?;
            for (key, before, after) in changes {
                let moments = [
                    (Level::before(number), before),
                    (Level::after(number), after),
                ];
                let known = known.entry(key).or_default();
                known.extend(moments.into_iter().filter_map(|(l, o)| Some((l, o?))));
            }
        }
        Ok(Self {
            known,
            now: now.clone(),
        })
    }

    /// True where `recorded`, of the newest migration, is the fingerprint of `state`.
    pub fn are_of(&self, recorded: Digest, state: &Catalog) -> bool {
        let newest = Level(usize::MAX);
        self.proven(Some(recorded), state, newest).is_some()
    }

    /// The fingerprint of `state`, if `recorded` is just that, or that with the options that each
    /// object had at `level`, or has now.
    fn proven(&self, recorded: Option<Digest>, state: &Catalog, level: Level) -> Option<Digest> {
        let recorded = recorded?;
        let without = state.fingerprint();
        if without == recorded {
            return Some(without);
        }
        let mut lines = Lines::default();
        for (key, object) in state.objects() {
            let at_the_time = self.known.get(key).into_iter().flatten().rev();
            let mut candidates = at_the_time
                .filter(|(known, _)| *known <= level)
                .map(|(_, object)| object)
                .chain(self.now.get(key));
            let same = |candidate: &&Object| {
                let users = bookkeeping::strip_object(key.kind, candidate, &mut Vec::new());
                users.definition == object.definition
            };
            lines.add(key, candidates.find(same).unwrap_or(object));
        }
        if lines.digest() == recorded {
            return Some(without);
        }
        // Before names of NOT NULL were read (they are constraints since 18), there were none.
        let nameless = schema::without_names_of_not_null(state);
        (nameless.fingerprint() == recorded).then_some(without)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::migration::{Migration, Script};
    use crate::schema::{Object, ObjectKind};

    fn key(name: &str) -> ObjectKey {
        ObjectKey {
            kind: ObjectKind::Column,
            schema: "app".to_owned(),
            table: Some("t".to_owned()),
            name: name.to_owned(),
        }
    }

    fn catalog(columns: &[(&str, &str)]) -> Catalog {
        let mut catalog = Catalog::default();
        for (name, definition) in columns {
            catalog.insert(key(name), Object::new(definition, None));
        }
        catalog
    }

    /// The ledger after steps that led from one schema to the next.
    fn ledger(schemas: &[Catalog]) -> Vec<Entry> {
        let steps = schemas.windows(2).enumerate();
        let entries = steps.map(|(number, schemas)| {
            let migration = Migration {
                revision: format!("000{number}").parse().unwrap(),
                name: "step".to_owned(),
                up: Script::new("up.sql", "select 1"),
                down: None,
                description: String::new(),
                transactional: true,
                down_transactional: true,
                depends_on: Vec::new(),
            };
            let mut entry = Entry::of(&migration, 1, "");
            entry.applied_at = crate::clock::Timestamp::UNIX_EPOCH;
            let delta = Delta::between(&schemas[0], &schemas[1]);
            entry.fingerprint_before = Some(schemas[0].fingerprint());
            entry.fingerprint_after = Some(schemas[1].fingerprint());
            entry.change = Some(stored_catalog::delta_to_json(&delta).unwrap());
            entry
        });
        entries.collect()
    }

    fn stripped(catalog: &Catalog) -> Catalog {
        bookkeeping::strip_catalog(catalog).0
    }

    #[test]
    fn what_proves_right_is_taken_over() {
        let recorded = [
            catalog(&[]),
            catalog(&[("a", "text\nwith pg_attver=1")]),
            catalog(&[
                ("a", "text\nwith n_distinct=3, pg_attver=1"),
                ("b", "int\nwith pg_attver=2"),
            ]),
        ];
        let clean: Vec<Catalog> = recorded.iter().map(stripped).collect();
        // On the same server, on one where all got other numbers, and on one without any.
        let elsewhere = catalog(&[
            ("a", "text\nwith n_distinct=3, pg_attver=7"),
            ("b", "int\nwith pg_attver=8"),
        ]);
        for now in [&recorded[2], &elsewhere, &clean[2]] {
            let mut entries = ledger(&recorded);
            let changed = restate(&mut entries, now, &clean[2]).unwrap();
            assert_eq!(changed, entries);
            assert_eq!(entries, ledger(&clean));
            // Once.
            assert_eq!(restate(&mut entries, now, &clean[2]).unwrap(), []);
        }
    }

    #[test]
    fn what_does_not_prove_right_stays() {
        let recorded = [catalog(&[]), catalog(&[("a", "text\nwith pg_attver=1")])];
        for now in [
            catalog(&[("a", "text\nwith pg_attver=1"), ("by_hand", "int")]),
            catalog(&[("a", "varchar\nwith pg_attver=1")]),
            catalog(&[("a", "text\nwith n_distinct=2, pg_attver=1")]),
        ] {
            let mut entries = ledger(&recorded);
            let changed = restate(&mut entries, &now, &stripped(&now)).unwrap();
            assert_eq!(changed, []);
            assert_eq!(entries, ledger(&recorded));
        }
    }

    #[test]
    fn newer_records_on_older_ones_stay_as_they_are() {
        let recorded = [
            catalog(&[]),
            catalog(&[("a", "text\nwith pg_attver=1")]),
            catalog(&[
                ("a", "text\nwith pg_attver=1"),
                ("b", "int\nwith pg_attver=2"),
            ]),
        ];
        let clean: Vec<Catalog> = recorded.iter().map(stripped).collect();
        let mut entries = ledger(&recorded);
        entries[1] = ledger(&clean)[1].clone();
        let changed = restate(&mut entries, &recorded[2], &clean[2]).unwrap();
        assert_eq!(changed.len(), 1);
        assert_eq!(entries, ledger(&clean));
    }
}
