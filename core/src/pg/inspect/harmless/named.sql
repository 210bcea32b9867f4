-- What a text may mean by its words.
-- $1 words, $2 those that may be called, $3 schemas on the search path, $4 operators, $5 the text.
WITH visible AS (
    SELECT n.oid FROM pg_namespace n
    WHERE n.nspname = 'pg_catalog' OR n.nspname = ANY ($3)
       OR lower(n.nspname) = ANY ($1) OR {odd:n.nspname}
)
SELECT 'relation', c.oid FROM pg_class c
WHERE c.relnamespace IN (SELECT oid FROM visible) AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
  AND (lower(c.relname) = ANY ($1) OR {odd:c.relname})
UNION ALL
SELECT 'type', t.oid FROM pg_type t
WHERE t.oid >= 16384 AND t.typnamespace IN (SELECT oid FROM visible)
  AND (lower(t.typname) = ANY ($1) OR {odd:t.typname})
UNION ALL
SELECT 'called', p.oid FROM pg_proc p
WHERE p.pronamespace IN (SELECT oid FROM visible)
  AND (lower(p.proname) = ANY ($2) OR {odd:p.proname})
UNION ALL
-- row.function is function(row).
SELECT 'called', p.oid FROM pg_proc p JOIN pg_type a ON a.oid = p.proargtypes[0]
WHERE p.oid >= 16384 AND p.pronamespace IN (SELECT oid FROM visible)
  AND lower(p.proname) = ANY ($1) AND p.pronargs - p.pronargdefaults <= 1
  AND (a.typtype IN ('c', 'd') OR a.typname IN ('record', 'any', 'anyelement', 'anynonarray',
                                                'anycompatible', 'anycompatiblenonarray'))
UNION ALL
-- Some are spelled in words: LIKE, IN, IS DISTINCT FROM.
SELECT CASE WHEN o.oprleft < 16384 AND o.oprright < 16384 THEN 'operator' ELSE 'typed' END, o.oid
FROM pg_operator o
WHERE o.oid >= 16384 AND o.oprnamespace IN (SELECT oid FROM visible)
  AND (o.oprname IN ('=', '<>', '<', '>', '<=', '>=', '~~', '!~~', '~~*', '!~~*',
                     '~', '!~', '~*', '!~*')
       OR EXISTS (SELECT FROM unnest($4) run WHERE position(o.oprname IN run) > 0))
UNION ALL
-- Conversions between types of the server may happen anywhere.
SELECT 'function', c.castfunc FROM pg_cast c
WHERE c.oid >= 16384 AND c.castfunc <> 0 AND c.castsource < 16384 AND c.casttarget < 16384
