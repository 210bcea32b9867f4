//! What vouches for a backup from outside the store. Whoever can write to the store, and knows a
//! public recipient, can make a whole backup there: what the store says is not believed.

use crate::error::{Error, Result};
use crate::ident::{BackupId, Digest};
use crate::model::backup::{BackupFacts, Voucher};
use crate::model::event::Event;
use crate::model::ledger::Record;
use crate::ops::context::Context;
use crate::pg::options::ConnectOptions;
use crate::pg::{connect, journal, session};
use crate::store::Memory;

/// What a person types to have definitions run that nothing vouches for.
const YES: &str = "yes";

/// Finds what vouches for the backup: `None` when nothing does. What contradicts it is an error.
pub async fn voucher(ctx: &Context, facts: &BackupFacts) -> Result<Option<Voucher>> {
    let Some(manifest) = facts.manifest else {
        return Ok(None);
    };
    let mut found = None;
    if let Some(expected) = ctx.vouching.expect {
        if expected != manifest {
            return Err(replaced(&facts.id, "the one that --expect names"));
        }
        found = Some(Voucher::Expected);
    }
    if in_journal(ctx, &ctx.database, facts).await? {
        found = Some(Voucher::Journal);
    }
    if let Some(recalled) = recalled(ctx, &facts.id) {
        if recalled != manifest {
            return Err(replaced(&facts.id, "the one that this machine remembers"));
        }
        found = found.or(Some(Voucher::Machine));
    }
    // The database that it is of, where another one is restored into.
    if let (None, Some(source)) = (found, &ctx.vouching.journal)
        && in_journal(ctx, source, facts).await?
    {
        found = Some(Voucher::Journal);
    }
    if matches!(found, Some(Voucher::Expected | Voucher::Journal)) {
        remember(ctx, facts);
    }
    Ok(found)
}

/// Lets definitions be run that `voucher` vouches for, or that a person trusts.
pub fn permit(ctx: &Context, facts: &BackupFacts, voucher: Option<Voucher>) -> Result<()> {
    if voucher.is_some() {
        return Ok(());
    }
    let id = &facts.id;
    let unknown = format!(
        "nothing outside the store vouches for backup {id}, and its definitions are code that \
         would run on the server"
    );
    if ctx.vouching.trust {
        ctx.observer.observe(Event::Warning(unknown));
        return Ok(());
    }
    let question = format!("{unknown}; type {YES} to run them");
    match ctx.ask.line(&question) {
        Some(answer) if answer.trim() == YES => Ok(()),
        Some(_) => Err(Error::refused("that was not a yes").hint("nothing was changed")),
        None => Err(Error::refused(unknown)
            .hint(
                "--expect SHA256 names the digest of its manifest.json, from a copy or a note \
                 that you trust",
            )
            .hint("--trust-definitions runs them all the same")
            .hint("--table restores rows alone, which need neither")),
    }
}

/// Remembers a backup that was made here, or that something vouched for.
pub fn remember(ctx: &Context, facts: &BackupFacts) {
    let (Some(memory), Some(manifest)) = (memory(ctx), facts.manifest) else {
        return;
    };
    if let Err(error) = memory.remember(&facts.id, manifest) {
        ctx.observer.observe(Event::Warning(format!(
            "this machine can't remember the digest of backup {}: {}",
            facts.id,
            error.in_full()
        )));
    }
}

fn memory(ctx: &Context) -> Option<Memory> {
    ctx.vouching.memory.clone().map(Memory::new)
}

fn recalled(ctx: &Context, id: &BackupId) -> Option<Digest> {
    match memory(ctx)?.recall(id) {
        Ok(recalled) => recalled,
        Err(error) => {
            ctx.observer.observe(Event::Warning(format!(
                "what this machine remembers of backup {id} can't be read: {}",
                error.in_full()
            )));
            None
        }
    }
}

/// Compares the manifest with the one that the journal of `database` remembers. False when nothing
/// is known.
async fn in_journal(ctx: &Context, database: &ConnectOptions, facts: &BackupFacts) -> Result<bool> {
    if database.hosts.is_empty() {
        return Ok(false);
    }
    let records = match records(ctx, database).await {
        Ok(records) => records,
        Err(e) => {
            ctx.observer
                .observe(Event::Note(format!("the journal was not compared: {e}")));
            return Ok(false);
        }
    };
    for record in records {
        for (id, manifest) in record.backups.iter().zip(&record.manifests) {
            if *id == facts.id {
                return if Some(*manifest) == facts.manifest {
                    Ok(true)
                } else {
                    Err(replaced(
                        id,
                        "the one that the journal of the database remembers",
                    ))
                };
            }
        }
    }
    Ok(false)
}

async fn records(ctx: &Context, database: &ConnectOptions) -> Result<Vec<Record>> {
    let mut session = connect::connect(database, "pgbelay verify").await?;
    let transaction = session::reading(session.client_mut(), ctx.lock_timeout).await?;
    journal::read(&transaction).await
}

fn replaced(id: &BackupId, whose: &str) -> Error {
    Error::damaged(format!(
        "backup {id} is damaged: manifest.json is not {whose}"
    ))
    .hint("somebody replaced it; look for the original in another copy of the store")
}
