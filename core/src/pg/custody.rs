//! Whose our own schema is, and whether code of others hangs on it.
//!
//! A trigger, a rule, a view or a default on one of our tables runs with the rights of whoever writes
//! to it, which may be a superuser. So all of it must belong to somebody who has these rights anyway.

use tokio_postgres::GenericClient;

use crate::error::{Error, Result};

use super::error::PgContext as _;

/// How many faults are named; one is enough to stop.
const MOST: usize = 5;

/// Text, one a row: what is wrong with schema `pgbelay`, and the one that restores keep notes in. No row where all is well, or nothing there.
pub(super) const FAULTS: &str = "
WITH ours AS (
  SELECT n.oid, n.nspname, n.nspowner FROM pg_catalog.pg_namespace AS n
  WHERE n.nspname IN ('pgbelay', 'pgbelay_restoring')
), trusted AS (
  SELECT r.oid FROM pg_catalog.pg_roles AS r
  WHERE r.rolsuper OR r.rolname IN (current_user, session_user) OR r.oid = (
    SELECT d.datdba FROM pg_catalog.pg_database AS d
    WHERE d.datname = pg_catalog.current_database())
), relations AS (
  SELECT c.oid, c.relname, c.relkind, ours.nspname,
    c.relname IN ('layout', 'ledger', 'journal', 'progress', 'beside', 'beside_rows', 'grades',
                  'seeds', 'backup', 'done') AS named
  FROM ours JOIN pg_catalog.pg_class AS c ON c.relnamespace = ours.oid
), called AS (
  SELECT d.classid, d.objid, d.refclassid, d.refobjid
  FROM (
    SELECT 'pg_catalog.pg_attrdef'::pg_catalog.regclass AS classid, a.oid AS objid, a.adrelid AS relation
      FROM pg_catalog.pg_attrdef AS a
    UNION ALL SELECT 'pg_catalog.pg_constraint'::pg_catalog.regclass, k.oid, k.conrelid
      FROM pg_catalog.pg_constraint AS k
    UNION ALL SELECT 'pg_catalog.pg_policy'::pg_catalog.regclass, p.oid, p.polrelid
      FROM pg_catalog.pg_policy AS p
    UNION ALL SELECT 'pg_catalog.pg_class'::pg_catalog.regclass, i.indexrelid, i.indrelid
      FROM pg_catalog.pg_index AS i
  ) AS part
  JOIN relations AS r ON r.oid = part.relation AND r.named
  JOIN pg_catalog.pg_depend AS d ON d.classid = part.classid AND d.objid = part.objid
    AND d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass
)
SELECT pg_catalog.format('schema %I belongs to %I', o.nspname,
    pg_catalog.pg_get_userbyid(o.nspowner))
  FROM ours AS o WHERE o.nspowner NOT IN (SELECT t.oid FROM trusted AS t)
UNION ALL
SELECT pg_catalog.format('%s belongs to %I',
    pg_catalog.pg_describe_object(d.classid, d.objid, 0), pg_catalog.pg_get_userbyid(s.refobjid))
  FROM ours AS o
  JOIN pg_catalog.pg_depend AS d ON d.refobjid = o.oid
    AND d.refclassid = 'pg_catalog.pg_namespace'::pg_catalog.regclass
  JOIN pg_catalog.pg_shdepend AS s ON s.classid = d.classid AND s.objid = d.objid AND s.deptype = 'o'
    AND s.dbid = (SELECT b.oid FROM pg_catalog.pg_database AS b
                  WHERE b.datname = pg_catalog.current_database())
  WHERE s.refobjid NOT IN (SELECT t.oid FROM trusted AS t)
UNION ALL
SELECT pg_catalog.format('%I.%I is no table', r.nspname, r.relname)
  FROM relations AS r WHERE r.named AND r.relkind NOT IN ('r', 'S')
UNION ALL
SELECT pg_catalog.format('there is a trigger %I on %I.%I', g.tgname, r.nspname, r.relname)
  FROM relations AS r JOIN pg_catalog.pg_trigger AS g ON g.tgrelid = r.oid
  WHERE NOT (r.relname = 'journal' AND g.tgname = 'append_only' AND EXISTS (
    SELECT FROM ours AS o JOIN pg_catalog.pg_proc AS p ON p.pronamespace = o.oid
    WHERE p.oid = g.tgfoid AND p.proname = 'refuse_change'))
UNION ALL
SELECT pg_catalog.format('there is a rule %I on %I.%I', w.rulename, r.nspname, r.relname)
  FROM relations AS r JOIN pg_catalog.pg_rewrite AS w ON w.ev_class = r.oid
  WHERE NOT (w.rulename = '_RETURN' AND r.relkind IN ('v', 'm'))
UNION ALL
SELECT pg_catalog.format('%s inherits from %s', i.inhrelid::pg_catalog.regclass,
    i.inhparent::pg_catalog.regclass)
  FROM pg_catalog.pg_inherits AS i JOIN relations AS r
    ON r.named AND r.oid IN (i.inhrelid, i.inhparent)
UNION ALL
SELECT pg_catalog.format('%s calls %s',
    pg_catalog.pg_describe_object(c.classid, c.objid, 0),
    pg_catalog.pg_describe_object(c.refclassid, c.refobjid, 0))
  FROM called AS c";

/// Fails, with exit code 3, if any of `faults` was found.
pub(super) fn judge(faults: &[String]) -> Result<()> {
    if faults.is_empty() {
        return Ok(());
    }
    let mut told: Vec<&str> = faults.iter().take(MOST).map(String::as_str).collect();
    if faults.len() > MOST {
        told.push("and more");
    }
    Err(Error::refused(format!(
        "what is in schema pgbelay is not ours alone: {}",
        told.join("; ")
    ))
    .hint(
        "it must belong to the role that runs, to the database's owner or to a superuser, and carry \
         no triggers or rules: their code would run with the rights of this role",
    )
    .hint(
        "nothing was run; find out who made it, then give it to the right role (ALTER … OWNER TO) or \
         drop what has no place there",
    ))
}

/// As at the begin of a session: nobody may have come in between.
pub async fn check(client: &impl GenericClient) -> Result<()> {
    let rows = client.query_typed(FAULTS, &[]).await;
    let rows = rows.pg("could not read whose schema pgbelay is")?;
    let faults: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    judge(&faults)
}
