//! A place for backups that nobody needs any longer than a look takes.

use std::fs;
use std::path::{Path, PathBuf};

use crate::model::location::Location;

/// A folder for backups that goes, with all that is in it, when this is dropped.
#[derive(Debug)]
pub struct Passing(PathBuf);

impl Passing {
    /// One in the folder `beside`. It is made when something is written there.
    pub fn new(beside: &Path) -> Self {
        Self(beside.join(format!("pgbelay-{:016x}", rand::random::<u64>())))
    }

    /// Where it is.
    pub fn location(&self) -> Location {
        Location {
            place: self.0.display().to_string(),
            ..Location::default()
        }
    }
}

impl Drop for Passing {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
