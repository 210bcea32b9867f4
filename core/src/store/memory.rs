//! What this machine remembers of backups: the digest of the manifest of each that it made, or that
//! something vouched for. It lies outside the store, so whoever writes to the store can't change it.

use std::path::PathBuf;

use crate::error::{Context as _, Error, Result};
use crate::ident::{BackupId, Digest};
use crate::store::disk;
use crate::store::folder::Folder;
use crate::store::place::Place;

/// No note is larger.
const CAP: u64 = 1024;

/// A folder of this user's, with one note for each backup.
#[derive(Debug, Clone)]
pub struct Memory {
    path: PathBuf,
}

impl Memory {
    /// The memory in the folder `path`, which need not exist.
    pub const fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// The digest of the manifest of the backup called `id`, if it is known.
    pub fn recall(&self, id: &BackupId) -> Result<Option<Digest>> {
        let folder = Folder::new(Place::Disk(self.path.clone()));
        let Some(text) = folder.get(id.as_str(), CAP)? else {
            return Ok(None);
        };
        let text = String::from_utf8(text).unwrap_or_default();
        text.trim().parse().map(Some).map_err(|e: Error| {
            let path = self.path.join(id.as_str());
            e.wrap(format!("{} holds no digest", path.display()))
        })
    }

    /// Remembers the digest of the manifest of the backup called `id`, unless it is known.
    pub fn remember(&self, id: &BackupId, manifest: Digest) -> Result<()> {
        if self.recall(id)?.is_some() {
            return Ok(());
        }
        disk::make_folders(&self.path)?;
        let path = self.path.join(id.as_str());
        disk::write_new(&path, format!("{manifest}\n").as_bytes())
            .context(format!("cannot write {}", path.display()))
    }
}
