//! What a transaction did to the rows of one table, all in all: changes that were taken back again
//! leave nothing, several of one row become one.

use tokio_postgres::Client;

use crate::error::Result;
use crate::model::relation::Oid;
use crate::pg::as_user;
use crate::pg::error::PgContext as _;
use crate::pg::layout::Layout;

/// The net effect on one table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Net {
    /// The column numbers recorded.
    pub numbers: Vec<i16>,
    /// All rows that were there before are gone; only later rows are recorded.
    pub truncated: bool,
    /// Rows that went.
    pub deleted: i64,
    /// Rows that changed.
    pub updated: i64,
    /// Rows that came.
    pub inserted: i64,
}

impl Net {
    /// True when nothing happened to the table's rows.
    pub const fn is_empty(&self) -> bool {
        !self.truncated && self.deleted == 0 && self.updated == 0 && self.inserted == 0
    }
}

/// The temporary table with the net effect on table `oid`.
pub fn table(oid: Oid) -> String {
    format!("pg_temp.pgbelay_net_{oid}")
}

/// Works out the net effect on table `oid` into the temporary table [`table`]. Returns what it
/// holds.
///
/// `halves` is a query for the two halves of each change: `seq` (the order), `half` (0: the row
/// before, 1: the row after) and the values of `numbers` under the letter v, laid out as
/// [`Layout::of`] them is. Rows are told apart by `key` (column numbers; empty: by all they hold).
///
/// The columns of the result: `had`, `has` (was the row there before, is it there after), then
/// the values, laid out like those, under the letters b (before) and a (after).
pub async fn work_out(
    client: &Client,
    oid: Oid,
    halves: &str,
    numbers: Vec<i16>,
    key: &[i16],
) -> Result<Net> {
    as_user::batch(client, &sql(oid, halves, &numbers, key))
        .await
        .pg("could not work out which rows changed")?;
    let counts = format!(
        "SELECT pg_catalog.count(*) FILTER (WHERE had AND NOT has), \
         pg_catalog.count(*) FILTER (WHERE had AND has), \
         pg_catalog.count(*) FILTER (WHERE has AND NOT had) FROM {}",
        table(oid)
    );
    let row = client.query_one(&counts, &[]).await;
    let row = row.pg("could not count changed rows")?;
    Ok(Net {
        numbers,
        truncated: false,
        deleted: row.get(0),
        updated: row.get(1),
        inserted: row.get(2),
    })
}

fn sql(oid: Oid, halves: &str, numbers: &[i16], key: &[i16]) -> String {
    let layout = Layout::of(numbers);
    let values = layout.names('v');
    let names: Vec<(String, String, String)> = (values.iter().cloned())
        .zip(layout.names('b').into_iter().zip(layout.names('a')))
        .map(|(value, (before, after))| (value, before, after))
        .collect();
    let table = table(oid).replace("pg_temp.", "");
    if key.is_empty() {
        let before: String = names
            .iter()
            .map(|(v, b, a)| {
                format!(
                    ", CASE WHEN m > 0 THEN {v} END AS {b}, CASE WHEN m < 0 THEN {v} END AS {a}"
                )
            })
            .collect();
        let by = if values.is_empty() {
            "()".to_owned()
        } else {
            values.join(", ")
        };
        let kept: String = values.iter().map(|v| format!(", {v}")).collect();
        return format!(
            "CREATE TEMP TABLE {table} AS WITH h AS ({halves}), \
             c AS (SELECT pg_catalog.sum(CASE half WHEN 0 THEN 1 ELSE -1 END) AS m{kept} \
             FROM h GROUP BY {by}) \
             SELECT m > 0 AS had, m < 0 AS has{before} FROM c, \
             pg_catalog.generate_series(1, pg_catalog.abs(m)::int) WHERE m <> 0;"
        );
    }
    let keys: Vec<String> = key.iter().map(|n| layout.value("h", 'v', *n)).collect();
    let keys = keys.join(", ");
    let both: String = names
        .iter()
        .map(|(v, b, a)| {
            format!(
                ", CASE WHEN f.half = 0 THEN f.{v} END AS {b}, \
                 CASE WHEN l.half = 1 THEN l.{v} END AS {a}"
            )
        })
        .collect();
    let row = |alias: &str| {
        let values: Vec<String> = values.iter().map(|v| format!("{alias}.{v}")).collect();
        values.join(", ")
    };
    let same = format!("ROW({}) IS NOT DISTINCT FROM ROW({})", row("f"), row("l"));
    let join: Vec<String> = key
        .iter()
        .map(|n| {
            let value = |alias: &str| layout.value(alias, 'v', *n);
            format!("{} = {}", value("f"), value("l"))
        })
        .collect();
    format!(
        "CREATE TEMP TABLE {table} AS WITH h AS ({halves}), \
         f AS (SELECT DISTINCT ON ({keys}) * FROM h ORDER BY {keys}, seq, half), \
         l AS (SELECT DISTINCT ON ({keys}) * FROM h ORDER BY {keys}, seq DESC, half DESC) \
         SELECT f.half = 0 AS had, l.half = 1 AS has{both} FROM f JOIN l ON {join} \
         WHERE NOT (f.half = 1 AND l.half = 0) \
         AND NOT (f.half = 0 AND l.half = 1 AND {same});",
        join = join.join(" AND "),
    )
}
