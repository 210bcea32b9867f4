//! Verification by restoring: what is tried, what is kept of it, and that nothing stays behind.

use std::fs;

use super::{HOSTILE, Target, create, show};
use crate::harness::Sandbox;
use crate::harness::cluster::Cluster;

const SCRATCH: &str = "select count(*) from pg_database where datname like 'pgbelay\\_verify\\_%'";

#[test]
fn writing_is_tried_and_trouble_told() {
    let sandbox = Sandbox::new();
    sandbox.sql(HOSTILE);
    let id = create(&sandbox, &[]);
    let args = ["verify", &id, "--level", "restored"];
    let fine = sandbox.run("backup", &args);
    fine.assert_exit(0).assert_silent_about("can't be written");

    // A sequence behind its rows: saved as it was, and said.
    sandbox.sql(
        "create table behind (id serial primary key, v text);
         insert into behind (id, v) values (1, 'x'), (2, 'y');
         create table end_reached (id smallint generated always as identity (maxvalue 2) primary key);
         insert into end_reached default values; insert into end_reached default values;
         create table referring (id serial primary key, a int not null references a);
         alter table a add constraint odd check (id < 3) not valid",
    );
    let id = create(&sandbox, &[]);
    let args = ["verify", &id, "--level", "restored", "-v"];
    let told = sandbox.run("backup", &args);
    told.assert_exit(0)
        .assert_says("public.behind: a row has the next number of id already")
        .assert_says("public.end_reached_id_seq has reached its end")
        .assert_says("public.referring took no row")
        .assert_says("constraint odd of public.a is not valid");
}

#[test]
fn what_does_not_restore_is_no_backup() {
    let sandbox = Sandbox::new();
    // A check that holds in the original only.
    sandbox.sql(&format!(
        "create function here() returns text language sql as 'select current_database()::text';
         create table t (n int check (here() = '{}'));
         insert into t values (1), (1), (1)",
        sandbox.database
    ));
    let id = create(&sandbox, &[]);
    sandbox.run("backup", &["verify", &id]).assert_exit(0);
    let args = ["verify", &id, "--level", "restored"];
    let failed = sandbox.run("backup", &args);
    failed
        .assert_exit(6)
        .assert_says("does not restore")
        .assert_says("public.t");
    let shown = show(&sandbox, &id);
    assert!(shown["verified"].is_null());
    assert_eq!(shown["verification_failed"]["level"], "restored");
    sandbox
        .run("backup", &["list"])
        .assert_exit(0)
        .assert_says("FAILED");
    // A shallower look doesn't mend that.
    sandbox.run("backup", &["verify", &id]).assert_exit(0);
    let shown = show(&sandbox, &id);
    assert_eq!(shown["verified"]["level"], "decrypted");
    assert_eq!(shown["verification_failed"]["level"], "restored");
}

#[test]
fn a_failed_verification_counts_until_one_as_deep_passes() {
    let sandbox = Sandbox::new();
    sandbox.sql("create table t as select 1 as n");
    let id = create(&sandbox, &[]);
    let verify = |level: &str| sandbox.run("backup", &["verify", &id, "--level", level]);
    verify("decrypted").assert_exit(0);
    let folder = sandbox.backups().join(&sandbox.database).join(&id);
    let chunk = folder.join("data/000000.sql.zst.age");
    let intact = fs::read(&chunk).unwrap();
    fs::write(&chunk, &intact[1..]).unwrap();
    verify("listed").assert_exit(6);
    let shown = show(&sandbox, &id);
    assert!(shown["verified"].is_null());
    assert_eq!(shown["verification_failed"]["level"], "listed");
    fs::write(&chunk, &intact).unwrap();
    verify("hashed").assert_exit(0);
    let shown = show(&sandbox, &id);
    assert_eq!(shown["verified"]["level"], "hashed");
    assert!(shown["verification_failed"].is_null());
}

#[test]
fn the_scratch_database_goes_whatever_happens() {
    // A server of its own: other tests look at theirs for scratch databases too.
    let cluster = Cluster::private(&[]);
    let sandbox = Sandbox::on(&cluster);
    sandbox.sql(
        "create table t (id int primary key, v text);
         insert into t select i, repeat(md5(i::text), 4) from generate_series(1, 200000) i",
    );
    let id = create(&sandbox, &[]);
    let args = ["verify", &id, "--level", "restored", "--json"];
    let during = |sandbox: &Sandbox| {
        let mut run = sandbox.tool("backup").args(&args).start();
        assert!(
            run.wait_for_text(r#""phase":"restore""#),
            "no restore began"
        );
        run
    };
    let run = during(&sandbox);
    run.interrupt();
    run.wait().assert_exit(130);
    assert_eq!(sandbox.query_text(SCRATCH), "0", "interrupted");

    // Others that look similar, or belong to somebody who is there, are none of ours.
    let alive = sandbox.session();
    let owner = alive.text(
        "select pid || '_' || to_hex((date_part('epoch', backend_start) * 1000000)::int8)
         from pg_stat_activity where pid = pg_backend_pid()",
    );
    let others = [
        format!("pgbelay_verify_{owner}_00000001"),
        "pgbelay_verify_mine".to_owned(),
        "pgbelay_verify_0badcafe".to_owned(),
    ];
    for name in &others {
        sandbox.sql(&format!("create database {name}"));
    }
    let role = "somebody";
    sandbox.sql(&format!("create role {role}"));
    let dead = "pgbelay_verify_1_2_00000003";
    let foreign = "pgbelay_verify_1_2_00000004";
    sandbox.sql(&format!("create database {dead}"));
    sandbox.sql(&format!("create database {foreign} owner {role}"));

    let killed = during(&sandbox).kill();
    assert!(killed.killed());
    // The server takes a moment to notice.
    let there = "select count(*) from pg_stat_activity where application_name like 'pgbelay%'";
    while sandbox.query_text(there) != "0" {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let names =
        "select datname from pg_database where datname like 'pgbelay\\_verify\\_%' order by 1";
    assert!(sandbox.query_text(names).lines().count() > others.len());
    sandbox
        .run("backup", &["verify", &id, "--level", "restored"])
        .assert_exit(0);
    let left = sandbox.query_text(names);
    let mut expected: Vec<String> = others.to_vec();
    expected.push(foreign.to_owned());
    expected.sort();
    let mut left: Vec<&str> = left.lines().collect();
    left.sort_unstable();
    assert_eq!(left, expected);
    drop(alive);
    for name in expected {
        sandbox.sql(&format!("drop database {name}"));
    }
    sandbox.sql(&format!("drop role {role}"));
}

/// Event triggers see nothing of what a restore does for itself.
#[test]
fn a_log_of_definitions_stays_as_it_was() {
    let sandbox = Sandbox::new();
    sandbox.sql(
        "create table ddl_log (id bigserial primary key, tag text);
         create function dropped() returns event_trigger language plpgsql as $$ begin
             insert into public.ddl_log (tag)
                 select tg_tag from pg_event_trigger_dropped_objects();
         end $$;
         create function ended() returns event_trigger language plpgsql as $$ begin
             insert into public.ddl_log (tag) values (tg_tag);
         end $$;
         create event trigger dropped on sql_drop execute function dropped();
         create event trigger ended on ddl_command_end execute function ended();
         comment on event trigger dropped is 'x';
         create table t (id int primary key);
         drop table t",
    );
    let id = create(&sandbox, &[]);
    let args = ["verify", &id, "--level", "restored"];
    sandbox.run("backup", &args).assert_exit(0);
    let target = Target::new(&sandbox);
    let args = ["restore", &id, "--into", &target.url, "--yes", "--compare"];
    sandbox.run("backup", &args).assert_exit(0);
    let log = "select count(*), max(id), nextval('ddl_log_id_seq') from ddl_log";
    assert_eq!(sandbox.query_text(log), target.text(&sandbox, log));
    target.drop(&sandbox.cluster);
}
