//! What round trips have found out about the scripts that are to run.

use crate::error::Result;
use crate::model::ledger::Entry;
use crate::model::loss::{Finding, Severity};
use crate::model::plan::Step;
use crate::model::trip::Grade;
use crate::pg::grades;
use crate::pg::session::Client;

/// A finding for each of `steps` whose script did not lead back when it was tried, as it is now,
/// after the migration that is applied; `None`: that is not for this role to know. `entries` are
/// those of the steps.
pub async fn findings(
    client: &Client,
    steps: &[Step],
    entries: &[Entry],
) -> Result<Option<Vec<Finding>>> {
    let Some(kept) = grades::read(client).await? else {
        return Ok(None);
    };
    let grade = |step: &Step| {
        let entry = entries.iter().find(|e| e.revision == step.revision)?;
        let same = |g: &&grades::Graded| {
            g.revision == step.revision
                && g.up == entry.up_checksum
                && g.down == Some(step.script.checksum())
        };
        kept.iter().find(same).map(|graded| graded.grade)
    };
    let bad = |step: &Step| {
        let grade = grade(step).filter(|grade| !grade.is_good())?;
        Some(Finding {
            rule: "RB-GRADE",
            severity: Severity::Warn,
            path: step.script.path.clone(),
            line: 0,
            message: format!(
                "its last round trip was graded {}: {}",
                grade.as_str(),
                meaning(grade)
            ),
        })
    };
    Ok(Some(steps.iter().filter_map(bad).collect()))
}

const fn meaning(grade: Grade) -> &'static str {
    match grade {
        Grade::Exact | Grade::Order => "it led back",
        Grade::Lossy => "rows that the migration did not bring were gone or changed",
        Grade::Differs => "it led to another schema",
        Grade::Broken => "it failed",
        Grade::Missing => "there was nothing to run",
        Grade::UpFailed => "the migration itself failed",
    }
}
