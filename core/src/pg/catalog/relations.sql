-- Schemas, extensions, tables, views, materialized views, sequences.
SELECT 'schema', n.nspname::text, NULL::text, n.nspname::text, ''::text, NULL::int4,
       NULL::oid
FROM pg_catalog.pg_namespace n
WHERE {user_schema} AND {everything}
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend e
                  WHERE e.classid = 'pg_catalog.pg_namespace'::pg_catalog.regclass
                    AND e.objid = n.oid AND e.deptype = 'e')
UNION ALL
SELECT 'extension', '', NULL, x.extname::text,
       'version ' || x.extversion || E'\nschema ' || pg_catalog.quote_ident(n.nspname), NULL,
       NULL
FROM pg_catalog.pg_extension x JOIN pg_catalog.pg_namespace n ON n.oid = x.extnamespace
WHERE {everything}
UNION ALL
SELECT CASE c.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view'
                      WHEN 'S' THEN 'sequence' ELSE 'table' END,
       n.nspname::text, NULL, c.relname::text,
       pg_catalog.concat_ws(E'\n',
           CASE WHEN c.relkind IN ('v', 'm') THEN pg_catalog.pg_get_viewdef(c.oid) END,
           CASE c.relkind WHEN 'p' THEN 'partition by ' || pg_catalog.pg_get_partkeydef(c.oid)
                          WHEN 'f' THEN 'foreign' END,
           CASE WHEN c.relpersistence = 'u' THEN 'unlogged' END,
           'partition of ' || pg_catalog.quote_ident(pn.nspname) || '.'
               || pg_catalog.quote_ident(p.relname) || ' '
               || pg_catalog.pg_get_expr(c.relpartbound, c.oid),
           'inherits ' || parents.names,
           'of ' || CASE WHEN c.reloftype <> 0
                         THEN pg_catalog.format_type(c.reloftype, NULL) END,
           'columns ' || columns.list,
           'access method ' || am.amname,
           'tablespace ' || pg_catalog.quote_ident(ts.spcname),
           'with ' || (SELECT pg_catalog.string_agg(o, ', ' ORDER BY o COLLATE "C")
                       FROM pg_catalog.unnest(c.reloptions) o),
           'toast with ' || (SELECT pg_catalog.string_agg(o, ', ' ORDER BY o COLLATE "C")
                             FROM pg_catalog.unnest(t.reloptions) o),
           CASE WHEN c.relrowsecurity THEN 'row level security' END,
           CASE WHEN c.relforcerowsecurity THEN 'row level security forced' END,
           -- An index chosen as identity is said with the index.
           CASE WHEN c.relkind IN ('r', 'p') AND c.relreplident IN ('n', 'f')
                THEN 'replica identity ' || c.relreplident::text END,
           'server ' || pg_catalog.quote_ident(srv.srvname) || ' options '
               || coalesce((SELECT pg_catalog.string_agg(o, ', ' ORDER BY o COLLATE "C")
                            FROM pg_catalog.unnest(ft.ftoptions) o), ''),
           CASE WHEN q.seqrelid IS NOT NULL THEN pg_catalog.concat_ws(E'\n',
               'as ' || pg_catalog.format_type(q.seqtypid, NULL),
               'start ' || q.seqstart, 'increment ' || q.seqincrement, 'minimum ' || q.seqmin,
               'maximum ' || q.seqmax, 'cache ' || q.seqcache,
               CASE WHEN q.seqcycle THEN 'cycle' END,
               (SELECT CASE d.deptype WHEN 'i' THEN 'identity of ' ELSE 'owned by ' END
                       || pg_catalog.quote_ident(tn.nspname) || '.'
                       || pg_catalog.quote_ident(tc.relname) || '.'
                       || pg_catalog.quote_ident(ta.attname)
                FROM pg_catalog.pg_depend d
                JOIN pg_catalog.pg_class tc ON tc.oid = d.refobjid
                JOIN pg_catalog.pg_namespace tn ON tn.oid = tc.relnamespace
                JOIN pg_catalog.pg_attribute ta
                  ON ta.attrelid = d.refobjid AND ta.attnum = d.refobjsubid
                WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
                  AND d.objid = c.oid AND d.deptype IN ('a', 'i')
                  AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass)) END),
       NULL, c.oid
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_inherits h ON c.relispartition AND h.inhrelid = c.oid
LEFT JOIN pg_catalog.pg_class p ON p.oid = h.inhparent
LEFT JOIN pg_catalog.pg_namespace pn ON pn.oid = p.relnamespace
LEFT JOIN pg_catalog.pg_am am ON am.oid = c.relam
LEFT JOIN pg_catalog.pg_tablespace ts ON ts.oid = c.reltablespace
LEFT JOIN pg_catalog.pg_class t ON t.oid = c.reltoastrelid
LEFT JOIN pg_catalog.pg_foreign_table ft ON ft.ftrelid = c.oid
LEFT JOIN pg_catalog.pg_foreign_server srv ON srv.oid = ft.ftserver
LEFT JOIN pg_catalog.pg_sequence q ON q.seqrelid = c.oid,
LATERAL (SELECT pg_catalog.string_agg(pg_catalog.quote_ident(an.nspname) || '.'
                    || pg_catalog.quote_ident(a.relname), ', ' ORDER BY i.inhseqno) AS names
         FROM pg_catalog.pg_inherits i
         JOIN pg_catalog.pg_class a ON a.oid = i.inhparent
         JOIN pg_catalog.pg_namespace an ON an.oid = a.relnamespace
         WHERE i.inhrelid = c.oid AND NOT c.relispartition) parents,
-- In a view the order of columns is part of its meaning; in a table it is a class of its own.
LATERAL (SELECT pg_catalog.string_agg(pg_catalog.concat_ws(' ',
                    pg_catalog.quote_ident(a.attname),
                    pg_catalog.format_type(a.atttypid, a.atttypmod),
                    'default ' || pg_catalog.pg_get_expr(d.adbin, d.adrelid),
                    'statistics ' || nullif(a.attstattarget, -1),
                    CASE WHEN c.relkind = 'm' AND a.attstorage <> y.typstorage
                         THEN 'storage ' || a.attstorage::text END,
                    'with ' || (SELECT pg_catalog.string_agg(o, ', ' ORDER BY o COLLATE "C")
                                FROM pg_catalog.unnest(a.attoptions) o)),
                    ', ' ORDER BY a.attnum) AS list
         FROM pg_catalog.pg_attribute a
         JOIN pg_catalog.pg_type y ON y.oid = a.atttypid
         LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
         WHERE a.attrelid = c.oid AND c.relkind IN ('v', 'm')
           AND a.attnum > 0 AND NOT a.attisdropped) columns
WHERE c.relkind IN ('r', 'p', 'f', 'v', 'm', 'S') AND {user_schema} AND {within c.oid}
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend e
                  WHERE e.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
                    AND e.objid = c.oid AND e.deptype = 'e')
