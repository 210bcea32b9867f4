-- Columns of tables. The first line is the type with its collation and nothing else; the others
-- start with a word of their own. What writes ADD COLUMN relies on that.
SELECT 'column', n.nspname::text, c.relname::text, a.attname::text,
       pg_catalog.concat_ws(E'\n',
           pg_catalog.format_type(a.atttypid, a.atttypmod) || coalesce(
               (SELECT ' COLLATE ' || pg_catalog.quote_ident(ln.nspname) || '.'
                       || pg_catalog.quote_ident(l.collname)
                FROM pg_catalog.pg_collation l
                JOIN pg_catalog.pg_namespace ln ON ln.oid = l.collnamespace
                WHERE l.oid = a.attcollation AND a.attcollation <> y.typcollation), ''),
           -- A constraint of its own since 18; those that are inherited have nothing of their own.
           CASE WHEN a.attnotnull THEN 'not null' || coalesce((
               SELECT CASE WHEN k.convalidated THEN '' ELSE ' not valid' END
                      || CASE WHEN k.connoinherit THEN ' no inherit' ELSE '' END
                      || CASE WHEN k.coninhcount > 0 OR k.conname ~ '\n' OR k.conname::text
                                   = pg_catalog.concat(c.relname, '_', a.attname, '_not_null')
                         THEN '' ELSE ' constraint ' || k.conname END
               FROM pg_catalog.pg_constraint k
               WHERE k.conrelid = a.attrelid AND k.contype = 'n' AND k.conkey[1] = a.attnum),
               '') END,
           CASE a.attidentity WHEN 'a' THEN 'identity always'
                              WHEN 'd' THEN 'identity by default' END,
           CASE a.attgenerated WHEN 's' THEN 'generated stored '
                               WHEN 'v' THEN 'generated virtual ' ELSE 'default ' END
               || pg_catalog.pg_get_expr(d.adbin, d.adrelid),
           CASE WHEN a.attstorage <> y.typstorage THEN 'storage ' || CASE a.attstorage
               WHEN 'p' THEN 'plain' WHEN 'e' THEN 'external'
               WHEN 'm' THEN 'main' ELSE 'extended' END END,
           CASE a.attcompression WHEN 'p' THEN 'compression pglz' -- since 14
                                 WHEN 'l' THEN 'compression lz4' END, -- since 14
           'statistics ' || nullif(a.attstattarget, -1),
           'with ' || (SELECT pg_catalog.string_agg(o, ', ' ORDER BY o COLLATE "C")
                       FROM pg_catalog.unnest(a.attoptions) o),
           'options ' || (SELECT pg_catalog.string_agg(o, ', ' ORDER BY o COLLATE "C")
                          FROM pg_catalog.unnest(a.attfdwoptions) o)),
       (pg_catalog.row_number() OVER (PARTITION BY a.attrelid ORDER BY a.attnum))::int4,
       c.oid
FROM pg_catalog.pg_attribute a
JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_type y ON y.oid = a.atttypid
LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'f') AND {user_schema}
  AND {within c.oid}
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend e
                  WHERE e.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
                    AND e.objid = c.oid AND e.objsubid = 0 AND e.deptype = 'e')
