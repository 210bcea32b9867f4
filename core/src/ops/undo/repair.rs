//! Definitions that the rollback dropped and the scripts don't make again: a view in another
//! schema that CASCADE took, an index somebody added by hand, grants. They come back from the
//! schema dump in the snapshot.

use crate::error::{Error, Result};
use crate::ident::{Digest, TableName};
use crate::ops::{former, stored_catalog};
use crate::pg::session::Client;
use crate::pg::{catalog, transaction};
use crate::schema::changed::{self, Conversion, Steps};
use crate::schema::repair::{self, MissingColumn};
use crate::schema::{self, Catalog, Change, Diff, Entry, ObjectKey, ObjectKind, Phase};
use crate::store::Verified;

/// What came back beside what the scripts made.
#[derive(Debug, Clone, Default)]
pub struct Repaired {
    /// Objects made again.
    pub made: Vec<String>,
    /// Tables whose columns stand in another order.
    pub reordered: Vec<String>,
    /// A readable difference to the schema before the rollback, when it was accepted.
    pub drift: Option<String>,
    /// Columns added here that have a default: table, column, expression.
    pub defaults: Vec<(TableName, String, String)>,
    /// Statements that must wait for the data.
    late: Vec<String>,
}

/// The schema that was there before the rollback, and its fingerprint, recorded as `expected`.
pub fn before(snapshot: Option<&Verified>, expected: Digest) -> Result<(Option<Catalog>, Digest)> {
    let stored = snapshot.map(|s| &s.details()["purpose"]["catalog"]);
    let recorded = stored.map(stored_catalog::from_json).transpose()?;
    Ok(former::snapshot(recorded, expected))
}

/// What may become of objects.
pub struct Judge<'a> {
    /// Nobody has changed the schema since the rollback: what differs is its doing.
    pub unchanged: bool,
    /// It may go without a trace.
    pub may_go: &'a dyn Fn(&ObjectKey) -> bool,
    /// Somebody took it away since, and it stays away.
    pub meant: &'a dyn Fn(&ObjectKey) -> bool,
}

/// Makes again what is missing or differs, as far as rows need it; constraints, indexes and triggers
/// wait for [`finish`]. What is there beside goes.
pub async fn begin(
    client: &Client,
    snapshot: Option<&Verified>,
    before: Option<&Catalog>,
    judge: &Judge<'_>,
) -> Result<Repaired> {
    let mut repaired = Repaired::default();
    let (Some(before), Some(snapshot)) = (before, snapshot) else {
        return Ok(repaired);
    };
    let mut difference = difference(client, before, judge).await?;
    let Some((pre, post)) = snapshot.schema()?.filter(|_| !difference.is_empty()) else {
        return Ok(repaired);
    };
    transaction::define(client, schema::ENTRY_SETTINGS).await?;
    let made_again = |change: &&Change| judge.unchanged && changed::is_made_again(change.key.kind);
    let again = difference.changed.iter().filter(made_again);
    let again: Vec<ObjectKey> = again.map(|change| change.key.clone()).collect();
    let going = [&difference.extra[..], &again].concat();
    for sql in schema::removals(&going, judge.may_go) {
        transaction::define(client, &sql).await?;
    }
    if !again.is_empty() {
        // Comments and privileges went with them.
        difference = self::difference(client, before, judge).await?;
    }
    let pre = schema::dump_entries(&pre);
    let post = schema::dump_entries(&post);
    let all: Vec<Entry> = pre.iter().chain(&post).cloned().collect();
    let (entries, left) = schema::missing_statements(&difference.missing, &all);
    for entry in entries.iter().filter(|e| e.phase() == Phase::Early) {
        make(client, entry, &mut repaired).await?;
    }
    let columns = repair::columns(before, &difference.missing);
    let (last, first): (Vec<_>, Vec<_>) = columns.into_iter().partition(|c| c.of_relation);
    for column in &first {
        add(client, column, &mut repaired).await?;
    }
    let mut attach = Vec::new();
    for change in &difference.changed {
        let steps = alter(client, change, &all, judge).await?;
        if steps != Steps::default() {
            repaired.made.push(change.key.to_string());
        }
        repaired.late.extend(steps.late);
        attach.extend(steps.attach);
    }
    // Rows that the rollback put there are gone by then.
    repaired.late.extend(attach);
    for constraint in repair::constraints(before, &left) {
        repaired.late.push(constraint);
    }
    for entry in entries.iter().filter(|e| e.phase() == Phase::Main) {
        if pre.contains(entry) {
            make(client, entry, &mut repaired).await?;
        } else {
            repaired.made.push(describe(entry));
            repaired.late.push(entry.sql.clone());
        }
    }
    let wait = |repaired: &mut Repaired, phase: Phase| {
        for entry in entries.iter().filter(|e| e.phase() == phase) {
            repaired.made.push(describe(entry));
            repaired.late.push(entry.sql.clone());
        }
    };
    wait(&mut repaired, Phase::Late);
    for column in &last {
        add(client, column, &mut repaired).await?;
    }
    wait(&mut repaired, Phase::Last);
    let published = schema::publication_statements(&difference.changed, &all);
    repaired
        .late
        .extend(published.into_iter().map(|e| e.sql.clone()));
    Ok(repaired)
}

async fn difference(client: &Client, before: &Catalog, judge: &Judge<'_>) -> Result<Diff> {
    let now = catalog::read(client).await?;
    let mut difference = schema::diff(before, &now);
    difference.missing.retain(|key| !(judge.meant)(key));
    Ok(difference)
}

/// Makes what is there as it was, and returns what is to follow. Without scripts nothing else would;
/// what somebody has changed since is only given what it lacks.
async fn alter(
    client: &Client,
    change: &Change,
    entries: &[Entry],
    judge: &Judge<'_>,
) -> Result<Steps> {
    let mut steps = changed::steps(change, Conversion::Text);
    if !judge.unchanged {
        steps.attach.clear();
        return Ok(steps);
    }
    for sql in &steps.early {
        transaction::define(client, sql).await?;
    }
    if changed::is_routine(change.key.kind) {
        let (found, _) = schema::missing_statements(std::slice::from_ref(&change.key), entries);
        for entry in found {
            transaction::define(client, &changed::replacing(entry.sql.clone())).await?;
        }
    }
    Ok(steps)
}

/// Adds a column without default and NOT NULL: a default would fill rows whose value was NULL.
async fn add(client: &Client, column: &MissingColumn, repaired: &mut Repaired) -> Result<()> {
    if !column.inherited {
        transaction::define(client, &column.steps.add).await?;
    }
    for setting in &column.steps.settings {
        transaction::define(client, setting).await?;
    }
    repaired.made.push(column.key.to_string());
    if let (Some(table), Some(default)) = (&column.key.table, &column.steps.default) {
        let table = TableName::new(&column.key.schema, table);
        let name = column.key.name.clone();
        repaired.defaults.push((table, name, default.clone()));
    }
    let late = [&column.steps.set_not_null, &column.steps.set_default];
    repaired.late.extend(late.into_iter().flatten().cloned());
    Ok(())
}

fn describe(entry: &Entry) -> String {
    format!("{} {}", entry.kind.to_lowercase(), entry.name)
}

async fn make(client: &Client, entry: &Entry, repaired: &mut Repaired) -> Result<()> {
    transaction::define(client, &entry.sql)
        .await
        .map_err(|e| e.wrap(format!("could not make {} again", describe(entry))))?;
    repaired.made.push(describe(entry));
    Ok(())
}

/// Makes the rest, now that the rows are there, and compares the schema with the one before the
/// rollback, whose fingerprint is `expected`.
pub async fn finish(
    client: &Client,
    repaired: &mut Repaired,
    before: Option<&Catalog>,
    expected: Digest,
    accept_drift: bool,
) -> Result<()> {
    for sql in std::mem::take(&mut repaired.late) {
        transaction::define(client, &sql).await?;
    }
    let mut now = catalog::read(client).await?;
    if let Some(before) = before {
        // What was made again got the owner and the default privileges of today, and what children
        // inherit is what their parents got.
        let difference = schema::diff(before, &now);
        let changed = difference.changed.iter().map(|c| &c.key);
        let keys = difference
            .missing
            .iter()
            .chain(&difference.extra)
            .chain(changed);
        let mut regranted = false;
        for key in keys.filter(|k| k.kind == ObjectKind::Acl) {
            for sql in schema::privileges(before, &now, key) {
                transaction::define(client, &sql).await?;
                regranted = true;
            }
        }
        for change in &difference.changed {
            if let Some(sql) = changed::validate(change) {
                transaction::define(client, &sql).await?;
                regranted = true;
            }
        }
        if regranted {
            now = catalog::read(client).await?;
        }
    }
    let difference = before.map(|before| schema::diff(before, &now));
    if let Some(difference) = &difference {
        let reordered = difference.reordered.iter();
        repaired.reordered = reordered.map(ToString::to_string).collect();
    }
    if now.fingerprint() == expected {
        return Ok(());
    }
    let difference = difference.map_or_else(
        || "(the schema before the rollback was not kept)".to_owned(),
        |d| d.render(),
    );
    if accept_drift {
        repaired.drift = Some(difference);
        return Ok(());
    }
    Err(Error::refused(format!(
        "the schema would not be the one that was there before the rollback:\n{difference}"
    ))
    .hint("nothing was changed; pass --accept-drift to accept the schema as it ends"))
}
