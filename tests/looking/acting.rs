//! Scripts that would act if anything of them were computed for a look.

use std::fs;

use serde_json::Value;

use crate::harness::Sandbox;
use crate::harness::cluster::Cluster;

/// Code that leaves a line in the server's log, which nothing takes back, wherever code can be.
const CODE: &str = "
    create table t (id int primary key, s text);
    create function acts() returns bool language plpgsql immutable as
        $$ begin raise log 'ACTED'; return true; end $$;
    create function acts(int) returns bool language plpgsql immutable as
        $$ begin raise log 'ACTED'; return true; end $$;
    create function acts_on_row(t) returns bool language plpgsql stable as
        $$ begin raise log 'ACTED'; return true; end $$;
    create function acts_on_any(anyelement) returns bool language plpgsql as
        $$ begin raise log 'ACTED'; return true; end $$;
    create function \"acts, too\"(int) returns bool language plpgsql immutable as
        $$ begin raise log 'ACTED'; return true; end $$;
    create function adds(int, int) returns int language plpgsql immutable as
        $$ begin raise log 'ACTED'; return 1; end $$;
    create function compares(int, text) returns bool language plpgsql immutable as
        $$ begin raise log 'ACTED'; return true; end $$;
    create operator === (leftarg = int, rightarg = text, function = compares);
    create operator = (leftarg = int, rightarg = text, function = compares);
    create aggregate adds_up(int) (sfunc = adds, stype = int, initcond = '0');
    create domain checked as int check (acts(value));
    create type pair as (a int, b checked);
    create view seen as select id from t where acts(id);
    create view above as select id from seen;
    create table checked_rows (id int primary key, c checked default 1);
    create function to_pair(text) returns pair language plpgsql as
        $$ begin raise log 'ACTED'; return null; end $$;
    create cast (text as pair) with function to_pair(text);
    create function in_sql(int) returns bool language sql immutable as 'select acts($1)';
    create function defaulted(a int, b bool default acts()) returns bool language sql immutable as 'select b';
    create function atomic(a int) returns bool language sql immutable begin atomic select acts(a); end;
    create schema other;
    create function other.hides(int) returns bool language plpgsql immutable as
        $$ begin raise log 'ACTED'; return true; end $$;
    create table indexed (id int primary key);
    create index on indexed (id) where acts();
    create table guarded (id int primary key);
    create policy p on guarded using (acts(id));
    alter table guarded enable row level security";

/// What runs it, in one way each.
const SCRIPTS: &[&str] = &[
    "delete from t where acts()",
    "delete from t where acts /* not a call? */ (id)",
    "delete from t where ACTS(id)",
    "delete from t where t.acts_on_row",
    "delete from t where t.acts_on_any",
    "delete from t where (t).acts_on_row",
    "delete from t where \"acts, too\"(id)",
    "delete from t where id === s",
    "delete from t where id operator(public.===) s",
    "delete from t where id in ('a'::text)",
    "delete from t where id = (select adds_up(id) from t)",
    "delete from t where id::checked > 0",
    "delete from t where cast(id as checked) > 0",
    "delete from t where checked '1' = id",
    "delete from t where (row(id, id)::pair).a > 0",
    "delete from t where s::pair is null",
    "delete from t where id in (select id from seen)",
    "delete from t using above where above.id = t.id",
    "delete from t where other.hides(id)",
    "delete from t where in_sql(id)",
    "delete from t where defaulted(id)",
    "delete from t where atomic(id)",
    "delete from t where U&\"\\0061cts\"()",
    "delete from t where xmlexists('/x' passing query_to_xml('select acts()', true, true, ''))",
    "delete from t where table_to_xml('seen', true, true, '') is not null",
    "delete from t where domain_in('1', 'checked'::regtype, -1) is not null",
    "delete from t where id in (select (json_populate_record(null::pair, '{\"b\": 1}')).a)",
    "with w as (select acts()) delete from t using w",
    "delete from seen",
    "delete from indexed where id < 3",
    "update t set s = 'x' where acts(id)",
    "alter table t alter s type int using adds(id, id)",
    "alter table t alter id type checked",
    "alter table t add constraint k check (acts(id))",
    "create unique index on t (id) where acts(id)",
    "update checked_rows set c = 2",
    "delete from t where pg_try_advisory_lock(id)",
    "delete from t where pg_notify('x', s) is null",
    "delete from t where pg_read_file('PG_VERSION') <> ''",
    "delete from t where set_config('work_mem', '1MB', false) <> ''",
];

fn acting() -> Sandbox {
    let sandbox = Sandbox::on(&Cluster::private(&[]));
    sandbox.migration("0001_code", CODE, "select 1");
    sandbox.migration("0002_x", "select 1", "select 1");
    sandbox.run("migrate", &["upgrade"]).assert_exit(0);
    sandbox.sql(
        "insert into t select i, i from generate_series(1, 20) i;
         insert into indexed select generate_series(1, 5)",
    );
    sandbox
}

fn validated(sandbox: &Sandbox, down: &str) -> Value {
    sandbox.write("migrations/0002_x_rollback.sql", down);
    let args = ["validate", "0001", "--json", "--fail-on", "MISSING"];
    let output = sandbox.run("rollback", &args);
    output.assert_exit(0).json().pop().unwrap()
}

#[test]
fn nothing_of_a_script_is_run_for_a_look() {
    let sandbox = acting();
    let before = sandbox.content();
    let acted = || sandbox.cluster.log().matches("ACTED").count();
    let filling = acted();
    for script in SCRIPTS {
        let report = validated(&sandbox, script);
        assert_eq!(acted(), filling, "{script}");
        assert_ne!(report["verdict"], "NO_LOSS", "{script}: {report:#}");
        // A bound is never below what may go.
        let rows = |loss: &Value| loss["rows"].as_u64();
        let losses = report["losses"].as_array().unwrap();
        let of_t = losses.iter().filter(|loss| loss["table"] == "public.t");
        for loss in of_t {
            assert!(
                rows(loss).is_none_or(|rows| rows >= 20),
                "{script}: {report:#}"
            );
        }

        sandbox.migration("0003_pending", script, "select 1");
        sandbox
            .run("migrate", &["upgrade", "--dry-run"])
            .assert_exit(0);
        assert_eq!(acted(), filling, "{script}");
        fs::remove_file(sandbox.migrations().join("0003_pending.sql")).unwrap();
        fs::remove_file(sandbox.migrations().join("0003_pending_rollback.sql")).unwrap();
    }
    assert_eq!(before, sandbox.content());
}

/// Scripts of the server's own functions and operators, and how many rows of `orders` they concern.
const PLAIN: &[(&str, u64)] = &[
    ("delete from orders where lower(state) like 'op%'", 10),
    (
        "delete from orders where at < now() - interval '1 day' and coalesce(note, '') <> 'x'",
        20,
    ),
    (
        "delete from orders where id in (select max(id) from orders group by state having count(*) > 1)",
        2,
    ),
    (
        "delete from orders o using customers c where c.id = o.customer and c.email = 'A@B.C'",
        20,
    ),
    (
        "delete from orders where data @> '{\"a\": 1}' and data ->> 'b' is null",
        20,
    ),
    (
        "delete from orders where extract(year from at) = 2020 and at::date = date '2020-01-01'",
        20,
    ),
    (
        "delete from orders where mood = 'good' and tags && array['x'] and position('p' in state) > 0",
        10,
    ),
    (
        "with late as (select id, row_number() over (order by at, id) as n from orders) \
      delete from orders using late where late.id = orders.id and late.n > 15",
        5,
    ),
    (
        "delete from orders where short = 'abc' and length(regexp_replace(state, 'o', '', 'g')) = 3",
        20,
    ),
    (
        "delete from orders where similarity(state, 'open') > 0.9 and size <@ int4range(0, 5)",
        10,
    ),
];

#[test]
fn plain_scripts_are_counted() {
    let sandbox = Sandbox::new();
    sandbox.sql("create extension citext; create extension pg_trgm");
    sandbox.migration(
        "0001_base",
        "create type mood as enum ('good', 'bad');
         create domain short as varchar(5) check (length(value) > 1);
         create function touch() returns trigger language plpgsql as 'begin return new; end';
         create table customers (id int primary key, email citext unique);
         create table orders (id serial primary key, customer int references customers, state text,
             at timestamptz default now(), note text, data jsonb, mood mood, tags text[], short short,
             size int4range, half int generated always as (2) stored);
         create trigger touch before update on orders for each row execute function touch();
         create index on orders (lower(state)) where state is not null",
        "select 1",
    );
    sandbox.migration("0002_x", "select 1", "select 1");
    sandbox.run("migrate", &["upgrade"]).assert_exit(0);
    sandbox.sql(
        "insert into customers values (1, 'a@b.c');
         insert into orders select i, 1, case when i % 2 = 0 then 'open' else 'done' end,
             '2020-01-01 12:00', null, '{\"a\": 1}', 'good', '{x,y}', 'abc', '[1,2)'
         from generate_series(1, 20) i",
    );
    for (script, rows) in PLAIN {
        let report = validated(&sandbox, script);
        let losses = report["losses"].as_array().unwrap();
        let found = losses.iter().find(|loss| loss["table"] == "public.orders");
        let found = found.unwrap_or_else(|| panic!("{script}: {report:#}"));
        assert_eq!(found["rows"], *rows, "{script}: {report:#}");
        assert_eq!(found["certainty"], "exact", "{script}: {report:#}");
    }
}

/// Code that would leave a file beside the server, and what runs it when scripts are tried out.
const ESCAPES: &[&str] = &[
    "do $$ begin copy (select 1) to program 'touch __FILE__'; end $$",
    "do $$ begin execute 'copy (select 1) to program ''touch __FILE__'''; end $$",
    "do $$ begin perform escapes(1); end $$",
    "do $$ begin execute 'select escapes(1)'; end $$",
    "delete from t where escapes(id)",
    "delete from t where id in (select id from leaves)",
    "insert into watched values (1)",
    "delete from parent",
    "create function again() returns bool language sql as 'select public.escapes(1)'; select again()",
    "do $$ begin perform lo_export(1, '__FILE__'); end $$",
    "do $$ begin create role pgbelay_escaped; end $$",
];

#[test]
fn nothing_reaches_beyond_the_copy_that_scripts_are_tried_out_on() {
    let sandbox = Sandbox::new();
    let file = sandbox.folder.join("escaped").display().to_string();
    let escaping = "
        create table t (id int primary key);
        create function escapes(int) returns bool language plpgsql as
            $$ begin copy (select 1) to program 'touch __FILE__'; return true; end $$;
        create function escapes() returns trigger language plpgsql as
            $$ begin perform escapes(1); return null; end $$;
        create view leaves as select id from t where escapes(id);
        create table watched (id int);
        create trigger w after insert on watched for each row execute function escapes();
        create table parent (id int primary key);
        create table child (id int primary key references parent on delete cascade);
        create trigger c after delete on child for each row execute function escapes()";
    sandbox.migration(
        "0001_base",
        &escaping.replace("__FILE__", &file),
        "select 1",
    );
    sandbox.migration("0002_x", "select 1", "select 1");
    sandbox.run("migrate", &["upgrade"]).assert_exit(0);
    sandbox.sql(
        "insert into t values (1); insert into parent values (1); insert into child values (1)",
    );
    sandbox.run("backup", &["create"]).assert_exit(0);
    for script in ESCAPES {
        let script = script.replace("__FILE__", &file);
        sandbox.write("migrations/0002_x_rollback.sql", &script);
        for on in ["clone", "latest"] {
            let args = ["validate", "0001", "--rehearse", on];
            let output = sandbox.run("rollback", &args);
            output.assert_exit(3).assert_says("beyond the database");
            assert!(!sandbox.folder.join("escaped").exists(), "{script} on {on}");
        }
        sandbox.run("validate", &["roundtrip"]).assert_exit(4);
        assert!(!sandbox.folder.join("escaped").exists(), "{script}");
    }
    let made = "select count(*) from pg_roles where rolname = 'pgbelay_escaped'";
    assert_eq!(sandbox.query_text(made), "0");

    // What stays in the copy may run.
    sandbox.write(
        "migrations/0002_x_rollback.sql",
        "do $$ begin delete from t; end $$",
    );
    let args = ["validate", "0001", "--rehearse", "clone"];
    sandbox
        .run("rollback", &args)
        .assert_exit(4)
        .assert_says("the scripts run");
}

/// Functions of the server that are not volatile, and look by their names as if they acted or ran
/// what they are given.
const CONSPICUOUS: &str = "select string_agg(distinct proname::text, chr(10)) from pg_proc p where oid < 16384 and provolatile <> 'v'
    and not 'cstring'::regtype = any (proargtypes) and not 'internal'::regtype = any (proargtypes)
    and proname ~ '_to_xml|^ts_|rewrite|^pg_(input|read_|ls_|export|current_xact)|hash_part|^txid|validat|^cursor|^query_|import|notify|advisory|sleep|signal|cancel|terminate|reload|rotate|switch|promote|_reset'";

/// Those of them that only compute or look.
const INNOCENT: &[&str] = &[
    "pg_current_xact_id_if_assigned",
    "ts_debug",
    "ts_delete",
    "ts_filter",
    "ts_headline",
    "ts_lexize",
    "ts_match_qv",
    "ts_match_tq",
    "ts_match_tt",
    "ts_match_vq",
    "ts_parse",
    "ts_rank",
    "ts_rank_cd",
    "ts_token_type",
    "txid_current_if_assigned",
    "txid_current_snapshot",
    "txid_snapshot_xip",
    "txid_snapshot_xmax",
    "txid_snapshot_xmin",
    "txid_visible_in_snapshot",
    "xmlvalidate",
    "pg_stat_get_bgwriter_stat_reset_time",
    "pg_stat_get_db_stat_reset_time",
    "pg_stat_get_checkpointer_stat_reset_time",
    "pg_stat_get_stat_reset_time",
    "pg_stat_get_function_stat_reset_time",
    "txid_status",
];

#[test]
fn the_server_has_no_function_that_acts_in_disguise_and_is_not_known() {
    let sandbox = Sandbox::new();
    sandbox.migration(
        "0001_base",
        "create table t (id int primary key)",
        "select 1",
    );
    sandbox.migration("0002_x", "select 1", "select 1");
    sandbox.run("migrate", &["upgrade"]).assert_exit(0);
    let mut judged = 0;
    for row in sandbox.query_text(CONSPICUOUS).lines() {
        if INNOCENT.contains(&row) {
            continue;
        }
        let report = validated(&sandbox, &format!("delete from t where {row}(id) is null"));
        let told = report["not_evaluated"].to_string();
        assert!(told.contains(row), "is {row} harmless? {report:#}");
        judged += 1;
    }
    assert!(judged > 5);
}
