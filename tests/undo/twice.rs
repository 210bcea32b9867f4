//! Undone twice is undone once: what was put back is on record, and what wasn't is counted and laid
//! aside.

use serde_json::Value;

use super::case::Case;
use crate::harness::Sandbox;

/// Puts one table back and returns the closing line.
#[track_caller]
fn part(case: &Case, table: &str) -> Value {
    let undo = ["undo", "--yes", "--json", "--table", table];
    let output = case.sandbox.run("rollback", &undo);
    output.assert_exit(0);
    output.last()
}

/// How many rows the closing line `done` says were not put back, and were laid aside.
fn left(done: &Value) -> (u64, u64) {
    let rows = |what: &str| {
        let all = done[what].as_array().unwrap().iter();
        all.map(|one| one["rows"].as_u64().unwrap()).sum()
    };
    (rows("conflicts"), rows("rescued"))
}

#[test]
fn a_table_without_a_key_by_table_and_whole() {
    let case = Case::new(
        "create table log (at int, what text)",
        &[(
            "create table x (id int primary key)",
            "delete from log; drop table x",
        )],
        "insert into log values (1, 'a'), (2, 'b'), (2, 'b')",
    );
    let before = case.state();
    case.back();
    part(&case, "log");
    // By table once more, and the whole.
    let again = part(&case, "log");
    assert_eq!(again["rows"], 0);
    let done = case.undo();
    assert_eq!(left(&done), (0, 0));
    case.assert_as(&before, &done);
}

#[test]
fn a_table_without_a_key_that_was_emptied_updated_or_filled() {
    for down in [
        "truncate log",
        "truncate log; insert into log values (9, 'new')",
        "update log set what = 'rolled'; insert into log values (9, 'new')",
        "update log set what = 'rolled' where at = 2; delete from log where extra = 20",
        "delete from log where at = 2; insert into log values (2, 'b', 21)",
    ] {
        let case = Case::new(
            "create table log (at int, what text, extra int)",
            &[("select 1", down)],
            "insert into log values (1, 'a', 10), (2, 'b', 20), (2, 'b', 21)",
        );
        let rows = || {
            case.sandbox
                .query_text("select * from log order by 1, 2, 3")
        };
        let before = rows();
        case.back();
        part(&case, "log");
        part(&case, "log");
        let done = case.undo();
        assert_eq!(left(&done).0, 0, "{down}: {done:#}");
        assert_eq!(rows(), before, "{down}");
    }
}

#[test]
fn what_somebody_deletes_after_its_table_was_put_back_stays_away() {
    let case = Case::new(
        "create table t (id int primary key, v text); create table e (id int primary key)",
        &[(
            "select 1",
            "delete from t where id < 4; update t set v = 'rolled'; truncate e",
        )],
        "insert into t select i, 'v' || i from generate_series(1, 5) i;
         insert into e values (1), (2)",
    );
    case.back();
    part(&case, "t");
    part(&case, "e");
    case.sandbox.sql(
        "delete from t where id = 2; update t set v = 'rolled' where id = 5;
         delete from e where id = 1",
    );
    let done = case.undo();
    assert_eq!(left(&done), (0, 0));
    let rows = case.sandbox.query_text("select * from t order by 1");
    assert_eq!(rows, "1|v1\n3|v3\n4|v4\n5|rolled");
    assert_eq!(case.sandbox.query_text("select * from e"), "2");
}

#[test]
fn rows_that_are_back_are_old_to_the_scripts_that_run_again() {
    let case = Case::new(
        "create table t (id int primary key, n int); create table e (id int primary key, n int)",
        &[(
            "update t set n = n * 10; update e set n = n * 10",
            "delete from t where id = 1; truncate e",
        )],
        "insert into t values (1, 1), (2, 2); insert into e values (1, 1)",
    );
    case.back();
    part(&case, "t");
    part(&case, "e");
    case.sandbox.sql("insert into t values (3, 3)");
    case.undo();
    let rows = case.sandbox.query_text("select * from t order by 1");
    assert_eq!(rows, "1|1\n2|2\n3|30");
    assert_eq!(case.sandbox.query_text("select * from e"), "1|1");
}

#[test]
fn what_could_not_come_back_by_table_comes_back_with_the_whole() {
    let case = Case::new(
        "create table p (id int primary key); create table c (id int primary key, p int references p);
         create table k (p int references p)",
        &[("select 1", "delete from c; delete from k; delete from p")],
        "insert into p values (1), (2); insert into c values (1, 1), (2, 2); insert into k values (1)",
    );
    let before = case.state();
    case.back();
    let done = part(&case, "c");
    assert_eq!(left(&done), (2, 2));
    let done = part(&case, "k");
    assert_eq!(left(&done), (1, 1));
    let done = case.undo();
    assert_eq!(left(&done), (0, 0));
    case.sandbox.sql(
        "do $$ declare t text; begin for t in select relname from pg_class \
              where relname like 'rescued\\_%' and relkind = 'r' loop \
              execute format('drop table pgbelay.%I', t); end loop; end $$",
    );
    case.assert_as(&before, &done);
}

#[test]
fn values_without_a_key_whose_rows_were_changed_since() {
    let case = Case::new(
        "create table t (id int, n int)",
        &[("alter table t add m int", "alter table t drop m")],
        "insert into t select i, i, i * 10 from generate_series(1, 20) i",
    );
    case.back();
    case.sandbox.sql("update t set n = n + 1 where id <= 15");
    let done = case.undo();
    assert_eq!(left(&done), (15, 15));
    let back = "select count(m), sum(m), count(*) from t";
    assert_eq!(case.sandbox.query_text(back), "5|900|20");
    let into = done["rescued"][0]["into"].as_str().unwrap();
    let aside = format!("select count(m), sum(m), min(n) from {into}");
    assert_eq!(case.sandbox.query_text(&aside), "15|1200|1");
}

#[test]
fn values_without_a_key_whose_rows_were_deleted_or_are_the_same() {
    let case = Case::new(
        "create table t (v text)",
        &[("alter table t add m int", "alter table t drop m")],
        "insert into t values ('a', 1), ('a', 2), ('a', 3), ('b', 4), (null, 5), (null, null)",
    );
    case.back();
    case.sandbox
        .sql("delete from t where ctid = (select min(ctid) from t where v = 'a'); delete from t where v = 'b'");
    let done = case.undo();
    assert_eq!(left(&done), (2, 2));
    assert_eq!(
        case.sandbox.query_text("select count(m), count(*) from t"),
        "3|4"
    );
    // What is there and what lies aside are all that there was.
    let into = done["rescued"][0]["into"].as_str().unwrap();
    let all = format!("select sum(m) from (select m from t union all select m from {into}) x");
    assert_eq!(case.sandbox.query_text(&all), "15");
}

#[test]
fn a_materialized_view_over_a_view_that_the_migration_makes_again() {
    super::case::exact(
        "create table t (id int primary key, e int); create view v as select id, e from t;
         create materialized view mv as select e, count(*) n from v group by e",
        &[(
            "drop materialized view mv; alter table t add f int;
             create materialized view mv as select e, count(*) n from v group by e",
            "alter table t drop f",
        )],
        "insert into t (id, e, f) select i, i % 3, i from generate_series(1, 9) i;
         refresh materialized view mv",
    );
}

#[test]
fn rows_that_never_met_a_constraint_that_is_not_valid() {
    let case = Case::new(
        "create table p (id int primary key);
         create table t (id int primary key, v text, p int);
         create table parent (id int primary key, v text);
         create table child () inherits (parent);
         create domain d as text; create table u (v d, w int); create table x (id int primary key, v text)",
        &[(
            "alter table x add b text",
            "delete from t where id < 3; delete from u; delete from child; alter table x drop b",
        )],
        "insert into t values (1, '', 7), (2, 'ok', null), (3, '', null);
         insert into child values (1, ''); insert into u values ('', 1), ('ok', 2);
         insert into x values (1, '', 'b');
         alter table t add constraint c check (v <> '') not valid;
         alter table t add constraint f foreign key (p) references p not valid;
         alter table parent add constraint c check (v <> '') not valid;
         alter table x add constraint c check (v <> '') not valid;
         alter domain d add constraint c check (value <> '') not valid;
         comment on constraint c on t is 'never met'; comment on constraint c on domain d is 'nor this'",
    );
    let before = case.state();
    case.try_back_accepting_drift().assert_exit(0);
    let done = case.undo();
    assert_eq!(left(&done), (0, 0));
    case.assert_as(&before, &done);
    // And by table.
    case.try_back_accepting_drift().assert_exit(0);
    for table in ["t", "u", "child"] {
        assert_eq!(left(&part(&case, table)), (0, 0), "{table}");
    }
    let done = case.undo();
    case.assert_as(&before, &done);
    // They hold for what is written from now on.
    for insert in [
        "insert into t values (9, '', null)",
        "insert into t values (9, 'ok', 9)",
        "insert into child values (9, '')",
        "insert into u values ('', 1)",
    ] {
        assert!(case.sandbox.session().try_run(insert).is_err(), "{insert}");
    }
}

#[test]
fn published_tables_without_anything_to_tell_rows_apart_by() {
    let case = Case::new(
        "create table log (at int, line text); create table n (id int primary key, v text);
         create table k (id int not null unique, v text); create table w (v text)",
        &[(
            "alter table n add b int; alter table w add b int",
            "insert into log (at) values (9); insert into n (id) values (9); insert into k values (9);
             alter table n drop b; alter table w drop b",
        )],
        "insert into log values (1, 'a'); insert into n values (1, 'a', 6);
         insert into k values (1, 'a'); insert into w values ('a', 7)",
    );
    case.sandbox.sql(
        "alter table n replica identity nothing; create publication everything for all tables",
    );
    let identities = || {
        let sql = "select relname, relreplident from pg_class where relkind = 'r' \
                   and relnamespace = 'public'::regnamespace order by 1";
        case.sandbox.query_text(sql)
    };
    let (before, identified) = (case.state(), identities());
    case.try_back_accepting_drift().assert_exit(0);
    let done = case.undo();
    assert_eq!(left(&done), (0, 0));
    case.assert_as(&before, &done);
    assert_eq!(identities(), identified);
}

#[test]
fn parents_that_the_role_may_not_see_are_left_to_the_foreign_key() {
    for seen in [
        // Under row-level security of another owner.
        "grant select on ref.users to ROLE; alter table ref.users enable row level security;
         create policy p on ref.users using (true)",
        // Its own, under row-level security for itself.
        "alter table ref.users owner to ROLE; alter table ref.users enable row level security;
         alter table ref.users force row level security; create policy p on ref.users using (true)",
    ] {
        let sandbox = Sandbox::new();
        let role = format!("writer_{}", sandbox.database);
        sandbox.sql(
            &format!(
                "create role ROLE login; create schema ref;
                 create table ref.users (id int primary key); insert into ref.users values (1), (2);
                 grant usage on schema ref to ROLE; grant references on ref.users to ROLE;
                 grant all on schema public to ROLE; grant create on database DB to ROLE; {seen}"
            )
            .replace("ROLE", &role)
            .replace("DB", &sandbox.database),
        );
        sandbox.migration(
            "0001_base",
            "create table o (id int primary key)",
            "select 1",
        );
        sandbox.migration(
            "0002_step",
            "create table x (id int primary key references ref.users, n int);
             alter table o add u int references ref.users",
            "delete from o where id = 2; alter table o drop u; drop table x",
        );
        let url = sandbox.url_as(&role);
        let run = |tool: &str, args: &[&str]| {
            let tool = sandbox.tool(tool).args(args).env("DATABASE_URL", &url);
            tool.run().assert_exit(0);
        };
        run("migrate", &["upgrade"]);
        sandbox.sql("insert into x values (1, 1), (2, 2); insert into o values (1, 1), (2, 2)");
        run("rollback", &["to", "0001", "--confirm", &sandbox.database]);
        run("rollback", &["undo", "--yes"]);
        let rows = "select * from x union all select * from o order by 1, 2";
        assert_eq!(sandbox.query_text(rows), "1|1\n1|1\n2|2\n2|2");
        sandbox.sql(&format!(
            "reassign owned by {role} to postgres; drop owned by {role}; drop role {role}"
        ));
    }
}
