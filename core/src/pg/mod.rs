//! All that speaks to PostgreSQL.

pub mod catalog;
pub mod inspect;
pub mod options;
mod query;
