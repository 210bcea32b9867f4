//! Definitions that the rollback dropped and the scripts don't make again: a view in another
//! schema that CASCADE took, an index somebody added by hand, grants. They come back from the
//! schema dump in the snapshot.

use crate::error::{Error, Result};
use crate::ident::Digest;
use crate::ops::{former, stored_catalog};
use crate::pg::session::Client;
use crate::pg::{catalog, transaction};
use crate::schema::fillings::Filling;
use crate::schema::rebuild::{Judge, Manner, Needs, Rebuild, Step, rebuild};
use crate::schema::{self, Catalog, ObjectKind, changed};
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
    /// Columns added here, and what rows get in them that are newer.
    pub fillings: Vec<Filling>,
    /// Statements that must wait for the data.
    late: Vec<String>,
}

/// The schema that was there before the rollback, and its fingerprint, recorded as `expected`.
pub fn before(snapshot: Option<&Verified>, expected: Digest) -> Result<(Option<Catalog>, Digest)> {
    let stored = snapshot.map(|s| &s.details()["purpose"]["catalog"]);
    let recorded = stored.map(stored_catalog::from_json).transpose()?;
    Ok(former::snapshot(recorded, expected))
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
    let now = catalog::read(client).await?;
    if schema::diff(before, &now).is_empty() {
        return Ok(repaired);
    }
    let Some((pre, post)) = snapshot.schema()? else {
        return Ok(repaired);
    };
    transaction::define(client, schema::ENTRY_SETTINGS).await?;
    let [pre, post] = [&pre, &post].map(|text| schema::dump_entries(text));
    let entries = [pre, post].concat();
    let Rebuild { steps, fillings } = rebuild(before, &now, &entries, Manner::AroundRows(judge));
    repaired.fillings = fillings;
    for Step { sql, makes, needs } in steps {
        if needs == Needs::Definitions {
            let made = transaction::define(client, &sql).await;
            made.map_err(|e| match &makes {
                Some(what) => e.wrap(format!("could not make {what} again")),
                None => e,
            })?;
        } else {
            repaired.late.push(sql);
        }
        repaired.made.extend(makes);
    }
    // Several statements may make one thing.
    repaired.made.dedup();
    Ok(repaired)
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
