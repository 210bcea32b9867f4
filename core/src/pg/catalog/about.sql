-- Owners, privileges, comments and security labels of everything that is in the model.
-- Privileges are said only where they differ from those that a new object gets.
WITH object (classid, objid, owner, acl, acl_kind, unit) AS (
    SELECT c.tableoid, c.oid, c.relowner, c.relacl,
           CASE c.relkind WHEN 'S' THEN 's' WHEN 'c' THEN NULL ELSE 'r' END,
           CASE WHEN c.relkind <> 'c' THEN c.oid END
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'f', 'v', 'm', 'S', 'c') AND {user_schema} AND {within c.oid}
  UNION ALL
    SELECT c.tableoid, c.oid, c.relowner, c.relacl, NULL, x.indrelid
    FROM pg_catalog.pg_index x
    JOIN pg_catalog.pg_class c ON c.oid = x.indexrelid
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE {user_schema} AND {within x.indrelid}
  UNION ALL
    SELECT p.tableoid, p.oid, p.proowner, p.proacl, 'f', NULL
    FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
    WHERE {user_schema}
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend e
                      WHERE e.classid = p.tableoid AND e.objid = p.oid AND e.deptype = 'i') AND {everything}
  UNION ALL
    SELECT y.tableoid, y.oid, y.typowner, y.typacl, 'T', NULL
    FROM pg_catalog.pg_type y JOIN pg_catalog.pg_namespace n ON n.oid = y.typnamespace
    LEFT JOIN pg_catalog.pg_class c ON c.oid = y.typrelid
    WHERE y.typtype IN ('b', 'c', 'd', 'e', 'r') AND (c.relkind IS NULL OR c.relkind = 'c')
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_type e WHERE e.oid = y.typelem AND e.typarray = y.oid)
      AND {user_schema} AND {everything}
  UNION ALL
    SELECT n.tableoid, n.oid, n.nspowner, n.nspacl, 'n', NULL
    FROM pg_catalog.pg_namespace n WHERE {user_schema} AND {everything}
  UNION ALL
    SELECT l.tableoid, l.oid, l.lanowner, l.lanacl, 'l', NULL
    FROM pg_catalog.pg_language l WHERE l.oid >= 16384 AND {everything}
  UNION ALL
    SELECT w.tableoid, w.oid, w.fdwowner, w.fdwacl, 'F', NULL
    FROM pg_catalog.pg_foreign_data_wrapper w WHERE w.oid >= 16384 AND {everything}
  UNION ALL
    SELECT s.tableoid, s.oid, s.srvowner, s.srvacl, 'S', NULL FROM pg_catalog.pg_foreign_server s WHERE {everything}
  UNION ALL
    SELECT o.tableoid, o.oid, o.oprowner, NULL, NULL, NULL
    FROM pg_catalog.pg_operator o JOIN pg_catalog.pg_namespace n ON n.oid = o.oprnamespace
    WHERE o.oprcode <> 0 AND {user_schema} AND {everything}
  UNION ALL
    SELECT o.tableoid, o.oid, o.opcowner, NULL, NULL, NULL
    FROM pg_catalog.pg_opclass o JOIN pg_catalog.pg_namespace n ON n.oid = o.opcnamespace
    WHERE {user_schema} AND {everything}
  UNION ALL
    SELECT o.tableoid, o.oid, o.opfowner, NULL, NULL, NULL
    FROM pg_catalog.pg_opfamily o JOIN pg_catalog.pg_namespace n ON n.oid = o.opfnamespace
    WHERE {user_schema} AND {everything}
  UNION ALL
    SELECT o.tableoid, o.oid, o.collowner, NULL, NULL, NULL
    FROM pg_catalog.pg_collation o JOIN pg_catalog.pg_namespace n ON n.oid = o.collnamespace
    WHERE {user_schema} AND {everything}
  UNION ALL
    SELECT o.tableoid, o.oid, o.conowner, NULL, NULL, NULL
    FROM pg_catalog.pg_conversion o JOIN pg_catalog.pg_namespace n ON n.oid = o.connamespace
    WHERE {user_schema} AND {everything}
  UNION ALL
    SELECT o.tableoid, o.oid, o.cfgowner, NULL, NULL, NULL
    FROM pg_catalog.pg_ts_config o JOIN pg_catalog.pg_namespace n ON n.oid = o.cfgnamespace
    WHERE {user_schema} AND {everything}
  UNION ALL
    SELECT o.tableoid, o.oid, o.dictowner, NULL, NULL, NULL
    FROM pg_catalog.pg_ts_dict o JOIN pg_catalog.pg_namespace n ON n.oid = o.dictnamespace
    WHERE {user_schema} AND {everything}
  UNION ALL
    SELECT o.tableoid, o.oid, o.stxowner, NULL, NULL, o.stxrelid
    FROM pg_catalog.pg_statistic_ext o JOIN pg_catalog.pg_namespace n ON n.oid = o.stxnamespace
    WHERE {user_schema} AND {within o.stxrelid}
  UNION ALL
    SELECT o.tableoid, o.oid, o.evtowner, NULL, NULL, NULL FROM pg_catalog.pg_event_trigger o WHERE {everything}
  UNION ALL
    SELECT o.tableoid, o.oid, o.pubowner, NULL, NULL, NULL FROM pg_catalog.pg_publication o WHERE {everything}
  UNION ALL
    -- An extension's owner is whoever restored it.
    SELECT o.tableoid, o.oid, NULL, NULL, NULL, NULL FROM pg_catalog.pg_extension o WHERE {everything}
  UNION ALL
    SELECT o.tableoid, o.oid, NULL, NULL, NULL, nullif(o.conrelid, 0)
    FROM pg_catalog.pg_constraint o JOIN pg_catalog.pg_namespace n ON n.oid = o.connamespace
    WHERE o.contype <> 'n' AND {user_schema} AND {within o.conrelid}
  UNION ALL
    SELECT o.tableoid, o.oid, NULL, NULL, NULL, o.tgrelid
    FROM pg_catalog.pg_trigger o
    JOIN pg_catalog.pg_class c ON c.oid = o.tgrelid
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE NOT o.tgisinternal AND {user_schema} AND {within o.tgrelid}
  UNION ALL
    SELECT o.tableoid, o.oid, NULL, NULL, NULL, o.ev_class
    FROM pg_catalog.pg_rewrite o
    JOIN pg_catalog.pg_class c ON c.oid = o.ev_class
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE o.rulename <> '_RETURN' AND {user_schema} AND {within o.ev_class}
  UNION ALL
    SELECT o.tableoid, o.oid, NULL, NULL, NULL, o.polrelid
    FROM pg_catalog.pg_policy o
    JOIN pg_catalog.pg_class c ON c.oid = o.polrelid
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE {user_schema} AND {within o.polrelid}
  UNION ALL
    SELECT o.tableoid, o.oid, NULL, NULL, NULL, NULL FROM pg_catalog.pg_cast o WHERE o.oid >= 16384 AND {everything}
), mine AS (
    SELECT o.* FROM object o
    WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_depend e
                      WHERE e.classid = o.classid AND e.objid = o.objid AND e.deptype = 'e')
), about (what, classid, objid, objsubid, definition, unit) AS (
    SELECT 'owner', classid, objid, 0, pg_catalog.pg_get_userbyid(owner)::text, unit
    FROM mine
    WHERE owner IS NOT NULL
      -- An index or composite type has its table's or type's owner.
      AND NOT (classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND acl_kind IS NULL)
  UNION ALL
    SELECT 'acl', m.classid, m.objid, 0, a.lines, m.unit
    FROM mine m,
    LATERAL (SELECT pg_catalog.acldefault(m.acl_kind::"char", m.owner) AS acl) d,
    LATERAL (SELECT pg_catalog.array_agg(x::text ORDER BY x::text COLLATE "C") AS lines
             FROM pg_catalog.aclexplode(m.acl) x) given,
    LATERAL (SELECT pg_catalog.array_agg(x::text ORDER BY x::text COLLATE "C") AS lines
             FROM pg_catalog.aclexplode(d.acl) x) usual,
    LATERAL (SELECT coalesce(pg_catalog.string_agg(x.line, E'\n' ORDER BY x.line COLLATE "C"), 'none')
                    AS lines
             FROM (SELECT {acl_line} AS line FROM pg_catalog.aclexplode(m.acl) e) x) a
    WHERE m.acl IS NOT NULL AND m.acl_kind IS NOT NULL
      AND given.lines IS DISTINCT FROM usual.lines
  UNION ALL
    SELECT 'acl', m.classid, m.objid, c.attnum, a.lines, m.unit
    FROM mine m
    JOIN pg_catalog.pg_attribute c ON c.attrelid = m.objid AND c.attnum > 0 AND NOT c.attisdropped,
    LATERAL (SELECT pg_catalog.string_agg(x.line, E'\n' ORDER BY x.line COLLATE "C") AS lines
             FROM (SELECT {acl_line} AS line FROM pg_catalog.aclexplode(c.attacl) e) x) a
    WHERE m.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
      AND c.attacl IS NOT NULL AND a.lines IS NOT NULL
  UNION ALL
    SELECT 'comment', m.classid, m.objid, d.objsubid, d.description, m.unit
    FROM mine m JOIN pg_catalog.pg_description d ON d.classoid = m.classid AND d.objoid = m.objid
  UNION ALL
    SELECT 'security label', m.classid, m.objid, d.objsubid, d.provider || ' ' || d.label, m.unit
    FROM mine m JOIN pg_catalog.pg_seclabel d ON d.classoid = m.classid AND d.objoid = m.objid
)
SELECT a.what,
       coalesce(CASE WHEN i.type = 'schema' THEN i.name ELSE i.schema END, ''), NULL::text,
       i.type || ' ' || i.identity, pg_catalog.string_agg(a.definition, E'\n' ORDER BY a.definition COLLATE "C"),
       NULL::int4, a.unit
FROM about a, LATERAL pg_catalog.pg_identify_object(a.classid, a.objid, a.objsubid) i
WHERE i.identity IS NOT NULL
GROUP BY 1, 2, 4, 7
