//! Capture triggers: every row that scripts (or foreign keys, or triggers) change is recorded,
//! before and after, in temporary tables of the same transaction.
//!
//! Row triggers on each table that stores rows catch what statement triggers on a parent miss,
//! and pair the old row with the new one. Values are kept as text, laid out by the numbers of their
//! columns, which renames don't change: a table of the row's own types would stand in the way of a
//! script that drops such a type, and JSON would reorder values of type `json`.
//!
//! The functions run with our rights (`SECURITY DEFINER`): cascades run as the table's owner.

mod recorder;

use std::collections::BTreeMap;

use tokio_postgres::Client;

use crate::error::{Error, Result};
use crate::model::relation::{Column, Oid, Relation};
use crate::pg::as_user;
use crate::pg::capture::recorder::{alike, effects, halves, recorder};
use crate::pg::error::PgContext as _;
use crate::pg::inspect;
use crate::pg::net::{self, Net};
use crate::sql::quote;

/// The trigger's name: what it begins with sorts it before every other that can be typed, so that a change
/// made by another trigger on the same row is recorded after the change that fired it.
const TRIGGER: &str = "\u{1}pgbelay capture";

/// The most columns of a table that can be put back: an undo notes of every row that it wants whether
/// it is to go, and a table of the server has no more than 1600.
const MOST_COLUMNS: usize = 1599;

/// Refuses a table of more columns than an undo can put back.
pub fn fits(relation: &Relation) -> Result<()> {
    let columns = relation.columns.iter().filter(|c| !c.generated).count();
    if columns <= MOST_COLUMNS {
        return Ok(());
    }
    Err(Error::refused(format!(
        "{} has {columns} columns that can be written; rows can be put back of no more than \
         {MOST_COLUMNS}",
        relation.name
    ))
    .hint("nothing was changed"))
}

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
            fits(relation)?;
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
