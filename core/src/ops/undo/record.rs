//! What an undo writes down about itself.

use crate::error::{Error, Result};
use crate::ident::Digest;
use crate::model::backup::BackupFacts;
use crate::model::ledger::{Entry, Verb};
use crate::ops::beside;
use crate::ops::recipients;
use crate::ops::undo::inside::Attempt;
use crate::pg::journal::{self, NewRecord};
use crate::pg::session::Client;
use crate::pg::{ledger, session};

/// Writes the ledger rows back as they were, and the run into the journal.
pub async fn write(client: &Client, context: &Attempt<'_>, own: &[BackupFacts]) -> Result<()> {
    let plan = context.plan;
    ledger::ensure(client).await?;
    let mut again = Vec::new();
    for entry in plan.details.entries.iter().rev() {
        let digest = |text: &Option<String>| text.as_ref().map(|t| t.parse::<Digest>()).transpose();
        let down = entry.down_text.as_ref();
        let applied_at = chrono::DateTime::parse_from_rfc3339(&entry.applied_at)
            .map_err(|e| Error::failed("the journal's record holds a bad date").caused_by(e))?;
        let entry = Entry {
            sequence: 0,
            revision: entry.revision.parse()?,
            name: entry.name.clone(),
            up_checksum: Digest::of(&entry.up_text),
            up_text: entry.up_text.clone(),
            down_checksum: down.map(Digest::of),
            down_text: down.cloned(),
            transactional: entry.transactional,
            batch: entry.batch,
            applied_at: applied_at.to_utc(),
            applied_by: entry.applied_by.clone(),
            duration_ms: entry.duration_ms,
            fingerprint_before: digest(&entry.fingerprint_before)?,
            fingerprint_after: digest(&entry.fingerprint_after)?,
            change: entry.change.clone(),
        };
        ledger::insert(client, &entry).await?;
        again.push(entry);
    }
    beside::back_again(client, &again).await?;
    let (backups, manifests) = BackupFacts::references(own);
    let record = NewRecord {
        verb: Verb::Undo,
        from: plan.record.to.clone(),
        to: plan.record.from.clone(),
        by: format!("{} ({})", session::role(client).await?, context.ctx.actor),
        reason: context.options.reason.clone(),
        consent: context.options.consent.clone(),
        backups,
        manifests,
        reverses: Some(plan.record.sequence),
        details: if own.is_empty() {
            "{}".to_owned()
        } else {
            recipients::noted(context.ctx, "{}")
        },
    };
    journal::append(client, record).await?;
    Ok(())
}
