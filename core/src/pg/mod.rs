//! All that speaks to PostgreSQL.

pub mod catalog;
pub mod dump;
pub mod inspect;
pub mod options;
mod query;
