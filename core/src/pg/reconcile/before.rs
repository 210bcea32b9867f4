//! What is found out before the scripts run again: their work would blur who wrote what.

use tokio_postgres::Client;

use crate::error::Result;
use crate::model::relation::Relation;
use crate::pg::as_user;
use crate::pg::error::PgContext as _;
use crate::pg::layout::Layout;
use crate::pg::reconcile::{Target, pairs, since_table, stage};
use crate::pg::record::TableRecord;
use crate::pg::stage::Stage;
use crate::pg::value;
use crate::sql::quote;

async fn run(client: &Client, sql: &str) -> Result<()> {
    as_user::batch(client, sql)
        .await
        .pg("could not compare saved rows with those that are there")
}

/// Looks each changed row up in `table` as it is now: `seen` = the staged effects, with `present`
/// and whether each column is [`as_left`] and [`as_was`]. Flags, for a row has only so much room.
pub async fn seen(
    client: &Client,
    index: usize,
    record: &TableRecord,
    table: &Relation,
) -> Result<()> {
    let layout = Layout::of(&record.effects);
    let flags = |letter: char, name: &str| {
        let compared = record.effects.iter().map(|n| {
            let column = record.after(*n).and_then(|name| table.column(name));
            column.map_or_else(
                || "NULL".to_owned(),
                |c| {
                    let is = value::text("p", c);
                    format!(
                        "{is} IS NOT DISTINCT FROM {}",
                        layout.value("e", letter, *n)
                    )
                },
            )
        });
        let compared: Vec<String> = compared.collect();
        format!(", ARRAY[{}]::boolean[] AS {name}", compared.join(", "))
    };
    let values = [flags('a', "as_left"), flags('b', "as_was")];
    let join: Vec<String> = record
        .key
        .iter()
        .filter_map(|n| {
            let is = value::named("p", record.after(*n)?, &table.columns);
            let value = |letter| layout.value("e", letter, *n);
            Some(format!(
                "{is} = CASE WHEN e.has THEN {} ELSE {} END",
                value('a'),
                value('b')
            ))
        })
        .collect();
    let effects = layout.rows(&stage("effects", index), "ba", &[], &["had", "has"]);
    let seen = stage("seen", index);
    let sql = if join.is_empty() {
        format!("CREATE TEMP TABLE {seen} AS SELECT e.*, false AS present FROM {effects} AS e")
    } else {
        format!(
            "CREATE TEMP TABLE {seen} AS \
             SELECT e.*, p.ctid IS NOT NULL AS present{values} \
             FROM {effects} AS e LEFT JOIN ONLY {table} AS p ON {join}",
            values = values.concat(),
            table = quote::table(&table.name),
            join = join.join(" AND "),
        )
    };
    run(client, &format!("{sql}; ANALYZE {seen}")).await
}

/// Looks each converted value up: `unchanged` gets the keys of rows and, for each converted column,
/// whether the value is still the one that the rollback left ([`ok`]). In `seen`, what a change of a
/// row left becomes what the conversion made of it.
pub async fn left(
    client: &Client,
    index: usize,
    record: &TableRecord,
    table: &Relation,
) -> Result<()> {
    let layout = record.layout_of_left();
    let left = |n: i16| layout.value("l", 'a', n);
    let keys = record.key.iter();
    let keys: Vec<String> = keys.map(|n| format!("{} AS a{n}", left(*n))).collect();
    let join: Vec<String> = record
        .key
        .iter()
        .filter_map(|n| {
            let is = value::named("p", record.after(*n)?, &table.columns);
            Some(format!("{is} = {}", left(*n)))
        })
        .collect();
    let same = |n: &i16| {
        let name = record.after(*n).filter(|_| !record.key.contains(n))?;
        let is = value::named("p", name, &table.columns);
        Some(format!("{is} IS NOT DISTINCT FROM {}", left(*n)))
    };
    let values = record.retyped.iter().map(same);
    let values: Vec<String> = values
        .map(|v| v.unwrap_or_else(|| "NULL".to_owned()))
        .collect();
    let sql = format!(
        "CREATE TEMP TABLE {ok} AS SELECT {keys}, ARRAY[{values}]::boolean[] AS ok \
         FROM {left} AS l JOIN ONLY {table} AS p ON {join}; ANALYZE {ok}{then}",
        then = converted(index, record),
        ok = stage("unchanged", index),
        keys = keys.join(", "),
        values = values.join(", "),
        left = layout.rows(&stage("left", index), "a", &[], &[]),
        table = quote::table(&table.name),
        join = join.join(" AND "),
    );
    run(client, &sql).await
}

/// Where a changed value was converted afterwards and is still what that made of it, it counts as
/// what the rollback left, and as something else where it isn't. Nothing for other columns.
fn converted(index: usize, record: &TableRecord) -> String {
    let both = |n: &&i16| record.effects.contains(n) && !record.key.contains(n);
    let there = |n: &&i16| record.after(**n).is_some();
    let set: Vec<String> = (record.retyped.iter().filter(both).filter(there))
        .map(|n| {
            format!(
                "as_left[{}] = {}",
                place(&record.effects, *n),
                ok(record, *n)
            )
        })
        .collect();
    if set.is_empty() {
        return String::new();
    }
    let layout = Layout::of(&record.effects);
    let after = |n| layout.value("e", 'a', n);
    let keys = record.key.iter();
    let keys: Vec<String> = keys.map(|n| format!("{} = u.a{n}", after(*n))).collect();
    format!(
        "; UPDATE {seen} AS e SET {set} FROM {ok} AS u WHERE e.has AND {keys}",
        seen = stage("seen", index),
        ok = stage("unchanged", index),
        set = set.join(", "),
        keys = keys.join(" AND "),
    )
}

/// True where the converted value of column number `n` is what the rollback left, by the row `u` of
/// `unchanged`.
pub fn ok(record: &TableRecord, n: i16) -> String {
    format!("u.ok[{}]", place(&record.retyped, n))
}

/// The rows of `seen` of `target`, to be read from.
pub fn rows_seen(target: &Target<'_>, record: &TableRecord) -> String {
    let (flags, others) = (["as_left", "as_was"], ["had", "has", "present"]);
    Layout::of(&record.effects).rows(&target.stage("seen"), "ba", &flags, &others)
}

/// True where column number `n` of the row `e` of `seen` is what the rollback left.
pub fn as_left(record: &TableRecord, n: i16) -> String {
    format!("e.as_left[{}]", place(&record.effects, n))
}

/// True where column number `n` of the row `e` of `seen` is what it was before the rollback.
pub fn as_was(record: &TableRecord, n: i16) -> String {
    format!("e.as_was[{}]", place(&record.effects, n))
}

/// Where the flag of column number `n` is among those of `numbers`.
fn place(numbers: &[i16], n: i16) -> usize {
    let place = numbers.iter().position(|number| *number == n);
    place.map_or(0, |place| place + 1)
}

/// The keys that are in a table that the rollback emptied.
pub async fn there(
    client: &Client,
    index: usize,
    record: &TableRecord,
    table: &Relation,
) -> Result<()> {
    let keys: Vec<String> = record
        .key
        .iter()
        .filter_map(|n| {
            let is = value::named("p", record.after(*n)?, &table.columns);
            Some(format!("{is} AS k{n}"))
        })
        .collect();
    let keys = if keys.is_empty() {
        "1 AS k0".to_owned()
    } else {
        keys.join(", ")
    };
    let sql = format!(
        "CREATE TEMP TABLE {there} AS SELECT {keys} FROM ONLY {table} AS p; ANALYZE {there}",
        there = stage("there", index),
        table = quote::table(&table.name),
    );
    run(client, &sql).await
}

/// The keys of rows of `relation` that were written after transaction `xid`. When that number
/// lies in the future (the database was moved to another cluster), no row counts as newer. What
/// was found once stays: scripts blur it.
pub async fn since(client: &Client, relation: &Relation, key: &[String], xid: &str) -> Result<()> {
    let xid: u64 = xid.parse().unwrap_or(0);
    let low = xid % (1 << 32);
    let newer = format!(
        "pg_catalog.age(t.xmin) < pg_catalog.age('{low}'::pg_catalog.xid) AND {xid} < \
         pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot())::pg_catalog.text::numeric"
    );
    note_since(client, relation, key, &newer).await
}

/// The keys of rows of `relation` that were written since, `present` holding those of the rows that
/// were there.
pub async fn since_present(
    client: &Client,
    relation: &Relation,
    key: &[String],
    present: &Stage,
) -> Result<()> {
    let same = pairs(key, |k| {
        let is = value::named("t", k, &relation.columns);
        format!("p.{} = {is}", quote::ident(k))
    });
    let newer = format!(
        "NOT EXISTS (SELECT FROM {} AS p WHERE {same})",
        present.table
    );
    note_since(client, relation, key, &newer).await
}

/// Notes that no row of `relation` was written since.
pub async fn nothing_since(client: &Client, relation: &Relation, key: &[String]) -> Result<()> {
    note_since(client, relation, key, "false").await
}

/// Notes the keys of those rows of `relation`, called `t`, that are `newer`, unless that was done.
async fn note_since(
    client: &Client,
    relation: &Relation,
    key: &[String],
    newer: &str,
) -> Result<()> {
    let keys: Vec<String> = key
        .iter()
        .map(|k| {
            let value = value::named("t", k, &relation.columns);
            format!("{value} AS {}", quote::ident(k))
        })
        .collect();
    let sql = format!(
        "CREATE TEMP TABLE IF NOT EXISTS {since} AS SELECT {keys} FROM ONLY {table} AS t \
         WHERE {newer}; ANALYZE {since}",
        since = since_table(relation.oid),
        keys = keys.join(", "),
        table = quote::table(&relation.name),
    );
    run(client, &sql).await
}

/// Rows of `stage`, called `s` in the condition `which`, don't count as written since. `keys` is
/// the name of each key column of `relation`, and its value there.
pub async fn not_since(
    client: &Client,
    relation: &Relation,
    stage: &Stage,
    keys: Vec<(String, String)>,
    which: &str,
) -> Result<()> {
    let since = since_table(relation.oid);
    let row = client
        .query_one("SELECT pg_catalog.to_regclass($1) IS NOT NULL", &[&since])
        .await
        .pg("could not look for the rows that are newer")?;
    if !row.get::<_, bool>(0) {
        return Ok(());
    }
    let same: Vec<String> = keys
        .iter()
        .filter_map(|(k, there)| {
            let was = value::of(there, relation.column(k)?);
            Some(format!("n.{} = {was}", quote::ident(k)))
        })
        .collect();
    let sql = format!(
        "DELETE FROM {since} AS n USING {} AS s WHERE {which} AND {}",
        stage.table,
        same.join(" AND ")
    );
    run(client, &sql).await
}
