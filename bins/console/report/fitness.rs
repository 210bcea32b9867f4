//! Whether a database is fit for a change now.

use std::fmt::Write as _;

use pgbelay_core::model::fitness::Light;
use pgbelay_core::ops::fitness::Fitness;
use serde_json::{Value, json};

use crate::paint::Paint;
use crate::text::safe;

/// For machines.
pub fn wire(fitness: &Fitness) -> Value {
    let checks: Vec<Value> = (fitness.checks.iter())
        .map(|check| {
            json!({
                "check": check.id,
                "light": check.light.as_str(),
                "found": check.found,
                "advice": check.advice,
            })
        })
        .collect();
    json!({
        "database": fitness.database,
        "checks": checks,
        "green": fitness.count(Light::Green),
        "amber": fitness.count(Light::Amber),
        "red": fitness.count(Light::Red),
    })
}

/// For people.
pub fn human(fitness: &Fitness, paint: Paint) -> String {
    let mut text = String::new();
    for check in &fitness.checks {
        let word = format!("{:<5}", check.light.as_str());
        let light = match check.light {
            Light::Green => paint.green(&word),
            Light::Amber => paint.yellow(&word),
            Light::Red => paint.red(&word),
        };
        let _ = writeln!(text, "{light}  {:<12}  {}", check.id, safe(&check.found));
        if let Some(advice) = &check.advice {
            let _ = writeln!(text, "{:21}→ {}", "", safe(advice));
        }
    }
    let counts = [Light::Green, Light::Amber, Light::Red]
        .map(|light| format!("{} {}", fitness.count(light), light.as_str()));
    let _ = writeln!(text, "\n{}: {}", safe(&fitness.database), counts.join(", "));
    text
}
