//! `backup rekey`: operators come and go, and no chunk is touched.

use std::sync::Arc;

use crate::error::Error;
use crate::model::backup::BackupFacts;
use crate::ops::backup::open;
use crate::ops::context::Context;
use crate::ops::task::Task;
use crate::store::{Identities, Rekey};

/// Changes who can open the backup that `selector` names. `meant` says that the operators were
/// named for this very run, and not taken from a file that is there for new backups.
pub fn rekey<'a>(
    ctx: &'a Context,
    selector: &'a str,
    change: Rekey,
    meant: bool,
) -> Task<'a, BackupFacts> {
    Box::pin(async move {
        let backup = open::find(ctx, selector)?;
        let identities = Identities::load(&ctx.identities, Arc::clone(&ctx.ask))?;
        let actor = ctx.actor.clone();
        let work = move || {
            let opened = backup.open_wraps(&identities)?;
            if !meant && !opened.stays_open(&identities, &change)? {
                return Err(Error::refused(
                    "none of the identities at hand would open the backup any more",
                )
                .hint("to mean that, name the operators with --recipient or --recipients-file"));
            }
            let backup = opened.rekey(&identities, &change, &actor)?;
            Ok(backup.facts().clone())
        };
        let done = tokio::task::spawn_blocking(work).await;
        done.map_err(|e| Error::failed("changing the keys stopped").caused_by(e))?
    })
}
