//! Scripts that make, in one go, what reaches beyond the database, and something that has it run.

use std::fs;

use crate::harness::Sandbox;

/// What calls `spy` once it is defined, in one way each. Behind `|`, what stands there from an earlier migration.
const CALLED: &[&str] = &[
    "create index i on t (id) where spy('x')",
    "alter table t add constraint k check (spy('x'))",
    "alter table t add column g bool generated always as (spy(v)) stored",
    "alter table t add column d bool default spy('x')",
    "create materialized view m as select spy(v) from t",
    "create view w as select spy(v) from t; create materialized view m as select * from w",
    "create materialized view m as select spy(v) from t with no data; refresh materialized view m",
    "create statistics s (mcv) on (spy(v)), id from t; analyze t",
    "create domain dom as text check (spy(value)); alter table t alter v type dom",
    "create domain dom as text check (spy(value)); alter table t add column d dom default 'x'",
    "create table u (b bool default spy('x')); insert into u default values",
    "create table u (b text check (spy(b))); insert into u values ('x')",
    "do $$ begin perform spy('x'); end $$",
    "do $$ begin execute 'select sp' || 'y(''x'')'; end $$",
    "select spy('x')",
    "select v from t where spy(v)",
    "delete from t where spy(v)",
    "create type pair as (a int); create function to_pair(text) returns pair language plpgsql immutable
         as $$ begin perform spy($1); return null; end $$;
     create cast (text as pair) with function to_pair(text); select 'x'::text::pair",
    "create function compare(text, text) returns int language plpgsql immutable
         as $$ begin perform spy($1); return 1; end $$;
     create function below(text, text) returns bool language sql immutable as 'select $1 < $2';
     create operator <<< (leftarg = text, rightarg = text, function = below);
     create operator class odd for type text using btree as operator 1 <<<, function 1 compare(text, text);
     create index i on t (v odd)",
    "create operator === (leftarg = text, rightarg = text, function = spies);
     create index i on t (id) where v === 'x'",
    "create aggregate all_spied(text) (sfunc = spied, stype = bool); select all_spied(v) from t",
    "create function on_row() returns trigger language plpgsql as $$ begin perform spy('x'); return new; end $$;
     create trigger r before insert on t for each row execute function on_row(); insert into t values (9, 'y')",
    "create function on_row() returns trigger language plpgsql as $$ begin perform spy('x'); return null; end $$;
     create trigger r after truncate on t execute function on_row(); truncate t",
    "create function on_row() returns trigger language plpgsql as $$ begin return null; end $$;
     create constraint trigger r after insert on t deferrable initially deferred for each row execute function on_row();
     insert into t values (9, 'y');
     create or replace function on_row() returns trigger language plpgsql as $$ begin perform spy('x'); return null; end $$",
    "create function on_ddl() returns event_trigger language plpgsql as $$ begin perform spy('x'); end $$;
     create event trigger e on ddl_command_end execute function on_ddl(); create table u (id int)",
    "create rule r as on delete to t do also select spy(old.v); delete from t",
    "create table u (id int, v text) partition by list (spy(v)); create table u1 partition of u default;
     insert into u values (1, 'x')",
    "create policy p on t using (spy(v)); select * from t",
    "create procedure p() language plpgsql as $$ begin perform spy('x'); end $$; call p()",
    "prepare p as select spy('x'); execute p",
    "with gone as (delete from t where spy(v) returning id) select * from gone",
    "create function again(text) returns bool language sql immutable as 'select spy($1)'; create index i on t (again(v))",
    "create function late(text) returns bool language plpgsql immutable
         as $$ declare what text; begin what := replace('select dbXink_exec(''__TO__'', ''insert into witness values (2)'')', 'X', 'l');
         execute what; return true; end $$; create index i on t (late(v))",
];

/// What `spy` is made of.
const SPIES: &[&str] = &[
    "begin perform dblink_exec('__TO__', 'insert into witness values (1)'); return true; end",
    "begin perform public.dblink('__TO__', 'insert into witness values (1) returning 1'); return true; end",
    "begin execute 'select dblink_exec(''__TO__'', ''insert into witness values (1)'')'; return true; end",
    "begin execute 'select db' || 'link_exec(''__TO__'', ''insert into witness values (1)'')'; return true; end",
    "begin copy (select 1) to program 'touch __FILE__'; return true; end",
];

struct Escape {
    far: Sandbox,
    sandbox: Sandbox,
}

impl Escape {
    fn new() -> Self {
        let far = Sandbox::bare();
        far.sql("create table witness (id int)");
        Self {
            far,
            sandbox: Sandbox::new(),
        }
    }

    /// `script` with what leads to the other database, and a file that must never be there.
    fn filled(&self, script: &str) -> String {
        let (far, file) = (&self.far, self.sandbox.folder.join("escaped"));
        let to = format!(
            "host={} port=5432 user=postgres dbname={}",
            far.cluster.folder.display(),
            far.database
        );
        script
            .replace("__TO__", &to)
            .replace("__FILE__", &file.display().to_string())
    }

    #[track_caller]
    fn assert_nothing_reached(&self, script: &str) {
        let reached = self.far.query_text("select count(*) from witness");
        assert_eq!(reached, "0", "{script}");
        assert!(!self.sandbox.folder.join("escaped").exists(), "{script}");
    }

    fn tried(&self, up: &str, down: &str, mode: &str) {
        let sandbox = &self.sandbox;
        sandbox.migration(
            "0001_base",
            "create table t (id int primary key, v text); insert into t values (1, 'x')",
            "drop table t",
        );
        sandbox.migration("0002_x", &format!("{mode}{up}"), &format!("{mode}{down}"));
        let output = sandbox.run("validate", &["roundtrip"]);
        self.assert_nothing_reached(&format!("{up}\n-- down\n{down}\n{output}"));
        output.assert_exit(4).assert_says("beyond the database");
        fs::remove_file(sandbox.migrations().join("0002_x.sql")).unwrap();
        fs::remove_file(sandbox.migrations().join("0002_x_rollback.sql")).unwrap();
    }
}

fn script(spy: &str, called: &str) -> String {
    format!(
        "create extension if not exists dblink;
         create function spy(w text) returns bool language plpgsql immutable as $body${spy}$body$;
         create function spies(a text, b text) returns bool language plpgsql immutable as $body${spy}$body$;
         create function spied(a bool, b text) returns bool language plpgsql immutable as $body${spy}$body$;
         {called}"
    )
}

#[test]
fn what_a_script_makes_and_runs_in_one_go_reaches_nothing() {
    let escape = Escape::new();
    for called in CALLED {
        let up = escape.filled(&script(SPIES[0], called));
        escape.tried(&up, "select 1", "");
    }
}

#[test]
fn whatever_it_is_made_of() {
    let escape = Escape::new();
    for spy in SPIES {
        for called in [CALLED[0], CALLED[3], CALLED[10]] {
            let up = escape.filled(&script(spy, called));
            escape.tried(&up, "select 1", "");
            escape.tried("select 1", &up, "");
            escape.tried(&up, "select 1", "-- transaction: off\n");
        }
    }
    for all_in_one in [
        "create function f() returns bool language plpgsql as $$ begin create extension dblink;
         perform dblink_exec('__TO__', 'insert into witness values (1)'); return true; end $$; select f()",
        "create function f() returns bool language plpgsql as $$ begin execute 'create extension dblink';
         execute concat('select db', 'link_exec(''__TO__'', ''insert into witness values (1)'')'); return true; end $$;
         select f()",
        "do $$ begin create extension dblink;
         perform dblink_exec('__TO__', 'insert into witness values (1)'); end $$",
    ] {
        escape.tried(&escape.filled(all_in_one), "select 1", "");
    }
}

/// What a rollback took away is made again for the proof of its undo, in the database itself.
#[test]
fn an_undo_that_is_tried_reaches_nothing() {
    let escape = Escape::new();
    let sandbox = &escape.sandbox;
    sandbox.write("pgbelay.toml", "proof_time = \"60s\"\n");
    sandbox.migration(
        "0001_base",
        "create table t (id int primary key, v text)",
        "select 1",
    );
    let function = script(SPIES[0], "select 1");
    let function = escape.filled(&function);
    sandbox.migration(
        "0002_made",
        &function,
        "drop function spy, spies, spied; drop extension dblink",
    );
    sandbox.migration("0003_run", "create index i on t (spy(v))", "drop index i");
    sandbox.run("migrate", &["upgrade"]).assert_exit(0);
    sandbox.sql("insert into t select g from generate_series(1, 3) g");
    escape.far.sql("truncate witness");
    let database = sandbox.database.as_str();
    let args = ["to", "0001", "--confirm", database, "--json"];
    let output = sandbox.run("rollback", &args);
    escape.assert_nothing_reached(&output.to_string());
}

/// Scripts that make functions, types and operators and use them are tried out.
#[test]
fn ordinary_scripts_are_tried_out() {
    let sandbox = Sandbox::new();
    sandbox.migration(
        "0001_base",
        "create extension pg_trgm; create extension citext; create extension tablefunc;
         create table orders (id serial primary key, v text, at timestamptz default now());
         create function touch() returns trigger language plpgsql as $$ begin new.at := now(); return new; end $$;
         create trigger touch before update on orders for each row execute function touch();
         create function part(name text) returns void language plpgsql as $$ begin
             execute format('create table if not exists %I (like orders)', name); end $$;
         select part('orders_a'); grant execute on function part(text) to public;
         set search_path = public; create index on orders (lower(v) text_pattern_ops);
         create domain short as text check (length(value) < 50 or value like 'http://%');
         alter table orders add column s short default 'a' || 'b';
         insert into orders (v) values ('http://example.org'), ('x');
         do $$ declare r record; begin for r in select id from orders loop
             execute 'update orders set v = ''a'' || v where id = ' || r.id; end loop; end $$",
        "drop table orders_a; drop table orders; drop function touch, part; drop domain short;
         drop extension pg_trgm; drop extension citext; drop extension tablefunc",
    );
    // What is only made, and not run, is no matter.
    sandbox.migration(
        "0002_made",
        "create extension dblink; create function far(text) returns int language plpgsql as
             $$ begin perform dblink_exec($1, 'select 1'); return 1; end $$;
         comment on function far(text) is 'not run'; create table calls (id int)",
        "drop table calls; drop function far; drop extension dblink",
    );
    // Names mean what they meant before the look.
    sandbox.migration(
        "0003_path",
        "create schema app; set search_path = app; create function one() returns int language sql as 'select 1';
         create table here (id int default one()); insert into here default values; set local search_path = public;
         create function two() returns int language sql as 'select 2'; create table there (id int);
         insert into there select two(); insert into app.here values (2)",
        "drop table public.there; drop table app.here; drop function app.one; drop function public.two; drop schema app",
    );
    sandbox.run("validate", &["roundtrip"]).assert_exit(0);
}

/// Code that is only stored is no matter, unless definitions have it run.
#[test]
fn event_triggers_run_what_is_stored_next() {
    let escape = Escape::new();
    let up = escape.filled(
        "create function on_ddl() returns event_trigger language plpgsql as $$ begin return; end $$;
         create event trigger e on ddl_command_end execute function on_ddl();
         create extension dblink;
         create or replace function on_ddl() returns event_trigger language plpgsql as $$ begin
             perform dblink_exec('__TO__', 'insert into witness values (1)'); end $$;
         create function nothing() returns int language sql as 'select 1'",
    );
    escape.tried(&up, "select 1", "");
    escape.tried(&up, "select 1", "-- transaction: off\n");
}
