//! `validate roundtrip` and `migrate test`: what each rollback script is worth.

use std::fs;

use serde_json::Value;

use crate::harness::Sandbox;

/// Up and down of 0001, 0002 …, each of which earns the grade in front.
const SCRIPTS: &[(&str, &str, &str)] = &[
    (
        "exact",
        "create type mood as enum ('sad', 'ok'); create table t (id serial primary key, v text, m mood);
         create table u (t_id int references t, n numeric(8, 2) check (n >= 0), at timestamptz not null)",
        "drop table u; drop table t; drop type mood",
    ),
    (
        "exact",
        "create table o (id int primary key, g int generated always as (id * 2) stored, z int)",
        "drop table o",
    ),
    (
        "order",
        "alter table o drop g",
        "alter table o add g int generated always as (id * 2) stored",
    ),
    ("exact", "create index on u (at); alter table u add note text", "alter table u drop note; drop index u_at_idx"),
    ("lossy", "alter table t drop v", "alter table t add v text"),
    ("lossy", "delete from u", "select 1"),
    ("differs", "create table d (id int); create index d_id on d (id)", "drop index d_id"),
    ("broken", "create table e (id int)", "drop table nowhere"),
    ("exact", "begin; create table f (id int); commit", "drop table f"),
    (
        "exact",
        "-- transaction: off\ncreate index concurrently by_z on o (z);",
        "-- transaction: off\ndrop index concurrently by_z;",
    ),
    ("broken", "select 1", "create role nobody_makes_it"),
    ("missing", "create table never (id int not null check (id = 7654321))", ""),
    (
        "broken",
        "select 1",
        "copy (select 1) to program 'touch __HERE__/escaped_by_copy'",
    ),
    ("broken", "select 1", "select lo_export(1, '__HERE__/escaped_by_function')"),
    ("broken", "select set_config('search_path', '', false)", "create foreign data wrapper elsewhere"),
    (
        "exact",
        "alter table u add constraint all_zero check (n = 0), alter at set default now()",
        "alter table u drop constraint all_zero, alter at drop default",
    ),
    ("up_failed", "select 1 / 0", "select 1"),
    ("untried", "select 1", "select 1"),
];

fn with_migrations() -> Sandbox {
    let sandbox = Sandbox::bare();
    for (number, (name, up, down)) in SCRIPTS.iter().enumerate() {
        let down = down.replace("__HERE__", &sandbox.folder.display().to_string());
        sandbox.migration(&format!("{:04}_{name}", number + 1), up, &down);
    }
    sandbox
}

#[test]
fn every_grade_is_told_and_nothing_is_left() {
    let sandbox = with_migrations();
    let output = sandbox.run("validate", &["roundtrip", "--json"]);
    output.assert_exit(4);
    let lines: Vec<Value> = (output.json().into_iter())
        .filter(|line| line["type"] == "round_trip")
        .collect();
    let told: Vec<String> = (lines.iter())
        .map(|line| {
            let word = |field: &str| line[field].as_str().unwrap().to_owned();
            format!(
                "{} {} {}",
                word("revision"),
                word("grade"),
                line["reapplies"]
            )
        })
        .collect();
    let expected = [
        "0001 exact true",
        "0002 exact true",
        "0003 order true",
        "0004 exact true",
        "0005 lossy true",
        "0006 lossy true",
        "0007 differs false",
        "0008 broken false",
        "0009 exact true",
        "0010 exact true",
        "0011 broken false",
        "0012 missing false",
        "0013 broken false",
        "0014 broken false",
        "0015 broken false",
        "0016 exact true",
        "0017 up_failed false",
    ];
    assert_eq!(told, expected, "{output}");
    let difference = |place: usize| lines[place]["difference"].as_str().unwrap_or_default();
    assert_eq!(difference(0), "");
    assert!(difference(2).contains("another order: public.o"));
    assert!(
        difference(4).contains("table public.t: "),
        "{}",
        difference(4)
    );
    assert!(difference(5).contains(" rows before, 0 after"));
    assert!(difference(6).contains("extra"), "{}", difference(6));
    assert!(difference(7).contains("nowhere"));
    for place in [10, 12, 13, 14] {
        assert!(
            difference(place).contains("reaches beyond"),
            "{place}: {}",
            difference(place)
        );
    }
    for escaped in ["escaped_by_copy", "escaped_by_function"] {
        assert!(!sandbox.folder.join(escaped).exists(), "{escaped}");
    }
    assert!(difference(16).contains("division by zero"));
    let fewer = |place: usize| lines[place]["fewer_rows"] == true;
    assert!((0..15).all(|place| !fewer(place)) && fewer(15), "{output}");
    let done = output.last();
    assert_eq!(done["grades"]["exact"], 6);
    assert_eq!(done["untried"], 1);
    assert_eq!(
        done["tables_without_rows"],
        serde_json::json!(["public.never"])
    );
    // The database itself was only asked what server this is.
    assert_eq!(
        sandbox.query_text(
            "select count(*) from pg_class where relnamespace = 'public'::regnamespace"
        ),
        "0"
    );
    assert_eq!(
        sandbox.query_text("select count(*) from pg_namespace where nspname = 'pgbelay'"),
        "0"
    );
    assert_eq!(
        sandbox.query_text("select count(*) from pg_roles where rolname = 'nobody_makes_it'"),
        "0"
    );
}

#[test]
fn a_good_beginning_is_good_and_production_is_left_alone() {
    let sandbox = with_migrations();
    let output = sandbox.run("migrate", &["test", "0004"]);
    output.assert_exit(0).assert_says("3 exact, 1 order");
    fs::write(
        sandbox.folder.join("pgbelay.toml"),
        "[env.live]\nproduction = true\n",
    )
    .unwrap();
    let output = sandbox.run("migrate", &["test", "--env", "live"]);
    output.assert_exit(3).assert_says("production");
    let output = sandbox.run("migrate", &["test", "0099"]);
    output.assert_exit(2);
}

#[test]
fn a_bad_grade_is_told_before_a_rollback_until_a_script_changes() {
    let sandbox = Sandbox::new();
    sandbox.migration(
        "0001_base",
        "create table t (id int, v text)",
        "drop table t",
    );
    sandbox.migration(
        "0002_good",
        "alter table t add w text",
        "alter table t drop w",
    );
    sandbox.migration("0003_bad", "alter table t drop v", "select 1");
    // Without a ledger there is no place for it.
    sandbox.run("validate", &["roundtrip"]).assert_exit(4);
    assert_eq!(
        sandbox.query_text("select to_regclass('pgbelay.grades')"),
        ""
    );

    sandbox.run("migrate", &["upgrade"]).assert_exit(0);
    let graded = || {
        let args = ["validate", "0001", "--json", "--fail-on", "MISSING"];
        let output = sandbox.run("rollback", &args);
        let report = output.assert_exit(0).json().pop().unwrap();
        let findings = report["findings"].as_array().unwrap().clone();
        let found = findings.into_iter().filter(|f| f["rule"] == "RB-GRADE");
        let said = found.map(|f| {
            let text = |field: &str| f[field].as_str().unwrap().to_owned();
            format!("{} {}: {}", text("severity"), text("path"), text("message"))
        });
        said.collect::<Vec<_>>()
    };
    assert_eq!(graded(), Vec::<String>::new());

    let before = sandbox.content();
    sandbox.run("validate", &["roundtrip"]).assert_exit(4);
    assert_eq!(before, sandbox.content());
    let bad = "warn migrations/0003_bad_rollback.sql: its last round trip was graded differs: it led \
               to another schema";
    assert_eq!(graded(), [bad]);

    // Whoever corrects it is believed, until it is tried again.
    sandbox.migration(
        "0003_bad",
        "alter table t drop v",
        "alter table t add v text",
    );
    assert_eq!(graded(), Vec::<String>::new());
    sandbox.run("migrate", &["test"]).assert_exit(4);
    assert!(graded()[0].contains("graded lossy"), "{:?}", graded());

    // A role that may not write there has its grades all the same.
    sandbox.sql("create role guest_of_grades createdb login; grant usage on schema pgbelay to guest_of_grades; grant select on all tables in schema pgbelay to guest_of_grades");
    let output = sandbox
        .tool("validate")
        .args(&["roundtrip", "0002"])
        .env("DATABASE_URL", sandbox.url_as("guest_of_grades"))
        .run();
    output.assert_exit(0);
    output.assert_says("the grades are not kept in the database");
    sandbox.sql("drop owned by guest_of_grades; drop role guest_of_grades");
}

#[test]
fn what_stands_in_the_way_of_one_migration_does_not_end_the_others() {
    let sandbox = Sandbox::bare();
    sandbox.migration(
        "0001_guarded",
        "create table events (id bigserial primary key, kind text not null);
         create function no() returns trigger language plpgsql as
             $$ begin raise exception '% is not allowed', tg_op; end $$;
         create trigger no_truncate before truncate on events for each statement execute function no();
         create trigger no_delete before delete on events for each row execute function no();
         alter table events enable always trigger no_truncate",
        "drop table events; drop function no()",
    );
    sandbox.migration(
        "0002_narrow",
        "alter table events add constraint k check (kind = 'zzz')",
        "alter table events drop constraint k",
    );
    // Nothing can be defined any more but by superusers' hands.
    sandbox.migration(
        "0003_closed",
        "create function stop() returns event_trigger language plpgsql as
             $$ begin if tg_tag = 'CREATE FUNCTION' then raise exception 'closed'; end if; end $$;
         create event trigger __EVENTS__ on ddl_command_start execute function stop()"
            .replace("__EVENTS__", &format!("{}_closed", sandbox.database))
            .as_str(),
        &format!(
            "drop event trigger {}_closed; drop function stop()",
            sandbox.database
        ),
    );
    sandbox.migration(
        "0004_after",
        "create table later (id int)",
        "drop table later",
    );
    let output = sandbox.run("validate", &["roundtrip", "--json"]);
    let lines = output.json();
    let told: Vec<String> = (lines.iter())
        .filter(|line| line["grade"].is_string())
        .map(|line| {
            format!(
                "{} {}",
                line["revision"].as_str().unwrap(),
                line["grade"].as_str().unwrap()
            )
        })
        .collect();
    let expected = ["0001 exact", "0002 exact", "0003 exact", "0004 exact"];
    assert_eq!(told, expected, "{output}");
    output.assert_exit(0);
}
