-- Takes rows away, those that others refer to after the others, in as many rounds as that takes.
DO $$
DECLARE
    r record;
    gone bigint;
    taken bigint;
    again boolean;
BEGIN
    LOOP
        gone := 0;
        again := false;
        FOR r IN SELECT k.oid::regclass AS name
                 FROM pg_class k JOIN pg_namespace s ON s.oid = k.relnamespace
                 WHERE k.relkind = 'r'
                   AND s.nspname NOT IN ('pg_catalog', 'information_schema', 'pgbelay')
                 ORDER BY k.oid DESC
        LOOP
            BEGIN
                EXECUTE format('DELETE FROM ONLY %s WHERE {which}', r.name);
                GET DIAGNOSTICS taken = ROW_COUNT;
                gone := gone + taken;
            EXCEPTION WHEN OTHERS THEN
                again := true;
            END;
        END LOOP;
        EXIT WHEN gone = 0 OR NOT again;
    END LOOP;
END $$
