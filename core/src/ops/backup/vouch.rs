//! What vouches for a backup from outside the store. Whoever can write to the store, and knows a
//! public recipient, can make a whole backup there: what the store says is not believed.

use std::time::Duration;

use crate::error::{Error, Result};
use crate::ident::{BackupId, Digest};
use crate::model::backup::{BackupFacts, Voucher};
use crate::model::event::Event;
use crate::model::ledger::{Record, Verb};
use crate::model::signature::Signature;
use crate::ops::context::Context;
use crate::ops::recipients;
use crate::pg::journal::NewRecord;
use crate::pg::options::ConnectOptions;
use crate::pg::{connect, custody, journal, ledger, server, session};
use crate::store::Memory;

/// What a person types to have definitions run that nothing vouches for.
const YES: &str = "yes";

/// How long noting a backup may take: it is there, and somebody waits.
const PATIENCE: Duration = Duration::from_secs(3);

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
    if found.is_none() && signed(ctx, facts) {
        found = Some(Voucher::Signature);
    }
    if let Some(recalled) = recalled(ctx, &facts.id) {
        if recalled != manifest {
            return Err(replaced(&facts.id, "the one that this machine remembers"));
        }
        found = found.or(Some(Voucher::Machine));
    }
    // The database that it is of, where another one is restored into. It may know better.
    if let (None | Some(Voucher::Signature), Some(source)) = (found, &ctx.vouching.journal)
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
        "nothing outside the store vouches for backup {id}{}, and its definitions are code that \
         would run on the server",
        unsigned(facts)
    );
    if ctx.vouching.trust {
        ctx.observer.observe(Event::Warning(unknown));
        return Ok(());
    }
    let question = format!("{unknown}; type {YES} to run them");
    match ctx.ask.line(&question) {
        Some(answer) if answer.trim() == YES => Ok(()),
        Some(_) => Err(Error::refused("that was not a yes").hint("nothing was changed")),
        None => {
            let mut error = Error::refused(unknown).hint(
                "--expect SHA256 names the digest of its manifest.json, from a copy or a note \
                 that you trust",
            );
            if facts.signer.is_some() && ctx.vouching.signers.is_none() {
                error =
                    error.hint("it is signed: --allowed-signers FILE names whose signatures count");
            }
            Err(error
                .hint("--trust-definitions runs them all the same")
                .hint("--table restores rows alone, which need neither"))
        }
    }
}

/// True when somebody has signed the backup who may vouch for it.
fn signed(ctx: &Context, facts: &BackupFacts) -> bool {
    let valid = facts.signature.as_ref().is_some_and(Signature::is_valid);
    let Some(signers) = ctx.vouching.signers.as_ref().filter(|_| valid) else {
        return false;
    };
    if signers.in_dotenv {
        ctx.observer.observe(Event::Warning(format!(
            "the signature of backup {} does not vouch for it: whose signatures count is said by \
             {}, and whoever wrote that file can't have a say; name the list by \
             --allowed-signers, in the real environment or in the config file",
            facts.id, signers.by
        )));
    }
    !signers.in_dotenv
}

/// Why the signature does not vouch for the backup, as far as one was looked for.
fn unsigned(facts: &BackupFacts) -> String {
    match &facts.signature {
        Some(Signature::Missing) if facts.signer.is_some() => {
            " (the signature that its manifest speaks of is gone)".to_owned()
        }
        Some(Signature::Missing) => " (it is not signed)".to_owned(),
        Some(Signature::Stranger { key, why }) => {
            let key = key.as_deref().unwrap_or("a key of another kind");
            format!(" (it is signed by {key}: {why})")
        }
        _ => String::new(),
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

/// Notes in the journal that a backup was made by hand, so that the database vouches for it wherever
/// it is asked. Where there is no journal, or none can be written (a standby), nothing is noted; that it
/// can't be is told and is no failure.
pub async fn note(ctx: &Context, facts: &BackupFacts) {
    let why = match tokio::time::timeout(PATIENCE, append(ctx, facts)).await {
        Ok(Ok(())) => return,
        Ok(Err(error)) => error.to_string(),
        Err(_) => "it took too long".to_owned(),
    };
    ctx.observer.observe(Event::Note(format!(
        "backup {} was not noted in the journal: {why}",
        facts.id
    )));
}

async fn append(ctx: &Context, facts: &BackupFacts) -> Result<()> {
    let Some(manifest) = facts.manifest else {
        return Ok(());
    };
    let mut session = connect::connect(&ctx.database, "pgbelay journal").await?;
    let client = session.client();
    if server::read(client).await?.standby || !journal::exists(client).await? {
        return Ok(());
    }
    let transaction = session::begin(session.client_mut()).await?;
    session::pin(&transaction).await?;
    session::set_lock_timeout(&transaction, PATIENCE / 3, true).await?;
    custody::check(&transaction).await?;
    let head = ledger::head(&transaction).await?;
    let record = NewRecord {
        verb: Verb::Backup,
        from: head.clone(),
        to: head,
        by: format!("{} ({})", session::role(&transaction).await?, ctx.actor),
        reason: None,
        consent: String::new(),
        backups: vec![facts.id.clone()],
        manifests: vec![manifest],
        reverses: None,
        details: recipients::noted(ctx, "{}"),
    };
    journal::append(&transaction, record).await?;
    session::commit(transaction).await
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
