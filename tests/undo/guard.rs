//! What no plan foretells: it is kept all the same, or nothing happens. Rows that go unseen are the
//! worst that can be, whichever way they go.

use super::case::Case;
use crate::harness::Sandbox;

/// A rollback that must be refused, and leave everything as it was.
#[track_caller]
fn refused(case: &Case, says: &str) {
    let before = case.state();
    let output = case.try_back();
    output.assert_exit(3).assert_says(says);
    case.assert_taken_back(&before);
}

#[test]
fn truncate_along_a_key_that_the_script_adds() {
    let case = Case::new(
        "create table a (id int primary key); create table b (id int primary key, a_id int);
         alter table b add constraint fk foreign key (a_id) references a (id)",
        &[(
            "alter table b drop constraint fk",
            "alter table b add constraint fk foreign key (a_id) references a (id);
             truncate a cascade",
        )],
        "insert into a select generate_series(1, 5);
         insert into b select g, 1 + g % 5 from generate_series(1, 50) g",
    );
    case.exact();
}

#[test]
fn truncate_of_a_table_that_is_rewritten_too() {
    let case = Case::new(
        "create table a (id int primary key, n bigint)",
        &[(
            "alter table a alter n type int",
            "alter table a alter n type bigint; truncate a",
        )],
        "insert into a select g, g from generate_series(1, 50) g",
    );
    case.exact();
}

/// What the migration does unseen is done without its scripts.
#[test]
fn triggers_that_the_migration_switches_off() {
    for (off, on) in [
        ("disable trigger all", "enable trigger all"),
        ("disable trigger user", "enable trigger user"),
        ("disable trigger all", "replica identity default"),
    ] {
        let up = format!(
            "alter table s {off}; delete from s; alter table s {on}; alter table s add c text"
        );
        let case = Case::new(
            "create table s (id int primary key, who text)",
            &[(&up, "alter table s drop c")],
            "insert into s values (1, 'a', 'c1'), (2, 'b', 'c2')",
        );
        case.back();
        case.undo();
        assert_eq!(
            case.sandbox
                .query_text("select string_agg(s::text, ' ' order by id) from s"),
            "(1,a,c1) (2,b,c2)"
        );
    }
}

#[test]
fn rows_written_since_stay_where_triggers_were_switched_off() {
    let case = Case::new(
        "create table s (id int primary key, who text)",
        &[(
            "alter table s disable trigger all; delete from s; alter table s enable trigger all;
             alter table s add c text",
            "alter table s drop c",
        )],
        "insert into s values (1, 'a', 'c1'), (2, 'b', 'c2')",
    );
    case.back();
    case.sandbox.sql("insert into s values (3, 'since')");
    case.undo();
    assert_eq!(
        case.sandbox
            .query_text("select string_agg(s::text, ' ' order by id) from s"),
        "(1,a,c1) (2,b,c2) (3,since,)"
    );
}

/// An event trigger that removes rows fires on what we define, too.
#[test]
fn event_triggers_that_remove_rows() {
    for event in ["sql_drop", "ddl_command_end", "ddl_command_start"] {
        let case = Case::new(
            "create table t (id int primary key, s text); create table ddl_log (id int, at date)",
            &[("select 1", "delete from t where id <= 5")],
            "insert into t select g, 'x' from generate_series(1, 20) g;
             insert into ddl_log select g, '2020-01-01' from generate_series(1, 100) g;
             create function ev() returns event_trigger language plpgsql as $$ begin
             delete from public.ddl_log where at < now() - interval '30 days'; end $$",
        );
        case.sandbox.sql(&format!(
            "create event trigger ev on {event} execute function ev()"
        ));
        case.sandbox
            .sql("insert into ddl_log select g, '2020-01-01' from generate_series(1, 100) g");
        let before = case.sandbox.query_text("select count(*) from ddl_log");
        let output = case.try_back_accepting_drift();
        output.assert_exit(3).assert_says("event trigger ev");
        assert_eq!(
            case.sandbox.query_text("select count(*) from ddl_log"),
            before
        );
        assert_eq!(case.sandbox.query_text("select count(*) from t"), "20");
    }
}

/// What an event trigger notes is no loss, and none of the undo's business.
#[test]
fn event_triggers_that_note() {
    let case = Case::new(
        "create table t (id int primary key, s text); create table ddl_log (tag text)",
        &[(
            "alter table t add c int; select 1",
            "delete from t where id <= 5; alter table t drop c",
        )],
        "insert into t select g, 'x', g from generate_series(1, 20) g;
         create function ev() returns event_trigger language plpgsql as $$ begin
         insert into public.ddl_log values (tg_tag); end $$",
    );
    for event in ["sql_drop", "ddl_command_end"] {
        let sql = format!("create event trigger ev_{event} on {event} execute function ev()");
        case.sandbox.sql(&sql);
    }
    let before = case
        .sandbox
        .query_text("select string_agg(t::text, ' ' order by id) from t");
    case.try_back_accepting_drift().assert_exit(0);
    let noted = case.sandbox.query_text("select count(*) > 0 from ddl_log");
    assert_eq!(noted, "t");
    case.sandbox
        .run("rollback", &["undo", "--yes"])
        .assert_exit(0);
    let after = case
        .sandbox
        .query_text("select string_agg(t::text, ' ' order by id) from t");
    assert_eq!(after, before);
}

/// A log of all definitions with numbers of its own: the very number is drawn while we define, and what
/// we record with is noted, too.
#[test]
fn event_triggers_that_number_what_they_note() {
    for (flags, said) in [(&[][..], "proved"), (&["--force"][..], "sampled")] {
        let case = Case::new(
            "create table t (id serial primary key, n int);
             create table ddl (id bigserial primary key, tag text, what text)",
            &[(
                "alter table t add m int; create table u (id int primary key, t int references t)",
                "drop table u; alter table t drop m",
            )],
            "insert into t (n, m) select g, g from generate_series(1, 20) g; insert into u values (1, 1);
             create function noted() returns event_trigger language plpgsql as $$
             declare r record; begin for r in select * from pg_event_trigger_ddl_commands() loop
             insert into public.ddl (tag, what) values (r.command_tag, r.object_identity);
             end loop; end $$;
             create function gone() returns event_trigger language plpgsql as $$
             declare r record; begin for r in select * from pg_event_trigger_dropped_objects() loop
             insert into public.ddl (tag, what) values (tg_tag, r.object_identity);
             end loop; end $$;
             create event trigger noted on ddl_command_end execute function noted();
             create event trigger gone on sql_drop execute function gone();
             create table another (id int)",
        );
        let rows = "select (select string_agg(t::text, ' ' order by id) from t), \
                    (select count(*) from ddl where id <= 1), (select string_agg(u::text, ' ') from u)";
        let before = case.sandbox.query_text(rows);
        let confirmed = ["to", "0001", "--confirm", &case.sandbox.database, "--json"];
        let accepting = ["--accept-drift"];
        let args = [&confirmed[..], flags, &accepting].concat();
        let done = case.sandbox.run("rollback", &args);
        assert_eq!(
            done.assert_exit(0).last()["undo"],
            said,
            "{flags:?}\n{done}"
        );
        let undo = ["undo", "--yes", "--accept-drift"];
        case.sandbox.run("rollback", &undo).assert_exit(0);
        assert_eq!(case.sandbox.query_text(rows), before, "{flags:?}");
    }
}

#[test]
fn counts_that_are_switched_off() {
    let case = Case::new(
        "create table orders (id int primary key, s text);
         create table items (id int primary key, o int);
         create rule r as on delete to orders do also delete from items where o = old.id",
        &[("select 1", "delete from orders where id = 1")],
        "insert into orders values (1, 'a'), (2, 'b');
         insert into items select g, 1 from generate_series(1, 20) g",
    );
    let database = case.sandbox.database.clone();
    case.sandbox
        .sql(&format!("alter database {database} set track_counts = off"));
    let before = case.state();
    let output = case.try_back();
    if output.code == Some(0) {
        case.undo();
    } else {
        output
            .assert_exit(3)
            .assert_says("rows of public.items were changed");
    }
    case.assert_taken_back(&before);
}

#[test]
fn a_function_that_switches_counts_off() {
    let case = Case::new(
        "create table t (id int primary key); create table u (id int);
         create function f() returns trigger language plpgsql set track_counts = off as $$ begin
         delete from u; return null; end $$;
         create trigger tr after delete on t for each row execute function f()",
        &[("select 1", "delete from t where id = 1")],
        "insert into t values (1), (2); insert into u values (1), (2)",
    );
    refused(&case, "track_counts");
}

#[test]
fn rows_of_foreign_tables() {
    let far = Sandbox::bare();
    far.sql("create table audit (id int); insert into audit values (1), (2)");
    let case = Case::new(
        "create extension postgres_fdw; create table t (id int primary key)",
        &[("select 1", "delete from t where id <= 5")],
        "insert into t select generate_series(1, 20)",
    );
    let sandbox = &case.sandbox;
    sandbox.sql(&format!(
        "create server s foreign data wrapper postgres_fdw
             options (host '{}', port '5432', dbname '{}');
         create user mapping for postgres server s options (user 'postgres');
         create foreign table audit (id int) server s;
         create function f() returns trigger language plpgsql as $$ begin
         delete from audit where id = old.id; return null; end $$;
         create trigger tr after delete on t for each row execute function f()",
        far.cluster.folder.display(),
        far.database,
    ));
    let output = case.try_back_accepting_drift();
    output.assert_exit(3).assert_says("public.audit");
    assert_eq!(far.query_text("select count(*) from audit"), "2");
    assert_eq!(sandbox.query_text("select count(*) from t"), "20");
}

/// What an exception block took back was counted all the same: the rows decide.
#[test]
fn what_an_exception_block_takes_back() {
    let function = "create function f() returns trigger language plpgsql as $$ begin
        begin
            update u set n = n + 1 where id = new.id;
            insert into u values (new.id + 100, 0);
            delete from u where id = new.id + 1;
            perform 1 / 0;
        exception when division_by_zero then null; end;
        return new; end $$";
    let case = Case::new(
        &format!(
            "create table u (id int primary key, n int); create table t (id int primary key, n text);
             {function}; create trigger tr after update on t for each row execute function f()"
        ),
        &[(
            "update t set n = n || 'up'; alter table t add s text",
            "update t set n = 'x'; alter table t drop s",
        )],
        "insert into t select g, 'n', 's' from generate_series(1, 5) g;
         insert into u select g, 0 from generate_series(1, 5) g",
    );
    case.exact();
}

/// Triggers whose names sort before ours write the same row again, and are seen no sooner.
#[test]
fn triggers_that_sort_before_all_others() {
    for name in ["", " ", "  a", "!", "\u{2}", "A", "\u{fffd}"] {
        let name = format!("{name}t");
        let case = Case::new(
            &format!(
                "create table t (id int primary key, v text, n int default 0);
                 create function again() returns trigger language plpgsql as $$ begin
                 if new.n < 3 then update t set n = n + 1, v = v || 'x' where id = new.id; end if; return null;
                 end $$;
                 create trigger \"{name}\" after insert or update on t for each row execute function again()"
            ),
            &[("select 1", "update t set v = 'lost', n = 0; insert into t values (9, 'new', 1)")],
            "insert into t values (1, 'a', 5), (2, 'b', 6)",
        );
        case.exact();
    }
}
