//! The backups that a rollback wrote, found again by what the journal says of them.

use std::sync::Arc;

use crate::error::{Error, Kind, Result};
use crate::ident::BackupId;
use crate::model::backup::VerifyLevel;
use crate::model::event::{Event, Phase};
use crate::model::ledger::Record;
use crate::ops::context::Context;
use crate::ops::undo::staging::Backups;
use crate::store::{Backup, Identities, Store};

/// Finds and verifies every backup that the journal names; each must be the very one.
pub fn open(ctx: &Context, rollback: &Record) -> Result<Backups> {
    ctx.observer.observe(Event::Phase(Phase::Verify));
    let identities = Identities::load(&ctx.identities, Arc::clone(&ctx.ask))?;
    let observer = ctx.observer.as_ref();
    let found = find(
        &Store::open(&ctx.backups)?,
        &ctx.database.database,
        rollback,
    )?;
    let verified = found
        .into_iter()
        .map(|backup| backup.verify(VerifyLevel::Decrypted, &identities, observer));
    Ok(Backups::new(verified.collect::<Result<_>>()?))
}

/// Every backup that the journal names, unread; each must be the very one.
pub fn find(store: &Store, database: &str, rollback: &Record) -> Result<Vec<Backup>> {
    if rollback.backups.is_empty() {
        return Err(Error::refused(
            "that rollback ran without a snapshot, so there is nothing to put back",
        )
        .hint("apply the migrations again with `migrate upgrade`"));
    }
    let one = |(place, id): (usize, &BackupId)| {
        let manifest = rollback.manifests.get(place).copied();
        let backup = store.find_made(id, manifest, database).map_err(gone)?;
        if backup.facts().manifest != manifest {
            return Err(Error::damaged(format!(
                "the backup {id} is not the one that the rollback wrote: its manifest differs \
                 from the journal's"
            ))
            .hint("somebody replaced it; look for the original in another copy of the store"));
        }
        Ok(backup)
    };
    rollback.backups.iter().enumerate().map(one).collect()
}

/// What the journal names has to be there: that it is not is no mistake of whoever asks.
fn gone(error: Error) -> Error {
    if error.kind() != Kind::Usage {
        return error;
    }
    let message = format!("a backup that the rollback wrote is gone: {error}");
    Error::damaged(message)
        .hint("look for it in another copy of the store, and name that with --backups")
}
