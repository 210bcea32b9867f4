//! The wall clock, behind one type.

use chrono::{DateTime, Local, NaiveDateTime, SubsecRound, TimeZone as _, Utc};

/// An instant, UTC.
pub type Timestamp = DateTime<Utc>;

/// The current time, to the microsecond that PostgreSQL keeps.
pub fn now() -> Timestamp {
    Utc::now().trunc_subsecs(6)
}

/// What `time` may mean in the time zone of this machine: the first and the last instant, which
/// differ where clocks are set back. `None` where they are set forward, past it.
pub fn of_this_machine(time: NaiveDateTime) -> Option<(Timestamp, Timestamp)> {
    let meant = Local.from_local_datetime(&time);
    Some((meant.earliest()?.to_utc(), meant.latest()?.to_utc()))
}
