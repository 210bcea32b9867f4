-- Which of some functions and relations aren't known to do nothing but compute and be read.
-- $1 functions, $2 those of them that a text names itself, $3 relations.
-- $4 whether it is run in earnest: then what only makes values is no matter.
-- $5 functions that run a text or act though they aren't volatile (a regular expression),
-- $6 the libraries of extensions that are known, $7 volatile functions that only make values.
SELECT 'the function ' || n.nspname || '.' || p.proname,
       CASE WHEN p.oid >= 16384 THEN 'is not known to do nothing but compute'
            WHEN p.proname = ANY ($7) THEN 'gives another value each time'
            WHEN p.provolatile <> 'v' THEN 'may run another text than this one'
            ELSE 'acts, or reaches beyond the database' END
FROM pg_proc p
JOIN pg_namespace n ON n.oid = p.pronamespace JOIN pg_language l ON l.oid = p.prolang
WHERE p.oid = ANY ($1) AND NOT CASE
    WHEN p.oid < 16384 THEN
        n.nspname IN ('pg_catalog', 'information_schema') AND l.lanname IN ('internal', 'sql', 'c')
        AND (p.provolatile <> 'v' OR $4 AND p.proname = ANY ($7)) AND p.proname !~ $5
        AND NOT (p.oid = ANY ($2) AND (
            p.prorettype IN ('internal'::regtype, 'cstring'::regtype, 'event_trigger'::regtype)
            OR 'internal'::regtype = ANY (p.proargtypes) OR 'cstring'::regtype = ANY (p.proargtypes)))
    -- Its parts are judged, or its text is.
    WHEN p.prokind = 'a' OR l.lanname = 'sql' AND p.provolatile <> 'v' THEN true
    -- Another name for one of the server's own.
    WHEN l.lanname = 'internal' THEN EXISTS (
        SELECT FROM pg_proc b WHERE b.oid < 16384 AND b.prosrc = p.prosrc
        HAVING count(*) > 0 AND bool_and(b.provolatile <> 'v' AND b.proname !~ $5))
    ELSE l.lanname = 'c' AND p.probin ~ $6 AND (p.provolatile <> 'v' OR $4)
    END
UNION
SELECT 'the foreign table ' || n.nspname || '.' || c.relname, 'is read elsewhere'
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.oid = ANY ($3) AND c.relkind = 'f'
ORDER BY 1
