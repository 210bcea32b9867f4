//! Finding a backup and reading all of it, without keeping everybody else waiting.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::model::backup::VerifyLevel;
use crate::ops::context::Context;
use crate::store::{AllowedSigners, Backup, Identities, Store, Verified};

/// The backup that `selector` names. Who signed it was looked at, where the context says whose
/// signatures count.
pub fn find(ctx: &Context, selector: &str) -> Result<Backup> {
    let signers = ctx.vouching.signers.as_ref();
    let allowed = signers.map(|s| AllowedSigners::load(&s.file)).transpose()?;
    let mut backup = Store::open(&ctx.backups)?.find(selector, None)?;
    if allowed.is_some() {
        backup.look_at_signature(allowed.as_ref())?;
    }
    Ok(backup)
}

/// As [`find`], for who wants to see it: that there is a signature is told in any case.
pub fn seen(ctx: &Context, selector: &str) -> Result<Backup> {
    let mut backup = find(ctx, selector)?;
    if backup.facts().signature.is_none() {
        backup.look_at_signature(None)?;
    }
    Ok(backup)
}

/// Verifies `backup`, on a thread of its own.
pub async fn verified(ctx: &Context, backup: Backup, level: VerifyLevel) -> Result<Arc<Verified>> {
    let identities = Identities::load(&ctx.identities, Arc::clone(&ctx.ask))?;
    let observer = Arc::clone(&ctx.observer);
    let work = move || backup.verify(level, &identities, observer.as_ref());
    let done = tokio::task::spawn_blocking(work).await;
    let done = done.map_err(|e| Error::failed("verifying the backup stopped").caused_by(e))?;
    done.map(Arc::new)
}

/// Checks the digests of `backup` and opens it, on a thread of its own. What is in its objects is
/// checked when it is read.
pub async fn for_loading(ctx: &Context, backup: Backup) -> Result<Arc<Verified>> {
    let identities = Identities::load(&ctx.identities, Arc::clone(&ctx.ask))?;
    let observer = Arc::clone(&ctx.observer);
    let work = move || backup.open_for_loading(&identities, observer.as_ref());
    let done = tokio::task::spawn_blocking(work).await;
    let done = done.map_err(|e| Error::failed("opening the backup stopped").caused_by(e))?;
    done.map(Arc::new)
}
