//! Backups of a database: making one, putting it back, reading it back.

mod before;
pub mod create;
pub(super) mod details;
mod humble;
mod large_objects;
mod matviews;
mod merge;
pub mod open;
pub mod prune;
mod reading;
pub mod rekey;
pub mod restore;
pub mod retention;
mod routing;
pub mod verify;
pub(super) mod vouch;
pub(super) mod whole;
