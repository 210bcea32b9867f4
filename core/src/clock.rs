//! The wall clock, behind one type.

use chrono::{DateTime, SubsecRound, Utc};

/// An instant, UTC.
pub type Timestamp = DateTime<Utc>;

/// The current time, to the microsecond that PostgreSQL keeps.
pub fn now() -> Timestamp {
    Utc::now().trunc_subsecs(6)
}
