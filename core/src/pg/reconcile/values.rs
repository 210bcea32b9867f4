//! Values of columns that went or were converted, back into rows that are still there.

use tokio_postgres::Client;

use crate::error::Result;
use crate::pg::as_user;
use crate::pg::error::PgContext as _;
use crate::pg::reconcile::{GONE, Target, Way, before, change, pairs, whole_row};
use crate::pg::record::TableRecord;
use crate::pg::value;
use crate::sql::quote;

/// The columns of `record` whose saved values belong back, by number and name.
fn columns<'a>(target: &Target<'_>, record: &'a TableRecord) -> Vec<(i16, &'a str, bool)> {
    record
        .written()
        .filter(|c| target.live.column(&c.name).is_some_and(|l| !l.generated))
        .filter_map(|c| {
            let retyped = record.retyped.contains(&c.number);
            let concerned = retyped || record.dropped.contains(&c.number);
            (concerned && !target.key.contains(&c.name)).then_some((
                c.number,
                c.name.as_str(),
                retyped,
            ))
        })
        .collect()
}

/// The names of the columns whose saved values belong back into rows that are there.
pub fn concerned(target: &Target<'_>) -> Vec<String> {
    let record = relevant(target);
    let columns = record.map(|r| columns(target, r)).unwrap_or_default();
    columns.iter().map(|c| c.1.to_owned()).collect()
}

/// True when a column that comes back is part of a unique constraint.
pub fn shares_unique(target: &Target<'_>) -> bool {
    let columns = concerned(target);
    let mut uniques = target.live.uniques.iter().flatten();
    uniques.any(|c| columns.contains(c))
}

/// The saved value, or what is there where a converted value isn't `unchanged` since.
fn saved_or_newer(name: &str, unchanged: Option<String>) -> String {
    let name = quote::ident(name);
    match unchanged {
        Some(unchanged) => format!("CASE WHEN {unchanged} THEN s.{name} ELSE w.{name} END"),
        None => format!("s.{name}"),
    }
}

/// Fills saved values into wanted rows that are about to be added or changed.
pub async fn into_wanted(client: &Client, target: &Target<'_>) -> Result<()> {
    let Some(record) = relevant(target) else {
        return Ok(());
    };
    if target.key.is_empty() {
        return Ok(());
    }
    let (set, from, condition) = by_key(target, record);
    let set: Vec<String> = set
        .iter()
        .map(|(name, value)| format!("{} = {value}", quote::ident(name)))
        .collect();
    let sql = format!(
        "UPDATE {} AS w SET {} FROM {from} WHERE {condition} AND NOT w.{GONE}",
        target.wanted(),
        set.join(", ")
    );
    run(client, &sql).await.map(drop)
}

/// Puts saved values into the live table. Returns how many rows changed.
pub async fn into_live(client: &Client, target: &Target<'_>, way: Way) -> Result<u64> {
    let Some(record) = relevant(target) else {
        return Ok(0);
    };
    let (set, from, condition) = if target.key.is_empty() {
        by_whole_row(target, record)
    } else {
        by_key(target, record)
    };
    run(client, &change(target, way, &set, &from, &condition)).await
}

/// True where the row `t` has no saved values; `None`: there are none, or no key to find them by.
pub fn is_newer(target: &Target<'_>) -> Option<String> {
    relevant(target).filter(|_| !target.key.is_empty())?;
    Some(format!(
        "NOT EXISTS (SELECT FROM {} AS s WHERE {})",
        target.stage("saved"),
        target.same_key("s", "t")
    ))
}

/// How many converted values were not put back, since somebody had changed them.
pub async fn kept_newer(client: &Client, target: &Target<'_>) -> Result<u64> {
    let Some(record) = relevant(target).filter(|r| checked(r)) else {
        return Ok(0);
    };
    let newer: Vec<String> = columns(target, record)
        .iter()
        .filter(|c| c.2)
        .map(|c| format!("NOT {}", before::ok(record, c.0)))
        .collect();
    if newer.is_empty() {
        return Ok(0);
    }
    let sql = format!(
        "SELECT pg_catalog.count(*) FROM {} AS u WHERE {}",
        target.stage("unchanged"),
        newer.join(" OR ")
    );
    one(client, &sql).await
}

/// How many rows that an undo of their table put back lack saved values still.
pub async fn without(client: &Client, target: &Target<'_>) -> Result<u64> {
    let left_out = |r: &&TableRecord| r.put_back.is_some() && checked(r);
    let Some(record) = relevant(target).filter(left_out) else {
        return Ok(0);
    };
    let differs: Vec<String> = columns(target, record)
        .iter()
        .map(|(_, name, _)| {
            let text = |alias: &str| target.text(alias, name);
            format!("{} IS DISTINCT FROM {}", text("t"), text("s"))
        })
        .collect();
    let sql = format!(
        "SELECT pg_catalog.count(*) FROM {saved} AS s JOIN ONLY {table} AS t ON {same} \
         WHERE NOT EXISTS (SELECT FROM {unchanged} AS u WHERE {by_key}) AND ({differs})",
        saved = target.stage("saved"),
        table = target.table(),
        same = target.same_key("s", "t"),
        unchanged = target.stage("unchanged"),
        by_key = by_left_key(target, record),
        differs = differs.join(" OR "),
    );
    one(client, &sql).await
}

/// How many saved rows of a table without a key have no row that they fit.
pub async fn unmatched(client: &Client, target: &Target<'_>) -> Result<u64> {
    let Some(record) = relevant(target).filter(|_| target.key.is_empty()) else {
        return Ok(0);
    };
    let (_, from, _) = by_whole_row(target, record);
    let sql = format!(
        "SELECT (SELECT pg_catalog.count(*) FROM {}) - (SELECT pg_catalog.count(*) FROM {from})",
        target.stage("saved")
    );
    one(client, &sql).await
}

async fn one(client: &Client, sql: &str) -> Result<u64> {
    let rows = as_user::number(client, sql).await;
    Ok(rows.pg("could not look for newer values")?.unsigned_abs())
}

fn relevant<'a>(target: &Target<'a>) -> Option<&'a TableRecord> {
    let record = target.record?;
    let concerned = record.reshaped() && target.saved && !target.remade();
    (concerned && !columns(target, record).is_empty()).then_some(record)
}

/// Converted values were looked at before the scripts ran again.
fn checked(record: &TableRecord) -> bool {
    let converted = record.retyped.iter().any(|n| !record.key.contains(n));
    converted && !record.key.is_empty()
}

/// What to set, from which relations, under which condition.
type Assignment<'a> = (Vec<(&'a str, String)>, String, String);

fn by_key<'a>(target: &Target<'_>, record: &'a TableRecord) -> Assignment<'a> {
    let checked = checked(record);
    let set: Vec<(&str, String)> = columns(target, record)
        .into_iter()
        .map(|(n, name, retyped)| {
            let unchanged = (retyped && checked).then(|| before::ok(record, n));
            (name, saved_or_newer(name, unchanged))
        })
        .collect();
    let differs: Vec<String> = set
        .iter()
        .map(|(name, value)| {
            let is = target.text("w", name);
            let value = format!("({value})");
            let should = match target.live.column(name) {
                Some(column) => value::of(&value, column),
                None => format!("{value}::pg_catalog.text"),
            };
            format!("{is} IS DISTINCT FROM {should}")
        })
        .collect();
    let unchanged = if checked {
        let by_key = by_left_key(target, record);
        format!(" JOIN {} AS u ON {by_key}", target.stage("unchanged"))
    } else {
        String::new()
    };
    let from = format!("{} AS s{unchanged}", target.stage("saved"));
    let condition = format!(
        "{} AND ({})",
        target.same_key("w", "s"),
        differs.join(" OR ")
    );
    (set, from, condition)
}

/// The key of the saved row `s` is that of the row `u`, as the rollback left it.
fn by_left_key(target: &Target<'_>, record: &TableRecord) -> String {
    pairs(&target.key, |k| {
        let number = record.columns.iter().find(|c| c.name == k);
        let number = number.map(|c| c.number).unwrap_or_default();
        format!("{} = u.a{number}", target.text("s", k))
    })
}

/// Rows without a key are matched by all that stayed the same, equal ones in any order: what they
/// held together comes back together.
fn by_whole_row<'a>(target: &Target<'_>, record: &'a TableRecord) -> Assignment<'a> {
    let concerned = columns(target, record);
    let same: Vec<&str> = record
        .written()
        .filter(|c| !concerned.iter().any(|x| x.0 == c.number))
        .filter(|c| target.live.column(&c.name).is_some_and(|l| !l.generated))
        .map(|c| c.name.as_str())
        .collect();
    // The names are our own, whatever the columns are called.
    let numbered = |from: &str, alias: &str, extra: &str| {
        format!(
            "SELECT r.*, pg_catalog.row_number() OVER (PARTITION BY r.\"pgbelay row\") \
             AS \"pgbelay nth\" FROM \
             (SELECT {extra}, {} AS \"pgbelay row\" FROM {from} AS {alias}) AS r",
            whole_row(alias, same.iter().copied(), &target.live.columns)
        )
    };
    let live = numbered(
        &format!("ONLY {}", target.table()),
        "t",
        "t.ctid AS \"pgbelay pos\"",
    );
    let values: Vec<String> = concerned
        .iter()
        .map(|(_, name, _)| format!("s.{}", quote::ident(name)))
        .collect();
    let saved = numbered(&target.stage("saved"), "s", &values.join(", "));
    let set = concerned
        .iter()
        .map(|(_, name, _)| (*name, format!("s.{}", quote::ident(name))))
        .collect();
    let from = format!(
        "({live}) AS t JOIN ({saved}) AS s \
         ON t.\"pgbelay row\" = s.\"pgbelay row\" AND t.\"pgbelay nth\" = s.\"pgbelay nth\""
    );
    (set, from, "w.ctid = t.\"pgbelay pos\"".to_owned())
}

async fn run(client: &Client, sql: &str) -> Result<u64> {
    as_user::execute(client, sql)
        .await
        .pg("could not put saved values back")
}
