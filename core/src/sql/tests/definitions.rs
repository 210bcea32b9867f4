//! Types, routines, and everything that holds no rows.

use crate::sql::tests::check;

#[test]
fn types() {
    check(&[
        (
            "CREATE TYPE s.mood AS ENUM ('a', 'b')",
            "create type s|mood",
        ),
        ("CREATE TYPE c AS (a int, b text)", "create type c"),
        ("CREATE DOMAIN d AS int CHECK (value > 0)", "create type d"),
        (
            "ALTER TYPE s.mood RENAME TO temper",
            "type s|mood to temper",
        ),
        ("ALTER TYPE mood SET SCHEMA s", "type mood schema s"),
        (
            "ALTER TYPE mood ADD VALUE IF NOT EXISTS 'x' BEFORE 'a'",
            "type mood adds_value",
        ),
        ("ALTER TYPE mood RENAME VALUE 'a' TO 'b'", "type mood"),
        ("ALTER TYPE c ADD ATTRIBUTE d int CASCADE", "type c"),
        ("ALTER TYPE c RENAME ATTRIBUTE a TO b", "type c"),
        ("ALTER TYPE c DROP ATTRIBUTE a", "refuse ALTER TYPE"),
        (
            "ALTER TYPE c ADD ATTRIBUTE d int, DROP ATTRIBUTE IF EXISTS a CASCADE",
            "refuse ALTER TYPE",
        ),
        (
            "ALTER TYPE c ALTER ATTRIBUTE a SET DATA TYPE int",
            "refuse ALTER TYPE",
        ),
        ("ALTER TYPE mood OWNER TO bob", "type mood"),
        ("ALTER DOMAIN d RENAME TO e", "type d to e"),
        ("ALTER DOMAIN d DROP CONSTRAINT k", "type d"),
        ("ALTER SCHEMA a RENAME TO b", "rename schema a to b"),
        ("ALTER SCHEMA a OWNER TO bob", "ALTER SCHEMA"),
    ]);
}

#[test]
fn definitions() {
    check(&[
        ("CREATE INDEX i ON t (a)", "CREATE INDEX"),
        (
            "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS i ON t (a)",
            "outside CREATE INDEX CONCURRENTLY definition",
        ),
        ("CREATE OR REPLACE VIEW v AS SELECT 1", "CREATE VIEW"),
        (
            "CREATE OR REPLACE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $$ BEGIN DELETE FROM t; END $$",
            "CREATE FUNCTION",
        ),
        (
            "CREATE FUNCTION f() RETURNS void LANGUAGE sql AS 'delete from t;'",
            "CREATE FUNCTION",
        ),
        (
            "CREATE PROCEDURE p() BEGIN ATOMIC DELETE FROM a; DELETE FROM b; END",
            "CREATE PROCEDURE",
        ),
        (
            "CREATE RULE r AS ON INSERT TO t DO INSTEAD (DELETE FROM a; DELETE FROM b)",
            "CREATE RULE",
        ),
        (
            "CREATE TRIGGER x AFTER INSERT ON t EXECUTE FUNCTION f()",
            "CREATE TRIGGER",
        ),
        (
            "CREATE EVENT TRIGGER e ON sql_drop EXECUTE FUNCTION f()",
            "refuse CREATE EVENT TRIGGER",
        ),
        (
            "ALTER EVENT TRIGGER e DISABLE",
            "refuse ALTER EVENT TRIGGER",
        ),
        ("CREATE SEQUENCE s", "CREATE SEQUENCE"),
        ("CREATE POLICY p ON t USING (a = 1)", "CREATE POLICY"),
        ("CREATE EXTENSION IF NOT EXISTS hstore", "CREATE EXTENSION"),
        (
            "ALTER EXTENSION hstore UPDATE TO '2.0'",
            "opaque ALTER EXTENSION UPDATE",
        ),
        ("ALTER EXTENSION hstore SET SCHEMA s", "ALTER EXTENSION"),
        (
            "ALTER EXTENSION hstore DROP TABLE t",
            "refuse ALTER EXTENSION",
        ),
        ("COMMENT ON TABLE t IS 'x'", "COMMENT ON"),
        ("GRANT SELECT ON t TO bob", "GRANT"),
        ("REVOKE ALL ON ALL TABLES IN SCHEMA s FROM public", "REVOKE"),
        ("GRANT admin TO bob", "refuse GRANT"),
        ("REVOKE staff FROM bob", "refuse REVOKE"),
        ("SECURITY LABEL ON TABLE t IS 'x'", "SECURITY LABEL"),
        (
            "ALTER DEFAULT PRIVILEGES IN SCHEMA s GRANT SELECT ON TABLES TO bob",
            "ALTER DEFAULT PRIVILEGES",
        ),
        ("REFRESH MATERIALIZED VIEW m", "REFRESH MATERIALIZED VIEW"),
        (
            "REFRESH MATERIALIZED VIEW CONCURRENTLY m",
            "REFRESH MATERIALIZED VIEW",
        ),
        ("REINDEX TABLE t", "REINDEX"),
        (
            "REINDEX (VERBOSE) INDEX CONCURRENTLY i",
            "outside REINDEX definition",
        ),
        (
            "REINDEX (CONCURRENTLY) TABLE t",
            "outside REINDEX definition",
        ),
        ("REINDEX DATABASE d", "outside REINDEX definition"),
        ("CLUSTER t USING i", "CLUSTER"),
        ("CLUSTER", "outside CLUSTER"),
        ("ALTER FUNCTION f(int) RENAME TO g", "ALTER FUNCTION"),
        ("ALTER TRIGGER a ON t RENAME TO b", "ALTER TRIGGER"),
    ]);
}

#[test]
fn outside_the_schema() {
    check(&[
        (
            "IMPORT FOREIGN SCHEMA s FROM SERVER x INTO y",
            "refuse IMPORT FOREIGN SCHEMA",
        ),
        (
            "CREATE SERVER s FOREIGN DATA WRAPPER w",
            "refuse CREATE SERVER",
        ),
        ("CREATE ROLE r", "refuse CREATE ROLE"),
        (
            "CREATE PUBLICATION p FOR ALL TABLES",
            "refuse CREATE PUBLICATION",
        ),
        (
            "CREATE SUBSCRIPTION s CONNECTION 'x' PUBLICATION p",
            "outside CREATE SUBSCRIPTION",
        ),
        ("CREATE DATABASE d", "outside CREATE DATABASE"),
        ("ALTER SYSTEM SET work_mem = '1MB'", "outside ALTER SYSTEM"),
        (
            "ALTER DATABASE d SET work_mem = '1MB'",
            "refuse ALTER DATABASE",
        ),
        ("VACUUM FULL t", "outside VACUUM"),
        ("ANALYZE t", "harmless"),
        ("LOCK TABLE t IN ACCESS EXCLUSIVE MODE", "harmless"),
    ]);
}
