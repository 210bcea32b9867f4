//! `validate production`: what is in the way of a change.

use std::collections::BTreeMap;
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::harness::Sandbox;

/// The light of each check, and what was found.
fn lights(sandbox: &Sandbox, args: &[&str], exit: i32) -> BTreeMap<String, (String, String)> {
    let output = sandbox.run("validate", &[&["production", "--json"], args].concat());
    output.assert_exit(exit);
    let answer: Value = serde_json::from_str(&output.stdout).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let checks = answer["checks"].as_array().unwrap().iter();
    checks
        .inspect(|c| assert_eq!(c["light"] == "green", c["advice"].is_null(), "{c}"))
        .map(|c| (text(&c["check"]), (text(&c["light"]), text(&c["found"]))))
        .collect()
}

#[test]
fn what_is_in_the_way_is_told() {
    let sandbox = Sandbox::new();
    sandbox.migration(
        "0001_init",
        "create table t (id int primary key)",
        "drop table t",
    );
    // The servers of tests do without fsync, which is told.
    let found = lights(&sandbox, &[], 4);
    let light = |found: &BTreeMap<String, (String, String)>, id: &str| found[id].0.clone();
    assert_eq!(light(&found, "settings"), "red");
    assert!(found["settings"].1.contains("fsync = off"));
    assert_eq!(light(&found, "migrations"), "amber");
    assert_eq!(light(&found, "backup"), "red");
    for id in [
        "server",
        "primary",
        "role",
        "tls",
        "transactions",
        "locks",
        "indexes",
        "clock",
    ] {
        assert_eq!(light(&found, id), "green", "{id}: {}", found[id].1);
    }
    for id in ["wraparound", "room", "keys", "tools"] {
        assert_eq!(light(&found, id), "green", "{id}: {}", found[id].1);
    }

    sandbox.run("migrate", &["upgrade"]).assert_exit(0);
    sandbox.run("backup", &["create"]).assert_exit(0);
    let found = lights(&sandbox, &[], 4);
    assert_eq!(light(&found, "migrations"), "green");
    assert_eq!(light(&found, "backup"), "amber", "it was never verified");
    let args = ["verify", "latest", "--level", "decrypted"];
    sandbox.run("backup", &args).assert_exit(0);
    assert_eq!(light(&lights(&sandbox, &[], 4), "backup"), "green");

    sandbox.sql(
        "create index by_id on t (id);
         update pg_index set indisvalid = false where indexrelid = 'by_id'::regclass",
    );
    sandbox.write(
        "migrations/0001_init.sql",
        "create table t (id bigint primary key)",
    );
    let found = lights(&sandbox, &[], 4);
    assert_eq!(
        found["indexes"],
        ("amber".to_owned(), "not valid: public.by_id".to_owned())
    );
    assert_eq!(light(&found, "migrations"), "red");

    // Names come from the database, and are no control sequences.
    let output = sandbox.run("validate", &["production"]);
    output.assert_exit(4);
    assert!(output.stdout.contains("→ REINDEX INDEX CONCURRENTLY"));
}

#[test]
fn whoever_waits_for_a_lock_is_named() {
    let sandbox = Sandbox::new();
    sandbox.sql("create table t (id int)");
    let holder = sandbox.session();
    holder.run("begin; lock table t");
    let waiter = sandbox.session();
    thread::scope(|scope| {
        scope.spawn(|| waiter.run("set application_name = 'queue'; lock table t"));
        let waits = "select count(*) from pg_stat_activity
                     where wait_event_type = 'Lock' and datname = current_database()";
        while sandbox.query_text(waits) != "1" {
            thread::sleep(Duration::from_millis(20));
        }
        let found = lights(&sandbox, &[], 4);
        let (light, text) = &found["locks"];
        assert_eq!(light, "amber");
        assert!(text.contains("(queue)"), "{text}");
        holder.run("commit");
    });
}

#[test]
fn a_role_that_sees_too_little_is_not_told_that_all_is_well() {
    let sandbox = Sandbox::new();
    sandbox.sql("create table t (id int)");
    let role = format!("{}_reader", sandbox.database);
    sandbox.sql(&format!(
        "create role \"{role}\" login; grant usage on schema public to \"{role}\""
    ));
    let url = sandbox.url_as(&role);
    let found = lights(&sandbox, &["--database-url", &url], 4);
    assert_eq!(found["role"].0, "red");
    assert!(
        found["role"].1.contains("can't read 1 tables"),
        "{}",
        found["role"].1
    );
    for id in ["transactions", "locks"] {
        assert_eq!(found[id].0, "amber", "{id}");
    }
    sandbox.sql(&format!("drop owned by \"{role}\"; drop role \"{role}\""));
}
