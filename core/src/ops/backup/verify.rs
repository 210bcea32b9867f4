//! `backup verify`: is it there, is it what was written, can it be read, can it be restored.

use std::sync::Arc;

use crate::clock::{self, Timestamp};
use crate::error::{Error, Kind, Result};
use crate::ident::{BackupId, TableName};
use crate::model::backup::{BackupFacts, BackupKind, VerifyLevel, Voucher};
use crate::model::event::{Event, Phase};
use crate::ops::backup::open;
use crate::ops::backup::restore;
use crate::ops::backup::restore::{How, RestorePlan};
use crate::ops::backup::vouch;
use crate::ops::backup::whole;
use crate::ops::context::Context;
use crate::ops::loading::after;
use crate::ops::task::Task;
use crate::pg::error::sqlstate;
use crate::pg::lock::Locked;
use crate::pg::restore as restoring;
use crate::pg::scratch::Scratch;
use crate::pg::session::Client;
use crate::pg::{connect, inspect, lock, server, usable};
use crate::store::{Backup, Identities, Verified};

/// What was found: nothing wrong, down to a level.
#[derive(Debug, Clone)]
pub struct Verification {
    /// The backup.
    pub facts: BackupFacts,
    /// How deeply it was looked at.
    pub level: VerifyLevel,
    /// When.
    pub at: Timestamp,
    /// What vouches for the backup from outside the store; `None` when nothing does, or when it
    /// wasn't looked for (at [`VerifyLevel::Listed`]).
    pub voucher: Option<Voucher>,
}

/// Verifies the backup that `selector` names, and notes the result beside it. Without a level: as
/// deep as can be without restoring it, which is [`VerifyLevel::Hashed`] without any identity.
///
/// The database of the context is asked for its journal, if there is one; for
/// [`VerifyLevel::Restored`] a scratch database is made on its server.
pub fn verify<'a>(
    ctx: &'a Context,
    selector: &'a str,
    level: Option<VerifyLevel>,
) -> Task<'a, Verification> {
    Box::pin(async move {
        ctx.observer.observe(Event::Phase(Phase::Verify));
        let backup = open::find(ctx, selector)?;
        let identities = Identities::load(&ctx.identities, Arc::clone(&ctx.ask))?;
        // A key that was given and doesn't fit is told, not passed over.
        let level = level.unwrap_or(if identities.is_empty() {
            VerifyLevel::Hashed
        } else {
            VerifyLevel::Decrypted
        });
        let opens = backup.opens_with(&identities);
        let facts = backup.facts().clone();
        let outcome = deep(ctx, backup, level).await;
        let noted = |passed: bool, version: Option<&str>| {
            let result = open::find(ctx, selector)
                .and_then(|b| b.record_verification(level, passed, &ctx.actor, version));
            if let Err(e) = result {
                ctx.observer.observe(Event::Warning(format!(
                    "the verification could not be noted beside the backup: {e}"
                )));
            }
        };
        match outcome {
            Ok((version, voucher)) => {
                noted(true, version.as_deref());
                Ok(Verification {
                    facts,
                    level,
                    at: clock::now(),
                    voucher,
                })
            }
            Err(error) => {
                // A key or a server that is missing says nothing about the backup.
                if error.kind() == Kind::Damaged && (opens || level < VerifyLevel::Decrypted) {
                    noted(false, None);
                }
                Err(error)
            }
        }
    })
}

async fn deep(
    ctx: &Context,
    backup: Backup,
    level: VerifyLevel,
) -> Result<(Option<String>, Option<Voucher>)> {
    if level == VerifyLevel::Restored && backup.facts().kind == BackupKind::Prerollback {
        return Err(Error::usage(
            "a backup that a rollback made holds parts of tables, which can't be restored alone",
        )
        .hint("verify it with --level decrypted"));
    }
    let stored = level.min(VerifyLevel::Decrypted);
    let verified = open::verified(ctx, backup, stored).await?;
    let mut voucher = None;
    if level >= VerifyLevel::Hashed {
        voucher = vouch::voucher(ctx, verified.facts()).await?;
    }
    if level < VerifyLevel::Restored {
        return Ok((None, voucher));
    }
    vouch::permit(ctx, verified.facts(), voucher)?;
    Ok((Some(restored(ctx, verified, voucher).await?), voucher))
}

/// Restores into a scratch database, which compares all rows. Returns the server's version.
///
/// Definitions that nothing vouches for run under a role that was made for them, and may do nothing
/// else.
async fn restored(
    ctx: &Context,
    verified: Arc<Verified>,
    voucher: Option<Voucher>,
) -> Result<String> {
    let facts = verified.commit_facts()?;
    let mut scratch = Scratch::create(&ctx.database, &facts.encoding, &facts.collation).await?;
    let id = verified.facts().id.clone();
    let humble = voucher.is_none();
    let ready = if humble {
        scratch.hand_over().await
    } else {
        Ok(())
    };
    let outcome = match ready {
        Ok(()) => into(ctx, &scratch, verified, humble).await,
        Err(error) => Err(error),
    };
    let removed = scratch.remove().await;
    let version = outcome.map_err(|error| {
        if humble && error.kind() == Kind::Failed {
            error.hint(
                "nothing vouches for the backup, so its definitions ran under a role without \
                 rights, which may be why: --expect SHA256 has them run under yours",
            )
        } else {
            judged(&id, error)
        }
    })?;
    removed?;
    Ok(version)
}

/// Tells a backup that doesn't restore from a server that can't take it just now.
fn judged(id: &BackupId, error: Error) -> Error {
    let code = sqlstate(&error).unwrap_or_default();
    // Rights, roles, extensions' files, room, connections: of the server, not of the backup.
    let server = ["08", "53", "57", "58"]
        .iter()
        .any(|class| code.starts_with(class))
        || ["42501", "42704", "0A000", "55P03"].contains(&code.as_str());
    if error.to_string() == after::NO_EXTENSION {
        return error.hint(
            "that is no damage; some extensions can be made in one database of a server alone: \
             verify with --level decrypted, or on another server",
        );
    }
    if error.kind() != Kind::Failed || server || code.is_empty() && !differs(&error) {
        return error;
    }
    Error::damaged(format!("backup {id} does not restore"))
        .caused_by(error)
        .hint("do not count on it; take another backup, and verify that one")
}

/// True when rows read otherwise after they were loaded.
fn differs(error: &Error) -> bool {
    error.causes().iter().any(|cause| cause == whole::DIFFERS)
}

async fn into(
    ctx: &Context,
    scratch: &Scratch,
    verified: Arc<Verified>,
    humble: bool,
) -> Result<String> {
    let (locked, plan) = fill(ctx, scratch, verified, true, humble).await?;
    let client = locked.session().client();
    positions(client, &plan).await?;
    constraints(ctx, client).await?;
    if humble {
        ctx.observer.observe(Event::Note(
            "whether numbers can be drawn and rows added was not tried: that takes rights that a \
             backup which nothing vouches for is not given"
                .to_owned(),
        ));
    } else {
        writing(ctx, client).await?;
    }
    Ok(server::read(client).await?.version)
}

/// Restores into a scratch database; with `compare`, all rows are read again.
pub(in crate::ops) async fn fill(
    ctx: &Context,
    scratch: &Scratch,
    verified: Arc<Verified>,
    compare: bool,
    humble: bool,
) -> Result<(Locked, RestorePlan)> {
    let name = scratch.options().database.clone();
    let mut plan = restore::of(verified, &name, &[], None)?;
    plan.scratch = true;
    plan.compare = compare;
    plan.humble = humble;
    if plan.how != How::Whole {
        return Err(
            Error::usage("a backup without definitions can't be restored alone")
                .hint("verify it with --level decrypted"),
        );
    }
    let session = connect::connect(scratch.options(), "pgbelay verify").await?;
    let locked = lock::acquire(session, ctx.wait, ctx.observer.as_ref()).await?;
    let target = scratch.options().at(locked.session().host());
    whole::load(ctx, locked.session().client(), target, &plan).await?;
    Ok((locked, plan))
}

/// Every sequence stands where it was saved.
async fn positions(client: &Client, plan: &RestorePlan) -> Result<()> {
    let now = inspect::all_sequences(client).await?;
    for saved in plan.verified.sequences()? {
        if !now.iter().any(|s| s.state == saved) {
            return Err(Error::damaged(format!(
                "backup {} does not restore: sequence {} stands elsewhere than it was saved",
                plan.backup.id, saved.name
            )));
        }
    }
    Ok(())
}

/// All constraints hold. Those that the definitions say hold were checked when they were made; of
/// those that they say may not hold it is told which don't.
async fn constraints(ctx: &Context, client: &Client) -> Result<()> {
    for name in restoring::unvalidated(client).await? {
        ctx.observer.observe(Event::Note(format!(
            "constraint {name} is not valid, as in the database that was backed up"
        )));
    }
    Ok(())
}

/// Numbers can be drawn and rows added. What fails there is as it was saved, so it is told, and is
/// no damage.
async fn writing(ctx: &Context, client: &Client) -> Result<()> {
    let sequences = inspect::all_sequences(client).await?;
    let names: Vec<TableName> = sequences.into_iter().map(|s| s.name).collect();
    let tried = usable::try_writing(client, &names).await?;
    for trouble in tried.troubles {
        ctx.observer.observe(Event::Warning(format!(
            "what is restored from this backup can't be written to as it stands: {trouble}"
        )));
    }
    for untried in tried.untried {
        ctx.observer.observe(Event::Note(untried));
    }
    Ok(())
}
