//! All that speaks to PostgreSQL.

pub mod inspect;
pub mod options;
mod query;
