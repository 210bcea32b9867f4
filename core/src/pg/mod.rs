//! All that speaks to PostgreSQL.

pub mod options;
