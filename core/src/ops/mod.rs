//! The verbs: one file each, a `plan` that only reads and an `apply` that consumes it.

pub mod analysis;
pub mod backup;
pub mod context;
pub mod drift;
pub mod forward;
mod gang;
mod keep;
mod loading;
pub mod lock;
pub mod marking;
pub mod offline;
pub mod preview;
mod provisional;
pub mod repair;
pub mod revision;
pub mod rollback;
pub mod run;
mod run_scripts;
mod saving;
mod snapshot;
pub mod stamp;
pub mod status;
mod stored_catalog;
mod stream;
pub mod undo;
pub mod upgrade;
