//! The verbs: one file each, a `plan` that only reads and an `apply` that consumes it.

pub mod context;
