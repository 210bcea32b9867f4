//! Deleting backups: the manifest first, so that what is left is incomplete from then on.

use std::fs;
use std::time::SystemTime;

use crate::clock::Timestamp;
use crate::error::Context as _;
use crate::error::Result;
use crate::ident::Digest;
use crate::model::backup::BackupFacts;
use crate::store::backup::Backup;
use crate::store::catalog::Store;
use crate::store::folder;
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
        let path = self.path_of(facts);
        Folder::new(path.clone()).remove(layout::MANIFEST)?;
        fs::remove_dir_all(&path).context(format!("cannot remove {}", path.display()))?;
        let parent = folder::parent_of(&path);
        folder::sync_folder(&parent).context(format!("cannot sync {}", parent.display()))?;
        folder::remove_if_empty(&parent);
        Ok(())
    }

    /// Deletes a backup if it still is what `facts` say, and not pinned; tells whether it did.
    pub fn remove_unless_changed(&self, facts: &BackupFacts) -> Result<bool> {
        let path = self.path_of(facts);
        if !path.exists() {
            return Ok(false);
        }
        let folder = Folder::new(path);
        let now = Backup::look(&folder).ok().map(|(_, facts)| facts);
        let manifest: Option<Digest> = now.as_ref().and_then(|now| now.manifest);
        let pinned = folder.has(layout::PIN) && sidecar::pinned(&folder);
        if pinned || now.is_some() != facts.complete || manifest != facts.manifest {
            return Ok(false);
        }
        self.remove(facts)?;
        Ok(true)
    }

    /// Since when nobody has written to a backup that is incomplete.
    pub fn untouched(&self, facts: &BackupFacts) -> Result<Untouched> {
        let path = self.path_of(facts);
        let folder = Folder::new(path.clone());
        let partial = path.to_string_lossy().ends_with(layout::PARTIAL);
        if !partial && folder.has(layout::MANIFEST) {
            return Ok(Untouched::Damaged);
        }
        let context = || format!("cannot look at {}", path.display());
        let mut newest = fs::metadata(&path)
            .and_then(|meta| meta.modified())
            .context(context())?;
        for entry in folder.walk()? {
            let meta = fs::symlink_metadata(path.join(&entry.name)).context(context())?;
            newest = newest.max(meta.modified().unwrap_or(SystemTime::UNIX_EPOCH));
        }
        Ok(Untouched::Since(facts.started.max(newest.into())))
    }
}
