//! The verbs: one file each, a `plan` that only reads and an `apply` that consumes it.

pub mod analysis;
pub mod context;
pub mod drift;
pub mod forward;
pub mod revision;
pub mod run;
pub mod status;
pub mod upgrade;
