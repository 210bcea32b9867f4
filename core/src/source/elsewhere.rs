//! Checksums of files as other tools compute them.

use std::fs;
use std::path::Path;

use sha2::{Digest as _, Sha384};

use crate::error::{Context as _, Result};
use crate::model::layout::Layout;
use crate::source::flyway;

/// The checksum that the tool of `layout` has for the file at `path`, as its ledger shows it:
/// SHA-384 in hex with sqlx, CRC-32 with Flyway. `None` where the tool keeps none.
pub fn checksum(path: &str, layout: Layout) -> Result<Option<String>> {
    let read = || fs::read(Path::new(path)).context(format!("can't read '{path}'"));
    match layout {
        Layout::Sqlx => {
            let digest = Sha384::digest(read()?);
            Ok(Some(digest.iter().map(|b| format!("{b:02x}")).collect()))
        }
        Layout::Flyway => {
            let text = String::from_utf8_lossy(&read()?).into_owned();
            Ok(Some(flyway::checksum(&text).to_string()))
        }
        _ => Ok(None),
    }
}
