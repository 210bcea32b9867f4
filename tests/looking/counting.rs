//! Numbers in a plan: right, or no less than what may go.

use serde_json::Value;

use crate::harness::Sandbox;

fn with(up: &str, rows: &str, down: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.migration("0001_base", up, "select 1");
    sandbox.migration("0002_x", "select 1", down);
    sandbox.run("migrate", &["upgrade"]).assert_exit(0);
    sandbox.sql(rows);
    sandbox
}

fn report(sandbox: &Sandbox) -> Value {
    let args = ["validate", "0001", "--json", "--fail-on", "MISSING"];
    let output = sandbox.run("rollback", &args);
    output.assert_exit(0).json().pop().unwrap()
}

/// `table certainty rows`, a line for each loss.
fn losses(report: &Value) -> Vec<String> {
    let losses = report["losses"].as_array().unwrap().iter();
    let word = |loss: &Value, field: &str| loss[field].as_str().unwrap_or("-").to_owned();
    losses
        .map(|loss| {
            let rows = &loss["rows"];
            format!("{} {} {rows}", word(loss, "table"), word(loss, "certainty"))
        })
        .collect()
}

#[test]
fn keys_of_one_table_are_told_apart() {
    let sandbox = with(
        "create table users (id int primary key);
         create table messages (id int primary key, sender int references users on delete cascade,
             recipient int references users on delete cascade, seen_by int references users on delete set null);
         create table parts (id int, owner int references users on delete cascade) partition by range (id);
         create table parts_1 partition of parts for values from (0) to (50);
         create table parts_2 partition of parts for values from (50) to (100)",
        "insert into users values (1), (2), (3);
         insert into messages select g, 2, 1, 3 from generate_series(1, 100) g;
         insert into messages values (200, 1, 2, 1);
         insert into parts select g, 1 + g % 2 from generate_series(1, 99) g",
        "delete from users where id = 1",
    );
    let report = report(&sandbox);
    assert_eq!(
        losses(&report),
        [
            "public.users exact 1",
            "public.messages exact 100",
            "public.messages upper_bound 1",
            "public.messages upper_bound 1",
            "public.parts exact 49"
        ]
        .map(ToOwned::to_owned),
        "{report:#}"
    );
}

#[test]
fn a_count_that_can_not_be_made_is_bounded_by_the_rows_of_the_table() {
    for down in [
        "delete from q where id in (select id from q order by id limit 10 for update skip locked)",
        "delete from q where id <= nextval('s')",
        "delete from q where random() < 0.5",
        "update q set s = 'y' where id <= nextval('s')",
        "delete from q using (select id from q for update) z where z.id = q.id",
        "with z as (insert into q values (99, 'n') returning id) delete from q using z where z.id <> q.id",
        "delete from q where 1 / (id - 7) > 0",
    ] {
        let sandbox = with(
            "create table q (id int primary key, s text); create sequence s start 100",
            "insert into q select g, 'x' from generate_series(1, 20) g",
            down,
        );
        let report = report(&sandbox);
        assert_eq!(
            losses(&report)[0],
            "public.q upper_bound 20",
            "{down}: {report:#}"
        );
        assert_ne!(report["verdict"], "NO_LOSS");
    }
}

#[test]
fn what_row_security_hides_is_refused() {
    let sandbox = with(
        "create table devices (id int primary key, tenant int, note text);
         create policy t on devices using (tenant::text = current_setting('app.tenant', true));
         alter table devices enable row level security;
         alter table devices force row level security",
        "insert into devices select i, i % 3, 'n' from generate_series(1, 30) i",
        "alter table devices drop note",
    );
    // Whom it doesn't bind counts all.
    let seen = report(&sandbox);
    assert_eq!(losses(&seen), ["public.devices exact 30"], "{seen:#}");

    let role = format!("{}_owner", sandbox.database);
    sandbox.sql(&format!(
        "create role {role} login; grant create on database {} to {role};
         alter table devices owner to {role}; grant all on schema public to {role};
         grant usage on schema pgbelay to {role};
         grant all on all tables in schema pgbelay to {role}",
        sandbox.database
    ));
    for down in [
        "update devices set note = 'unknown'; alter table devices drop note",
        "delete from devices",
        "drop table devices",
    ] {
        sandbox.write("migrations/0002_x_rollback.sql", down);
        let output = sandbox
            .tool("rollback")
            .args(&["validate", "0001", "--json"])
            .env("DATABASE_URL", sandbox.url_as(&role))
            .run();
        let report = output.assert_exit(4).json().pop().unwrap();
        assert_eq!(report["verdict"], "UNKNOWN", "{down}: {report:#}");
        let refusals = report["refusals"].to_string();
        assert!(refusals.contains("RB-ROW-SECURITY"), "{down}: {report:#}");
        for loss in report["losses"].as_array().unwrap() {
            let rows = loss["rows"].as_u64();
            assert!(rows.is_none_or(|rows| rows >= 30), "{down}: {report:#}");
        }
    }
    sandbox.sql(&format!("drop owned by {role} cascade; drop role {role}"));
}

#[test]
fn code_that_runs_is_never_no_loss() {
    for (more, down) in [
        (
            "create trigger t after insert on log for each row execute function clear()",
            "insert into log values (1)",
        ),
        (
            "create trigger t after insert on log execute function clear()",
            "insert into log values (1)",
        ),
        (
            "create rule r as on insert to log do also delete from items",
            "insert into log values (1)",
        ),
        (
            "alter table log alter s set default act()",
            "insert into log (id) values (1)",
        ),
        (
            "alter table log add check (act() > 0) not valid",
            "insert into log values (1)",
        ),
        (
            "create index on log ((act() + id))",
            "insert into log values (1)",
        ),
        ("", "insert into log select act()"),
        ("", "create index on log ((act() + id))"),
        ("", "alter table log add check (act() > 0)"),
        (
            "create event trigger __EVENTS__ on ddl_command_end execute function event()",
            "create table other (id int)",
        ),
    ] {
        let sandbox = Sandbox::new();
        let base = "create table log (id int, s int); create table items (id int);
             create function clear() returns trigger language plpgsql as 'begin delete from items; return null; end';
             create function event() returns event_trigger language plpgsql as 'begin delete from items; end';
             create function act() returns int language plpgsql immutable as 'begin return 1; end'";
        let events = format!("{}_events", sandbox.database);
        sandbox.migration("0001_base", base, "select 1");
        sandbox.migration("0002_x", "select 1", down);
        sandbox.run("migrate", &["upgrade"]).assert_exit(0);
        sandbox.sql(&more.replace("__EVENTS__", &events));
        let report = report(&sandbox);
        assert_ne!(report["verdict"], "NO_LOSS", "{more} {down}: {report:#}");
        let told = report["not_evaluated"].as_array().unwrap();
        assert!(!told.is_empty(), "{more} {down}: {report:#}");
    }
    // Nothing of the kind that fires: as before.
    let sandbox = with(
        "create table log (id serial primary key, at timestamptz default now(), n numeric(8, 2) check (n > 0))",
        "create function touch() returns trigger language plpgsql as 'begin return new; end';
         create trigger t before update on log for each row execute function touch()",
        "insert into log (n) values (1); create index on log (at)",
    );
    assert_eq!(report(&sandbox)["verdict"], "NO_LOSS");
}

#[test]
fn stored_results_that_would_not_come_back_are_a_loss() {
    let base = "create table t (id int primary key, s text);
         create materialized view stale as select * from t;
         create materialized view fresh as select count(*) as n from t;
         create materialized view empty as select * from t with no data";
    let rows = "insert into t select g, 'x' from generate_series(1, 20) g;
         refresh materialized view stale; delete from t where id > 5; refresh materialized view fresh";
    for (down, stale) in [
        ("drop materialized view stale", true),
        ("refresh materialized view stale", true),
        (
            "drop materialized view fresh; refresh materialized view fresh",
            false,
        ),
        ("drop materialized view fresh", false),
        ("drop materialized view empty", false),
    ] {
        let sandbox = with(base, rows, down);
        let report = report(&sandbox);
        if stale {
            assert_eq!(
                losses(&report),
                ["public.stale exact 15"],
                "{down}: {report:#}"
            );
            assert_eq!(report["verdict"], "LOSS_RECOVERABLE", "{down}");
        } else {
            assert_eq!(losses(&report), Vec::<String>::new(), "{down}: {report:#}");
        }
    }
}

/// Type there, USING there; type back, USING back; a value.
const CONVERSIONS: &[[&str; 5]] = &[
    [
        "text",
        "int",
        "case v when 'open' then 1 else 2 end",
        "case v when 1 then 'open' else 'closed' end",
        "1",
    ],
    ["text", "jsonb", "to_jsonb(v)", "v #>> '{}'", "'\"abc\"'"],
    [
        "text",
        "date",
        "to_date(v, 'DD.MM.YYYY')",
        "to_char(v, 'DD.MM.YYYY')",
        "'2026-11-30'",
    ],
    [
        "text",
        "boolean",
        "v = 'y'",
        "case when v then 'ja' else 'nein' end",
        "true",
    ],
    [
        "int",
        "date",
        "date '2020-01-01' + v",
        "v - date '2020-01-01'",
        "'2020-01-08'",
    ],
    [
        "text[]",
        "text",
        "array_to_string(v, ',')",
        "string_to_array(v, ',')",
        "'a,b'",
    ],
    ["uuid", "int", "1", "gen_random_uuid()", "1"],
];

#[test]
fn a_conversion_fails_only_where_its_own_expression_does() {
    for [old, new, there, back, value] in CONVERSIONS {
        let sandbox = Sandbox::new();
        sandbox.migration(
            "0001_base",
            &format!("create table t (id int primary key, v {old})"),
            "drop table t",
        );
        sandbox.migration(
            "0002_x",
            &format!("alter table t alter v type {new} using {there}"),
            &format!("alter table t alter v type {old} using {back}"),
        );
        sandbox.run("migrate", &["upgrade"]).assert_exit(0);
        sandbox.sql(&format!("insert into t values (1, {value})"));
        let report = report(&sandbox);
        assert_eq!(report["verdict"], "LOSS_RECOVERABLE", "{back}: {report:#}");
        assert_eq!(report["losses"][0]["rows"], 1, "{back}: {report:#}");
        let consent = ["to", "0001", "--confirm", &sandbox.database];
        sandbox.run("rollback", &consent).assert_exit(0);
    }
    // Errors of its own.
    for back in ["v::int", "(v || 'x')::int", "1 / (length(v) - 3)"] {
        let sandbox = with(
            "create table t (id int primary key, v text)",
            "insert into t values (1, 'abc')",
            &format!("alter table t alter v type int using {back}"),
        );
        assert_eq!(report(&sandbox)["verdict"], "WILL_FAIL", "{back}");
    }
}
