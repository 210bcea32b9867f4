//! The rows that a table must hold in the end, for every key that anything touched.

use tokio_postgres::Client;

use crate::error::Result;
use crate::pg::as_user;
use crate::pg::error::PgContext as _;
use crate::pg::layout::Layout;
use crate::pg::net;
use crate::pg::reconcile::{GONE, Target, before, keyless, pairs, since_table, values};
use crate::pg::record::{ColumnRecord, TableRecord};
use crate::pg::value;
use crate::sql::quote;

/// Works out the wanted rows of `target`.
pub async fn work_out(client: &Client, target: &Target<'_>) -> Result<()> {
    let sql = if target.remade() {
        remade(target)
    } else if target.key.is_empty() {
        keyless::wanted(target)
    } else {
        with_key(target, &added_since(client, target).await?)
    };
    as_user::batch(client, &sql)
        .await
        .pg("could not work out which rows to put back")
}

/// A table that the scripts made again: the saved rows, and of those that the scripts put into it
/// only what belongs to rows that were written since the rollback.
fn remade(target: &Target<'_>) -> String {
    let (wanted, table) = (target.wanted(), target.table());
    let columns = quote::idents(target.written().map(|c| c.name.as_str()));
    let mut sql = if target.saved {
        format!(
            "CREATE TEMP TABLE {wanted} AS SELECT s.*, false AS {GONE} FROM {} AS s;",
            target.stage("saved")
        )
    } else {
        let columns = if columns.is_empty() {
            columns
        } else {
            columns + ", "
        };
        format!(
            "CREATE TEMP TABLE {wanted} AS SELECT {columns}false AS {GONE} \
             FROM ONLY {table} WITH NO DATA;"
        )
    };
    let newer = format!("t.ctid IN (SELECT pos FROM {})", target.stage("derived"));
    sql += &if target.key.is_empty() {
        format!(
            "CREATE TEMP TABLE {} AS SELECT t.ctid AS pos FROM ONLY {table} AS t WHERE NOT {newer};",
            target.stage("leaving")
        )
    } else {
        let keys = quote::idents(target.key.iter().map(String::as_str));
        format!(
            "INSERT INTO {wanted} ({keys}, {GONE}) SELECT {keys}, true FROM ONLY {table} AS t \
             WHERE NOT {newer} AND NOT EXISTS (SELECT FROM {wanted} AS w WHERE {});",
            target.same_key("w", "t")
        )
    };
    sql + &format!("ANALYZE {wanted};")
}

/// Columns that somebody added to the table since the rollback, with their defaults: rows that come
/// back get those.
async fn added_since(client: &Client, target: &Target<'_>) -> Result<Vec<(String, String)>> {
    let Some(record) = target.record else {
        return Ok(Vec::new());
    };
    let known = |name: &str| record.columns.iter().any(|c| c.name == name);
    let added = target.written().filter(|c| !known(&c.name));
    let numbers: Vec<i16> = added.map(|c| c.number).collect();
    if numbers.is_empty() {
        return Ok(Vec::new());
    }
    let rows = client
        .query(
            "SELECT a.attname::pg_catalog.text, pg_catalog.pg_get_expr(d.adbin, d.adrelid) \
             FROM pg_catalog.pg_attrdef d JOIN pg_catalog.pg_attribute a \
             ON a.attrelid = d.adrelid AND a.attnum = d.adnum \
             WHERE d.adrelid = $1 AND d.adnum = ANY ($2)",
            &[&target.live.oid, &numbers],
        )
        .await
        .pg("could not read the defaults of a table")?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

fn with_key(target: &Target<'_>, added: &[(String, String)]) -> String {
    let mut touched = Vec::new();
    if !target.up.is_empty() {
        let net = net::table(target.live.oid);
        let layout = Layout::of(&target.up.numbers);
        touched.push(keys_of(target, &net, &layout, up_key));
    }
    if let Some(record) = target.record.filter(|r| !r.effects.is_empty()) {
        let seen = target.stage("seen");
        let layout = Layout::of(&record.effects);
        let number = |t: &Target<'_>, k: &str| effect_key(t, record, k);
        touched.push(keys_of(target, &seen, &layout, number));
    }
    let columns = quote::idents(target.written().map(|c| c.name.as_str()));
    let there = if values::shares_unique(target) {
        // Each row's value hangs on every other's: all of them are worked out.
        "true".to_owned()
    } else if touched.is_empty() {
        "false".to_owned()
    } else {
        let keys: Vec<String> = target.key.iter().map(|k| target.text("t", k)).collect();
        format!("({}) IN ({})", keys.join(", "), touched.join(" UNION ALL "))
    };
    let mut sql = format!(
        "CREATE TEMP TABLE {wanted} AS SELECT {columns}, false AS {GONE} \
         FROM ONLY {table} AS t WHERE {there};",
        wanted = target.wanted(),
        table = target.table(),
    );
    if !target.up.is_empty() {
        sql += &revert(target);
    }
    if let Some(record) = target.record {
        if !record.effects.is_empty() {
            sql += &deleted(target, record, added);
            sql += &inserted(target, record);
            sql += &updated(target, record);
        }
        if record.truncated {
            sql += &emptied(target, record, added);
        }
    }
    sql + &format!("ANALYZE {};", target.wanted())
}

/// The column number of key `k` in the net effect of the scripts.
pub(super) fn up_key(target: &Target<'_>, k: &str) -> Option<i16> {
    target.number(k)
}

/// The column number of key `k` in what the rollback recorded.
pub(super) fn effect_key(_: &Target<'_>, record: &TableRecord, k: &str) -> Option<i16> {
    let column = record.columns.iter().find(|c| c.name == k)?;
    Some(column.number)
}

fn keys_of(
    target: &Target<'_>,
    table: &str,
    layout: &Layout,
    number: impl Fn(&Target<'_>, &str) -> Option<i16>,
) -> String {
    let columns: Vec<String> = target
        .key
        .iter()
        .filter_map(|k| number(target, k))
        .map(|n| {
            let value = |letter| layout.value("e", letter, n);
            format!(
                "CASE WHEN e.has THEN {} ELSE {} END",
                value('a'),
                value('b')
            )
        })
        .collect();
    format!("SELECT {} FROM {table} AS e", columns.join(", "))
}

/// The key of `w` is that of the row `e`, whose values are laid out so and have that letter.
pub(super) fn by_key(
    target: &Target<'_>,
    values: (&Layout, char),
    number: impl Fn(&Target<'_>, &str) -> Option<i16>,
) -> String {
    by_key_of(target, "w", values, number)
}

/// The same of the row `alias`.
pub(super) fn by_key_of(
    target: &Target<'_>,
    alias: &str,
    (layout, letter): (&Layout, char),
    number: impl Fn(&Target<'_>, &str) -> Option<i16>,
) -> String {
    pairs(&target.key, |k| {
        let number = number(target, k).unwrap_or_default();
        let value = layout.value("e", letter, number);
        format!("{} = {value}", target.text(alias, k))
    })
}

/// What the scripts did again to rows that were there before is taken back; rows that were
/// written since the rollback stay as the scripts made them.
fn revert(target: &Target<'_>) -> String {
    let layout = Layout::of(&target.up.numbers);
    let net = net::table(target.live.oid);
    let (wanted, net) = (
        target.wanted(),
        layout.rows(&net, "ba", &[], &["had", "has"]),
    );
    let by_new = by_key(target, (&layout, 'a'), up_key);
    let mut sql = format!(
        "UPDATE {wanted} AS w SET {GONE} = true FROM {net} AS e \
         WHERE e.has AND NOT e.had AND {by_new} \
         AND NOT EXISTS (SELECT FROM ONLY {table} AS t JOIN {derived} AS d ON d.pos = t.ctid \
         WHERE {same});",
        table = target.table(),
        derived = target.stage("derived"),
        same = target.same_key("t", "w"),
    );
    let columns: Vec<(i16, String, String)> = target
        .up
        .numbers
        .iter()
        .filter_map(|n| {
            let column = target.kept_column(*n)?;
            let before = value::read(&layout.value("e", 'b', *n), column);
            Some((*n, quote::ident(&column.name), before))
        })
        .collect();
    let set: Vec<String> = columns
        .iter()
        .map(|(n, name, before)| {
            // Somebody took a value away since, and the migrations want one: theirs stays.
            let column = target.live.columns.iter().find(|c| c.number == *n);
            let filled = if column.is_some_and(|c| c.not_null) {
                format!(" AND {} IS NOT NULL", layout.value("e", 'b', *n))
            } else {
                String::new()
            };
            let newer = newer_value(target, *n);
            format!(
                "{name} = CASE WHEN {differs}{filled}{newer} THEN {before} ELSE w.{name} END",
                differs = layout.differs("e", *n),
            )
        })
        .collect();
    if !set.is_empty() && !target.was_empty {
        let since = pairs(&target.key, |k| {
            let number = target.number(k).unwrap_or_default();
            let was = layout.value("e", 'b', number);
            format!("s.{} = {was}", quote::ident(k))
        });
        sql += &format!(
            "UPDATE {wanted} AS w SET {set} FROM {net} AS e{changed} \
             WHERE e.has AND e.had AND {by_new} \
             AND NOT EXISTS (SELECT FROM {newer} AS s WHERE {since});",
            set = set.join(", "),
            changed = changed_by_rollback(target),
            newer = since_table(target.live.oid),
        );
    }
    let names: Vec<&str> = columns.iter().map(|c| c.1.as_str()).collect();
    let values: Vec<&str> = columns.iter().map(|c| c.2.as_str()).collect();
    sql + &format!(
        "INSERT INTO {wanted} ({}, {GONE}) SELECT {}, false FROM {net} AS e \
         WHERE e.had AND NOT e.has;",
        names.join(", "),
        values.join(", ")
    )
}

/// What the rollback did to the row `e`, as `c`.
fn changed_by_rollback(target: &Target<'_>) -> String {
    let Some(record) = target.record.filter(|r| !r.effects.is_empty()) else {
        return String::new();
    };
    let (then, now) = (Layout::of(&record.effects), Layout::of(&target.up.numbers));
    let same = pairs(&target.key, |k| {
        let (up, down) = (up_key(target, k), effect_key(target, record, k));
        format!(
            "{} = {}",
            then.value("c", 'a', down.unwrap_or_default()),
            now.value("e", 'b', up.unwrap_or_default())
        )
    });
    format!(
        " LEFT JOIN {} AS c ON c.had AND c.has AND c.present AND {same}",
        before::rows_seen(target, record)
    )
}

/// Somebody changed what the rollback had left in column number `n`: what the migrations made of that stays.
fn newer_value(target: &Target<'_>, n: i16) -> String {
    let number = || {
        let record = target.record?;
        let name = &target.earlier?.columns.iter().find(|c| c.number == n)?.name;
        let is = |m: &&i16| record.after(**m) == Some(name.as_str());
        let number = record.effects.iter().find(is)?;
        Some((record, *number))
    };
    number().map_or_else(String::new, |(record, m)| {
        let flags = [before::as_left(record, m), before::as_was(record, m)];
        let [left, was] = flags.map(|flag| flag.replacen("e.", "c.", 1));
        format!(" AND (c.has IS NOT TRUE OR {left} OR {was})")
    })
}

/// Rows that the rollback deleted come back, unless their key was given to a new row since.
fn deleted(target: &Target<'_>, record: &TableRecord, added: &[(String, String)]) -> String {
    let layout = Layout::of(&record.effects);
    let (wanted, seen) = (target.wanted(), before::rows_seen(target, record));
    let number = |t: &Target<'_>, k: &str| effect_key(t, record, k);
    let by_old = by_key(target, (&layout, 'b'), number);
    let which = "e.had AND NOT e.has AND NOT e.present";
    let clear = format!("DELETE FROM {wanted} AS w USING {seen} AS e WHERE {which} AND {by_old};");
    let columns: Vec<&ColumnRecord> = record
        .written()
        .filter(|c| target.live.column(&c.name).is_some_and(|l| !l.generated))
        .collect();
    let names = columns.iter().map(|c| c.name.as_str());
    let names = quote::idents(names.chain(added.iter().map(|c| c.0.as_str())));
    let defaults = added.iter().map(|c| c.1.clone());
    if record.reshaped() && target.saved {
        let by_old = by_key_of(target, "s", (&layout, 'b'), number);
        return format!(
            "{clear}INSERT INTO {wanted} ({names}, {GONE}) SELECT {selected}, false \
             FROM {saved} AS s JOIN {seen} AS e ON {which} AND {by_old};",
            selected = columns
                .iter()
                .map(|c| saved_or_recorded(target, record, c))
                .chain(defaults)
                .collect::<Vec<_>>()
                .join(", "),
            saved = target.stage("saved"),
        );
    }
    let values: Vec<String> = columns
        .iter()
        .map(|c| {
            let live = target.live.column(&c.name);
            if record.effects.contains(&c.number) {
                let text = layout.value("e", 'b', c.number);
                live.map_or_else(|| text.clone(), |l| value::read(&text, l))
            } else {
                let type_name = live.map_or("pg_catalog.text", |l| &l.type_name);
                format!("NULL::{type_name}")
            }
        })
        .chain(defaults)
        .collect();
    format!(
        "{clear}INSERT INTO {wanted} ({names}, {GONE}) SELECT {}, false FROM {seen} AS e \
         WHERE {which};",
        values.join(", ")
    )
}

/// The value that the column `c` of a deleted row had: of what goes or is converted as it was saved, beside
/// which other values may not have been.
fn saved_or_recorded(target: &Target<'_>, record: &TableRecord, c: &ColumnRecord) -> String {
    let live = target.live.column(&c.name);
    let changes = record.dropped.contains(&c.number) || record.retyped.contains(&c.number);
    match live {
        Some(live) if !changes && record.effects.contains(&c.number) => {
            let layout = Layout::of(&record.effects);
            value::read(&layout.value("e", 'b', c.number), live)
        }
        _ => format!("s.{}", quote::ident(&c.name)),
    }
}

/// Rows that the rollback added go, unless somebody has changed them since.
fn inserted(target: &Target<'_>, record: &TableRecord) -> String {
    let number = |t: &Target<'_>, k: &str| effect_key(t, record, k);
    format!(
        "UPDATE {wanted} AS w SET {GONE} = true FROM {seen} AS e \
         WHERE e.has AND NOT e.had AND e.present AND {unchanged} AND {by_new};",
        wanted = target.wanted(),
        seen = before::rows_seen(target, record),
        unchanged = untouched(record),
        by_new = by_key(target, (&Layout::of(&record.effects), 'a'), number),
    )
}

/// True for a row that is just as the rollback left it.
pub fn untouched(record: &TableRecord) -> String {
    let there = record
        .effects
        .iter()
        .filter(|n| record.after(**n).is_some());
    let parts: Vec<String> = there.map(|n| before::as_left(record, *n)).collect();
    if parts.is_empty() {
        "true".to_owned()
    } else {
        parts.join(" AND ")
    }
}

/// Values that the rollback changed come back where nobody has changed them since.
fn updated(target: &Target<'_>, record: &TableRecord) -> String {
    let layout = Layout::of(&record.effects);
    let number = |t: &Target<'_>, k: &str| effect_key(t, record, k);
    let set: Vec<String> = record
        .effects
        .iter()
        .filter(|n| !record.retyped.contains(n) && record.after(**n).is_some())
        .filter_map(|n| {
            let column = record.column(*n).filter(|c| !c.generated)?;
            let live = target.live.column(&column.name).filter(|l| !l.generated)?;
            let name = quote::ident(&live.name);
            Some(format!(
                "{name} = CASE WHEN {differs} AND {as_left} THEN {before} ELSE w.{name} END",
                differs = layout.differs("e", *n),
                as_left = before::as_left(record, *n),
                before = value::read(&layout.value("e", 'b', *n), live)
            ))
        })
        .collect();
    if set.is_empty() {
        return String::new();
    }
    format!(
        "UPDATE {wanted} AS w SET {set} FROM {seen} AS e \
         WHERE e.had AND e.has AND e.present AND {by_new};",
        wanted = target.wanted(),
        set = set.join(", "),
        seen = before::rows_seen(target, record),
        by_new = by_key(target, (&layout, 'a'), number),
    )
}

/// All rows of a table that the rollback emptied come back, unless the key was given to a new
/// row since. What the rollback itself put there afterwards is no new row.
fn emptied(target: &Target<'_>, record: &TableRecord, added: &[(String, String)]) -> String {
    let (wanted, saved) = (target.wanted(), target.stage("saved"));
    let columns: Vec<&str> = record
        .written()
        .filter(|c| target.live.column(&c.name).is_some_and(|l| !l.generated))
        .map(|c| c.name.as_str())
        .collect();
    let there = pairs(&target.key, |k| {
        let number = effect_key(target, record, k).unwrap_or_default();
        format!("t.k{number} = {}", target.text("s", k))
    });
    let selected: Vec<String> = columns
        .iter()
        .map(|c| format!("s.{}", quote::ident(c)))
        .chain(added.iter().map(|c| c.1.clone()))
        .collect();
    let columns = columns
        .into_iter()
        .chain(added.iter().map(|c| c.0.as_str()));
    let own = if record.effects.is_empty() {
        String::new()
    } else {
        let layout = Layout::of(&record.effects);
        let by_key: Vec<String> = record
            .key
            .iter()
            .map(|n| format!("{} = t.k{n}", layout.value("e", 'a', *n)))
            .collect();
        format!(
            "DELETE FROM {there} AS t USING {seen} AS e WHERE {by_key} \
             AND e.has AND NOT e.had AND e.present AND {unchanged};",
            there = target.stage("there"),
            seen = before::rows_seen(target, record),
            by_key = by_key.join(" AND "),
            unchanged = untouched(record),
        )
    };
    format!(
        "{own}DELETE FROM {wanted} AS w USING {saved} AS s WHERE {same} \
         AND NOT EXISTS (SELECT FROM {seen} AS t WHERE {there});\
         INSERT INTO {wanted} ({names}, {GONE}) SELECT {selected}, false FROM {saved} AS s \
         WHERE NOT EXISTS (SELECT FROM {seen} AS t WHERE {there});",
        same = target.same_key("w", "s"),
        seen = target.stage("there"),
        names = quote::idents(columns),
        selected = selected.join(", "),
    )
}
