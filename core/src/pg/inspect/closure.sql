-- $1 catalogs, $2 oids, $3 column numbers of the roots.
WITH RECURSIVE roots AS (
    SELECT c.oid AS classid, r.objid, r.objsubid
    FROM ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2), pg_catalog.unnest($3))
         r (class, objid, objsubid)
    JOIN pg_catalog.pg_class c
      ON c.relname = r.class::pg_catalog.name
     AND c.relnamespace = 'pg_catalog'::pg_catalog.regnamespace
), d (classid, objid, objsubid) AS (
    SELECT classid, objid, objsubid FROM roots
  UNION
    SELECT step.* FROM (
      WITH cur AS (SELECT * FROM d)
      -- What depends on it.
      SELECT p.classid, p.objid, p.objsubid
        FROM cur JOIN pg_catalog.pg_depend p
          ON p.refclassid = cur.classid AND p.refobjid = cur.objid
         AND (cur.objsubid = 0 OR p.refobjsubid = cur.objsubid)
      UNION ALL
      -- An internal part drags its owner along: the rule of a view, the index of a constraint.
      SELECT p.refclassid, p.refobjid, p.refobjsubid
        FROM cur JOIN pg_catalog.pg_depend p
          ON p.classid = cur.classid AND p.objid = cur.objid AND p.deptype = 'i'
         AND (cur.objsubid = 0 OR p.objsubid = cur.objsubid)
    ) step
), members AS (
    SELECT d.* FROM d
    WHERE NOT EXISTS (SELECT FROM roots r
                      WHERE (r.classid, r.objid, r.objsubid) = (d.classid, d.objid, d.objsubid))
      AND (d.objsubid = 0 OR NOT EXISTS (
              SELECT FROM d whole
              WHERE (whole.classid, whole.objid, whole.objsubid) = (d.classid, d.objid, 0)))
)
SELECT class.relname::text, m.objid, m.objsubid, i.type, i.identity,
       coalesce(edge.automatic, false), coalesce(edge.internal, false),
       CASE WHEN class.relname = 'pg_class' THEN m.objid END,
       CASE class.relname
           WHEN 'pg_class' THEN (SELECT x.indrelid FROM pg_catalog.pg_index x
                                 WHERE x.indexrelid = m.objid)
           WHEN 'pg_constraint' THEN (SELECT nullif(k.conrelid, 0) FROM pg_catalog.pg_constraint k
                                      WHERE k.oid = m.objid)
           WHEN 'pg_trigger' THEN (SELECT t.tgrelid FROM pg_catalog.pg_trigger t
                                   WHERE t.oid = m.objid)
           WHEN 'pg_rewrite' THEN (SELECT r.ev_class FROM pg_catalog.pg_rewrite r
                                   WHERE r.oid = m.objid)
           WHEN 'pg_policy' THEN (SELECT p.polrelid FROM pg_catalog.pg_policy p
                                  WHERE p.oid = m.objid)
           WHEN 'pg_attrdef' THEN (SELECT a.adrelid FROM pg_catalog.pg_attrdef a
                                   WHERE a.oid = m.objid)
       END
FROM members m
JOIN pg_catalog.pg_class class ON class.oid = m.classid,
LATERAL pg_catalog.pg_identify_object(m.classid, m.objid, m.objsubid) i,
-- A plain DROP fails for what is reached through normal dependencies only.
LATERAL (SELECT pg_catalog.bool_or(p.deptype <> 'n') AS automatic,
                pg_catalog.bool_or(p.deptype = 'i') AS internal
         FROM pg_catalog.pg_depend p
         JOIN d up ON up.classid = p.refclassid AND up.objid = p.refobjid
                  AND (up.objsubid = 0 OR up.objsubid = p.refobjsubid)
         WHERE p.classid = m.classid AND p.objid = m.objid
           AND (m.objsubid = 0 OR p.objsubid = m.objsubid)) edge
WHERE i.identity IS NOT NULL
ORDER BY i.type, i.identity, m.objid, m.objsubid
