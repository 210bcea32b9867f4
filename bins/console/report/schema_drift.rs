//! The schema beside what it should be.

use std::fmt::Write as _;

use pgbelay_core::ops::schema_drift::{Comparison, SchemaDrift};
use serde_json::{Value, json};

use crate::paint::Paint;
use crate::text::safe;

/// For machines.
pub fn wire(drift: &SchemaDrift) -> Value {
    json!({
        "database": drift.database,
        "revision": drift.revision.as_str(),
        "recorded": comparison(&drift.recorded),
        "built": comparison(&drift.built),
    })
}

fn comparison(comparison: &Comparison) -> Value {
    let (state, difference, reason) = match comparison {
        Comparison::Same => ("same", None, None),
        Comparison::Differs(difference) => ("differs", Some(difference), None),
        Comparison::Unknown(reason) => ("unknown", None, Some(reason)),
    };
    json!({ "state": state, "difference": difference, "reason": reason })
}

/// For people.
pub fn human(drift: &SchemaDrift, paint: Paint) -> String {
    let mut text = String::new();
    let revision = safe(drift.revision.as_str());
    let recorded = format!("what was recorded with {revision}");
    let built = format!("what the migrations up to {revision} build");
    for (what, comparison) in [(recorded, &drift.recorded), (built, &drift.built)] {
        match comparison {
            Comparison::Same => {
                let _ = writeln!(text, "{} {what}", paint.green("same as"));
            }
            Comparison::Differs(difference) => {
                let _ = writeln!(text, "{} {what}:", paint.red("differs from"));
                for line in difference.lines() {
                    let _ = writeln!(text, "  {}", safe(line));
                }
            }
            Comparison::Unknown(reason) => {
                let _ = writeln!(
                    text,
                    "{} {what}: {}",
                    paint.yellow("not compared with"),
                    safe(reason)
                );
            }
        }
    }
    text
}
