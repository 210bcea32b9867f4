//! A key that another row has by now: a saved value goes back only to the row that it came from.

use super::case::Case;
use super::since::{assert_rows, conflicts, since};

const T: &str = "create table t (id int primary key, n text)";
const SECRET: (&str, &str) = ("alter table t add secret text", "alter table t drop secret");
const ROWS: &str = "insert into t values (1, 'ann', 'a'), (2, 'bob', 'b'), (3, 'cid', 'c')";
const REPLACED: &str = "rows were added in the place of others since, and whether these are still \
    the same can't be told; their values were laid aside";

/// What somebody wrote, what the table holds in the end, and how many values were laid aside.
type Told = (&'static str, &'static str, u64);

#[test]
fn whoever_has_the_key_now_gets_nothing_of_others() {
    let cases: &[Told] = &[
        // All rows are others.
        (
            "truncate t; insert into t values (1, 'eve'), (2, 'zed')",
            "1|eve|\n2|zed|",
            2,
        ),
        // One that is as it was can't be told from itself.
        (
            "delete from t; insert into t values (1, 'ann'), (2, 'zed'), (7, 'new')",
            "1|ann|a\n2|zed|\n7|new|",
            1,
        ),
        // One is, and of another it can't be told; the third was never touched.
        (
            "delete from t where id = 1; insert into t values (1, 'eve'); \
             update t set n = 'bobby' where id = 2",
            "1|eve|\n2|bobby|\n3|cid|c",
            2,
        ),
    ];
    for (written, expected, aside) in cases {
        let (case, done) = since(T, &[SECRET], ROWS, written);
        assert_rows(&case, "select * from t order by 1", expected);
        let replaced = conflicts(&done).into_iter().find(|c| c.1 == REPLACED);
        assert_eq!(replaced.map_or(0, |c| c.0), *aside, "{written}: {done:#}");
        let into = done["rescued"][0]["into"].as_str().unwrap();
        let both = format!(
            "select count(*) from (select id, secret from {into} union all \
             select id, secret from t where secret is not null) s"
        );
        assert_rows(&case, &both, "3");
    }
}

#[test]
fn rows_that_were_only_changed_get_theirs() {
    for (written, expected) in [
        (
            "update t set n = 'x'; insert into t values (7, 'new'), (8, 'new')",
            "1|x|a\n2|x|b\n3|x|c\n7|new|\n8|new|",
        ),
        (
            "insert into t values (1, 'x'), (7, 'new') on conflict (id) do update set n = excluded.n",
            "1|x|a\n2|bob|b\n3|cid|c\n7|new|",
        ),
        // The key goes to nobody else.
        ("delete from t where id = 1", "2|bob|b\n3|cid|c"),
        (
            "vacuum full t; alter table t alter n type varchar; \
             alter table t alter n type text",
            "1|ann|a\n2|bob|b\n3|cid|c",
        ),
    ] {
        let case = Case::new(T, &[SECRET], ROWS);
        case.back();
        for statement in written.split("; ") {
            case.sandbox.sql(statement);
        }
        let done = case.undo();
        assert_rows(&case, "select * from t order by 1", expected);
        assert!(
            conflicts(&done).iter().all(|c| c.1 != REPLACED),
            "{written}: {done:#}"
        );
    }
}

/// A converted value that is the same by chance belongs to nobody else either.
#[test]
fn converted_values() {
    let (case, done) = since(
        "create table t (id int primary key, n int)",
        &[(
            "alter table t alter n type text",
            "alter table t alter n type int using n::int",
        )],
        "insert into t values (1, '007'), (2, '08'), (3, '09')",
        "delete from t where id = 1; insert into t values (1, 7)",
    );
    assert_rows(&case, "select * from t order by 1", "1|7\n2|08\n3|09");
    assert_eq!(conflicts(&done), [(1, REPLACED)]);
}

#[test]
fn keys_of_several_columns_in_partitions() {
    let (case, done) = since(
        "create table t (a int, b text, n int, primary key (a, b)) partition by range (a); \
         create table t1 partition of t for values from (0) to (10); \
         create table t2 partition of t for values from (10) to (20)",
        &[SECRET],
        "insert into t values (1, 'x', 1, 's1'), (1, 'y', 2, 's2'), (11, 'x', 3, 's3')",
        "delete from t where a = 1 and b = 'x'; insert into t values (1, 'x', 9); \
         update t set n = 4 where a = 11",
    );
    assert_rows(
        &case,
        "select * from t order by 1, 2",
        "1|x|9|\n1|y|2|s2\n11|x|4|s3",
    );
    assert_eq!(conflicts(&done), [(1, REPLACED)]);
}

/// What the rollback changed, and the row that it added.
#[test]
fn values_that_the_rollback_changed() {
    let cases: &[Told] = &[
        (
            "truncate t; insert into t values (1, 'eve', null), (2, 'zed', null), (5, 'cinq', null)",
            "1|eve|\n2|zed|\n5|cinq|",
            2,
        ),
        // Those that nobody wrote to get theirs, and what was added goes.
        (
            "delete from t where id = 1; insert into t values (1, 'eve', null)",
            "1|eve|\n2|bob|b\n3|cid|c",
            1,
        ),
        (
            "update t set n = 'x' where id = 1; insert into t values (7, 'new', null)",
            "1|x|a\n2|bob|b\n3|cid|c\n7|new|",
            0,
        ),
    ];
    for (written, expected, aside) in cases {
        let (case, done) = since(
            "create table t (id int primary key, n text, secret text)",
            &[(
                "select 1",
                "update t set secret = null; insert into t values (5, 'five')",
            )],
            "insert into t values (1, 'ann', 'a'), (2, 'bob', 'b'), (3, 'cid', 'c')",
            written,
        );
        assert_rows(&case, "select * from t order by 1", expected);
        let replaced = conflicts(&done).into_iter().find(|c| c.1 == REPLACED);
        assert_eq!(replaced.map_or(0, |c| c.0), *aside, "{written}: {done:#}");
    }
}

/// The rollback deletes a row, or gives it another key, and somebody gives its key to a new one: that gets
/// nothing of what was saved of the first.
#[test]
fn a_key_that_the_rollback_frees() {
    let mail = "create table t (id text primary key, n text)";
    for (base, down, written, expected, laid_aside) in [
        (
            mail,
            "delete from t where secret like 'revoked%'; alter table t drop secret",
            "insert into t values ('b', 'eve')",
            "a|ann|s\nb|eve|",
            "b|bob|revoked",
        ),
        (
            mail,
            "update t set id = id || '2'; alter table t drop secret",
            "insert into t values ('b', 'eve')",
            "a|ann|s\nb|eve|",
            "b|bob|revoked",
        ),
        (
            mail,
            "truncate t; alter table t drop secret",
            "insert into t values ('b', 'eve')",
            "a|ann|s\nb|eve|",
            "b|bob|revoked",
        ),
        (
            "create table p (id text primary key); insert into p values ('a'), ('b');
             create table t (id text primary key references p on delete cascade, n text)",
            "delete from p where id = 'b'; alter table t drop secret",
            "insert into p values ('b'); insert into t values ('b', 'eve')",
            "a|ann|s\nb|eve|",
            "b|bob|revoked",
        ),
    ] {
        let (case, done) = since(
            base,
            &[("alter table t add secret text", down)],
            "insert into t values ('a', 'ann', 's'), ('b', 'bob', 'revoked')",
            written,
        );
        assert_rows(&case, "select * from t order by 1", expected);
        let told = conflicts(&done);
        let of_t: u64 = told.iter().map(|c| c.0).sum();
        assert!(of_t >= 1, "{done:#}");
        let rescued = done["rescued"].as_array().unwrap();
        let of_t = rescued.iter().find(|r| r["table"] == "public.t").unwrap();
        let into = of_t["into"].as_str().unwrap();
        assert_rows(
            &case,
            &format!("select id, n, secret from {into}"),
            laid_aside,
        );
    }
}

/// What the rollback changed in rows that are gone by now is laid aside, and said.
#[test]
fn values_that_the_rollback_changed_in_rows_that_are_gone() {
    let (case, done) = since(
        T,
        &[("select 1", "update t set n = 'wiped'")],
        "insert into t values (1, 'a'), (2, 'b'), (3, 'c')",
        "update t set id = 7 where id = 1; delete from t where id = 2",
    );
    assert_rows(&case, "select * from t order by 1", "3|c\n7|wiped");
    let total: u64 = conflicts(&done).iter().map(|c| c.0).sum();
    assert_eq!(total, 2, "{done:#}");
    let into = done["rescued"][0]["into"].as_str().unwrap();
    assert_rows(
        &case,
        &format!("select * from {into} order by 1"),
        "1|a\n2|b",
    );
}
