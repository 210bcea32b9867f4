//! Migrations and where they stand.

use std::time::Duration;

use pgbelay_core::clock::Timestamp;
use serde::Serialize;

use crate::paint::Paint;
use crate::table::Table;
use crate::text::{instant, took, when};

/// Where a migration stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Applied, and its file is as it was then.
    Applied,
    /// Not applied.
    Pending,
    /// Its script failed half-way, outside a transaction.
    Failed,
    /// Applied, but its file is gone.
    Missing,
    /// Applied, but its file is different now.
    Edited,
}

impl State {
    /// The word for people and machines.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Pending => "pending",
            Self::Failed => "failed",
            Self::Missing => "missing",
            Self::Edited => "edited",
        }
    }
}

/// A migration and where it stands.
#[derive(Debug, Clone)]
pub struct Row {
    /// Its revision.
    pub revision: String,
    /// Its name.
    pub name: String,
    /// Where it stands.
    pub state: State,
    /// When it was applied.
    pub applied_at: Option<Timestamp>,
    /// By whom.
    pub applied_by: Option<String>,
    /// How long that took.
    pub duration: Option<Duration>,
    /// Checksum of the up script.
    pub checksum: Option<String>,
    /// True when there is a way back.
    pub has_rollback: bool,
    /// The run of `migrate upgrade` it was part of.
    pub batch: Option<i64>,
}

#[derive(Serialize)]
struct Wire<'a> {
    database: &'a str,
    head: Option<&'a str>,
    migrations: Vec<RowWire<'a>>,
}

#[derive(Serialize)]
struct RowWire<'a> {
    revision: &'a str,
    name: &'a str,
    state: &'static str,
    applied_at: Option<String>,
    checksum: Option<&'a str>,
    has_rollback: bool,
    batch: Option<i64>,
}

/// Migrations for machines: of `database`, with the newest applied revision.
pub fn wire<'a>(database: &'a str, head: Option<&'a str>, rows: &'a [Row]) -> impl Serialize + 'a {
    let wire = |row: &'a Row| RowWire {
        revision: &row.revision,
        name: &row.name,
        state: row.state.as_str(),
        applied_at: row.applied_at.map(instant),
        checksum: row.checksum.as_deref(),
        has_rollback: row.has_rollback,
        batch: row.batch,
    };
    Wire {
        database,
        head,
        migrations: rows.iter().map(wire).collect(),
    }
}

/// Migrations for people. `verbose` adds who applied them, how long that took, and checksums.
pub fn human(rows: &[Row], verbose: bool, paint: Paint) -> String {
    if rows.is_empty() {
        return "no migrations\n".to_owned();
    }
    let mut heads = vec!["revision", "name", "state", "applied at", "way back"];
    if verbose {
        heads.extend([">batch", "by", ">took", "checksum"]);
    }
    let mut table = Table::new(&heads);
    for row in rows {
        let mut cells = vec![
            row.revision.clone(),
            row.name.clone(),
            row.state.as_str().to_owned(),
            row.applied_at.map(when).unwrap_or_default(),
            if row.has_rollback { "yes" } else { "none" }.to_owned(),
        ];
        if verbose {
            let checksum = row.checksum.as_deref().unwrap_or_default();
            cells.extend([
                row.batch.map(|batch| batch.to_string()).unwrap_or_default(),
                row.applied_by.clone().unwrap_or_default(),
                row.duration.map(took).unwrap_or_default(),
                checksum.get(..12).unwrap_or(checksum).to_owned(),
            ]);
        }
        table.row(cells);
    }
    format!("{}\n{}\n", table.render(), summary(rows, paint))
}

/// One line: how many migrations are in which state.
pub fn summary(rows: &[Row], paint: Paint) -> String {
    use State::{Applied, Edited, Failed, Missing, Pending};
    let mut parts = Vec::new();
    for state in [Applied, Pending, Failed, Missing, Edited] {
        let number = rows.iter().filter(|row| row.state == state).count();
        if number > 0 {
            let part = format!("{number} {}", state.as_str());
            parts.push(match state {
                Applied => paint.green(&part),
                Pending => paint.yellow(&part),
                Failed | Missing | Edited => paint.red(&part),
            });
        }
    }
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::lines;

    fn row(revision: &str, state: State) -> Row {
        Row {
            revision: revision.into(),
            name: "add_users".into(),
            state,
            applied_at: None,
            applied_by: None,
            duration: None,
            checksum: Some("ab".into()),
            has_rollback: true,
            batch: None,
        }
    }

    #[test]
    fn for_machines_has_the_promised_fields() {
        let rows = [row("0041", State::Edited)];
        let expected = "{\"schema\":1,\"database\":\"shop\",\"head\":\"0041\",\"migrations\":[{\
             \"revision\":\"0041\",\"name\":\"add_users\",\"state\":\"edited\",\"applied_at\":null,\
             \"checksum\":\"ab\",\"has_rollback\":true,\"batch\":null}]}\n";
        assert_eq!(
            lines::document(&wire("shop", Some("0041"), &rows)),
            expected
        );
    }

    #[test]
    fn for_people() {
        let rows = [row("0041", State::Applied), row("0042", State::Pending)];
        let text = human(&rows, false, Paint::new(false));
        assert!(text.ends_with("\n\n1 applied, 1 pending\n"), "{text}");
        assert!(human(&rows, true, Paint::new(false)).contains("checksum"));
    }
}
