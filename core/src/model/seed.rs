//! Scripts beside the migrations.

use crate::model::migration::Script;

/// A script that runs once, or again whenever it was changed.
#[derive(Debug, Clone)]
pub struct Seed {
    /// Its name: that of the file.
    pub name: String,
    /// Runs again whenever it was changed.
    pub repeatable: bool,
    /// The script.
    pub script: Script,
}
