//! Backups of a database: making one, putting it back, reading it back.

pub mod create;
mod details;
mod patterns;
mod reading;
