//! All differences between wanted rows and live tables, in one statement; and what must be
//! switched off meanwhile.

use tokio_postgres::Client;

use crate::error::Result;
use crate::model::relation::{Column, Oid};
use crate::pg::as_user;
use crate::pg::error::PgContext as _;
use crate::pg::reconcile::{GONE, Target, Way};
use crate::pg::value;
use crate::sql::quote;

/// How many rows changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Applied {
    /// Rows put back.
    pub added: u64,
    /// Rows changed back.
    pub changed: u64,
    /// Rows taken away again.
    pub removed: u64,
}

/// Applies the wanted rows of all `targets`. Returns what changed, in their order.
pub async fn apply(client: &Client, targets: &[Target<'_>], way: Way) -> Result<Vec<Applied>> {
    let mut done = Vec::with_capacity(targets.len());
    if targets.is_empty() {
        return Ok(done);
    }
    let parts: Vec<String> = targets.iter().flat_map(|t| parts(t, way)).collect();
    let counts: Vec<String> = targets
        .iter()
        .flat_map(|t| {
            let number = |part: &str, what: &str| {
                format!(
                    "(SELECT pg_catalog.count(*) FILTER (WHERE what = '{what}') FROM {part}{})",
                    t.index
                )
            };
            // A row that is replaced is deleted and added, and counts as changed.
            [
                number("d", "gone"),
                format!("{} + {}", number("d", "changed"), number("u", "changed")),
                format!("{} - {}", number("i", "added"), number("d", "changed")),
            ]
        })
        .collect();
    let sql = format!("WITH {} SELECT {}", parts.join(", "), counts.join(", "));
    let row = as_user::query_one(client, &sql).await;
    let row = row.pg("could not put saved rows back")?;
    for place in 0..targets.len() {
        let number = |offset: usize| row.get::<_, i64>(3 * place + offset).unsigned_abs();
        done.push(Applied {
            removed: number(0),
            changed: number(1),
            added: number(2),
        });
    }
    Ok(done)
}

/// The three parts of one table. Each waits for the one before, so that a unique value is free
/// before another row takes it.
fn parts(target: &Target<'_>, way: Way) -> Vec<String> {
    let (index, table, wanted) = (target.index, target.table(), target.wanted());
    let columns: Vec<&Column> = target.written().collect();
    let written: Vec<&str> = columns.iter().map(|c| c.name.as_str()).collect();
    let selected: Vec<String> = written
        .iter()
        .map(|c| format!("w.{}", quote::ident(c)))
        .collect();
    let add = if written.is_empty() {
        format!("INSERT INTO {table} SELECT FROM {wanted} AS w")
    } else {
        format!(
            "INSERT INTO {table} ({}) OVERRIDING SYSTEM VALUE SELECT {} FROM {wanted} AS w",
            quote::idents(written.iter().copied()),
            selected.join(", ")
        )
    };
    let after = format!(
        "(SELECT pg_catalog.count(*) FROM d{index}) + (SELECT pg_catalog.count(*) FROM u{index}) >= 0"
    );
    let nothing = format!("u{index} AS (SELECT ''::pg_catalog.text AS what WHERE false)");
    let added = "RETURNING 'added'::pg_catalog.text AS what";
    if target.key.is_empty() {
        return vec![
            format!(
                "d{index} AS (DELETE FROM ONLY {table} AS t \
                 WHERE t.ctid IN (SELECT pos FROM {}) RETURNING 'gone'::pg_catalog.text AS what)",
                target.stage("leaving")
            ),
            nothing,
            format!("i{index} AS ({add} WHERE NOT w.{GONE} AND {after} {added})"),
        ];
    }
    let by_key = target.same_key("t", "w");
    let others = columns.iter().filter(|c| !target.key.contains(&c.name));
    let differs: Vec<String> = others
        .clone()
        .map(|c| {
            let (is, should) = (value::text("t", c), value::text("w", c));
            format!("{is} IS DISTINCT FROM {should}")
        })
        .collect();
    let others: Vec<String> = others.map(|c| quote::ident(&c.name)).collect();
    let differs = if differs.is_empty() {
        "false".to_owned()
    } else {
        differs.join(" OR ")
    };
    let set: Vec<String> = others.iter().map(|c| format!("{c} = w.{c}")).collect();
    let (goes, update, there) = match way {
        Way::Replace => (
            format!("w.{GONE} OR {differs}"),
            nothing,
            format!("{by_key} AND NOT ({differs})"),
        ),
        Way::Update if others.is_empty() => (format!("w.{GONE}"), nothing, by_key.clone()),
        Way::Update => (
            format!("w.{GONE}"),
            format!(
                "u{index} AS (UPDATE ONLY {table} AS t SET {} FROM {wanted} AS w \
                 WHERE {by_key} AND NOT w.{GONE} AND ({differs}) \
                 AND (SELECT pg_catalog.count(*) FROM d{index}) >= 0 \
                 RETURNING 'changed'::pg_catalog.text AS what)",
                set.join(", ")
            ),
            by_key.clone(),
        ),
    };
    vec![
        format!(
            "d{index} AS (DELETE FROM ONLY {table} AS t USING {wanted} AS w \
             WHERE {by_key} AND ({goes}) \
             RETURNING CASE WHEN w.{GONE} THEN 'gone' ELSE 'changed' END AS what)"
        ),
        update,
        format!(
            "i{index} AS ({add} WHERE NOT w.{GONE} \
             AND NOT EXISTS (SELECT FROM ONLY {table} AS t WHERE {there}) AND {after} {added})"
        ),
    ]
}

/// Statements that switch user triggers, rules and generated identities of tables back on.
#[derive(Debug, Default)]
pub struct SwitchedOff {
    back: Vec<String>,
}

const SWITCHES: &str = "\
SELECT pg_catalog.format('ALTER TABLE %I.%I DISABLE TRIGGER %I', n.nspname, c.relname, t.tgname), \
       pg_catalog.format('ALTER TABLE %I.%I ENABLE %s TRIGGER %I', n.nspname, c.relname, \
           CASE t.tgenabled WHEN 'A' THEN 'ALWAYS' WHEN 'R' THEN 'REPLICA' ELSE '' END, t.tgname) \
FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid \
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
WHERE t.tgrelid = ANY ($1) AND NOT t.tgisinternal AND t.tgenabled <> 'D' \
UNION ALL \
SELECT pg_catalog.format('ALTER TABLE %I.%I DISABLE RULE %I', n.nspname, c.relname, r.rulename), \
       pg_catalog.format('ALTER TABLE %I.%I ENABLE %s RULE %I', n.nspname, c.relname, \
           CASE r.ev_enabled WHEN 'A' THEN 'ALWAYS' WHEN 'R' THEN 'REPLICA' ELSE '' END, r.rulename) \
FROM pg_catalog.pg_rewrite r JOIN pg_catalog.pg_class c ON c.oid = r.ev_class \
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
WHERE r.ev_class = ANY ($1) AND c.relkind = 'r' AND r.ev_enabled <> 'D' \
UNION ALL \
SELECT pg_catalog.format('ALTER TABLE %I.%I ALTER COLUMN %I SET GENERATED BY DEFAULT', \
           n.nspname, c.relname, a.attname), \
       pg_catalog.format('ALTER TABLE %I.%I ALTER COLUMN %I SET GENERATED ALWAYS', \
           n.nspname, c.relname, a.attname) \
FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid \
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
WHERE a.attrelid = ANY ($1) AND a.attidentity = 'a' AND NOT a.attisdropped \
  AND NOT c.relispartition \
UNION ALL \
SELECT pg_catalog.format('ALTER TABLE %I.%I REPLICA IDENTITY FULL', n.nspname, c.relname), \
       pg_catalog.format('ALTER TABLE %I.%I REPLICA IDENTITY %s', n.nspname, c.relname, \
           CASE c.relreplident WHEN 'n' THEN 'NOTHING' ELSE 'DEFAULT' END) \
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
WHERE c.oid = ANY ($1) AND (c.relreplident = 'n' OR c.relreplident = 'd' AND NOT EXISTS ( \
    SELECT FROM pg_catalog.pg_index i WHERE i.indrelid = c.oid AND i.indisprimary)) \
  AND EXISTS (SELECT FROM pg_catalog.pg_publication p WHERE (p.pubupdate OR p.pubdelete) \
    AND (p.puballtables OR EXISTS (SELECT FROM pg_catalog.pg_publication_tables t \
      WHERE t.pubname = p.pubname AND (c.relispartition \
        OR t.schemaname = n.nspname AND t.tablename = c.relname))))";

/// Switches off, on `tables`, whatever would react to rows being put back or forbid it: triggers
/// and rules of users, and GENERATED ALWAYS of identities (an UPDATE could not set them). A table
/// whose changes are published without anything to tell rows apart by is told apart whole meanwhile.
/// Foreign keys and checks stay on.
pub async fn switch_off(client: &Client, tables: &[Oid]) -> Result<SwitchedOff> {
    let rows = client.query(SWITCHES, &[&tables]).await;
    let rows = rows.pg("could not find the triggers of the tables")?;
    let mut off = SwitchedOff::default();
    for row in rows {
        let (now, back): (String, String) = (row.get(0), row.get(1));
        as_user::batch(client, &now)
            .await
            .pg("could not switch off a trigger")?;
        off.back.push(back);
    }
    Ok(off)
}

impl SwitchedOff {
    /// Switches everything on again, as it was. Deferred constraints are checked first: a table
    /// with checks still to come can't be altered.
    pub async fn back_on(self, client: &Client) -> Result<()> {
        as_user::batch(client, "SET CONSTRAINTS ALL IMMEDIATE")
            .await
            .pg("the rows put back violate a constraint")?;
        for sql in self.back {
            as_user::batch(client, &sql)
                .await
                .pg("could not switch a trigger on again")?;
        }
        Ok(())
    }
}
