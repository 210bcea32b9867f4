//! How many locks the server has room for: one table of them is shared by all connections, and a
//! statement that finds it full fails with "out of shared memory".

use tokio_postgres::Client;

use crate::error::Result;
use crate::pg::query;

/// The room that is guaranteed (PostgreSQL's manual, on `max_locks_per_transaction`), and the
/// objects that the transaction of this session has locked.
const ROOM: &str = "
SELECT per * places, per, places,
       (SELECT pg_catalog.count(DISTINCT (l.locktype, l.database, l.relation, l.classid, l.objid,
                                          l.objsubid))
        FROM pg_catalog.pg_locks l WHERE l.pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid())
FROM (SELECT pg_catalog.current_setting('max_locks_per_transaction')::pg_catalog.int8 AS per,
             pg_catalog.current_setting('max_connections')::pg_catalog.int8
             + pg_catalog.current_setting('max_prepared_transactions')::pg_catalog.int8 AS places)
     AS settings";

/// The room for locks, in objects that can be locked at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LockRoom {
    /// All connections together.
    pub all: u64,
    /// What this transaction has locked.
    pub own: u64,
    /// `max_locks_per_transaction`.
    pub per_transaction: u64,
    places: u64,
}

impl LockRoom {
    /// What `max_locks_per_transaction` would have to be for `locks`.
    pub const fn wanted(&self, locks: u64) -> u64 {
        locks.div_ceil(if self.places == 0 { 1 } else { self.places })
    }
}

/// Asks inside a transaction.
pub async fn read(client: &Client) -> Result<LockRoom> {
    let rows = query::rows(client, "how many locks the server has room for", ROOM, &[]).await?;
    let number = |at| {
        let row = rows.first();
        row.map_or(0, |row| row.get::<_, i64>(at)).unsigned_abs()
    };
    Ok(LockRoom {
        all: number(0),
        per_transaction: number(1),
        places: number(2),
        own: number(3),
    })
}
