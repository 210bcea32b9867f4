//! What a transaction did to the rows of one table, all in all: changes that were taken back again
//! leave nothing, several of one row become one.

use tokio_postgres::Client;

use crate::error::Result;
use crate::model::relation::Oid;
use crate::pg::as_user;
use crate::pg::error::PgContext as _;

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
/// before, 1: the row after) and `v<n>`, as text, for each column of `numbers`. Rows are told
/// apart by `key` (column numbers; empty: by all they hold).
///
/// The columns of the result: `had`, `has` (was the row there before, is it there after), then
/// for every column number n `b<n>` (before) and `a<n>` (after), as text.
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
    let list = |prefix: &str, numbers: &[i16]| -> Vec<String> {
        numbers.iter().map(|n| format!("{prefix}{n}")).collect()
    };
    let table = table(oid).replace("pg_temp.", "");
    if key.is_empty() {
        let before: String = numbers
            .iter()
            .map(|n| {
                format!(
                    ", CASE WHEN m > 0 THEN v{n} END AS b{n}, CASE WHEN m < 0 THEN v{n} END AS a{n}"
                )
            })
            .collect();
        let by = list("v", numbers);
        let by = if by.is_empty() {
            "()".to_owned()
        } else {
            by.join(", ")
        };
        let kept: String = list(", v", numbers).concat();
        return format!(
            "CREATE TEMP TABLE {table} AS WITH h AS ({halves}), \
             c AS (SELECT pg_catalog.sum(CASE half WHEN 0 THEN 1 ELSE -1 END) AS m{kept} \
             FROM h GROUP BY {by}) \
             SELECT m > 0 AS had, m < 0 AS has{before} FROM c, \
             pg_catalog.generate_series(1, pg_catalog.abs(m)::int) WHERE m <> 0;"
        );
    }
    let keys = list("v", key).join(", ");
    let both: String = numbers
        .iter()
        .map(|n| {
            format!(
                ", CASE WHEN f.half = 0 THEN f.v{n} END AS b{n}, \
                 CASE WHEN l.half = 1 THEN l.v{n} END AS a{n}"
            )
        })
        .collect();
    let same = format!(
        "ROW({}) IS NOT DISTINCT FROM ROW({})",
        list("f.v", numbers).join(", "),
        list("l.v", numbers).join(", ")
    );
    let join: Vec<String> = key.iter().map(|n| format!("f.v{n} = l.v{n}")).collect();
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
