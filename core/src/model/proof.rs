//! Whether the undo of a rollback was tried before the rollback was made final.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What is known of the undo of a rollback.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "undo", content = "why", rename_all = "snake_case")]
pub enum Proof {
    /// It was carried out, and left what was there before: all definitions, all rows.
    Proved,
    /// It was carried out, and left the definitions that were there before; the rows of some tables,
    /// which are named here, were not compared, or only the first of them put back.
    Sampled(String),
    /// It was not tried, or not to its end, and why.
    Unproved(String),
}

impl Proof {
    /// The word in JSON.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Proved => "proved",
            Self::Sampled(_) => "sampled",
            Self::Unproved(_) => "unproved",
        }
    }

    /// Why there is no more than that.
    pub fn why(&self) -> Option<&str> {
        match self {
            Self::Proved => None,
            Self::Sampled(why) | Self::Unproved(why) => Some(why),
        }
    }
}

/// How much an undo that is tried may take: it holds the locks of the rollback for longer, and leaves
/// as much behind in the server's log and in its files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// The time.
    pub time: Duration,
    /// Bytes written, and bytes of tables read.
    pub bytes: u64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            time: Duration::from_secs(2),
            bytes: 64 << 20,
        }
    }
}
