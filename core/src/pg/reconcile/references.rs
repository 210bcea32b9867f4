//! Foreign keys whose actions would reach out while rows are replaced.
//!
//! A unique value that two rows exchange can't be put back by UPDATE: uniqueness is checked row
//! by row. Deleting and adding the rows in one statement can, but a foreign key with
//! `ON DELETE CASCADE` would take the rows that refer to them. Such keys are dropped meanwhile
//! and made again from their definition, which checks every row. So are those to a key that is
//! converted together with what refers to it: the tables get their values one after another.

use std::collections::BTreeSet;

use tokio_postgres::Client;

use crate::error::Result;
use crate::model::relation::Oid;
use crate::pg::as_user;
use crate::pg::error::PgContext as _;

/// Statements that make dropped foreign keys again.
#[derive(Debug, Default)]
pub struct Dropped {
    back: Vec<String>,
}

// A partition's share of a key can't be dropped by itself: its root is.
const ACTING: &str = "\
WITH RECURSIVE k AS ( \
  SELECT oid, conparentid FROM pg_catalog.pg_constraint \
  WHERE contype = 'f' AND ($2 OR confdeltype <> 'a') AND confrelid = ANY ($1) \
  UNION \
  SELECT p.oid, p.conparentid FROM k JOIN pg_catalog.pg_constraint p ON p.oid = k.conparentid) \
SELECT pg_catalog.format('ALTER TABLE %I.%I DROP CONSTRAINT %I', n.nspname, c.relname, f.conname), \
       pg_catalog.format('ALTER TABLE %I.%I ADD CONSTRAINT %I %s', n.nspname, c.relname, \
           f.conname, pg_catalog.pg_get_constraintdef(f.oid)), \
       (SELECT pg_catalog.format('COMMENT ON CONSTRAINT %I ON %I.%I IS %L', f.conname, n.nspname, \
           c.relname, d.description) FROM pg_catalog.pg_description d \
        WHERE d.classoid = 'pg_catalog.pg_constraint'::pg_catalog.regclass AND d.objoid = f.oid) \
FROM pg_catalog.pg_constraint f JOIN pg_catalog.pg_class c ON c.oid = f.conrelid \
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
WHERE f.oid IN (SELECT oid FROM k WHERE conparentid = 0)";

// Under row-level security we ask to be refused rather than to miss rows.
const UNSEEN: &str = "\
SELECT c.oid FROM pg_catalog.pg_class c WHERE c.relkind IN ('r', 'p') \
  AND NOT (pg_catalog.has_schema_privilege(c.relnamespace, 'USAGE') \
    AND pg_catalog.has_table_privilege(c.oid, 'SELECT') \
    AND NOT pg_catalog.row_security_active(c.oid))";

/// The tables of which this role may not see every row.
pub async fn unseen(client: &Client) -> Result<BTreeSet<Oid>> {
    let rows = client.query(UNSEEN, &[]).await;
    let rows = rows.pg("could not find the tables that can't be read")?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// Drops the foreign keys to any of `tables` that act when a row is deleted, or `all` of them.
pub async fn drop_acting(client: &Client, tables: &[Oid], all: bool) -> Result<Dropped> {
    let rows = client.query(ACTING, &[&tables, &all]).await;
    let rows = rows.pg("could not find the foreign keys of the tables")?;
    let mut dropped = Dropped::default();
    for row in rows {
        let sql: String = row.get(0);
        as_user::batch(client, &sql)
            .await
            .pg("could not switch off a foreign key")?;
        dropped.back.push(row.get(1));
        dropped.back.extend(row.get::<_, Option<String>>(2));
    }
    Ok(dropped)
}

impl Dropped {
    /// Makes them again; every row is checked.
    pub async fn make_again(self, client: &Client) -> Result<()> {
        for sql in self.back {
            as_user::batch(client, &sql)
                .await
                .pg("the rows put back violate a foreign key")?;
        }
        Ok(())
    }
}
