//! What rows that are newer than what was saved get in columns that were added without default.

use tokio_postgres::Client;

use crate::error::Result;
use crate::pg::as_user;
use crate::pg::error::PgContext as _;
use crate::pg::reconcile::{Target, values};
use crate::pg::record::SequenceRecord;
use crate::schema::fillings::{Filling, Numbers, Source};
use crate::sql::quote;

/// Fills the column of `filling` in the newer rows of `target`; `beside` are tables whose rows have numbers of
/// the same sequence, wherever they belong by now. `stood` is where sequences stood before the rollback.
pub async fn for_newer(
    client: &Client,
    target: &Target<'_>,
    filling: &Filling,
    beside: &[&Target<'_>],
    stood: &[SequenceRecord],
) -> Result<()> {
    let column = quote::ident(&filling.column);
    let sql = match &filling.with {
        Source::Default(default) => {
            let empty = filling.not_null.then(|| format!("t.{column} IS NULL"));
            let which: Vec<String> = values::is_newer(target).into_iter().chain(empty).collect();
            if which.is_empty() {
                return Ok(());
            }
            format!(
                "UPDATE ONLY {} AS t SET {column} = {default} WHERE {}",
                target.table(),
                which.join(" OR ")
            )
        }
        Source::Numbers(numbers) => numbered(target, &column, numbers, beside, stood),
    };
    let filled = as_user::execute(client, &sql).await;
    filled.pg("could not fill a column of rows that are newer")?;
    Ok(())
}

/// The numbers that come next and nobody has.
fn numbered(
    target: &Target<'_>,
    column: &str,
    numbers: &Numbers,
    beside: &[&Target<'_>],
    stood: &[SequenceRecord],
) -> String {
    let Numbers { start, step, .. } = numbers;
    let mut states = stood.iter().map(SequenceRecord::state);
    let state = states.find(|state| state.name == numbers.sequence);
    let first = state.map_or(*start, |state| {
        let on = if state.is_called { *step } else { 0 };
        state.last_value.saturating_add(on)
    });
    let (least, most) = numbers.bounds;
    let tables = beside.iter().map(|other| format!("ONLY {}", other.table()));
    let tables: Vec<String> = tables.chain([quote::table(&numbers.of)]).collect();
    let count = |table: &String| format!("(SELECT pg_catalog.count(*) FROM {table})");
    let count: Vec<String> = tables.iter().map(count).collect();
    let free = |table: &String| {
        format!("NOT EXISTS (SELECT FROM {table} AS o WHERE o.{column} OPERATOR(pg_catalog.=) n.n)")
    };
    let free: Vec<String> = tables.iter().map(free).collect();
    // As many as there are rows would do if each of them had one of these.
    format!(
        "WITH newer AS (SELECT t.ctid AS pos, pg_catalog.row_number() OVER (ORDER BY t.ctid) AS nth \
           FROM ONLY {table} AS t WHERE t.{column} IS NULL), \
         free AS (SELECT n.n, pg_catalog.row_number() OVER (ORDER BY n.n * {sign}) AS nth \
           FROM (SELECT {first}::pg_catalog.int8 + {step}::pg_catalog.int8 * g AS n \
             FROM pg_catalog.generate_series(0, {count}) AS g) AS n \
           WHERE n.n BETWEEN {least} AND {most} \
             AND {free}) \
         UPDATE ONLY {table} AS t SET {column} = free.n FROM newer JOIN free ON free.nth = newer.nth \
         WHERE t.ctid = newer.pos",
        table = target.table(),
        count = count.join(" + "),
        free = free.join(" AND "),
        sign = step.signum(),
    )
}
