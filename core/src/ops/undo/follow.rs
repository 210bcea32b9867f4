//! Columns that somebody renamed or dropped between a rollback and its undo: what was saved of them
//! goes where they are now, or stays in the backup.

use crate::error::{Error, Result};
use crate::ident::TableName;
use crate::model::relation::{Relation, World};
use crate::pg::reconcile::conflicts::Conflict;
use crate::pg::record::{Details, TableRecord};
use crate::schema::{ObjectKey, ObjectKind};

/// Brings the records of `details` up to the names that columns have in `world`.
pub fn columns(details: &mut Details, world: &World) -> Result<()> {
    for record in &mut details.tables {
        let name = record.name_after();
        let found = name.and_then(|name| world.find(&name.schema, &name.name));
        // A number means the same column only in the very same table.
        if let Some(relation) = found.filter(|r| r.oid == record.oid) {
            follow(record, relation)?;
        }
    }
    Ok(())
}

fn follow(record: &mut TableRecord, relation: &Relation) -> Result<()> {
    for (number, left) in record.columns_after.clone() {
        let now = relation.columns.iter().find(|c| c.number == number);
        let Some(column) = record.columns.iter_mut().find(|c| c.number == number) else {
            continue;
        };
        // One that the scripts rename is theirs to find.
        if column.name != left || now.is_some_and(|now| now.name == left) {
            continue;
        }
        let since = now.map(|now| now.name.clone());
        record.since.insert(left.clone(), since.clone());
        if let Some(name) = since {
            column.name.clone_from(&name);
            let after = record.columns_after.iter_mut();
            after
                .filter(|c| c.0 == number)
                .for_each(|c| c.1.clone_from(&name));
            continue;
        }
        if record.key.contains(&number) {
            return Err(Error::refused(format!(
                "the column {left} of {} is gone since the rollback, and rows are told apart by it",
                relation.name
            ))
            .hint(aside(&relation.name)));
        }
        without(record, number);
    }
    Ok(())
}

/// How to get at what was saved of `table` where it has no place.
pub fn aside(table: &TableName) -> String {
    format!(
        "`rollback undo --table {table}` lays what was saved of it aside, in a table of its own"
    )
}

/// Leaves column `number` out: it is not there, or not as it was.
fn without(record: &mut TableRecord, number: i16) {
    record.columns.retain(|c| c.number != number);
    record.columns_after.retain(|c| c.0 != number);
    record.effects.retain(|n| *n != number);
    record.retyped.retain(|n| *n != number);
    record.dropped.retain(|n| *n != number);
}

/// `record` for rows that go into `now`, the very table that the rollback left, without applying
/// the migrations again: what the rollback dropped or converted has no place there. `None`: nor
/// has a row, since a column is missing by which rows are told apart.
pub fn in_place(record: &TableRecord, now: &Relation) -> Option<TableRecord> {
    let mut followed = record.clone();
    for column in &record.columns {
        let number = column.number;
        let found = now.columns.iter().find(|c| c.number == number);
        let found = found.filter(|_| !record.retyped.contains(&number));
        let name = found.map(|c| c.name.clone());
        if name.as_ref() != Some(&column.name) {
            followed.since.insert(column.name.clone(), name.clone());
        }
        let Some(name) = name else {
            if record.key.contains(&number) {
                return None;
            }
            without(&mut followed, number);
            continue;
        };
        let columns = followed.columns.iter_mut();
        columns
            .filter(|c| c.number == number)
            .for_each(|c| c.name.clone_from(&name));
        let after = followed.columns_after.iter_mut();
        after
            .filter(|c| c.0 == number)
            .for_each(|c| c.1.clone_from(&name));
    }
    Some(followed)
}

/// True for a column that is not to be made again: somebody renamed or dropped it.
pub fn is_meant(details: &Details, key: &ObjectKey) -> bool {
    let of = |record: &&TableRecord| {
        record.before.0 == key.schema && Some(&record.before.1) == key.table.as_ref()
    };
    let record = details.tables.iter().find(of);
    key.kind == ObjectKind::Column && record.is_some_and(|r| r.since.contains_key(&key.name))
}

/// What was saved of columns that are gone.
pub fn conflicts(details: &Details) -> Vec<Conflict> {
    let gone = |record: &TableRecord| -> Vec<Conflict> {
        let gone = record.since.iter().filter(|(_, now)| now.is_none());
        let told = |name: &String| Conflict {
            table: record.name_before(),
            rows: 0,
            reason: format!(
                "the column {name} was dropped since: what was saved of it was laid aside"
            ),
        };
        gone.map(|(name, _)| told(name)).collect()
    };
    details.tables.iter().flat_map(gone).collect()
}
