//! Definitions that the rollback dropped and the scripts don't make again: a view in another
//! schema that CASCADE took, an index somebody added by hand, grants. They come back from the
//! schema dump in the snapshot.

use crate::error::{Error, Result};
use crate::ident::Digest;
use crate::ops::stored_catalog;
use crate::pg::session::Client;
use crate::pg::{catalog, transaction};
use crate::schema::render::AddColumn;
use crate::schema::{self, Catalog, Entry, ObjectKey, ObjectKind, Phase};
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
    /// Statements that must wait for the data.
    late: Vec<String>,
}

/// The schema that was there before the rollback.
pub fn before(snapshot: Option<&Verified>) -> Result<Option<Catalog>> {
    let stored = snapshot.map(|s| &s.details()["purpose"]["catalog"]);
    stored.map(stored_catalog::from_json).transpose()
}

/// Makes again what is missing, as far as rows need it; constraints, indexes and triggers wait
/// for [`finish`].
pub async fn begin(
    client: &Client,
    snapshot: Option<&Verified>,
    before: Option<&Catalog>,
) -> Result<Repaired> {
    let mut repaired = Repaired::default();
    let (Some(before), Some(snapshot)) = (before, snapshot) else {
        return Ok(repaired);
    };
    let now = catalog::read(client).await?;
    let difference = schema::diff(before, &now);
    if difference.missing.is_empty() {
        return Ok(repaired);
    }
    let Some((pre, post)) = snapshot.schema()? else {
        return Ok(repaired);
    };
    let pre = schema::dump_entries(&pre);
    let post = schema::dump_entries(&post);
    let all: Vec<Entry> = pre.iter().chain(&post).cloned().collect();
    let (entries, left) = schema::missing_statements(&difference.missing, &all);
    let early = |entry: &&&Entry| entry.phase() == Phase::Early;
    for entry in entries.iter().filter(early) {
        make(client, entry, &mut repaired).await?;
    }
    for key in &left {
        if let Some(column) = column(before, key) {
            transaction::define(client, &column.add).await?;
            for setting in &column.settings {
                transaction::define(client, setting).await?;
            }
            repaired.made.push(key.to_string());
            repaired.late.extend(column.set_default);
            repaired.late.extend(column.set_not_null);
        }
    }
    for entry in entries.iter().filter(|e| e.phase() == Phase::Main) {
        if pre.contains(entry) {
            make(client, entry, &mut repaired).await?;
        } else {
            repaired.made.push(describe(entry));
            repaired.late.push(entry.sql.clone());
        }
    }
    for entry in entries.iter().filter(|e| e.phase() == Phase::Late) {
        repaired.made.push(describe(entry));
        repaired.late.push(entry.sql.clone());
    }
    for key in left.iter().filter(|k| k.kind == ObjectKind::Constraint) {
        if let Some(sql) = schema::render::add_constraint(before, key) {
            repaired.made.push(key.to_string());
            repaired.late.push(sql);
        }
    }
    Ok(repaired)
}

fn column(before: &Catalog, key: &ObjectKey) -> Option<AddColumn> {
    let is_column = key.kind == ObjectKind::Column;
    is_column.then(|| schema::render::add_column(before, key))?
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
    let now = catalog::read(client).await?;
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
