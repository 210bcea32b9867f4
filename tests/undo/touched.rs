//! What tells old rows from new ones is that they were there, and not who touched them last.

use super::case::Case;
use super::since::{assert_rows, conflicts, since};

const BACKFILL: (&str, &str) = (
    "update t set status = 'new'; alter table t add m text",
    "alter table t drop m",
);

#[test]
fn rows_that_were_there_keep_what_an_application_wrote() {
    for touch in [
        "update t set n = n + 1",
        "alter table t alter n type bigint; alter table t alter n type int",
        "do $$ begin begin update t set n = 7; exception when others then null; end; end $$",
        "update t set status = 'shipped' where id = 1; update t set n = 2",
        "create table x as table t; delete from t; insert into t select * from x; drop table x",
    ] {
        let (case, done) = since(
            "create table t (id int primary key, status text, n int default 0)",
            &[BACKFILL],
            "insert into t values (1, 'paid', 0, 'm1'), (2, 'paid', 0, 'm2')",
            &format!("{touch}; insert into t values (3, 'x')"),
        );
        assert_eq!(conflicts(&done), [], "{touch}");
        let first = if touch.contains("shipped") {
            "shipped"
        } else {
            "paid"
        };
        let expected = format!("1|{first}|m1\n2|paid|m2\n3|new|");
        assert_rows(&case, "select id, status, m from t order by 1", &expected);
    }
}

/// A transaction with a lower number than the rollback's writes and commits after it.
#[test]
fn rows_of_an_older_transaction() {
    let case = Case::new(
        "create table t (id int primary key, status text); create table log (x int)",
        &[(
            "update t set status = 'new' where status is null; alter table t alter status set not null",
            "alter table t alter status drop not null",
        )],
        "insert into t values (1, 'paid'), (2, 'paid')",
    );
    let older = case.sandbox.session();
    older.run("begin");
    older.run("insert into log values (1)");
    let consent = ["to", "0001", "--confirm", &*case.sandbox.database];
    case.sandbox.run("rollback", &consent).assert_exit(0);
    older.run("insert into t values (3, null)");
    older.run("update t set status = null where id = 2");
    older.run("commit");
    case.undo();
    assert_rows(&case, "select * from t order by 1", "1|paid\n2|new\n3|new");
}

/// Rows that come back get what triggers with exception blocks wrote; others' stay.
#[test]
fn rows_written_by_a_trigger_in_a_subtransaction() {
    let (case, done) = since(
        "create table u (id int primary key, cnt int, status text);
         create table t (id int primary key, n text);
         create function f() returns trigger language plpgsql as $$ begin
             begin update u set cnt = cnt + 1 where id = new.id;
             exception when others then null; end; return new; end $$;
         create trigger tr after update on t for each row execute function f()",
        &[(
            "update u set status = 'new'; alter table t add s text",
            "update t set n = 'x'; alter table t drop s",
        )],
        "insert into t select g, 'n', 's' || g from generate_series(1, 3) g;
         insert into u select g, 0, 'paid' from generate_series(1, 3) g",
        "select 1",
    );
    assert_eq!(conflicts(&done), []);
    assert_rows(
        &case,
        "select * from u order by 1",
        "1|0|paid\n2|0|paid\n3|0|paid",
    );
    assert_rows(
        &case,
        "select * from t order by 1",
        "1|n|s1\n2|n|s2\n3|n|s3",
    );
}
