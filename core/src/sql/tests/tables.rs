//! DROP, CREATE, ALTER of tables and columns.

use crate::sql::tests::check;

#[test]
fn drops() {
    check(&[
        ("DROP TABLE orders", "drop table orders"),
        (
            "drop table if exists a.b, \"C d\".\"e.f\" cascade;",
            "drop table a|b C d|e.f if_exists cascade",
        ),
        (
            "DROP TABLE mydb.Public.Orders RESTRICT",
            "drop table public|orders",
        ),
        ("DROP TABLE \"quo\"\"te\"", "drop table quo\"te"),
        ("drop table \"a;b\"", "drop table a;b"),
        ("drop table \"DROP TABLE x\"", "drop table DROP TABLE x"),
        ("drop table ünïcode", "drop table ünïcode"),
        (
            "DROP SCHEMA IF EXISTS App CASCADE",
            "drop schema app if_exists cascade",
        ),
        ("drop schema a, b", "drop schema a b"),
        ("DROP TYPE s.mood", "drop type s|mood"),
        ("DROP DOMAIN d CASCADE", "drop type d cascade"),
        (
            "DROP SEQUENCE IF EXISTS s1, x.s2",
            "drop sequence s1 x|s2 if_exists",
        ),
        (
            "DROP MATERIALIZED VIEW mv CASCADE",
            "drop matview mv cascade",
        ),
        (
            "DROP EXTENSION hstore, \"uuid-ossp\" CASCADE",
            "drop extension hstore uuid-ossp cascade",
        ),
        ("DROP VIEW v, s.w", "drop view v s|w"),
        ("DROP INDEX IF EXISTS s.i", "drop index s|i if_exists"),
        (
            "DROP INDEX CONCURRENTLY i",
            "outside DROP INDEX CONCURRENTLY definition",
        ),
        (
            "DROP FUNCTION IF EXISTS f(int, text), s.g CASCADE",
            "drop function f s|g if_exists cascade",
        ),
        ("DROP FUNCTION f(IN a int, OUT b text)", "drop function f"),
        ("DROP PROCEDURE p(int)", "drop procedure p"),
        ("DROP ROUTINE s.r", "drop routine s|r"),
        ("DROP AGGREGATE a(int), b(*)", "drop aggregate a b"),
        (
            "DROP TRIGGER IF EXISTS trg ON s.t CASCADE",
            "drop trigger trg if_exists cascade on s|t",
        ),
        ("DROP RULE r ON t", "drop rule r on t"),
        ("DROP POLICY p ON t", "drop policy p on t"),
        ("DROP STATISTICS st", "drop statistics st"),
        ("DROP CAST (a AS b)", "drop cast (a AS b)"),
        ("DROP OPERATOR +(int, int)", "drop operator +(int, int)"),
        (
            "DROP OPERATOR CLASS oc USING btree",
            "drop operator class oc",
        ),
        (
            "DROP OPERATOR FAMILY f USING btree",
            "drop operator family f",
        ),
        ("DROP COLLATION c", "drop collation c"),
        ("DROP COLLATION c CASCADE", "refuse DROP COLLATION"),
        ("DROP CONVERSION c", "drop conversion c"),
        (
            "DROP TEXT SEARCH CONFIGURATION c",
            "drop text search config c",
        ),
        ("DROP TEXT SEARCH DICTIONARY d", "drop text search dict d"),
        ("DROP ACCESS METHOD am", "drop access method am"),
        ("DROP ACCESS METHOD am CASCADE", "refuse DROP ACCESS METHOD"),
        (
            "DROP TRANSFORM FOR hstore LANGUAGE plpython3u",
            "drop transform plpython3u",
        ),
        ("DROP LANGUAGE plperl", "drop language plperl"),
        ("DROP EVENT TRIGGER e", "drop event trigger e"),
        ("DROP DATABASE d", "outside DROP DATABASE"),
        ("DROP TABLESPACE t", "outside DROP TABLESPACE"),
        ("DROP ROLE a, b", "refuse DROP ROLE"),
        ("DROP USER a", "refuse DROP USER"),
        ("DROP OWNED BY bob CASCADE", "refuse DROP OWNED"),
        ("REASSIGN OWNED BY bob TO alice", "refuse REASSIGN"),
        ("DROP PUBLICATION p", "refuse DROP PUBLICATION"),
        ("DROP SUBSCRIPTION s", "refuse DROP SUBSCRIPTION"),
        ("DROP SERVER s CASCADE", "refuse DROP SERVER"),
        (
            "DROP USER MAPPING FOR bob SERVER s",
            "refuse DROP USER MAPPING",
        ),
        ("DROP FOREIGN TABLE t", "refuse DROP FOREIGN TABLE"),
    ]);
}

#[test]
fn columns() {
    check(&[
        ("ALTER TABLE t DROP COLUMN a", "alter t: drop a"),
        ("alter table t drop a", "alter t: drop a"),
        (
            "ALTER TABLE IF EXISTS ONLY s.T DROP COLUMN IF EXISTS \"A\" CASCADE, DROP b",
            "alter s|t only if_exists: drop A if_exists cascade; drop b",
        ),
        (
            "ALTER TABLE t ADD COLUMN c int NOT NULL DEFAULT f(1)",
            "alter t: add c",
        ),
        ("ALTER TABLE t ADD c int", "alter t: add c"),
        (
            "ALTER TABLE t ADD COLUMN IF NOT EXISTS c int",
            "alter t: ADD COLUMN IF NOT EXISTS",
        ),
        (
            "ALTER TABLE t ALTER COLUMN c TYPE varchar(3) COLLATE \"C\" USING left(c, 3)::varchar",
            "alter t: type c[varchar(3)] using[left(c, 3)::varchar]",
        ),
        (
            "ALTER TABLE t ALTER c SET DATA TYPE numeric(10, 2)[]",
            "alter t: type c[numeric(10, 2)[]]",
        ),
        (
            "ALTER TABLE t ALTER c TYPE timestamp with time zone",
            "alter t: type c[timestamp with time zone]",
        ),
        (
            "ALTER TABLE t ALTER c TYPE s.\"Mood\" USING c::text::s.\"Mood\"",
            "alter t: type c[s.\"Mood\"] using[c::text::s.\"Mood\"]",
        ),
        (
            "ALTER TABLE t ALTER c SET DEFAULT now(), ALTER c DROP NOT NULL",
            "alter t: ALTER COLUMN SET DEFAULT; ALTER COLUMN DROP NOT NULL",
        ),
        (
            "ALTER TABLE t ALTER c DROP IDENTITY IF EXISTS",
            "alter t: ALTER COLUMN DROP IDENTITY",
        ),
        (
            "ALTER TABLE t ALTER c DROP EXPRESSION",
            "alter t: ALTER COLUMN DROP EXPRESSION",
        ),
        (
            "ALTER TABLE t ALTER c ADD GENERATED ALWAYS AS IDENTITY",
            "alter t: ALTER COLUMN ADD GENERATED",
        ),
        (
            "ALTER TABLE t ALTER c SET EXPRESSION AS (a + 1)",
            "alter t: refuse ALTER COLUMN SET EXPRESSION",
        ),
        (
            "ALTER TABLE t ALTER c SET STATISTICS 100",
            "alter t: ALTER COLUMN SET STATISTICS",
        ),
        (
            "ALTER TABLE t ALTER c SET STORAGE EXTERNAL",
            "alter t: ALTER COLUMN SET STORAGE",
        ),
        (
            "ALTER TABLE t RENAME COLUMN a TO \"B\"",
            "rename t column a to B",
        ),
        ("ALTER TABLE t RENAME a TO b", "rename t column a to b"),
        (
            "ALTER VIEW v RENAME COLUMN a TO b",
            "rename v column a to b",
        ),
    ]);
}

#[test]
fn alter_table() {
    check(&[
        ("ALTER TABLE s.t RENAME TO u", "rename s|t to u"),
        ("ALTER TABLE t SET SCHEMA archive", "move t to archive"),
        (
            "ALTER TABLE t RENAME CONSTRAINT a TO b",
            "alter t: constraint a to b",
        ),
        (
            "ALTER TABLE t DROP CONSTRAINT IF EXISTS k CASCADE",
            "alter t: constraint k cascade",
        ),
        (
            "ALTER TABLE t ADD CONSTRAINT k CHECK (f(a)) NOT VALID",
            "alter t: ADD CONSTRAINT",
        ),
        (
            "ALTER TABLE t VALIDATE CONSTRAINT k",
            "alter t: VALIDATE CONSTRAINT",
        ),
        (
            "ALTER TABLE t DISABLE TRIGGER ALL",
            "alter t: refuse DISABLE TRIGGER",
        ),
        (
            "ALTER TABLE t DISABLE TRIGGER trg, DROP COLUMN a",
            "alter t: refuse DISABLE TRIGGER; drop a",
        ),
        (
            "ALTER TABLE t ENABLE REPLICA TRIGGER trg",
            "alter t: refuse ENABLE REPLICA TRIGGER",
        ),
        (
            "ALTER TABLE t ENABLE ALWAYS TRIGGER trg",
            "alter t: ENABLE ALWAYS TRIGGER",
        ),
        (
            "ALTER TABLE t DISABLE RULE r",
            "alter t: refuse DISABLE RULE",
        ),
        (
            "ALTER TABLE t DISABLE ROW LEVEL SECURITY",
            "alter t: DISABLE ROW LEVEL SECURITY",
        ),
        (
            "ALTER TABLE t NO FORCE ROW LEVEL SECURITY",
            "alter t: NO FORCE ROW LEVEL SECURITY",
        ),
        ("ALTER TABLE t SET UNLOGGED", "alter t: refuse SET UNLOGGED"),
        ("ALTER TABLE t INHERIT p", "alter t: INHERIT TABLE"),
        ("ALTER TABLE t NO INHERIT p", "alter t: NO INHERIT TABLE"),
        (
            "ALTER TABLE t DETACH PARTITION s.p CONCURRENTLY",
            "alter t: detach s|p concurrently",
        ),
        (
            "ALTER TABLE t ATTACH PARTITION p FOR VALUES IN (1)",
            "alter t: ATTACH PARTITION",
        ),
        ("ALTER TABLE t OWNER TO bob", "alter t: OWNER TO"),
        (
            "ALTER TABLE t SET (fillfactor = 70)",
            "alter t: SET OPTIONS",
        ),
        (
            "ALTER TABLE t REPLICA IDENTITY FULL",
            "alter t: REPLICA IDENTITY",
        ),
        (
            "ALTER TABLE ALL IN TABLESPACE a SET TABLESPACE b",
            "refuse ALTER TABLE",
        ),
        ("ALTER TABLE t RENAME TO u, DROP COLUMN a", "unknown"),
        ("ALTER TABLE t FROBNICATE", "unknown"),
        ("ALTER TABLE t DROP COLUMN a, FROBNICATE b", "unknown"),
        ("ALTER TABLE t", "unknown"),
        ("ALTER INDEX IF EXISTS s.i RENAME TO j", "rename s|i to j"),
        ("ALTER INDEX i SET (fillfactor = 70)", "ALTER INDEX"),
        ("ALTER VIEW v RENAME TO w", "rename v to w"),
        ("ALTER VIEW v SET SCHEMA s", "move v to s"),
        ("ALTER VIEW v ALTER COLUMN a SET DEFAULT 1", "ALTER VIEW"),
        ("ALTER MATERIALIZED VIEW m RENAME TO n", "rename m to n"),
        ("ALTER MATERIALIZED VIEW m SET SCHEMA s", "move m to s"),
        ("ALTER SEQUENCE s RESTART WITH 1", "alter sequence s"),
        ("ALTER SEQUENCE s OWNED BY t.a", "alter sequence s"),
        ("ALTER SEQUENCE s RENAME TO r", "rename s to r"),
        ("ALTER SEQUENCE a.s SET SCHEMA b", "move a|s to b"),
        (
            "ALTER FOREIGN TABLE t DROP COLUMN a",
            "refuse ALTER FOREIGN TABLE",
        ),
    ]);
}

#[test]
fn creates() {
    check(&[
        ("CREATE TABLE s.t (id int PRIMARY KEY)", "create table s|t"),
        ("CREATE TABLE IF NOT EXISTS t (id int)", "ensure table t"),
        ("CREATE TEMP TABLE t AS SELECT 1 AS a", "create table t"),
        (
            "CREATE UNLOGGED TABLE t (LIKE u INCLUDING ALL)",
            "create table t",
        ),
        (
            "CREATE TABLE p PARTITION OF t FOR VALUES FROM (1) TO (2)",
            "create table p",
        ),
        (
            "CREATE TABLE t AS EXECUTE p",
            "opaque CREATE TABLE AS EXECUTE",
        ),
        (
            "CREATE TABLE t AS WITH d AS (DELETE FROM u RETURNING *) SELECT * FROM d",
            "unknown",
        ),
        ("CREATE MATERIALIZED VIEW m AS SELECT 1", "create table m"),
        ("SELECT * INTO TEMP t FROM u", "create table t"),
        (
            "SELECT a INTO s.t FROM u UNION SELECT b FROM v",
            "create table s|t",
        ),
        (
            "WITH d AS (DELETE FROM u RETURNING *) SELECT * INTO t FROM d",
            "unknown",
        ),
        ("CREATE SCHEMA app", "create schema app"),
        (
            "CREATE SCHEMA IF NOT EXISTS app AUTHORIZATION bob",
            "CREATE SCHEMA IF NOT EXISTS",
        ),
        ("CREATE SCHEMA AUTHORIZATION bob", "CREATE SCHEMA"),
        ("CREATE SCHEMA app CREATE TABLE t (a int)", "unknown"),
        (
            "CREATE FOREIGN TABLE t (a int) SERVER s",
            "refuse CREATE FOREIGN TABLE",
        ),
    ]);
}
