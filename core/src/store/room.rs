//! How much room there is for backups.

use std::io::ErrorKind;
use std::path::Path;

use crate::error::{Context as _, Result};

/// The bytes that are free where `folder` lies, or will lie.
pub fn free(folder: &Path) -> Result<u64> {
    let here = std::path::absolute(folder).context("can't tell where the backups lie")?;
    for place in here.ancestors() {
        match rustix::fs::statvfs(place) {
            Ok(found) => return Ok(found.f_bavail.saturating_mul(found.f_frsize)),
            Err(e) if e.kind() == ErrorKind::NotFound => {}
            Err(e) => {
                let error = std::io::Error::from(e);
                return Err(error).context(format!("can't look at {}", place.display()));
            }
        }
    }
    Ok(0)
}
