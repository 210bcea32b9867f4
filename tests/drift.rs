//! `validate drift`: what was changed beside the migrations.

use serde_json::Value;

use crate::harness::Sandbox;

fn with_migrations() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.migration(
        "0001_init",
        "create table t (id int primary key, v text); create index by_v on t (v)",
        "drop table t",
    );
    sandbox.migration(
        "0002_more",
        "-- transaction: off\ncreate index concurrently by_both on t (v, id);",
        "drop index by_both",
    );
    sandbox
}

/// What was told, and the states of the two comparisons.
fn drift(sandbox: &Sandbox, args: &[&str], exit: i32) -> (Value, [String; 2]) {
    let output = sandbox.run("validate", &[&["drift", "--json"], args].concat());
    output.assert_exit(exit);
    let answer: Value = serde_json::from_str(&output.stdout).unwrap();
    let states = ["recorded", "built"].map(|of| answer[of]["state"].as_str().unwrap().to_owned());
    (answer, states)
}

#[test]
fn what_was_changed_by_hand_is_told() {
    let sandbox = with_migrations();
    sandbox.run("validate", &["drift"]).assert_exit(2);
    sandbox.run("migrate", &["upgrade"]).assert_exit(0);
    assert_eq!(drift(&sandbox, &[], 0).1, ["same", "same"]);
    assert_eq!(drift(&sandbox, &["--no-build"], 0).1, ["same", "unknown"]);

    sandbox.sql(
        "alter table t add sneaky int; drop index by_v; alter table t alter v set not null;
         create table beside (x int)",
    );
    let before = sandbox.catalog();
    let (answer, states) = drift(&sandbox, &[], 4);
    assert_eq!(states, ["differs", "differs"]);
    for of in ["recorded", "built"] {
        let difference = answer[of]["difference"].as_str().unwrap();
        for part in [
            "missing index public.t.by_v",
            "extra column public.t.sneaky",
            "extra table public.beside",
            "changed column public.t.v",
        ] {
            assert!(difference.contains(part), "{part} is not in\n{difference}");
        }
        assert!(!difference.contains("not recorded"), "{difference}");
    }
    let output = sandbox.run("validate", &["drift"]);
    output.assert_exit(4);
    assert!(
        output
            .stdout
            .contains("differs from what was recorded with 0002")
    );
    before.assert_same(&sandbox.catalog());
    // Those of other tests belong to connections that are there.
    let left = "select count(*) from pg_database where
                substring(datname from '^pgbelay_verify_([0-9]+)_')
                    not in (select pid::text from pg_stat_activity)";
    assert_eq!(sandbox.query_text(left), "0");
}

#[test]
fn what_was_there_before_is_no_drift_but_nothing_builds_it() {
    let sandbox = with_migrations();
    sandbox.sql("create table old (x int)");
    sandbox.run("migrate", &["upgrade"]).assert_exit(0);
    let (answer, states) = drift(&sandbox, &[], 4);
    assert_eq!(states, ["same", "differs"]);
    let difference = answer["built"]["difference"].as_str().unwrap();
    assert!(
        difference.starts_with("extra table public.old"),
        "{difference}"
    );
    // Changed since, by hand: it can't be told what it was.
    sandbox.sql("alter table old add y int");
    let (answer, states) = drift(&sandbox, &["--no-build"], 4);
    assert_eq!(states, ["differs", "unknown"]);
    let difference = answer["recorded"]["difference"].as_str().unwrap();
    assert!(difference.contains("no migration made"), "{difference}");
}

#[test]
fn nothing_is_built_beside_production_and_what_cannot_be_told_is_refused() {
    let sandbox = with_migrations();
    sandbox.run("migrate", &["upgrade"]).assert_exit(0);
    sandbox.write("pgbelay.toml", "[env.live]\nproduction = true\n");
    let (answer, states) = drift(&sandbox, &["--env", "live"], 0);
    assert_eq!(states, ["same", "unknown"]);
    assert!(
        answer["built"]["reason"]
            .as_str()
            .unwrap()
            .contains("production")
    );
    sandbox.sql("update pgbelay.ledger set fingerprint_after = null");
    let output = sandbox.run("validate", &["drift", "--no-build"]);
    output.assert_exit(3);
    output.assert_says("no schema was recorded with the newest migration");
    assert_eq!(drift(&sandbox, &[], 0).1, ["unknown", "same"]);
}
