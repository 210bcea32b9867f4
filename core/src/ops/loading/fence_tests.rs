use super::*;
use crate::schema::dump_entries;

fn entry(sql: &str) -> Entry {
    Entry {
        kind: "ACL".to_owned(),
        schema: "public".to_owned(),
        name: "x".to_owned(),
        owner: "postgres".to_owned(),
        sql: sql.to_owned(),
    }
}

#[test]
fn what_pg_dump_writes_is_run() {
    for sql in [
        "CREATE TABLE public.t (id integer NOT NULL, g int GENERATED ALWAYS AS ((1 + 2)) STORED);",
        "SET LOCAL default_tablespace = '';\nCREATE TABLE public.t (\n);\n\nALTER TABLE public.t OWNER TO bob;",
        "CREATE UNLOGGED TABLE public.t (a int) PARTITION BY RANGE (a);",
        "CREATE FUNCTION public.f() RETURNS void LANGUAGE plpgsql AS $_$ begin; copy t to program 'x'; end $_$;",
        "CREATE FUNCTION public.begin() RETURNS integer LANGUAGE sql\n    BEGIN ATOMIC\n SELECT 1;\n SELECT CASE WHEN true THEN 2 ELSE 3 END AS \"case\";\nEND;\n\nALTER FUNCTION public.begin() OWNER TO bob;",
        "CREATE OR REPLACE VIEW public.v AS\n SELECT 'it''s; COPY' AS x;",
        "CREATE MATERIALIZED VIEW public.m AS\n SELECT 1 AS x\n  WITH NO DATA;",
        "CREATE RULE r AS ON INSERT TO public.t DO INSTEAD ( INSERT INTO a VALUES (1); DELETE FROM b; );",
        "CREATE UNIQUE INDEX i ON public.t USING btree (((x -> 'y'::text)));",
        "COMMENT ON COLUMN public.t.\"a;b\" IS 'x; DROP TABLE y';",
        "COMMENT ON TABLE public.t IS E'a\\\\b; COPY';",
        "GRANT SELECT(a) ON TABLE public.t TO bob;\nREVOKE ALL ON FUNCTION public.f() FROM PUBLIC;",
        "SET SESSION AUTHORIZATION bob;\nGRANT SELECT ON TABLE public.t TO eve;\nRESET SESSION AUTHORIZATION;",
        "ALTER DEFAULT PRIVILEGES FOR ROLE bob IN SCHEMA public GRANT ALL ON TABLES TO eve;",
        "CREATE OR REPLACE PROCEDURAL LANGUAGE plperl;\nALTER PROCEDURAL LANGUAGE plperl OWNER TO bob;",
        "CREATE USER MAPPING FOR bob SERVER s OPTIONS (\"user\" 'x');",
        "CREATE CONSTRAINT TRIGGER c AFTER INSERT ON public.t FOR EACH ROW EXECUTE FUNCTION f();",
        "ALTER TABLE public.t ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (\n SEQUENCE NAME public.s\n);",
        "ALTER TEXT SEARCH CONFIGURATION public.c ADD MAPPING FOR word WITH simple;",
        "ALTER OPERATOR FAMILY public.f USING btree ADD OPERATOR 1 < (a, b);",
    ] {
        assert_eq!(entry_is_plain(&entry(sql), true), Ok(()), "{sql}");
    }
}

#[test]
fn what_pg_dump_does_not_write_is_not_run() {
    for sql in [
        "COPY (SELECT 1) TO PROGRAM 'id';",
        "COPY t FROM PROGRAM 'id';",
        "CREATE TABLE t ();\nCOPY t FROM '/etc/passwd';",
        "CREATE ROLE mallory SUPERUSER;",
        "CREATE USER mallory;",
        "ALTER USER postgres PASSWORD 'x';",
        "ALTER ROLE postgres SET search_path = x;",
        "CREATE DATABASE x;",
        "DROP TABLE t;",
        "ALTER DATABASE x SET y = 1;",
        "ALTER SYSTEM SET archive_command = 'id';",
        "DO $$ begin end $$;",
        "LOAD 'x';",
        "SET ROLE postgres;",
        "RESET ROLE;",
        "SET LOCAL default_tablespace = ''; CREATE ROLE x;",
        "SET LOCAL default_tablespace = (SELECT 1); DO 'x';",
        "SET session_replication_role = replica;",
        "SELECT pg_catalog.pg_read_file('x');",
        "INSERT INTO t VALUES (1);",
        "CALL f();",
        "CREATE TABLE t AS SELECT f();",
        "CREATE MATERIALIZED VIEW m AS SELECT f();",
        "GRANT postgres TO mallory;",
        "GRANT ALL ON DATABASE x TO mallory;",
        "GRANT SET ON PARAMETER log_directory TO mallory;",
        "COMMENT ON ROLE postgres IS 'x';",
        "BEGIN;",
        "COMMIT; CREATE TABLE t ();",
        "REFRESH MATERIALIZED VIEW m;",
        "EXPLAIN ANALYZE SELECT 1;",
        "\"CREATE\" TABLE t ();",
        "/* x */ DO 'x'",
        "CREATE TABLE t (); -- x\rDO 'x';",
        "CREATE FUNCTION begin() RETURNS int LANGUAGE sql AS 'select 1'; COPY t TO PROGRAM 'id';",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; END; COPY t TO PROGRAM 'id';",
        "COMMENT ON TABLE t IS E'x'\n'\\'';DO 'x';--';",
        "COMMENT ON TABLE t IS U&'x\\'; DO 'x'; --';",
        "COMMENT ON TABLE t IS 'x",
        "CREATE TABLE t (a int;",
        "CREATE TABLE a$b$ (); DO 'x'; --$b$",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $a$ $b$ $a$; DO 'x'; -- $b$",
    ] {
        assert!(entry_is_plain(&entry(sql), true).is_err(), "{sql}");
    }
}

/// The same text is two things, by what the server takes a backslash for.
#[test]
fn strings_are_read_as_the_server_reads_them() {
    let sql = "COMMENT ON TABLE t IS 'a\\'; DO $$x$$; --';";
    assert!(entry_is_plain(&entry(sql), true).is_err());
    assert!(entry_is_plain(&entry(sql), false).is_ok());
}

#[test]
fn session_authorization_is_for_privileges_alone() {
    let mut other = entry("SET SESSION AUTHORIZATION bob;");
    other.kind = "TABLE".to_owned();
    assert!(entry_is_plain(&other, true).is_err());
}

#[test]
fn the_message_names_the_statement_and_no_value() {
    let dump = "--\n-- Name: x; Type: TABLE; Schema: public; Owner: -\n--\n\nCREATE ROLE \
                mallory PASSWORD 'secret';\n";
    let id = "20261121T101500Z-manual-7f3a9c".parse().unwrap();
    let error = check(&id, &dump_entries(dump), true)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("CREATE ROLE") && !error.contains("secret"),
        "{error}"
    );
}

#[test]
fn large_objects_are_made_and_nothing_else() {
    for good in [
        "SELECT pg_catalog.lo_create(16385);",
        "SELECT pg_catalog.lo_put(16385, 0, '\\x00ff');",
        "ALTER LARGE OBJECT 16385 OWNER TO \"bob\";",
        "COMMENT ON LARGE OBJECT 16385 IS 'x; y';",
        "GRANT SELECT ON LARGE OBJECT 16385 TO \"bob\";",
        "",
    ] {
        assert!(check_large_objects(good, true).is_ok(), "{good}");
    }
    for bad in [
        "SELECT pg_catalog.lo_import('/etc/passwd');",
        "SELECT pg_catalog.lo_create(16385), pg_read_file('x');",
        "SELECT pg_catalog.lo_put(1, 0, \"pg_read_binary_file\"('x'));",
        "SELECT pg_catalog.lo_create(16385); DO 'x';",
        "ALTER SYSTEM SET x = 'LARGE OBJECT';",
        "SELECT pg_catalog.lo_put(16385, 0, '\\x00'); COPY t TO PROGRAM 'id';",
    ] {
        assert!(check_large_objects(bad, true).is_err(), "{bad}");
    }
}
