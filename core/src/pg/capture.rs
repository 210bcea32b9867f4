//! Capture triggers: every row that scripts (or foreign keys, or triggers) change is recorded,
//! before and after, in temporary tables of the same transaction.
//!
//! Row triggers on each table that stores rows catch what statement triggers on a parent miss,
//! and pair the old row with the new one. Values are kept as text, one column each: a table of
//! the row's own types would stand in the way of a script that drops such a type, and JSON
//! would reorder values of type `json`. Columns are named by their number, which renames don't
//! change.
//!
//! The functions run with our rights (`SECURITY DEFINER`): cascades run as the table's owner.

use std::collections::BTreeMap;

use tokio_postgres::Client;

use crate::error::{Error, Result};
use crate::model::relation::{Column, Oid, Relation};
use crate::pg::as_user;
use crate::pg::error::PgContext as _;
use crate::pg::net::{self, Net};
use crate::pg::{inspect, settings, value};
use crate::sql::quote;

/// The trigger's name: what it begins with sorts it before every other that can be typed, so that a change
/// made by another trigger on the same row is recorded after the change that fired it.
const TRIGGER: &str = "\u{1}pgbelay capture";

/// The most columns of a table whose changed rows fit, before and after and with what an undo adds to
/// them, into a table of the server.
const MOST_COLUMNS: usize = 797;

/// What was recorded of a table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Recorded {
    /// Rows that came.
    pub inserted: i64,
    /// Rows that changed.
    pub updated: i64,
    /// Rows that went, but for those of a TRUNCATE.
    pub deleted: i64,
    /// It was emptied at once.
    pub truncated: bool,
    /// Its triggers are just those that were installed: nobody switched them off for a while.
    pub intact: bool,
}

/// The tables that are watched, and the shapes that they have had since.
#[derive(Debug, Default)]
pub struct Captured {
    tables: BTreeMap<Oid, Watched>,
    /// The triggers of each table, as they were installed.
    triggers: BTreeMap<Oid, String>,
}

#[derive(Debug)]
struct Watched {
    /// TRUNCATE is only noted: all rows are saved already.
    saved_whole: bool,
    /// The columns by generation.
    shapes: Vec<Vec<Column>>,
}

impl Captured {
    /// Puts triggers on `tables`; the flag says that all rows of a table are saved already, so
    /// that a TRUNCATE need only be noted.
    pub async fn install(client: &Client, tables: &[(&Relation, bool)]) -> Result<Self> {
        if tables.is_empty() {
            return Ok(Self::default());
        }
        as_user::batch(client, "CREATE TEMP SEQUENCE pgbelay_order")
            .await
            .pg("could not prepare to record changed rows")?;
        let mut captured = Self::default();
        for (relation, saved_whole) in tables {
            let shape = relation.columns.clone();
            if shape.len() > MOST_COLUMNS {
                return Err(Error::refused(format!(
                    "{} has {} columns; rows that change can be recorded of no more than \
                     {MOST_COLUMNS}",
                    relation.name,
                    shape.len()
                ))
                .hint("nothing was changed"));
            }
            let sql = format!(
                "{recorder}\
                 CREATE TRIGGER {trigger} AFTER INSERT OR UPDATE OR DELETE ON {table} \
                 FOR EACH ROW EXECUTE FUNCTION pg_temp.pgbelay_row_{oid}();\
                 CREATE TRIGGER {truncate} BEFORE TRUNCATE ON {table} \
                 FOR EACH STATEMENT EXECUTE FUNCTION pg_temp.pgbelay_truncate_{oid}();\
                 ALTER TABLE {table} ENABLE ALWAYS TRIGGER {trigger};\
                 ALTER TABLE {table} ENABLE ALWAYS TRIGGER {truncate};",
                recorder = recorder(relation.oid, 0, &shape, *saved_whole),
                trigger = quote::ident(TRIGGER),
                truncate = quote::ident(&format!("{TRIGGER} truncate")),
                table = quote::table(&relation.name),
                oid = relation.oid,
            );
            as_user::batch(client, &sql).await.pg(format!(
                "could not put capture triggers on {}",
                relation.name
            ))?;
            captured.tables.insert(
                relation.oid,
                Watched {
                    saved_whole: *saved_whole,
                    shapes: vec![shape],
                },
            );
        }
        captured.triggers = captured.triggers_now(client).await?;
        Ok(captured)
    }

    /// Follows tables whose columns a statement has changed. Call it after every statement that
    /// may define anything.
    pub async fn follow(&mut self, client: &Client) -> Result<()> {
        if self.tables.is_empty() {
            return Ok(());
        }
        let oids: Vec<Oid> = self.tables.keys().copied().collect();
        for (oid, shape) in inspect::columns(client, &oids).await? {
            let Some(watched) = self.tables.get_mut(&oid) else {
                continue;
            };
            if watched
                .shapes
                .last()
                .is_none_or(|last| !alike(last, &shape))
            {
                let sql = recorder(oid, watched.shapes.len(), &shape, watched.saved_whole);
                client
                    .batch_execute(&sql)
                    .await
                    .pg("could not follow a changed table")?;
                watched.shapes.push(shape);
            }
        }
        Ok(())
    }

    /// The triggers of the watched tables that are there. A row of the server's catalog that was
    /// changed, even if back again, stands elsewhere.
    async fn triggers_now(&self, client: &Client) -> Result<BTreeMap<Oid, String>> {
        let oids: Vec<Oid> = self.tables.keys().copied().collect();
        let rows = client
            .query(
                "SELECT c.oid, coalesce((SELECT pg_catalog.string_agg( \
                   pg_catalog.concat_ws(' ', t.oid, t.ctid, t.xmin, t.tgenabled), ',' ORDER BY t.oid) \
                 FROM pg_catalog.pg_trigger t WHERE t.tgrelid = c.oid AND t.tgname LIKE $2), '') \
                 FROM pg_catalog.pg_class c WHERE c.oid = ANY ($1)",
                &[&oids, &format!("{TRIGGER}%")],
            )
            .await
            .pg("could not look for capture triggers")?;
        Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
    }

    /// What was recorded of each watched table that is there. To be asked before [`remove`](Self::remove).
    pub async fn recorded(&self, client: &Client) -> Result<BTreeMap<Oid, Recorded>> {
        let triggers = self.triggers_now(client).await?;
        let mut recorded: BTreeMap<Oid, Recorded> = BTreeMap::new();
        for oid in triggers.keys() {
            let intact = triggers.get(oid) == self.triggers.get(oid);
            let known = Recorded {
                intact,
                ..Recorded::default()
            };
            recorded.insert(*oid, known);
        }
        let shapes = self
            .tables
            .iter()
            .filter(|(oid, _)| recorded.contains_key(*oid));
        let counts: Vec<String> = shapes
            .flat_map(|(oid, watched)| (0..watched.shapes.len()).map(move |g| (*oid, g)))
            .map(|(oid, generation)| {
                format!(
                    "SELECT {oid}::pg_catalog.oid, op, pg_catalog.count(*) FROM {} GROUP BY op",
                    effects(oid, generation)
                )
            })
            .collect();
        for some in counts.chunks(100) {
            let rows = client.query(&some.join(" UNION ALL "), &[]).await;
            for row in rows.pg("could not count what was recorded")? {
                let Some(known) = recorded.get_mut(&row.get::<_, Oid>(0)) else {
                    continue;
                };
                let (op, count): (i8, i64) = (row.get(1), row.get(2));
                match u8::try_from(op).unwrap_or_default() {
                    b'I' => known.inserted += count,
                    b'U' => known.updated += count,
                    b'D' => known.deleted += count,
                    _ => known.truncated = true,
                }
            }
        }
        Ok(recorded)
    }

    /// Takes the triggers away. What was recorded stays until the transaction or session ends.
    pub async fn remove(&self, client: &Client) -> Result<()> {
        let oids: Vec<Oid> = self.tables.keys().copied().collect();
        let rows = client
            .query(
                "SELECT pg_catalog.format('DROP TRIGGER %I ON %I.%I', t.tgname, n.nspname, c.relname) \
                 FROM pg_catalog.pg_trigger t \
                 JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid \
                 JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
                 WHERE t.tgrelid = ANY ($1) AND t.tgname LIKE $2",
                &[&oids, &format!("{TRIGGER}%")],
            )
            .await
            .pg("could not find capture triggers")?;
        for row in rows {
            let sql: String = row.get(0);
            as_user::batch(client, &sql)
                .await
                .pg("could not take capture triggers away")?;
        }
        Ok(())
    }

    /// The tables that are watched.
    pub fn tables(&self) -> impl Iterator<Item = Oid> {
        self.tables.keys().copied()
    }

    /// Works out the net effect on one table, by `key` (column numbers; empty: rows compared
    /// whole), into the temporary table [`net::table`]. Returns what it holds; when nothing was
    /// recorded, there is no such table.
    pub async fn net(&self, client: &Client, oid: Oid, key: &[i16]) -> Result<Net> {
        let Some(watched) = self.tables.get(&oid) else {
            return Ok(Net::default());
        };
        let mut numbers: Vec<i16> = watched.shapes.iter().flatten().map(|c| c.number).collect();
        numbers.sort_unstable();
        numbers.dedup();
        let (recorded, truncated_at) = {
            let marks: Vec<String> = (0..watched.shapes.len())
                .map(|g| format!("SELECT seq, op FROM {} WHERE op <> 'M'", effects(oid, g)))
                .collect();
            let sql = format!(
                "SELECT pg_catalog.count(*), \
                 COALESCE(pg_catalog.max(seq) FILTER (WHERE op = 'T'), 0) FROM ({}) AS marks",
                marks.join(" UNION ALL ")
            );
            let row = client.query_one(&sql, &[]).await;
            let row = row.pg("could not read what was recorded")?;
            (row.get::<_, i64>(0), row.get::<_, i64>(1))
        };
        if recorded == 0 {
            return Ok(Net {
                numbers,
                ..Net::default()
            });
        }
        let halves = halves(oid, &watched.shapes, &numbers, truncated_at);
        let net = net::work_out(client, oid, &halves, numbers, key).await?;
        Ok(Net {
            truncated: truncated_at > 0,
            ..net
        })
    }
}

fn effects(oid: Oid, generation: usize) -> String {
    format!("pg_temp.pgbelay_effects_{oid}_{generation}")
}

/// True when what records rows of shape `a` records those of shape `b` too. A changed type changes
/// no name, but functions have to be made again; so have they where a cast came to be.
fn alike(a: &[Column], b: &[Column]) -> bool {
    let same = |(a, b): (&Column, &Column)| {
        let by_cast = a.written_by_cast == b.written_by_cast;
        by_cast && (a.number, &a.name, a.type_oid) == (b.number, &b.name, b.type_oid)
    };
    a.len() == b.len() && a.iter().zip(b).all(same)
}

/// The table and functions that record changes of a table of this shape.
fn recorder(oid: Oid, generation: usize, shape: &[Column], saved_whole: bool) -> String {
    let columns = |letter: char| -> String {
        shape
            .iter()
            .map(|c| format!(", {letter}{}", c.number))
            .collect()
    };
    let values = |row: &str| -> String {
        shape
            .iter()
            .map(|c| format!(", {}", value::text(row, c)))
            .collect()
    };
    let definition: String = shape
        .iter()
        .map(|c| format!(", o{0} pg_catalog.text, n{0} pg_catalog.text", c.number))
        .collect();
    let table = effects(oid, generation);
    let (old, new) = (columns('o'), columns('n'));
    let (old_values, new_values) = (values("OLD"), values("NEW"));
    let truncate = if saved_whole {
        format!("INSERT INTO {table} (op) VALUES ('T');")
    } else {
        // That it happened is marked: of no rows nothing else would remain.
        format!(
            "INSERT INTO {table} (op) VALUES ('M'); \
             EXECUTE pg_catalog.format('INSERT INTO {table} (op{old}) SELECT ''X''{selected} \
             FROM ONLY %I.%I AS t', TG_TABLE_SCHEMA, TG_TABLE_NAME);",
            selected = values("t").replace('\'', "''").replace('%', "%%"),
        )
    };
    let body = |code: &str| {
        let tag = dollar_tag(code);
        format!("{tag}{code}{tag}")
    };
    let row_body = body(&format!(
        "BEGIN \
         IF TG_OP = 'INSERT' THEN INSERT INTO {table} (op{new}) VALUES ('I'{new_values}); \
         ELSIF TG_OP = 'UPDATE' THEN \
         INSERT INTO {table} (op{old}{new}) VALUES ('U'{old_values}{new_values}); \
         ELSE INSERT INTO {table} (op{old}) VALUES ('D'{old_values}); END IF; \
         RETURN NULL; END"
    ));
    let truncate_body = body(&format!("BEGIN {truncate} RETURN NULL; END"));
    // Values must be written the same way whatever a script sets.
    let options = format!(
        "RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER {}",
        settings::of_function()
    );
    format!(
        "CREATE TEMP TABLE pgbelay_effects_{oid}_{generation} \
         (seq bigint NOT NULL DEFAULT pg_catalog.nextval('pg_temp.pgbelay_order'), \
         op \"char\" NOT NULL{definition});\
         CREATE OR REPLACE FUNCTION pg_temp.pgbelay_row_{oid}() {options} AS {row_body};\
         CREATE OR REPLACE FUNCTION pg_temp.pgbelay_truncate_{oid}() {options} AS {truncate_body};"
    )
}

/// A dollar quote that does not occur in `code`: column names may hold anything.
fn dollar_tag(code: &str) -> String {
    let mut tag = "$pgbelay$".to_owned();
    while code.contains(&tag) {
        tag.insert(1, 'x');
    }
    tag
}

/// What was recorded, as the two halves of each change: see [`net::work_out`].
fn halves(oid: Oid, shapes: &[Vec<Column>], numbers: &[i16], truncated_at: i64) -> String {
    let half = |generation: usize, letter: char, half: u8, ops: &str| {
        let shape = &shapes[generation];
        let values: String = numbers
            .iter()
            .map(|n| {
                if shape.iter().any(|c| c.number == *n) {
                    format!(", {letter}{n} AS v{n}")
                } else {
                    format!(", NULL::pg_catalog.text AS v{n}")
                }
            })
            .collect();
        format!(
            "SELECT seq, {half} AS half{values} FROM {} \
             WHERE op IN ({ops}) AND seq > {truncated_at}",
            effects(oid, generation)
        )
    };
    let halves: Vec<String> = (0..shapes.len())
        .flat_map(|g| {
            [
                half(g, 'o', 0, "'U', 'D', 'X'"),
                half(g, 'n', 1, "'U', 'I'"),
            ]
        })
        .collect();
    halves.join(" UNION ALL ")
}
