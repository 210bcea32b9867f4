//! `validate roundtrip` and `migrate test`: every migration there, back, and there again.

use std::fmt::Write as _;

use pgbelay_core::error::Result;
use pgbelay_core::model::trip::{Grade, Trip};
use pgbelay_core::ops::roundtrip::{self, Trips};
use serde_json::{Map, Value, json};

use crate::args::value;
use crate::paint::Paint;
use crate::shell::{Ending, Exit, Flow, Shell};
use crate::table::Table;
use crate::text::{many, safe};

/// Try each migration out: up, down, compare, and up again, on a database made for it
///
/// The database is made on the server of --database-url, filled with made-up rows, and dropped at
/// the end. Of the database of --database-url itself nothing is touched; where migrations are applied to
/// it, the grades are kept beside them, and `rollback to` warns of bad ones.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  validate roundtrip
  migrate test 0042 --json

Grades, best first:
  exact      the way back leads to the same schema, and to the rows that were there
  order      the same, but columns stand in another order
  lossy      the same schema; rows that were there are gone or changed
  differs    another schema
  broken     the rollback script fails
  missing    there is none
  up_failed  the migration itself fails; those after it are not tried")]
pub struct Args {
    /// Last revision to try [default: head]
    #[arg(value_name = "REV", value_parser = value::revision)]
    revision: Option<String>,
}

/// Tries the migrations.
pub async fn run(shell: &Shell, args: Args) -> Result<Ending> {
    let context = shell.context(Flow::Work)?;
    let outcome = roundtrip::run(&context, args.revision.as_deref()).await?;
    let trips = &outcome.trips;
    for trip in trips {
        shell.part("round_trip", &wire(trip), |_| String::new());
    }
    let mut counts = Map::new();
    for grade in Grade::ALL {
        let number = trips.iter().filter(|t| t.grade == grade).count();
        counts.insert(grade.as_str().to_owned(), Value::from(number));
    }
    let fields = json!({
        "migrations": trips.len(),
        "untried": outcome.untried,
        "grades": counts,
        "tables_without_rows": outcome.without_rows,
    });
    let good = trips.iter().all(|t| t.grade.is_good() && t.reapplies);
    let exit = Exit::found(!good || outcome.untried > 0);
    Ok(shell.done(exit, &fields, |paint| human(&outcome, paint)))
}

fn wire(trip: &Trip) -> Value {
    json!({
        "revision": trip.revision.as_str(),
        "name": trip.name,
        "grade": trip.grade.as_str(),
        "reapplies": trip.reapplies,
        "fewer_rows": trip.fewer_rows,
        "difference": trip.difference,
    })
}

fn human(outcome: &Trips, paint: Paint) -> String {
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
    let counts = Grade::ALL.map(|grade| {
        let number = trips.iter().filter(|t| t.grade == grade).count();
        (grade, number)
    });
    let counts: Vec<String> = (counts.iter())
        .filter(|(_, number)| *number > 0)
        .map(|(grade, number)| format!("{number} {}", grade.as_str()))
        .collect();
    let _ = writeln!(text, "{}", counts.join(", "));
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
