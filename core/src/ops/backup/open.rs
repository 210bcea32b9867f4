//! Finding a backup and reading all of it, without keeping everybody else waiting.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::model::backup::VerifyLevel;
use crate::ops::context::Context;
use crate::store::{Backup, Identities, Store, Verified};

/// The backup that `selector` names.
pub fn find(ctx: &Context, selector: &str) -> Result<Backup> {
    Store::open(&ctx.backups)?.find(selector, None)
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
