//! From the status of migrations to the rows shown of it, for `status`, `history` and `check`.

use std::time::Duration;

use console::pending::status::{self, Status};
use console::report::history::{Row, State};

/// The rows of `status`, in its order.
pub fn rows(status: &Status) -> Vec<Row> {
    status.rows.iter().map(row).collect()
}

/// The newest applied revision.
pub fn head(status: &Status) -> Option<String> {
    let entries = status.rows.iter().filter_map(|row| row.entry.as_ref());
    let newest = entries.max_by_key(|entry| entry.sequence);
    newest.map(|entry| entry.revision.to_string())
}

fn row(row: &status::Row) -> Row {
    let (entry, migration) = (row.entry.as_ref(), row.migration.as_ref());
    let revision = entry
        .map(|e| &e.revision)
        .or(migration.map(|m| &m.revision));
    let name = entry.map(|e| &e.name).or(migration.map(|m| &m.name));
    let checksum = entry
        .map(|e| e.up_checksum)
        .or(migration.map(|m| m.up.checksum()));
    let recorded = entry.is_some_and(|e| e.down_text.is_some());
    Row {
        revision: revision.map(ToString::to_string).unwrap_or_default(),
        name: name.cloned().unwrap_or_default(),
        state: match row.state {
            status::State::Applied => State::Applied,
            status::State::Pending => State::Pending,
            status::State::Failed => State::Failed,
            status::State::Missing => State::Missing,
            status::State::Edited => State::Edited,
        },
        applied_at: entry.map(|e| e.applied_at),
        applied_by: entry.map(|e| e.applied_by.clone()),
        duration: entry.map(|e| Duration::from_millis(e.duration_ms.max(0) as u64)),
        checksum: checksum.map(|digest| digest.to_string()),
        has_rollback: recorded || migration.is_some_and(|m| m.down.is_some()),
        batch: entry.map(|e| e.batch),
    }
}
