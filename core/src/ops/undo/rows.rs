//! Rows as they were before a rollback, into tables as they are now: what an undo of all and one of a
//! part have in common.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::{Error, Result};
use crate::ident::TableName;
use crate::model::relation::{Oid, Relation, RelationKind, World};
use crate::ops::context::Context;
use crate::ops::undo::apply::Changed;
use crate::ops::undo::follow;
use crate::ops::undo::split;
use crate::ops::undo::staging::{self, Backups};
use crate::pg::capture::Captured;
use crate::pg::inserted::{self, Inserted};
use crate::pg::net::Net;
use crate::pg::reconcile::conflicts::{self, Conflict};
use crate::pg::reconcile::moved::Moved;
use crate::pg::reconcile::{
    Target, Way, absent, apply, before, clashes, derived, fillings, others, references, renumbered,
    room, sample, touched, values, wanted,
};
use crate::pg::record::{Details, Saved, TableRecord};
use crate::pg::session::Client;
use crate::pg::{extent, retry, transaction};
use crate::schema::fillings::Filling;
use crate::sql::quote;

/// Where the rows come from.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    /// The surroundings.
    pub ctx: &'a Context,
    /// What the rollback recorded.
    pub details: &'a Details,
    /// The verified backups.
    pub backups: &'a Backups,
}

/// The names of the tables that the rollback dropped must be free again, or be those of tables that
/// `goes` is true of: the migrations drop them.
pub fn names_are_free(details: &Details, now: &World, goes: impl Fn(Oid) -> bool) -> Result<()> {
    for record in &details.tables {
        let name = record.name_before();
        if record.name_after().is_some() {
            continue;
        }
        let found = now.find(&name.schema, &name.name);
        if found.is_some_and(|r| r.kind != RelationKind::View && !goes(r.oid)) {
            return Err(Error::refused(format!(
                "the rollback dropped {name}, and there is a table of that name now"
            ))
            .hint(format!("rename it; or {}", follow::aside(&name))));
        }
    }
    Ok(())
}

/// How many rows were inserted since the rollback into the tables, by their number, in which some were
/// written since; `None`: that can't be told.
pub type Inserts = BTreeMap<usize, Option<i64>>;

/// What must be known of the rows before scripts change them.
pub async fn look(
    source: Source<'_>,
    client: &Client,
    earlier: &World,
    empty: &BTreeSet<Oid>,
) -> Result<Inserts> {
    let Source {
        ctx,
        details,
        backups,
    } = source;
    let mut inserted_into = Vec::new();
    let counted = details.inserted.as_ref();
    let counted = same_place(client, counted).await?;
    for (index, record) in details.tables.iter().enumerate() {
        let Some(name) = record.name_after() else {
            continue;
        };
        let found = earlier.find(&name.schema, &name.name);
        let relation = found.ok_or_else(|| {
            Error::refused(format!("{name} is gone since the rollback")).hint(follow::aside(&name))
        })?;
        if empty.contains(&relation.oid) && holds_nothing(backups, record) {
            continue;
        }
        if !record.effects.is_empty() {
            staging::effects(ctx, client, backups, index, record).await?;
            before::seen(client, index, record, relation).await?;
        }
        if record.has_left() {
            staging::left(ctx, client, backups, index, record).await?;
            before::left(client, index, record, relation).await?;
        }
        if record.truncated {
            before::there(client, index, record, relation).await?;
        }
        if let (Some(then), true) = (counted, record.finds_rows())
            && !backups.is_sample()
            && written(source, client, (index, record), relation, then).await? > 0
        {
            inserted_into.push((index, record.oid));
        }
    }
    let Some(then) = counted.filter(|_| !inserted_into.is_empty()) else {
        return Ok(Inserts::new());
    };
    inserted::settled(client).await?;
    let oids: Vec<Oid> = inserted_into.iter().map(|t| t.1).collect();
    let now = inserted::read(client, &oids).await?;
    let now = now.and_then(|now| now.rows);
    let since = |oid: &Oid| Some(now.as_ref()?.get(oid)? - then.rows.as_ref()?.get(oid)?);
    let since = inserted_into.iter().map(|(at, oid)| (*at, since(oid)));
    Ok(since.collect())
}

/// Notes which rows of a table somebody wrote since the rollback, and returns how many, as far as that can be
/// told: by what they looked like, else, where values go back, by the transactions that wrote them.
async fn written(
    source: Source<'_>,
    client: &Client,
    (index, record): (usize, &TableRecord),
    relation: &Relation,
    then: &Inserted,
) -> Result<u64> {
    let Source {
        ctx,
        details,
        backups,
    } = source;
    if let Some(looks) = staging::looks(ctx, client, backups, index, record).await? {
        let written = touched::by_looks(client, index, record, relation, &looks).await?;
        looks.discard(client).await?;
        if let Some(written) = written {
            return Ok(written);
        }
    }
    if !record.reshaped() {
        return Ok(0);
    }
    let since = (then.running, details.transaction.parse().unwrap_or(0));
    touched::by_transaction(client, index, record, relation, since).await
}

/// What was counted then, if it was counted here: in a database that was moved, neither the counts nor the
/// transactions of rows tell anything.
pub async fn same_place<'a>(
    client: &Client,
    then: Option<&'a Inserted>,
) -> Result<Option<&'a Inserted>> {
    let Some(then) = then else {
        return Ok(None);
    };
    let now = inserted::read(client, &[]).await?;
    Ok(now.filter(|now| now.place == then.place).map(|_| then))
}

/// Rows that an undo of their table put back before are old: what the scripts do to them again is
/// taken back.
pub async fn old_again(source: Source<'_>, client: &Client, earlier: &World) -> Result<()> {
    let Source {
        ctx,
        details,
        backups,
    } = source;
    for (index, record) in details.tables.iter().enumerate() {
        let (Some(before), Some(name)) = (&record.put_back, record.name_after()) else {
            continue;
        };
        let key = record.key_names();
        let relation = earlier.find(&name.schema, &name.name);
        let Some(relation) = relation.filter(|r| r.keys.first() == Some(&key)) else {
            continue;
        };
        if !before.effects.is_empty() {
            let numbers = &before.effects;
            let (stage, layout) =
                staging::effects_again(ctx, client, backups, index, record, numbers).await?;
            let keys = key.iter().zip(&record.key);
            let keys = keys.map(|(k, n)| (k.clone(), layout.value("s", 'b', *n)));
            let keys = keys.collect();
            before::not_since(client, relation, &stage, keys, "s.had").await?;
            stage.discard(client).await?;
        }
        if before.truncated {
            let table = record.name_before();
            let saved = staging::as_saved(ctx, client, backups, index, &table).await?;
            if let Some((stage, names)) = saved {
                let now = |name: &String| {
                    let value = format!("s.{}", quote::ident(name));
                    Some((record.now(name)?.to_owned(), value))
                };
                let keys = names
                    .iter()
                    .filter_map(now)
                    .filter(|(k, _)| key.contains(k));
                before::not_since(client, relation, &stage, keys.collect(), "true").await?;
                stage.discard(client).await?;
            }
        }
    }
    Ok(())
}

/// Rows that an undo of their table laid aside before, and put back no more.
pub fn aside_before(details: &Details) -> Vec<Conflict> {
    let told = |record: &TableRecord| {
        let before = record.put_back.as_ref().filter(|b| b.aside > 0)?;
        Some(Conflict {
            table: record.name_before(),
            rows: before.aside,
            reason: format!(
                "run {} of the journal, an undo of this table, laid them aside",
                before.by
            ),
        })
    };
    details.tables.iter().filter_map(told).collect()
}

/// True when nothing was saved of a table's rows, and the scripts did nothing to them. Where the
/// table is empty, too, it is left alone: temporary tables take locks, of which a server has only
/// so many.
fn holds_nothing(backups: &Backups, record: &TableRecord) -> bool {
    record.effects.is_empty() && !backups.hold_rows_of(&record.name_before())
}

/// Every table that must be compared with what it should hold.
pub async fn targets<'a>(
    source: Source<'a>,
    client: &Client,
    earlier: &'a World,
    live: &'a World,
    captured: &Captured,
    (empty, inserts): (&BTreeSet<Oid>, &Inserts),
) -> Result<Vec<Target<'a>>> {
    let Source {
        ctx,
        details,
        backups,
    } = source;
    let was_there = |r: &&Relation| earlier.relations.contains_key(&r.oid);
    let made = live.relations.values().filter(|r| !was_there(r));
    let made: Vec<Oid> = made.map(|r| r.oid).collect();
    let still_empty = extent::empty(client, &made).await?;
    let mut targets = Vec::new();
    let mut known: Vec<Oid> = Vec::new();
    for (index, record) in details.tables.iter().enumerate() {
        let name = record.name_before();
        let Some(relation) = live.find(&name.schema, &name.name) else {
            return Err(Error::refused(format!(
                "{name} is not there after the migrations were applied again"
            ))
            .hint("nothing was changed"));
        };
        let was_empty = empty.contains(&relation.oid);
        let is_empty = was_empty || still_empty.contains(&relation.oid);
        if is_empty && holds_nothing(backups, record) {
            continue;
        }
        known.push(relation.oid);
        let before = earlier.relations.get(&relation.oid);
        let wants_rows = before.is_none() || record.reshaped() || record.truncated;
        let saved = wants_rows && record.saved != Saved::Nothing;
        if saved {
            staging::saved(ctx, client, backups, index, record).await?;
        }
        let key = record.key_names();
        let up = net(captured, client, relation, &key).await?;
        targets.push(Target {
            index,
            record: Some(record),
            live: relation,
            earlier: before,
            was_empty,
            saved,
            inserted: inserts.get(&index).copied(),
            up,
            key,
        });
    }
    let others = live.relations.values().filter(|r| {
        let watched = captured.tables().any(|oid| oid == r.oid);
        r.kind == RelationKind::Table && !known.contains(&r.oid) && watched
    });
    for (offset, relation) in others.enumerate() {
        let before = earlier.relations.get(&relation.oid);
        let key = relation.keys.first().cloned().unwrap_or_default();
        let up = net(captured, client, relation, &key).await?;
        if !up.is_empty() {
            targets.push(Target {
                index: details.tables.len() + offset,
                record: None,
                live: relation,
                earlier: before,
                was_empty: empty.contains(&relation.oid),
                saved: false,
                inserted: None,
                up,
                key,
            });
        }
    }
    if backups.is_sample() {
        sample::without_orphans(client, live, &targets).await?;
    }
    Ok(targets)
}

async fn net(
    captured: &Captured,
    client: &Client,
    relation: &Relation,
    key: &[String],
) -> Result<Net> {
    let numbers: Vec<i16> = key
        .iter()
        .filter_map(|k| relation.column(k))
        .map(|c| c.number)
        .collect();
    captured.net(client, relation.oid, &numbers).await
}

/// `live` without the foreign keys to and from tables of which not every row can be seen, by
/// privileges or row-level security: those are left to the server to check.
async fn judged(client: &Client, live: &World) -> Result<World> {
    let unseen = references::unseen(client).await?;
    let mut live = live.clone();
    let seen = |oid: &Oid| !unseen.contains(oid);
    live.foreign_keys.retain(|k| seen(&k.from) && seen(&k.to));
    Ok(live)
}

/// What came of it.
pub struct PutBack {
    /// What was put back.
    pub changed: Vec<Changed>,
    /// What was not.
    pub conflicts: Vec<Conflict>,
    /// The tables of which newer rows got other numbers.
    pub renumbered: Vec<Oid>,
}

/// Works out what every table must hold, and makes it so.
pub async fn put_back(
    source: Source<'_>,
    client: &Client,
    earlier: &World,
    live: &World,
    targets: &[Target<'_>],
    empty: &BTreeSet<Oid>,
    (moved, fillings): (&[Moved], &[Filling]),
) -> Result<PutBack> {
    let live = &judged(client, live).await?;
    let oids: Vec<Oid> = targets.iter().map(|t| t.live.oid).collect();
    let off = apply::switch_off(client, &oids).await?;
    let mut conflicts = follow::conflicts(source.details);
    for target in targets {
        absent::leave_out(client, target, &mut conflicts).await?;
        others::leave_out(client, target, &mut conflicts).await?;
        room::among_values(client, live, targets, target).await?;
    }
    let xid = &source.details.transaction;
    derived::begin(client, targets).await?;
    split::keep_newer(source, client, moved, live, targets, &mut conflicts).await?;
    conflicts.extend(derived::find(client, earlier, live, targets, empty, xid).await?);
    for target in targets {
        wanted::work_out(client, target).await?;
        absent::whose_key_is_taken(client, target, &mut conflicts).await?;
        values::into_wanted(client, target).await?;
    }
    let renumbered = if source.backups.is_sample() {
        Vec::new()
    } else {
        renumbered::move_references(client, live, targets).await?
    };
    conflicts::set_aside(client, live, targets, &mut conflicts).await?;
    let mut changed = write_or_replace(client, live, targets, &mut conflicts).await?;
    let newer = !source.backups.is_sample();
    for filling in fillings.iter().filter(|_| newer) {
        for target in targets.iter().filter(|t| *t.name() == filling.table) {
            let stood = &source.details.sequences_before;
            let alike = fillings.iter().filter(|other| filling.draws_with(other));
            let beside: Vec<&TableName> = alike.map(|other| &other.table).collect();
            let beside = targets.iter().filter(|t| beside.contains(&t.name()));
            let beside: Vec<&Target<'_>> = beside.collect();
            fillings::for_newer(client, target, filling, &beside, stood).await?;
        }
    }
    off.back_on(client).await?;
    changed.retain(|c| c.values > 0 || c.rows != apply::Applied::default());
    Ok(PutBack {
        changed,
        conflicts,
        renumbered,
    })
}

/// Writes wanted rows and saved values by UPDATE, or, where rows are in each other's way then, by DELETE and
/// INSERT.
async fn write_or_replace(
    client: &Client,
    live: &World,
    targets: &[Target<'_>],
    conflicts: &mut Vec<Conflict>,
) -> Result<Vec<Changed>> {
    transaction::savepoint(client).await?;
    let mut all = false;
    // A foreign key would act when a row goes and one with an equal key comes.
    if !clashes::exchange_equal_keys(client, targets).await? {
        match write(client, live, targets, Way::Update, conflicts).await {
            Err(error)
                if retry::is_in_the_way(&error) && transaction::back_to_savepoint(client).await =>
            {
                all = retry::is_orphan(&error);
            }
            other => return other,
        }
    }
    let oids: Vec<Oid> = targets.iter().map(|t| t.live.oid).collect();
    let keys = references::drop_acting(client, &oids, all).await?;
    let changed = write(client, live, targets, Way::Replace, conflicts).await?;
    keys.make_again(client).await?;
    Ok(changed)
}

/// Writes wanted rows and saved values.
async fn write(
    client: &Client,
    live: &World,
    targets: &[Target<'_>],
    way: Way,
    conflicts: &mut Vec<Conflict>,
) -> Result<Vec<Changed>> {
    let mut found = Vec::new();
    let applied = apply::apply(client, targets, way).await?;
    let mut changed = Vec::new();
    for (target, applied) in targets.iter().zip(applied) {
        room::without_parents(client, live, target, &mut found).await?;
        let values = values::into_live(client, target, way).await?;
        let left_over = [
            (
                values::kept_newer(client, target).await?,
                "somebody changed the converted value since; the newer one was kept",
            ),
            (
                values::without(client, target).await?,
                "an undo of this table put the rows back without values that had no place then",
            ),
            (
                values::unmatched(client, target).await?,
                "there is no key to find them by, and their rows were changed or deleted since; \
                 their values were laid aside",
            ),
        ];
        for (rows, reason) in left_over {
            conflicts::note(&mut found, target.name(), rows, reason.to_owned());
        }
        changed.push(Changed {
            table: target.name().clone(),
            rows: applied,
            values,
        });
    }
    conflicts.append(&mut found);
    Ok(changed)
}
