//! The verbs: one file each, a `plan` that only reads and an `apply` that consumes it.

pub mod analysis;
mod attempts;
pub mod backup;
pub mod context;
pub mod drift;
pub mod forward;
mod gang;
mod keep;
mod loading;
mod provisional;
pub mod revision;
pub mod rollback;
pub mod run;
mod run_scripts;
mod saving;
mod snapshot;
pub mod status;
mod stored_catalog;
mod stream;
pub mod undo;
pub mod upgrade;
