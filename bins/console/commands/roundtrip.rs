//! `validate roundtrip` and `migrate test`: every migration there, back, and there again.

use pgbelay_core::error::Result;
use pgbelay_core::model::trip::Grade;
use pgbelay_core::ops::roundtrip;
use serde_json::{Map, Value, json};

use crate::args::value;
use crate::args::written::Written;
use crate::report::{notes, trips};
use crate::shell::{Ending, Exit, Flow, Shell};

/// Try each migration out: up, down, compare, and up again, on a database made for it
///
/// The database is made on the server of --database-url, filled with made-up rows, and dropped at
/// the end. Of the database of --database-url itself nothing is touched; where migrations are applied to
/// it, the grades are kept beside them, and `rollback to` warns of bad ones.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  validate roundtrip
  migrate test 0042 --json
  validate roundtrip --format junit --output roundtrip.xml

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

    #[command(flatten)]
    written: Written,
}

/// Tries the migrations.
pub async fn run(shell: &Shell, args: Args) -> Result<Ending> {
    args.written.check(shell)?;
    let context = shell.context(Flow::Work)?;
    let outcome = roundtrip::run(&context, args.revision.as_deref()).await?;
    let tried = &outcome.trips;
    for trip in tried {
        shell.part("round_trip", &trips::wire(trip), |_| String::new());
    }
    let mut counts = Map::new();
    for grade in Grade::ALL {
        let number = tried.iter().filter(|t| t.grade == grade).count();
        counts.insert(grade.as_str().to_owned(), Value::from(number));
    }
    let fields = json!({
        "migrations": tried.len(),
        "untried": outcome.untried,
        "grades": counts,
        "tables_without_rows": outcome.without_rows,
    });
    let good = tried.iter().all(trips::is_good);
    let exit = Exit::found(!good || outcome.untried > 0);
    let human = |paint| shell.heading() + &trips::human(&outcome, paint);
    let notes = notes::of_trips(&outcome).about(&shell.target());
    let text = args.written.write(&notes, human)?;
    Ok(shell.done(exit, &fields, |paint| text.or(|| human(paint))))
}
