//! Migrations and where they stand.

use std::time::Duration;

use pgbelay_core::ident::Revision;
use pgbelay_core::ops::drift::Drift;
use pgbelay_core::ops::status::{Line, State, Status};
use serde::Serialize;

use crate::paint::Paint;
use crate::report::runs::RunWire;
use crate::table::Table;
use crate::text::{instant, safe, took, when};

#[derive(Serialize)]
struct Wire<'a> {
    database: &'a str,
    current: Option<&'a str>,
    head: Option<&'a str>,
    migrations: Vec<LineWire<'a>>,
    drift: Vec<DriftWire<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    runs: Option<Vec<RunWire<'a>>>,
}

#[derive(Serialize)]
struct LineWire<'a> {
    revision: &'a str,
    name: &'a str,
    description: &'a str,
    state: &'static str,
    applied_at: Option<String>,
    applied_by: Option<&'a str>,
    duration_ms: Option<i64>,
    checksum: String,
    has_rollback: bool,
    rollback_edited: bool,
    batch: Option<i64>,
}

#[derive(Serialize)]
struct DriftWire<'a> {
    kind: &'static str,
    revision: &'a str,
    message: String,
}

/// The status for machines, with `lines` of it, and the runs where they are asked for.
pub fn wire<'a>(
    status: &'a Status,
    lines: &'a [Line],
    runs: Option<Vec<RunWire<'a>>>,
) -> impl Serialize + 'a {
    Wire {
        database: &status.database,
        current: status.current.as_ref().map(Revision::as_str),
        head: status.head.as_ref().map(Revision::as_str),
        migrations: lines.iter().map(line).collect(),
        drift: status.drift.iter().map(drift).collect(),
        runs,
    }
}

fn line(line: &Line) -> LineWire<'_> {
    LineWire {
        revision: line.revision.as_str(),
        name: &line.name,
        description: &line.description,
        state: line.state.as_str(),
        applied_at: line.applied_at.map(instant),
        applied_by: line.applied_by.as_deref(),
        duration_ms: line.duration_ms,
        checksum: line.checksum.to_string(),
        has_rollback: line.has_rollback,
        rollback_edited: line.rollback_edited,
        batch: line.batch,
    }
}

fn drift(drift: &Drift) -> DriftWire<'_> {
    DriftWire {
        kind: drift.as_str(),
        revision: drift.revision().as_str(),
        message: drift.to_string(),
    }
}

/// Migrations for people. `verbose` adds who applied them, how long that took, and checksums.
pub fn human(lines: &[Line], drift: &[Drift], verbose: bool, paint: Paint) -> String {
    if lines.is_empty() {
        return "no migrations\n".to_owned();
    }
    let mut heads = vec!["revision", "name", "state", "applied at", "way back"];
    if verbose {
        heads.extend([">batch", "by", ">took", "checksum"]);
    }
    let mut table = Table::new(&heads);
    for line in lines {
        let mut cells = vec![
            line.revision.to_string(),
            line.name.clone(),
            line.state.as_str().to_owned(),
            line.applied_at.map(when).unwrap_or_default(),
            way_back(line).to_owned(),
        ];
        if verbose {
            let millis = |ms: i64| took(Duration::from_millis(ms.max(0) as u64));
            cells.extend([
                line.batch
                    .map(|batch| batch.to_string())
                    .unwrap_or_default(),
                line.applied_by.clone().unwrap_or_default(),
                line.duration_ms.map(millis).unwrap_or_default(),
                line.checksum.short(),
            ]);
        }
        table.row(cells);
    }
    let mut text = format!("{}\n{}\n", table.render(), summary(lines, paint));
    for drift in drift {
        let label = paint.red("drift:");
        text.push_str(&format!("{label} {}\n", safe(&drift.to_string())));
    }
    text
}

const fn way_back(line: &Line) -> &'static str {
    match (line.has_rollback, line.rollback_edited) {
        (false, _) => "none",
        (true, false) => "yes",
        (true, true) => "yes, edited",
    }
}

/// One line: how many migrations are in which state.
fn summary(lines: &[Line], paint: Paint) -> String {
    use State::{Applied, Edited, Failed, Missing, Pending};
    let mut parts = Vec::new();
    for state in [Applied, Pending, Failed, Missing, Edited] {
        let number = lines.iter().filter(|line| line.state == state).count();
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
    use pgbelay_core::ident::Digest;

    use super::*;
    use crate::report::lines;
    use crate::target::Target;

    fn line(revision: &str, state: State) -> Line {
        Line {
            revision: revision.parse().unwrap(),
            name: "add_users".into(),
            description: String::new(),
            state,
            applied_at: None,
            applied_by: None,
            duration_ms: None,
            checksum: Digest::of(""),
            has_rollback: true,
            rollback_edited: false,
            batch: None,
        }
    }

    #[test]
    fn for_machines_has_the_promised_fields() {
        let status = Status {
            database: "shop".into(),
            current: "0041".parse().ok(),
            head: None,
            lines: vec![line("0041", State::Edited)],
            drift: Vec::new(),
        };
        let text = lines::document(&wire(&status, &status.lines, None), &Target::default());
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["database"], "shop");
        assert_eq!(value["current"], "0041");
        assert!(value.get("runs").is_none());
        let expected = serde_json::json!([{
            "revision": "0041", "name": "add_users", "description": "", "state": "edited",
            "applied_at": null, "applied_by": null, "duration_ms": null,
            "checksum": Digest::of("").to_string(), "has_rollback": true,
            "rollback_edited": false, "batch": null,
        }]);
        assert_eq!(value["migrations"], expected);
    }

    #[test]
    fn for_people() {
        let lines = [line("0041", State::Applied), line("0042", State::Pending)];
        let text = human(&lines, &[], false, Paint::new(false));
        assert!(text.ends_with("\n\n1 applied, 1 pending\n"), "{text}");
        assert!(human(&lines, &[], true, Paint::new(false)).contains("checksum"));
    }
}
