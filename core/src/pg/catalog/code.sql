-- Types, functions, procedures, aggregates.
SELECT 'type', n.nspname::text, NULL::text, y.typname::text,
       CASE y.typtype
       WHEN 'e' THEN 'enum ' || coalesce(
           (SELECT pg_catalog.string_agg(pg_catalog.quote_literal(l.enumlabel), ', '
                                         ORDER BY l.enumsortorder)
            FROM pg_catalog.pg_enum l WHERE l.enumtypid = y.oid), '')
       WHEN 'c' THEN 'composite ' || coalesce(
           (SELECT pg_catalog.string_agg(
                       pg_catalog.quote_ident(a.attname) || ' '
                       || pg_catalog.format_type(a.atttypid, a.atttypmod)
                       || coalesce(' COLLATE ' || b.name, ''), ', ' ORDER BY a.attnum)
            FROM pg_catalog.pg_attribute a
            JOIN pg_catalog.pg_type at ON at.oid = a.atttypid
            LEFT JOIN LATERAL (
                SELECT pg_catalog.quote_ident(ln.nspname) || '.'
                       || pg_catalog.quote_ident(l.collname) AS name
                FROM pg_catalog.pg_collation l
                JOIN pg_catalog.pg_namespace ln ON ln.oid = l.collnamespace
                WHERE l.oid = a.attcollation AND a.attcollation <> at.typcollation) b ON true
            WHERE a.attrelid = y.typrelid AND a.attnum > 0 AND NOT a.attisdropped), '')
       WHEN 'd' THEN pg_catalog.concat_ws(E'\n',
           'domain ' || pg_catalog.format_type(y.typbasetype, y.typtypmod)
               || coalesce(' COLLATE ' || col.name, ''),
           'default ' || coalesce(pg_catalog.pg_get_expr(y.typdefaultbin, 0), y.typdefault),
           CASE WHEN y.typnotnull THEN 'not null' END,
           (SELECT pg_catalog.string_agg(
                       pg_catalog.quote_ident(k.conname) || ' '
                       || pg_catalog.pg_get_constraintdef(k.oid)
                       || CASE WHEN k.convalidated THEN '' ELSE ' not validated' END,
                       E'\n' ORDER BY k.conname)
            FROM pg_catalog.pg_constraint k WHERE k.contypid = y.oid AND k.contype = 'c'))
       WHEN 'r' THEN (
           SELECT pg_catalog.concat_ws(E'\n',
                      'range of ' || pg_catalog.format_type(r.rngsubtype, NULL),
                      'operator class ' || pg_catalog.quote_ident(cn.nspname) || '.'
                          || pg_catalog.quote_ident(oc.opcname),
                      'collation ' || nullif(r.rngcollation, 0)::pg_catalog.regcollation::text,
                      'canonical ' || nullif(r.rngcanonical, 0)::pg_catalog.regproc::text,
                      'subtype difference ' || nullif(r.rngsubdiff, 0)::pg_catalog.regproc::text,
                      'multirange ' || pg_catalog.format_type(r.rngmultitypid, NULL), -- since 14
                      NULL)
           FROM pg_catalog.pg_range r
           JOIN pg_catalog.pg_opclass oc ON oc.oid = r.rngsubopc
           JOIN pg_catalog.pg_namespace cn ON cn.oid = oc.opcnamespace
           WHERE r.rngtypid = y.oid)
       WHEN 'p' THEN 'shell'
       ELSE pg_catalog.concat_ws(E'\n',
           'base length ' || y.typlen || ' alignment ' || y.typalign::text
               || ' storage ' || y.typstorage::text || ' category ' || y.typcategory::text,
           CASE WHEN y.typbyval THEN 'by value' END,
           CASE WHEN y.typispreferred THEN 'preferred' END,
           CASE WHEN y.typcollation <> 0 THEN 'collatable' END,
           'element ' || CASE WHEN y.typelem <> 0 THEN pg_catalog.format_type(y.typelem, NULL) END,
           'delimiter ' || y.typdelim::text, 'default ' || y.typdefault,
           'input ' || y.typinput::text, 'output ' || y.typoutput::text,
           'receive ' || y.typreceive::text, 'send ' || y.typsend::text,
           'modifiers ' || y.typmodin::text || ' ' || y.typmodout::text,
           'analyze ' || y.typanalyze::text)
       END,
       NULL::int4, NULL::oid
FROM pg_catalog.pg_type y
JOIN pg_catalog.pg_namespace n ON n.oid = y.typnamespace
LEFT JOIN pg_catalog.pg_class c ON c.oid = y.typrelid
LEFT JOIN LATERAL (
    SELECT pg_catalog.quote_ident(ln.nspname) || '.' || pg_catalog.quote_ident(l.collname) AS name
    FROM pg_catalog.pg_collation l
    JOIN pg_catalog.pg_namespace ln ON ln.oid = l.collnamespace
    JOIN pg_catalog.pg_type base ON base.oid = y.typbasetype
    WHERE l.oid = y.typcollation AND y.typcollation <> base.typcollation) col ON true
WHERE (y.typtype IN ('b', 'c', 'd', 'e', 'r') OR y.typtype = 'p' AND NOT y.typisdefined) AND (c.relkind IS NULL OR c.relkind = 'c')
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_type e WHERE e.oid = y.typelem AND e.typarray = y.oid)
  AND {user_schema}
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend e
                  WHERE e.classid = 'pg_catalog.pg_type'::pg_catalog.regclass
                    AND e.objid = y.oid AND e.deptype = 'e')
UNION ALL
SELECT CASE p.prokind WHEN 'a' THEN 'aggregate' WHEN 'p' THEN 'procedure' ELSE 'function' END,
       n.nspname::text, NULL,
       p.proname || '(' || pg_catalog.oidvectortypes(p.proargtypes) || ')',
       CASE WHEN p.prokind <> 'a' THEN pg_catalog.pg_get_functiondef(p.oid) ELSE (
           SELECT pg_catalog.concat_ws(E'\n',
                      pg_catalog.pg_get_function_arguments(p.oid),
                      'kind ' || a.aggkind::text || ' ' || a.aggnumdirectargs,
                      'parallel ' || p.proparallel::text,
                      'transition ' || a.aggtransfn::text || ' '
                          || pg_catalog.format_type(a.aggtranstype, NULL) || ' ' || a.aggtransspace
                          || coalesce(' initial ' || pg_catalog.quote_literal(a.agginitval), ''),
                      'final ' || a.aggfinalfn::text || ' ' || a.aggfinalextra || ' '
                          || a.aggfinalmodify::text,
                      'combine ' || a.aggcombinefn::text || ' ' || a.aggserialfn::text || ' '
                          || a.aggdeserialfn::text,
                      'moving ' || a.aggmtransfn::text || ' ' || a.aggminvtransfn::text || ' '
                          || pg_catalog.format_type(nullif(a.aggmtranstype, 0), NULL) || ' '
                          || a.aggmtransspace || ' ' || a.aggmfinalfn::text || ' '
                          || a.aggmfinalextra || ' ' || a.aggmfinalmodify::text
                          || coalesce(' initial ' || pg_catalog.quote_literal(a.aggminitval), ''),
                      'sort operator ' || nullif(a.aggsortop, 0)::pg_catalog.regoperator::text)
           FROM pg_catalog.pg_aggregate a WHERE a.aggfnoid = p.oid) END,
       NULL, NULL
FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
WHERE {user_schema}
  -- The constructors that come with a range are parts of it.
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend e
                  WHERE e.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass
                    AND e.objid = p.oid AND e.deptype IN ('e', 'i'))
