-- What belongs to a table: constraints, indexes, triggers, rules, policies; extended statistics.
-- NOT NULL is a column's; a foreign key's copies for partitions follow from the key.
WITH t AS (
    SELECT c.oid, c.relname, c.relkind, n.nspname
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'f', 'v', 'm') AND {user_schema} AND {within c.oid}
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend e
                      WHERE e.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
                        AND e.objid = c.oid AND e.deptype = 'e')
), x AS (
    SELECT i.indexrelid, i.indrelid, c.relname, pg_catalog.concat_ws(E'\n',
               pg_catalog.pg_get_indexdef(i.indexrelid),
               CASE WHEN NOT i.indisvalid THEN 'invalid' END,
               CASE WHEN i.indisclustered THEN 'clustered' END,
               CASE WHEN i.indisreplident THEN 'replica identity' END,
               'tablespace ' || pg_catalog.quote_ident(ts.spcname),
               'partition of ' || pg_catalog.quote_ident(pn.nspname) || '.'
                   || pg_catalog.quote_ident(p.relname),
               'statistics ' || (
                   SELECT pg_catalog.string_agg(a.attnum || ': ' || a.attstattarget, ', '
                                                ORDER BY a.attnum)
                   FROM pg_catalog.pg_attribute a
                   WHERE a.attrelid = i.indexrelid AND a.attstattarget >= 0)) AS definition
    FROM pg_catalog.pg_index i
    JOIN t ON t.oid = i.indrelid
    JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
    LEFT JOIN pg_catalog.pg_tablespace ts ON ts.oid = c.reltablespace
    LEFT JOIN pg_catalog.pg_inherits h ON h.inhrelid = i.indexrelid
    LEFT JOIN pg_catalog.pg_class p ON p.oid = h.inhparent
    LEFT JOIN pg_catalog.pg_namespace pn ON pn.oid = p.relnamespace
)
SELECT 'constraint', t.nspname::text, t.relname::text, k.conname::text,
       pg_catalog.concat_ws(E'\n', pg_catalog.pg_get_constraintdef(k.oid),
           -- A primary key since 18 may say so in a column's NOT NULL alone.
           CASE WHEN NOT k.convalidated THEN 'not validated' END,
           x.definition),
       NULL::int4, t.oid
FROM pg_catalog.pg_constraint k
JOIN t ON t.oid = k.conrelid
LEFT JOIN x ON x.indexrelid = k.conindid AND k.contype IN ('p', 'u', 'x')
WHERE k.contype IN ('c', 'p', 'u', 'x') OR k.contype = 'f' AND k.conparentid = 0
UNION ALL
SELECT 'index', t.nspname::text, t.relname::text, x.relname::text, x.definition, NULL, t.oid
FROM x JOIN t ON t.oid = x.indrelid
WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_constraint k
                  WHERE k.conindid = x.indexrelid AND k.contype IN ('p', 'u', 'x'))
UNION ALL
SELECT 'trigger', t.nspname::text, t.relname::text, g.tgname::text,
       pg_catalog.concat_ws(E'\n', pg_catalog.pg_get_triggerdef(g.oid),
           CASE g.tgenabled WHEN 'D' THEN 'disabled' WHEN 'R' THEN 'enabled on replica'
                            WHEN 'A' THEN 'enabled always' END,
           CASE WHEN g.tgparentid <> 0 THEN 'inherited' END),
       NULL, t.oid
FROM pg_catalog.pg_trigger g JOIN t ON t.oid = g.tgrelid
WHERE NOT g.tgisinternal
UNION ALL
SELECT 'rule', t.nspname::text, t.relname::text, r.rulename::text,
       pg_catalog.concat_ws(E'\n', pg_catalog.pg_get_ruledef(r.oid),
           CASE r.ev_enabled WHEN 'D' THEN 'disabled' WHEN 'R' THEN 'enabled on replica'
                             WHEN 'A' THEN 'enabled always' END),
       NULL, t.oid
FROM pg_catalog.pg_rewrite r JOIN t ON t.oid = r.ev_class
WHERE r.rulename <> '_RETURN'
UNION ALL
SELECT 'policy', t.nspname::text, t.relname::text, p.polname::text,
       pg_catalog.concat_ws(E'\n',
           CASE WHEN p.polpermissive THEN 'permissive' ELSE 'restrictive' END,
           'for ' || CASE p.polcmd WHEN 'r' THEN 'select' WHEN 'a' THEN 'insert'
                     WHEN 'w' THEN 'update' WHEN 'd' THEN 'delete' ELSE 'all' END,
           'to ' || (SELECT pg_catalog.string_agg(
                                CASE WHEN o = 0 THEN 'PUBLIC'
                                     ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(o)) END,
                                ', ' ORDER BY pg_catalog.pg_get_userbyid(o))
                     FROM pg_catalog.unnest(p.polroles) o),
           'using ' || pg_catalog.pg_get_expr(p.polqual, p.polrelid),
           'with check ' || pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid)),
       NULL, t.oid
FROM pg_catalog.pg_policy p JOIN t ON t.oid = p.polrelid
UNION ALL
SELECT 'statistics', n.nspname::text, NULL, s.stxname::text,
       -- Not pg_get_statisticsobjdef: it lists columns by their number, which is their order.
       pg_catalog.concat_ws(E'\n',
           'on ' || pg_catalog.quote_ident(tn.nspname) || '.' || pg_catalog.quote_ident(c.relname),
           'kinds ' || (SELECT pg_catalog.string_agg(k::text, ', ' ORDER BY k)
                        FROM pg_catalog.unnest(s.stxkind) k),
           'columns ' || (SELECT pg_catalog.string_agg(pg_catalog.quote_ident(a.attname), ', '
                                                       ORDER BY a.attname)
                          FROM pg_catalog.pg_attribute a
                          WHERE a.attrelid = s.stxrelid AND a.attnum = ANY (s.stxkeys::int2[])),
           'expressions ' || pg_catalog.array_to_string( -- since 14
               pg_catalog.pg_get_statisticsobjdef_expressions(s.oid), ', '), -- since 14
           'statistics ' || nullif(s.stxstattarget, -1)),
       NULL, c.oid
FROM pg_catalog.pg_statistic_ext s
JOIN pg_catalog.pg_class c ON c.oid = s.stxrelid
JOIN pg_catalog.pg_namespace tn ON tn.oid = c.relnamespace
JOIN pg_catalog.pg_namespace n ON n.oid = s.stxnamespace
WHERE {user_schema} AND {within s.stxrelid}
