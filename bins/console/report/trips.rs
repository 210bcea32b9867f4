//! Round trips: the grade of each migration.

use std::fmt::Write as _;

use pgbelay_core::model::trip::{Grade, Trip};
use pgbelay_core::ops::roundtrip::Trips;
use serde_json::{Value, json};

use crate::paint::Paint;
use crate::table::Table;
use crate::text::{many, safe};

/// True when the migration can be taken back and applied again.
pub fn is_good(trip: &Trip) -> bool {
    trip.grade.is_good() && trip.reapplies
}

/// The grade, and what there is to say about it.
pub fn in_words(trip: &Trip) -> String {
    let mut text = trip.grade.as_str().to_owned();
    if !trip.reapplies {
        text += ", and can't be applied again";
    }
    if let Some(difference) = &trip.difference {
        let _ = write!(text, ": {}", difference.trim_end());
    }
    text
}

/// How many have each grade, in words.
pub fn counted(trips: &[Trip]) -> String {
    let counts = Grade::ALL.map(|grade| {
        let number = trips.iter().filter(|t| t.grade == grade).count();
        (grade, number)
    });
    let counts: Vec<String> = (counts.iter())
        .filter(|(_, number)| *number > 0)
        .map(|(grade, number)| format!("{number} {}", grade.as_str()))
        .collect();
    counts.join(", ")
}

/// One for machines.
pub fn wire(trip: &Trip) -> Value {
    json!({
        "revision": trip.revision.as_str(),
        "name": trip.name,
        "grade": trip.grade.as_str(),
        "reapplies": trip.reapplies,
        "fewer_rows": trip.fewer_rows,
        "difference": trip.difference,
    })
}

/// All for people.
pub fn human(outcome: &Trips, paint: Paint) -> String {
    let Trips {
        trips,
        untried,
        without_rows,
    } = outcome;
    if trips.is_empty() {
        return "no migrations\n".to_owned();
    }
    let mut table = Table::new(&["revision", "name", "grade", "applies again"]);
    for trip in trips {
        table.row([
            trip.revision.to_string(),
            trip.name.clone(),
            trip.grade.as_str().to_owned(),
            if trip.reapplies { "yes" } else { "no" }.to_owned(),
        ]);
    }
    let mut text = format!("{}\n", table.render());
    for trip in trips {
        if let Some(difference) = &trip.difference {
            let head = format!("{} {}: {}", trip.revision, trip.name, trip.grade.as_str());
            let _ = writeln!(text, "{}", paint.yellow(&safe(&head)));
            for line in difference.lines() {
                let _ = writeln!(text, "  {}", safe(line));
            }
            text.push('\n');
        }
    }
    let _ = writeln!(text, "{}", counted(trips));
    let fewer: Vec<&str> = (trips.iter().filter(|trip| trip.fewer_rows))
        .map(|trip| trip.revision.as_str())
        .collect();
    if !fewer.is_empty() {
        let revisions = safe(&fewer.join(", "));
        let _ = writeln!(
            text,
            "made-up rows were in the way of {revisions}: tried once they were gone"
        );
    }
    if *untried > 0 {
        let untried = many(*untried as u64, "migration", "migrations");
        let _ = writeln!(text, "{untried} not tried");
    }
    if !without_rows.is_empty() {
        let names = safe(&without_rows.join(", "));
        let _ = writeln!(
            text,
            "no rows could be made up for {names}: what happens to theirs is not known"
        );
    }
    text
}
