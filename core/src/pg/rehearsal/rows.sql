-- Puts a few made-up rows into every table: whatever its types and constraints let through.
CREATE OR REPLACE FUNCTION pg_temp.seed_value(type oid, modifier int, n int) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    t pg_type%ROWTYPE;
    width int := CASE WHEN modifier > 4 THEN modifier - 4 END;
BEGIN
    SELECT * INTO t FROM pg_type WHERE oid = type;
    IF t.typtype = 'd' THEN
        RETURN pg_temp.seed_value(t.typbasetype, t.typtypmod, n);
    ELSIF t.typtype = 'e' THEN
        RETURN (SELECT enumlabel FROM pg_enum WHERE enumtypid = type
                ORDER BY enumsortorder
                OFFSET n % (SELECT count(*) FROM pg_enum WHERE enumtypid = type) LIMIT 1);
    ELSIF t.typcategory = 'A' THEN
        RETURN '{}';
    END IF;
    RETURN CASE t.typname
        WHEN 'bool' THEN (n % 2 = 0)::text
        WHEN 'uuid' THEN md5('u' || n)
        WHEN 'json' THEN format('{"b": %s,  "a": [1, null]}', n)
        WHEN 'jsonb' THEN format('{"b": %s, "a": [1, null]}', n)
        WHEN 'bytea' THEN '\x' || md5(n::text)
        WHEN 'inet' THEN '10.0.0.' || n % 250
        WHEN 'cidr' THEN '10.0.' || n % 250 || '.0/24'
        WHEN 'interval' THEN n || ' hours'
        WHEN 'tsvector' THEN 'word' || n
        WHEN 'name' THEN 'name' || n
        WHEN 'xml' THEN '<a/>'
        WHEN 'bpchar' THEN left(md5(n::text), coalesce(width, 1))
        WHEN 'bit' THEN repeat('1', coalesce(modifier, 1))
        ELSE CASE t.typcategory
            WHEN 'N' THEN (n % 30000)::text
            WHEN 'S' THEN left(md5('s' || n) || ' text ' || n, coalesce(width, 60))
            WHEN 'D' THEN CASE WHEN t.typname LIKE 'time%' AND t.typname NOT LIKE 'timestamp%'
                               THEN '12:34:56.789' ELSE (timestamp '2024-02-03 04:05:06.789012'
                                                         + n * interval '1 day')::text END
        END
    END;
END $$;

DO $$
DECLARE
    r record;
    c record;
    n int;
    row int;
    names text;
    vals text;
    value text;
    sparse boolean;
BEGIN
    FOR pass IN 1 .. 3 LOOP
        FOR r IN SELECT k.oid, k.oid::regclass AS name
                 FROM pg_class k JOIN pg_namespace s ON s.oid = k.relnamespace
                 WHERE k.relkind IN ('r', 'p') AND NOT k.relispartition
                   AND s.nspname NOT IN ('pg_catalog', 'information_schema', 'pgbelay')
                 ORDER BY k.oid
        LOOP
            -- Enough of them: scripts that come later need not read more.
            EXECUTE format('SELECT count(*) FROM (SELECT FROM %s LIMIT 200) AS there', r.name) INTO n;
            CONTINUE WHEN n >= 200;
            FOR row IN 1 .. 3 LOOP
                n := (random() * 1000000)::int;
                FOREACH sparse IN ARRAY ARRAY[row = 3, true] LOOP
                    names := '';
                    vals := '';
                    FOR c IN SELECT a.*, f.confrelid::regclass AS parent,
                                    (SELECT attname FROM pg_attribute p WHERE p.attrelid = f.confrelid
                                     AND p.attnum = f.confkey[array_position(f.conkey, a.attnum)]) AS key
                             FROM pg_attribute a LEFT JOIN LATERAL (
                                 SELECT * FROM pg_constraint f WHERE f.contype = 'f' AND f.conrelid = a.attrelid
                                 AND a.attnum = ANY (f.conkey) LIMIT 1) f ON true
                             WHERE a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
                               AND a.attgenerated = '' AND a.attidentity = ''
                    LOOP
                        CONTINUE WHEN c.atthasdef AND (sparse OR pg_get_serial_sequence(r.name::text, c.attname) IS NOT NULL);
                        CONTINUE WHEN sparse AND NOT c.attnotnull;
                        IF c.parent IS NOT NULL THEN
                            value := format('(SELECT %I FROM %s ORDER BY md5(%s::text || %I::text) LIMIT 1)', c.key, c.parent, n, c.key);
                        ELSE
                            value := format('%L', pg_temp.seed_value(c.atttypid, c.atttypmod, n));
                        END IF;
                        names := names || format(', %I', c.attname);
                        vals := vals || ', ' || value;
                    END LOOP;
                    BEGIN
                        IF names = '' THEN
                            EXECUTE format('INSERT INTO %s DEFAULT VALUES', r.name);
                        ELSE
                            EXECUTE format('INSERT INTO %s (%s) VALUES (%s)', r.name, substr(names, 3), substr(vals, 3));
                        END IF;
                        EXIT;
                    EXCEPTION WHEN OTHERS THEN
                        NULL;
                    END;
                END LOOP;
            END LOOP;
        END LOOP;
    END LOOP;
END $$;
