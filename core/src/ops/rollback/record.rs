//! What the ledger and the journal are told of a rollback.

use crate::error::Result;
use crate::ident::Digest;
use crate::model::backup::BackupFacts;
use crate::model::consent::Consent;
use crate::model::ledger::{Entry, Verb};
use crate::ops::beside;
use crate::ops::recipients;
use crate::ops::rollback::apply::Options;
use crate::ops::rollback::attempt::Attempt;
use crate::ops::rollback::plan::Planned;
use crate::pg::journal::{self, NewRecord};
use crate::pg::ledger;
use crate::pg::matviews::Populated;
use crate::pg::record::{Details, EntryRecord, SequenceRecord, TableRecord};
use crate::pg::session::{self, Client};
use crate::schema::Catalog;

/// An entry of the ledger, for whoever undoes this.
pub fn entry_record(entry: &Entry, planned: &Planned) -> EntryRecord {
    let step = planned
        .plan
        .steps
        .iter()
        .find(|s| s.revision == entry.revision);
    let text = |digest: Option<Digest>| digest.map(|d| d.to_string());
    EntryRecord {
        sequence: entry.sequence,
        revision: entry.revision.to_string(),
        name: entry.name.clone(),
        up_text: entry.up_text.clone(),
        down_text: entry
            .down_text
            .clone()
            .or_else(|| step.map(|s| s.script.text.clone())),
        transactional: entry.transactional,
        batch: entry.batch,
        applied_at: entry.applied_at.to_rfc3339(),
        applied_by: entry.applied_by.clone(),
        duration_ms: entry.duration_ms,
        fingerprint_before: text(entry.fingerprint_before),
        fingerprint_after: text(entry.fingerprint_after),
        change: entry.change.clone(),
    }
}

/// What goes into the journal, but whether the undo was tried: the schema `now`, the `tables`, the
/// transaction, the materialized views that held rows, and where sequences stood before the scripts and
/// after.
pub fn details(
    planned: &Planned,
    now: &Catalog,
    tables: Vec<TableRecord>,
    transaction: &str,
    populated: &[Populated],
    [sequences_before, sequences_after]: [Vec<SequenceRecord>; 2],
) -> Details {
    let entries = planned.entries.iter();
    let populated = populated.iter();
    Details {
        version: 1,
        entries: entries.map(|entry| entry_record(entry, planned)).collect(),
        before: planned.plan.fingerprint.to_string(),
        after: now.fingerprint().to_string(),
        tables,
        transaction: transaction.to_owned(),
        populated: populated
            .map(|m| (m.name.schema.clone(), m.name.name.clone()))
            .collect(),
        refilled: Vec::new(),
        sequences_before,
        sequences_after,
        inserted: None,
        proof: None,
    }
}

/// How consent was given, and the flags that weakened a check.
pub fn given(planned: &Planned, consent: &Consent, options: &Options) -> String {
    let mut text = consent.by().to_owned();
    for (given, flag) in [
        (planned.request.force && text != "--force", " --force"),
        (planned.request.accept_drift, " --accept-drift"),
        (options.without_snapshot, " --without-snapshot"),
        (options.without_proof, " --without-proof"),
    ] {
        if given {
            text += flag;
        }
    }
    text
}

/// Takes the entries back and writes the journal, in the same transaction.
pub async fn write_ledger(
    client: &Client,
    context: &Attempt<'_>,
    backups: &[BackupFacts],
    details: &Details,
) -> Result<()> {
    let planned = context.planned;
    ledger::ensure(client).await?;
    ledger::restate(client, &planned.restated).await?;
    for entry in &planned.entries {
        ledger::remove(client, &entry.revision).await?;
    }
    let kept = ledger::read(client).await?;
    beside::taken_back(client, &planned.entries, kept.last()).await?;
    let (ids, manifests) = BackupFacts::references(backups);
    let record = NewRecord {
        verb: Verb::Rollback,
        from: planned.plan.from.clone(),
        to: planned.plan.to.clone(),
        by: format!("{} ({})", session::role(client).await?, context.ctx.actor),
        reason: context.options.reason.clone(),
        consent: given(planned, context.consent, context.options),
        backups: ids,
        manifests,
        reverses: None,
        details: if backups.is_empty() {
            details.to_json()?
        } else {
            recipients::noted(context.ctx, &details.to_json()?)
        },
    };
    journal::append(client, record).await?;
    Ok(())
}
