//! Deleting backups: the manifest first, so that what is left is incomplete from then on.

use crate::clock::Timestamp;
use crate::error::Result;
use crate::ident::Digest;
use crate::model::backup::BackupFacts;
use crate::store::backup::{Backup, NotComplete};
use crate::store::catalog::Store;
use crate::store::folder::Folder;
use crate::store::layout;
use crate::store::sidecar;

/// What an incomplete backup is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Untouched {
    /// Left behind by a run that ended, or half deleted: nobody has written to it since.
    Since(Timestamp),
    /// It has a manifest that can't be read, or that belongs elsewhere.
    Damaged,
}

impl Store {
    /// Deletes a backup.
    pub fn remove(&self, facts: &BackupFacts) -> Result<()> {
        let place = self.place_of(facts)?;
        Folder::new(place.clone()).remove(layout::MANIFEST)?;
        place.remove_all()?;
        place.parent().remove_if_empty();
        Ok(())
    }

    /// Deletes a backup if it still is what `facts` say, and not pinned; tells whether it did.
    pub fn remove_unless_changed(&self, facts: &BackupFacts) -> Result<bool> {
        let place = self.place_of(facts)?;
        if !place.exists()? {
            return Ok(false);
        }
        let folder = Folder::new(place);
        let now = match Backup::look(&folder) {
            Ok((_, facts)) => Some(facts),
            // It may have become complete.
            Err(NotComplete::Unreadable(e)) => return Err(e),
            Err(_) => None,
        };
        let manifest: Option<Digest> = now.as_ref().and_then(|now| now.manifest);
        let pinned = folder.has(layout::PIN)? && sidecar::pinned(&folder);
        if pinned || now.is_some() != facts.complete || manifest != facts.manifest {
            return Ok(false);
        }
        self.remove(facts)?;
        Ok(true)
    }

    /// Since when nobody has written to a backup that is incomplete.
    pub fn untouched(&self, facts: &BackupFacts) -> Result<Untouched> {
        let place = self.place_of(facts)?;
        if !place.is_partial() && Folder::new(place.clone()).has(layout::MANIFEST)? {
            return Ok(Untouched::Damaged);
        }
        Ok(Untouched::Since(facts.started.max(place.newest()?.into())))
    }
}
