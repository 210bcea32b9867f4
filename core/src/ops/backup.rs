//! Backups of a database: making one, putting it back, reading it back.

pub mod create;
mod details;
mod matviews;
mod merge;
mod open;
mod patterns;
mod reading;
pub mod rekey;
pub mod restore;
pub mod verify;
mod whole;
