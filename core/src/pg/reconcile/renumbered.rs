//! Rows that the scripts make again under numbers that saved rows have.
//!
//! A migration that fills a table with numbered rows (every city of an address book, say) gives other
//! numbers when it runs again on other rows. What was saved comes back under its own numbers; rows that
//! were written since refer by those that the scripts gave. Such a reference moves to the saved row that is
//! the same but for its number; where there is none, the row that the scripts made gets a number of its
//! own and stays.

use tokio_postgres::Client;

use crate::error::{Error, Result};
use crate::model::relation::{ForeignKey, Oid, World};
use crate::pg::as_user;
use crate::pg::error::PgContext as _;
use crate::pg::layout::Layout;
use crate::pg::net;
use crate::pg::reconcile::wanted::{by_key_of, up_key};
use crate::pg::reconcile::{GONE, Target, pairs, whole_row};
use crate::pg::value;
use crate::sql::quote;

const FAILED: &str = "could not tell which numbers the rows have that the migrations make";

/// What is known by then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    /// The saved rows.
    Saved,
    /// The wanted rows as well.
    Wanted,
}

/// Rows whose reference the scripts set and nobody sets back.
struct Referring<'a> {
    /// Their table.
    child: &'a Target<'a>,
    /// The column that refers, quoted.
    column: String,
    /// Their keys, and the number that they refer by (`was`), in a temporary table.
    rows: String,
}

/// Moves references of newer rows, and rows that they refer to. To be asked when the wanted rows are known
/// with their values. Returns the tables of which rows got new numbers.
pub async fn move_references(
    client: &Client,
    live: &World,
    targets: &[Target<'_>],
) -> Result<Vec<Oid>> {
    let mut renumbered = Vec::new();
    for target in targets.iter().filter(|t| t.remade() && t.saved) {
        let [key] = target.key.as_slice() else {
            continue;
        };
        let Some(next) = next_number(client, target.live.oid, key).await? else {
            continue;
        };
        let references = live.foreign_keys.iter().filter(|k| {
            live.referenced(k) == target.live.oid && k.to_columns.as_slice() == [key.as_str()]
        });
        let mut all = Vec::new();
        for (number, reference) in references.enumerate() {
            for child in targets.iter().filter(|t| t.live.oid == reference.from) {
                let rows = child.stage(&format!("referring {} {number}", target.index));
                let into = (Known::Wanted, rows);
                all.extend(referring(client, target, child, reference, into).await?);
            }
        }
        if all.is_empty() || !numbers(client, target, key, &next, &all).await? {
            continue;
        }
        for referring in &all {
            move_one(client, target, referring).await?;
        }
        if keep(client, target, key).await? > 0 {
            renumbered.push(target.live.oid);
        }
    }
    Ok(renumbered)
}

/// Gives the rows of `target` the numbers in `column` that were saved of them, and those that are `newer`
/// others where these are taken, together with what refers to them. False: nothing newer refers to them.
pub async fn in_place(
    client: &Client,
    live: &World,
    targets: &[Target<'_>],
    target: &Target<'_>,
    column: &str,
    newer: &str,
) -> Result<bool> {
    let next = next_number(client, target.live.oid, column).await?;
    let Some(next) = next.filter(|_| !target.key.is_empty()) else {
        return Ok(false);
    };
    let references = live
        .foreign_keys
        .iter()
        .filter(|k| live.referenced(k) == target.live.oid && k.to_columns.as_slice() == [column]);
    let mut all = Vec::new();
    for (number, reference) in references.enumerate() {
        for child in targets.iter().filter(|t| t.live.oid == reference.from) {
            let rows = child.stage(&format!("following {} {number}", target.index));
            let into = (Known::Saved, rows);
            all.extend(referring(client, target, child, reference, into).await?);
        }
    }
    if all.is_empty() {
        return Ok(false);
    }
    let (map, c) = (
        target.stage(&format!("moved {column}")),
        quote::ident(column),
    );
    let (saved, table) = (target.stage("saved"), target.table());
    let same = target.same_key("s", "t");
    // All go to numbers that are free first: on the way two rows may need each other's.
    let sql = format!(
        "CREATE TEMP TABLE {map} AS SELECT t.{c} AS was, {next} AS meanwhile, \
           coalesce((SELECT s.{c} FROM {saved} AS s WHERE {same}), {next}) AS stands \
         FROM ONLY {table} AS t WHERE t.{c} IS NOT NULL AND (EXISTS (SELECT FROM {saved} AS s \
           WHERE {same} AND s.{c} <> t.{c}) \
           OR {newer} AND EXISTS (SELECT FROM {saved} AS s WHERE s.{c} = t.{c})); ANALYZE {map}"
    );
    as_user::batch(client, &sql).await.pg(FAILED)?;
    for (from, to) in [("was", "meanwhile"), ("meanwhile", "stands")] {
        let moved = all.iter().enumerate().filter_map(|(n, referring)| {
            let Referring { child, column, .. } = referring;
            let name = &child
                .live
                .columns
                .iter()
                .find(|c| quote::ident(&c.name) == *column)?
                .name;
            let set = match from {
                "was" => by_scripts(child, name)?,
                _ => "true".to_owned(),
            };
            Some(format!(
                "c{n} AS (UPDATE ONLY {} AS c SET {column} = m.{to} FROM {map} AS m \
                 WHERE c.{column} = m.{from} AND {set} RETURNING 1), ",
                child.table()
            ))
        });
        let sql = format!(
            "WITH {} p AS (UPDATE ONLY {table} AS t SET {c} = m.{to} FROM {map} AS m \
             WHERE t.{c} = m.{from} RETURNING 1) SELECT pg_catalog.count(*) FROM p",
            moved.collect::<String>()
        );
        as_user::number(client, &sql).await.pg(FAILED)?;
    }
    Ok(true)
}

/// What draws the next number of the column `name`; `None`: it draws none by itself.
async fn next_number(client: &Client, table: Oid, name: &str) -> Result<Option<String>> {
    let row = client
        .query_opt(
            "SELECT CASE WHEN a.attidentity <> '' THEN pg_catalog.format('pg_catalog.nextval(%L)', \
                      pg_catalog.pg_get_serial_sequence( \
                        pg_catalog.format('%I.%I', n.nspname, c.relname), a.attname)) \
                    ELSE pg_catalog.pg_get_expr(d.adbin, d.adrelid) END \
             FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid \
             JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
             LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum \
             WHERE a.attrelid = $1 AND a.attname = $2 AND (a.attidentity <> '' \
               OR pg_catalog.pg_get_expr(d.adbin, d.adrelid) LIKE 'nextval(%')",
            &[&table, &name],
        )
        .await
        .pg(FAILED)?;
    Ok(row.and_then(|row| row.get(0)))
}

/// Finds the rows of `child` whose reference the scripts set, and nobody sets back. `None`: there are none.
async fn referring<'a>(
    client: &Client,
    target: &Target<'_>,
    child: &'a Target<'a>,
    reference: &ForeignKey,
    (known, rows): (Known, String),
) -> Result<Option<Referring<'a>>> {
    let [name] = reference.from_columns.as_slice() else {
        return Ok(None);
    };
    let Some(by_scripts) = by_scripts(child, name) else {
        return Ok(None);
    };
    let column = quote::ident(name);
    let mut keys: Vec<String> = child
        .key
        .iter()
        .map(|k| format!("c.{}", quote::ident(k)))
        .collect();
    keys.push(format!("c.{column} AS \"pgbelay was\""));
    let mut restored = String::new();
    if !child.key.is_empty() {
        let [in_wanted, in_saved] = ["w", "s"].map(|alias| child.same_key(alias, "c"));
        if known == Known::Wanted {
            restored = format!(
                " AND NOT EXISTS (SELECT FROM {} AS w WHERE {in_wanted} \
                   AND (w.{GONE} OR w.{column} IS DISTINCT FROM c.{column}))",
                child.wanted()
            );
        }
        if child.saved {
            let saved = child.stage("saved");
            restored += &format!(" AND NOT EXISTS (SELECT FROM {saved} AS s WHERE {in_saved})");
        }
    }
    let sql = format!(
        "CREATE TEMP TABLE {rows} AS SELECT {} FROM ONLY {} AS c \
         WHERE c.{column} IS NOT NULL AND {by_scripts}{restored}; ANALYZE {rows}",
        keys.join(", "),
        child.table(),
    );
    as_user::batch(client, &sql).await.pg(FAILED)?;
    let count = format!("SELECT pg_catalog.count(*) FROM {rows}");
    if as_user::number(client, &count).await.pg(FAILED)? == 0 {
        return Ok(None);
    }
    if child.key.is_empty() {
        return Err(Error::refused(format!(
            "newer rows of {} refer to rows of {} by numbers that the migrations give them, and there is no \
             key to tell them apart by",
            child.name(),
            target.name()
        ))
        .hint("nothing was changed"));
    }
    Ok(Some(Referring {
        child,
        column,
        rows,
    }))
}

/// True of a row `c` of `child` whose column `name` the scripts set. `None`: they set none.
fn by_scripts(child: &Target<'_>, name: &str) -> Option<String> {
    if child.remade() {
        let derived = child.stage("derived");
        return Some(format!("c.ctid IN (SELECT pos FROM {derived})"));
    }
    let column = child.live.column(name)?;
    let number = column.number;
    if child.up.is_empty() || child.key.is_empty() || !child.up.numbers.contains(&number) {
        return None;
    }
    let layout = Layout::of(&child.up.numbers);
    Some(format!(
        "EXISTS (SELECT FROM {net} AS e WHERE e.has AND (NOT e.had OR {differs}) AND {left} = {is} AND {same})",
        net = net::table(child.live.oid),
        differs = layout.differs("e", number),
        left = layout.value("e", 'a', number),
        is = value::text("c", column),
        same = by_key_of(child, "c", (&layout, 'a'), up_key)
    ))
}

/// Notes for which number of the scripts that rows refer by (`was`) which row stands in the end (`stands`),
/// where that is not the same: a saved one, or a new one (`fresh`). False: all are the same.
async fn numbers(
    client: &Client,
    target: &Target<'_>,
    key: &str,
    next: &str,
    all: &[Referring<'_>],
) -> Result<bool> {
    let k = quote::ident(key);
    let (map, saved, table) = (
        target.stage("numbers"),
        target.stage("saved"),
        target.table(),
    );
    let row = |alias: &str| {
        let others = target.written().filter(|c| c.name != key);
        let names = others.map(|c| c.name.as_str());
        whole_row(alias, names, &target.live.columns)
    };
    let used: Vec<String> = all
        .iter()
        .map(|r| format!("SELECT \"pgbelay was\" FROM {}", r.rows))
        .collect();
    let mut sql = format!(
        "CREATE TEMP TABLE {map} AS SELECT t.{k}::bigint AS was, NULL::bigint AS stands, false AS fresh, \
           {} AS digest FROM ONLY {table} AS t WHERE t.{k} IN ({}); ANALYZE {map};\
         UPDATE {map} AS m SET stands = was FROM {saved} AS s WHERE s.{k} = m.was AND {} = m.digest;",
        row("t"),
        used.join(" UNION ALL "),
        row("s"),
    );
    // What is unique besides the number tells which row it is, else all that it holds.
    let uniques = target.live.uniques.iter();
    for unique in uniques.filter(|unique| !unique.iter().any(|c| c == key)) {
        let same = pairs(unique, |c| {
            let c = quote::ident(c);
            format!("s.{c} OPERATOR(pg_catalog.=) t.{c}")
        });
        sql += &format!(
            "UPDATE {map} AS m SET stands = s.{k} FROM ONLY {table} AS t, {saved} AS s \
             WHERE m.stands IS NULL AND t.{k} = m.was AND {same};"
        );
    }
    sql += &format!(
        "UPDATE {map} AS m SET stands = s.k FROM \
           (SELECT {} AS digest, pg_catalog.min(s.{k}) AS k FROM {saved} AS s GROUP BY 1) AS s \
         WHERE m.stands IS NULL AND s.digest = m.digest;\
         UPDATE {map} AS m SET fresh = true, stands = {next} \
         WHERE m.stands IS NULL AND EXISTS (SELECT FROM {saved} AS s WHERE s.{k} = m.was);\
         DELETE FROM {map} AS m WHERE m.stands IS NULL OR m.stands = m.was",
        row("s"),
    );
    as_user::batch(client, &sql).await.pg(FAILED)?;
    let count = format!("SELECT pg_catalog.count(*) FROM {map}");
    Ok(as_user::number(client, &count).await.pg(FAILED)? > 0)
}

/// Rows refer to the row meant.
async fn move_one(client: &Client, target: &Target<'_>, from: &Referring<'_>) -> Result<()> {
    let Referring {
        child,
        column,
        rows,
    } = from;
    let (wanted, map) = (child.wanted(), target.stage("numbers"));
    let written: Vec<String> = child.written().map(|c| quote::ident(&c.name)).collect();
    let names = written.join(", ");
    // Where the reference tells rows apart, it is another row.
    let in_key = child.key.iter().any(|k| quote::ident(k) == *column);
    let of_c = written.iter().map(|c| {
        if in_key && c == column {
            "m.stands".to_owned()
        } else {
            format!("c.{c}")
        }
    });
    let of_c = of_c.collect::<Vec<_>>().join(", ");
    let moved = format!(
        "FROM ONLY {table} AS c JOIN {rows} AS k ON {k_is_c} \
         JOIN {map} AS m ON m.was = k.\"pgbelay was\"",
        table = child.table(),
        k_is_c = child.same_key("k", "c"),
    );
    let there = format!(
        "EXISTS (SELECT FROM {wanted} AS w WHERE {})",
        child.same_key("w", "c")
    );
    let sql = if in_key {
        let keys = quote::idents(child.key.iter().map(String::as_str));
        let keys_of_c: Vec<String> = child
            .key
            .iter()
            .map(|k| format!("c.{}", quote::ident(k)))
            .collect();
        let taken = pairs(&child.key, |k| {
            let k = quote::ident(k);
            let is = if k == *column {
                "m.stands"
            } else {
                &format!("c.{k}")
            };
            format!("w.{k} = {is}")
        });
        format!(
            "INSERT INTO {wanted} ({names}, {GONE}) SELECT {of_c}, false {moved} \
               WHERE NOT EXISTS (SELECT FROM {wanted} AS w WHERE {taken});\
             INSERT INTO {wanted} ({keys}, {GONE}) SELECT {}, true {moved} WHERE NOT {there}",
            keys_of_c.join(", ")
        )
    } else {
        format!(
            "INSERT INTO {wanted} ({names}, {GONE}) SELECT {of_c}, false {moved} WHERE NOT {there};\
             UPDATE {wanted} AS w SET {column} = m.stands FROM {rows} AS k, {map} AS m \
               WHERE m.was = k.\"pgbelay was\" AND {w_is_k}",
            w_is_k = child.same_key("w", "k"),
        )
    };
    as_user::batch(client, &sql).await.pg(FAILED)
}

/// The rows of the scripts that got a new number are wanted under that. Returns how many.
async fn keep(client: &Client, target: &Target<'_>, key: &str) -> Result<u64> {
    let others: Vec<&str> = target
        .written()
        .map(|c| c.name.as_str())
        .filter(|name| *name != key)
        .collect();
    let names: String = others
        .iter()
        .map(|c| format!(", {}", quote::ident(c)))
        .collect();
    let of_t: String = others
        .iter()
        .map(|c| format!(", t.{}", quote::ident(c)))
        .collect();
    let column = quote::ident(key);
    let sql = format!(
        "INSERT INTO {wanted} ({column}{names}, {GONE}) SELECT m.stands{of_t}, false \
         FROM ONLY {table} AS t JOIN {map} AS m ON m.was = t.{column} AND m.fresh",
        wanted = target.wanted(),
        table = target.table(),
        map = target.stage("numbers"),
    );
    as_user::execute(client, &sql).await.pg(FAILED)
}
