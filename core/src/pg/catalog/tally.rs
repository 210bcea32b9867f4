//! How much a session's transaction wrote to the catalogs: the server counts that anyway, and to ask
//! costs nothing where a look into the catalogs themselves costs the more the larger they are.

use tokio_postgres::Client;

use crate::error::{Error, Result};

use super::queries::{Known, TALLY};

/// What the server has counted so far. Numbers only grow within a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tally {
    /// False where the server doesn't count.
    counts: bool,
    written: i64,
    removed: i64,
}

/// What happened between two tallies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Since {
    /// Nothing.
    Nothing,
    /// Rows were written, and none taken away.
    Written,
    /// Anything: rows were taken away, or nobody counted.
    Anything,
}

impl Tally {
    pub(super) async fn ask(client: &Client, known: &Known) -> Result<Self> {
        let rows = known.rows(client, &TALLY).await?;
        let row = rows
            .first()
            .ok_or_else(|| Error::failed("the server did not say what it counted"))?;
        Ok(Self {
            counts: row.get(0),
            written: row.get(1),
            removed: row.get(2),
        })
    }

    /// What happened since `before`, in the same transaction.
    pub(super) const fn since(&self, before: &Self) -> Since {
        if !self.counts || !before.counts || self.removed != before.removed {
            Since::Anything
        } else if self.written != before.written {
            Since::Written
        } else {
            Since::Nothing
        }
    }
}
