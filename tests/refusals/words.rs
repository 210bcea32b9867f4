//! What the server and others' code say when something fails: never a row's value.

use crate::harness::Sandbox;

const SECRET: &str = "TOPSECRET-1";

fn scene(down: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    let init = "create table t (id int primary key, ssn text, n int);
         create table log (ssn text unique, n int check (n < 5));
         create function f() returns trigger language plpgsql as $$ begin return old; end $$;
         create trigger tt before delete on t for each row execute function f()";
    sandbox.migration("0001_init", init, "drop table t; drop table log");
    sandbox.migration("0002_x", "select 1", down);
    sandbox.run("migrate", &["upgrade"]).assert_exit(0);
    sandbox.sql(&format!(
        "insert into t values (1, '{SECRET}', 7), (2, 'TOPSECRET-2', 8); insert into log values ('{SECRET}', 1)"
    ));
    sandbox
}

/// All that is said of a rollback, in both forms, of its validation, and in the journal.
fn discreet(sandbox: &Sandbox, says: &[&str], what: &str) {
    let database = sandbox.database.clone();
    let to = [
        "to",
        "0001",
        "--confirm",
        &database,
        "--accept-drift",
        "--force",
    ];
    for json in [false, true] {
        let extra: &[&str] = if json { &["--json"] } else { &[] };
        let output = sandbox.run("rollback", &[&to as &[&str], extra].concat());
        assert!(output.code != Some(0), "{what}: {output}");
        for part in says {
            assert!(output.says(part), "{what}: no {part:?} in {output}");
        }
        assert!(
            !output.to_string().contains("TOPSECRET"),
            "{what}: {output}"
        );
    }
    for format in ["human", "markdown", "json"] {
        let output = sandbox.run("rollback", &["validate", "0001", "--format", format]);
        assert!(
            !output.to_string().contains("TOPSECRET"),
            "{what}: {output}"
        );
    }
    let journal = sandbox.query_text("select string_agg(details, ' ') from pgbelay.journal");
    assert!(!journal.contains("TOPSECRET"), "{what}: {journal}");
}

#[test]
fn what_a_trigger_raises_is_withheld_whatever_it_calls_itself() {
    let sandbox = scene("delete from t where id = 1");
    for code in [
        "restrict_violation",
        "check_violation",
        "unique_violation",
        "42501",
        "42P01",
        "42P07",
        "55000",
        "P0001",
        "0A000",
        "22023",
        "42000",
        "XX000",
        "53200",
        "57014",
    ] {
        sandbox.sql(&format!(
            "create or replace function f() returns trigger language plpgsql as $$ begin
             raise exception 'customer with ssn % may not go', old.ssn using errcode = '{code}',
               hint = 'h ' || old.ssn, detail = 'd ' || old.ssn, column = old.ssn,
               constraint = old.ssn, table = old.ssn; end $$"
        ));
        discreet(&sandbox, &["function f() raised an exception"], code);
    }
    sandbox.sql(
        "create or replace function f() returns trigger language plpgsql as $$ begin
         assert false, 'not ' || old.ssn; return old; end $$",
    );
    discreet(&sandbox, &["function f() raised"], "assert");
    // What another handler makes of it is no better.
    sandbox.sql(
        "create or replace function f() returns trigger language plpgsql as $$ begin
         perform old.ssn::int; return old; exception when others then
         raise exception using message = sqlerrm, errcode = 'check_violation'; end $$",
    );
    discreet(&sandbox, &["function f() raised"], "raised again");
}

#[test]
fn what_the_server_says_of_a_value_is_masked() {
    for (down, says) in [
        (
            "delete from t where current_setting(ssn) = 'x'",
            "unrecognized configuration",
        ),
        (
            "delete from t where ssn::int = 1",
            "invalid input syntax for type integer",
        ),
        (
            "delete from t where ssn::regclass = 1::oid::regclass",
            "does not exist",
        ),
        (
            "delete from t where ssn::regrole = 1::oid::regrole",
            "does not exist",
        ),
        (
            "delete from t where ssn::date = now()",
            "invalid input syntax for type date",
        ),
        (
            "delete from t where ssn::jsonb is null",
            "invalid input syntax for type json",
        ),
        ("delete from t where (ssn || ' (')::jsonpath is null", ""),
        ("delete from t where (ssn || ' (')::tsquery is null", ""),
        ("insert into log select ssn, 1 from t", "log_ssn_key"),
        ("insert into log select ssn || id, n from t", "log_n_check"),
        (
            "update t set n = ssn::numeric",
            "invalid input syntax for type numeric",
        ),
    ] {
        let sandbox = scene(down);
        discreet(&sandbox, &[says], down);
    }
}

#[test]
fn what_the_script_spells_out_is_shown() {
    let down = "do $$ declare v text; begin select ssn into v from t where id = 1;
        raise exception 'orders of % are still open', v; end $$";
    let sandbox = scene(down);
    discreet(&sandbox, &["orders of … are still open"], down);
    let sandbox = scene("alter table nowhere drop note");
    discreet(&sandbox, &["nowhere"], "a name");
}
