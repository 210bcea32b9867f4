//! Constraints that were made NOT VALID and never validated: rows from before needn't meet them, and
//! such rows come back.
//!
//! They are dropped while rows are put back, and made again as they were, NOT VALID: what is
//! written afterwards has to meet them as before.

use tokio_postgres::Client;

use crate::error::Result;
use crate::model::relation::Oid;
use crate::pg::as_user;
use crate::pg::error::PgContext as _;

/// Statements that make dropped constraints again, the last dropped first.
#[derive(Debug, Default)]
#[must_use]
pub struct Lifted {
    back: Vec<Vec<String>>,
}

// What a table inherits is dropped at its root, which takes it from all that inherit; what they
// have on their own stays and comes after.
const OF_TABLES: &str = "\
WITH RECURSIVE t (oid, depth) AS ( \
  SELECT oid, 0 FROM pg_catalog.unnest($1::pg_catalog.oid[]) AS u (oid) \
  UNION \
  SELECT i.inhparent, t.depth + 1 FROM t JOIN pg_catalog.pg_inherits i ON i.inhrelid = t.oid), \
u AS (SELECT oid, pg_catalog.max(depth) AS depth FROM t GROUP BY oid) \
SELECT pg_catalog.format('ALTER TABLE %I.%I DROP CONSTRAINT %I', n.nspname, c.relname, k.conname), \
       pg_catalog.format('ALTER TABLE %I.%I ADD CONSTRAINT %I %s', n.nspname, c.relname, \
           k.conname, pg_catalog.pg_get_constraintdef(k.oid)), \
       (SELECT pg_catalog.format('COMMENT ON CONSTRAINT %I ON %I.%I IS %L', k.conname, n.nspname, \
           c.relname, d.description) FROM pg_catalog.pg_description d \
        WHERE d.classoid = 'pg_catalog.pg_constraint'::pg_catalog.regclass AND d.objoid = k.oid) \
FROM u JOIN pg_catalog.pg_class c ON c.oid = u.oid \
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
JOIN pg_catalog.pg_constraint k ON k.conrelid = c.oid \
WHERE NOT k.convalidated AND k.conislocal AND k.conparentid = 0 \
ORDER BY u.depth DESC, c.oid, k.conname";

// Of the types of columns, and what those are made of. Who doesn't own one can't drop what it has.
const OF_TYPES: &str = "\
WITH RECURSIVE t (oid) AS ( \
  SELECT atttypid FROM pg_catalog.pg_attribute \
  WHERE attrelid = ANY ($1) AND attnum > 0 AND NOT attisdropped \
  UNION \
  SELECT m.oid FROM t JOIN pg_catalog.pg_type y ON y.oid = t.oid \
  CROSS JOIN LATERAL (SELECT y.typbasetype UNION SELECT y.typelem \
    UNION SELECT a.atttypid FROM pg_catalog.pg_attribute a \
    WHERE a.attrelid = y.typrelid AND a.attnum > 0 AND NOT a.attisdropped) AS m (oid) \
  WHERE m.oid <> 0) \
SELECT pg_catalog.format('ALTER DOMAIN %I.%I DROP CONSTRAINT %I', n.nspname, y.typname, k.conname), \
       pg_catalog.format('ALTER DOMAIN %I.%I ADD CONSTRAINT %I %s', n.nspname, y.typname, \
           k.conname, pg_catalog.pg_get_constraintdef(k.oid)), \
       (SELECT pg_catalog.format('COMMENT ON CONSTRAINT %I ON DOMAIN %I.%I IS %L', k.conname, \
           n.nspname, y.typname, d.description) FROM pg_catalog.pg_description d \
        WHERE d.classoid = 'pg_catalog.pg_constraint'::pg_catalog.regclass AND d.objoid = k.oid) \
FROM t JOIN pg_catalog.pg_type y ON y.oid = t.oid \
JOIN pg_catalog.pg_namespace n ON n.oid = y.typnamespace \
JOIN pg_catalog.pg_constraint k ON k.contypid = y.oid \
WHERE NOT k.convalidated AND pg_catalog.pg_has_role(y.typowner, 'USAGE') \
ORDER BY y.oid, k.conname";

/// Drops the constraints of `tables`, and of the types of their columns, that were never validated.
pub async fn lift(client: &Client, tables: &[Oid]) -> Result<Lifted> {
    let mut lifted = Lifted::default();
    for query in [OF_TABLES, OF_TYPES] {
        let rows = client.query(query, &[&tables]).await;
        for row in rows.pg("could not find the constraints that were never validated")? {
            as_user::batch(client, row.get(0))
                .await
                .pg("could not lift a constraint that was never validated")?;
            let mut back: Vec<String> = vec![row.get(1)];
            back.extend(row.get::<_, Option<String>>(2));
            lifted.back.push(back);
        }
    }
    Ok(lifted)
}

impl Lifted {
    /// Makes them again, for what is written from now on.
    pub async fn make_again(self, client: &Client) -> Result<()> {
        for sql in self.back.into_iter().rev().flatten() {
            as_user::batch(client, &sql)
                .await
                .pg("could not make a constraint again that was never validated")?;
        }
        Ok(())
    }
}
