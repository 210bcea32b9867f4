//! From statements and the structure of a database to what would be lost.
//!
//! [`reach`] walks the scripts and says what each statement touches; [`coverage`] adds what the
//! catalog's dependencies drag along and decides what must be saved; [`count`] writes the queries
//! that measure it.

pub mod count;
pub mod coverage;
mod extent;
pub mod locks;
pub mod names;
pub mod promises;
pub mod reach;
pub mod touch;
