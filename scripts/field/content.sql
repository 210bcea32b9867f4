-- Each table's and sequence's content as a number of rows and a digest, with psql -At.
-- Neither the order of rows nor that of columns changes it.
SET search_path = pg_catalog;
SET timezone = 'UTC';
SELECT format(
    'select %L, count(*), md5(coalesce(string_agg(h, '''' order by h), '''')) '
    'from (select md5(%s) collate "C" as h from only %s) as rows',
    c.oid::regclass, columns, c.oid::regclass)
FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace,
    LATERAL (SELECT coalesce(string_agg(format('%L || format(''%%L'', %I)', attname || '=', attname),
                                        ' || '','' || ' ORDER BY attname), '''''') AS columns
             FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped) a
WHERE c.relkind = 'r' AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pgbelay')
ORDER BY n.nspname, c.relname
\gexec
SELECT format('select %L, last_value, md5(last_value || '','' || is_called) from %s', c.oid::regclass, c.oid::regclass)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'S' AND n.nspname NOT IN ('pg_catalog', 'pgbelay')
ORDER BY n.nspname, c.relname
\gexec
