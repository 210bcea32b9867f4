//! Statements that read and change rows.

use crate::sql::tests::check;
use crate::sql::tests::check_uses;

#[test]
fn changes() {
    check(&[
        ("DELETE FROM t", "delete t"),
        (
            "DELETE FROM ONLY s.t AS x USING u, v WHERE x.id = u.id -- why\n AND v.a",
            "delete s|t only alias[x] using[u, v] where[x.id = u.id -- why\n AND v.a]",
        ),
        (
            "delete from t x where a = ';' and b = $$;$$ returning *",
            "delete t alias[x] where[a = ';' and b = $$;$$]",
        ),
        (
            "WITH w AS (SELECT 1) DELETE FROM t WHERE id IN (SELECT * FROM w)",
            "delete t where[id IN (SELECT * FROM w)] with[WITH w AS (SELECT 1)]",
        ),
        ("DELETE FROM t WHERE CURRENT OF c", "unknown"),
        ("UPDATE t SET a = 1", "update t set[a]"),
        (
            "UPDATE ONLY t AS x SET (a, \"B\") = (SELECT 1, 2), c.d[1] = f(1) FROM u WHERE x.id = u.id RETURNING *",
            "update t only alias[x] set[a,B,c] using[u] where[x.id = u.id]",
        ),
        (
            "update t set a = default, b = row(1,2) where /* all */ true",
            "update t set[a,b] where[true]",
        ),
        ("INSERT INTO t VALUES (1)", "insert t"),
        (
            "INSERT INTO s.t (a) SELECT a FROM u ON CONFLICT DO NOTHING",
            "insert s|t",
        ),
        (
            "INSERT INTO t AS x (a) VALUES (1) ON CONFLICT (a) DO UPDATE SET a = 2",
            "insert t updates",
        ),
        ("INSERT INTO t DEFAULT VALUES RETURNING id", "insert t"),
        (
            "WITH d AS (DELETE FROM q RETURNING *) INSERT INTO t SELECT * FROM d",
            "changes -[q] ~[] +[t]",
        ),
        (
            "WITH u AS (UPDATE q SET a = 1 RETURNING *) DELETE FROM t",
            "changes -[t] ~[q] +[]",
        ),
        (
            "WITH d AS (DELETE FROM s.q RETURNING *) SELECT * FROM d",
            "changes -[s|q] ~[] +[]",
        ),
        (
            "WITH i AS (INSERT INTO q VALUES (1) ON CONFLICT (a) DO UPDATE SET a = 1 RETURNING 1) TABLE i",
            "changes -[] ~[q] +[q]",
        ),
        (
            "WITH a AS (WITH b AS (DELETE FROM q RETURNING 1) SELECT 1) SELECT 1",
            "changes -[q] ~[] +[]",
        ),
        (
            "WITH d AS (DELETE FROM q RETURNING 1) SELECT 1 UNION SELECT 2",
            "changes -[q] ~[] +[]",
        ),
        (
            "(WITH d AS (DELETE FROM q RETURNING 1) SELECT 1)",
            "changes -[q] ~[] +[]",
        ),
        (
            "MERGE INTO s.t AS x USING u ON x.a = u.a WHEN MATCHED THEN DELETE",
            "changes -[s|t] ~[] +[]",
        ),
        (
            "MERGE INTO t USING u ON t.a = u.a WHEN MATCHED AND f(1) THEN UPDATE SET b = 1 WHEN NOT MATCHED THEN INSERT VALUES (1)",
            "changes -[] ~[t] +[t]",
        ),
        (
            "MERGE INTO t USING u ON true WHEN NOT MATCHED BY SOURCE THEN DO NOTHING",
            "changes -[] ~[] +[]",
        ),
        ("TRUNCATE t", "truncate t"),
        (
            "TRUNCATE TABLE ONLY a, s.b * RESTART IDENTITY CASCADE",
            "truncate a s|b cascade restart",
        ),
        ("COPY t FROM STDIN", "copy t"),
        (
            "COPY s.t (a, b) FROM '/tmp/x' WITH (FORMAT csv)",
            "copy s|t",
        ),
        ("COPY t FROM PROGRAM 'rm -rf /'", "refuse COPY"),
        ("COPY t TO '/tmp/x'", "refuse COPY"),
        ("COPY (DELETE FROM t RETURNING *) TO STDOUT", "refuse COPY"),
        ("COPY (SELECT 1) TO PROGRAM 'curl x'", "refuse COPY"),
    ]);
}

#[test]
fn queries() {
    check(&[
        ("SELECT 1", "query"),
        ("SELECT * FROM t FOR UPDATE SKIP LOCKED", "query"),
        ("VALUES (1), (2)", "query"),
        ("TABLE t", "query"),
        ("(SELECT 1) UNION ALL (SELECT 2) ORDER BY 1", "query"),
        (
            "WITH RECURSIVE r AS (SELECT 1 UNION ALL SELECT 2 FROM r) SELECT * FROM r",
            "query",
        ),
        ("EXPLAIN DELETE FROM t", "query"),
        ("EXPLAIN (VERBOSE, COSTS off) SELECT 1", "query"),
        ("EXPLAIN ANALYZE DELETE FROM t", "refuse EXPLAIN ANALYZE"),
        (
            "EXPLAIN ANALYZE VERBOSE DELETE FROM t",
            "refuse EXPLAIN ANALYZE",
        ),
        (
            "EXPLAIN (COSTS off, ANALYZE) DELETE FROM t",
            "refuse EXPLAIN ANALYZE",
        ),
        ("EXPLAIN (analyze false) SELECT 1", "refuse EXPLAIN ANALYZE"),
        (
            "EXPLAIN (\"analyze\") DELETE FROM t",
            "refuse EXPLAIN ANALYZE",
        ),
    ]);
}

#[test]
fn functions_are_found_wherever_they_hide() {
    check_uses(&[
        (
            "SELECT now(), pg_catalog.Lower('x'), \"F\"(1), a.b.c(1)",
            "now pg_catalog|lower F b|c",
            "",
        ),
        ("SELECT setval('s', 1) FROM t", "setval", "t"),
        (
            "ALTER TABLE t ADD COLUMN c int DEFAULT nextval('s')",
            "nextval",
            "",
        ),
        (
            "ALTER TABLE t ALTER c TYPE int USING s.conv(c)",
            "s|conv",
            "",
        ),
        (
            "ALTER TABLE t ADD CHECK (ok(a) AND (b IS NULL OR deep(b)))",
            "ok deep",
            "",
        ),
        (
            "CREATE TABLE t (a int DEFAULT f(), CHECK (g(a)), b int GENERATED ALWAYS AS (h(a)) STORED)",
            "f g h",
            "",
        ),
        ("CREATE INDEX i ON t (lower(a)) WHERE f(b)", "lower f", ""),
        (
            "DELETE FROM t WHERE id = ANY (SELECT f(x) FROM u) RETURNING g(id)",
            "f g",
            "t u",
        ),
        (
            "UPDATE t SET a = CASE WHEN f(1) THEN (SELECT g(2)) ELSE h(3) END",
            "f g h",
            "t",
        ),
        (
            "INSERT INTO t SELECT f(a) FROM u ORDER BY g(a) LIMIT h(1)",
            "f g h",
            "t u",
        ),
        (
            "INSERT INTO t VALUES (f(1)) ON CONFLICT (g(a)) DO UPDATE SET a = h(excluded.a) WHERE k(1)",
            "f g h k",
            "t",
        ),
        (
            "SELECT 1 FROM t, LATERAL f(t.a) AS x, ROWS FROM (g(1), h(2))",
            "f g h",
            "t",
        ),
        (
            "SELECT count(*) FILTER (WHERE f(a)) OVER (PARTITION BY g(b) ORDER BY h(c))",
            "count f g h",
            "",
        ),
        (
            "SELECT array_agg(a ORDER BY f(a)) FROM t GROUP BY g(b) HAVING h(1) WINDOW w AS (ORDER BY k(1))",
            "array_agg f g h k",
            "t",
        ),
        (
            "SELECT ARRAY[f(1)], ROW(g(2)), (h(3)).x, k(4)[1], l(5)::text, coalesce(m(6), 1)",
            "f g h k l coalesce m",
            "",
        ),
        (
            "SELECT extract(year FROM f(1)), exists (SELECT g(1)), trim(both h(1) from 'x')",
            "f g h",
            "",
        ),
        (
            "SELECT * FROM t TABLESAMPLE bernoulli (f(1))",
            "bernoulli f",
            "t",
        ),
        ("VALUES (f(1))", "f", ""),
        (
            "MERGE INTO t USING u ON f(t.a) WHEN MATCHED AND g(1) THEN UPDATE SET b = h(1)",
            "f g h",
            "t u",
        ),
        ("WITH w AS (SELECT f(1)) SELECT 1", "f", ""),
        (
            "CREATE FUNCTION x() RETURNS int BEGIN ATOMIC SELECT f(1); SELECT g(2); END",
            "",
            "",
        ),
        (
            "CREATE TRIGGER x BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION f()",
            "",
            "",
        ),
        ("CREATE VIEW v AS SELECT f(1) FROM t", "", "t"),
        ("SELECT f /* x */ (1)", "f", ""),
        ("SELECT U&'\\0066'", "", ""),
    ]);
}

#[test]
fn reads_leave_out_only_the_names_of_visible_ctes() {
    check_uses(&[
        ("WITH a AS (SELECT 1) SELECT * FROM a, b", "", "b"),
        ("WITH a AS (SELECT * FROM a) SELECT * FROM a", "", "a"),
        (
            "WITH RECURSIVE a AS (SELECT * FROM a) SELECT * FROM a",
            "",
            "",
        ),
        (
            "WITH a AS (SELECT * FROM b), b AS (SELECT * FROM a) SELECT 1",
            "",
            "b",
        ),
        ("WITH a AS (SELECT 1) SELECT * FROM s.a", "", "s|a"),
        (
            "WITH a AS (SELECT 1) SELECT 1 UNION ALL SELECT * FROM a",
            "",
            "",
        ),
        (
            "(WITH a AS (SELECT 1) SELECT 1) UNION ALL SELECT * FROM a",
            "",
            "a",
        ),
        (
            "SELECT (WITH a AS (SELECT 1) SELECT 1 FROM a) FROM a",
            "",
            "a",
        ),
        ("WITH a AS (SELECT 1) DELETE FROM a", "", "a"),
        (
            "WITH a AS (SELECT 1) UPDATE t SET x = 1 FROM a WHERE EXISTS (TABLE a)",
            "",
            "t",
        ),
        (
            "SELECT * FROM ((a JOIN b USING (id)) LEFT JOIN ONLY c ON true), (TABLE d) e",
            "",
            "a b c d",
        ),
        ("SELECT 1 FROM \"A.b\".c", "", "A.b|c"),
    ]);
}
