-- Empties every table at once, without the triggers that fire on that.
DO $$
DECLARE
    names text;
    r record;
    back text[] := '{}';
BEGIN
    FOR r IN SELECT t.tgrelid::regclass AS name, t.tgname, t.tgenabled
             FROM pg_trigger t JOIN pg_class k ON k.oid = t.tgrelid
             JOIN pg_namespace s ON s.oid = k.relnamespace
             WHERE NOT t.tgisinternal AND t.tgenabled <> 'D' AND t.tgtype & 32 <> 0
               AND k.relkind IN ('r', 'p')
               AND s.nspname NOT IN ('pg_catalog', 'information_schema', 'pgbelay')
    LOOP
        EXECUTE format('ALTER TABLE %s DISABLE TRIGGER %I', r.name, r.tgname);
        back := back || format('ALTER TABLE %s ENABLE %s TRIGGER %I', r.name,
            CASE r.tgenabled WHEN 'A' THEN 'ALWAYS' WHEN 'R' THEN 'REPLICA' ELSE '' END, r.tgname);
    END LOOP;
    SELECT string_agg(k.oid::regclass::text, ', ') INTO names
    FROM pg_class k JOIN pg_namespace s ON s.oid = k.relnamespace
    WHERE k.relkind IN ('r', 'p') AND NOT k.relispartition
      AND s.nspname NOT IN ('pg_catalog', 'information_schema', 'pgbelay');
    IF names IS NOT NULL THEN
        EXECUTE 'TRUNCATE ' || names || ' CASCADE';
    END IF;
    FOREACH names IN ARRAY back LOOP
        EXECUTE names;
    END LOOP;
END $$
