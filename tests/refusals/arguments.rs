use crate::scenes::{State, assert_refused, rollback, shop, to, undo};

#[test]
fn revisions_that_are_not_there_to_go_back_to() {
    let sandbox = shop();
    sandbox.migration("0003_later", "create table later ()", "drop table later");
    let before = State::of(&sandbox);
    for (revision, says) in [
        ("0009", "0009"),
        ("000", "0001"),
        ("0003", "not applied"),
        ("-7", "-7"),
    ] {
        let output = to(&sandbox, revision, &[]).run();
        assert_refused(&output, 2, &[says]);
    }
    for args in [&["--steps", "3"], &["--name", "nothing"]] {
        assert_refused(&rollback(&sandbox, args).run(), 2, &["migrate status"]);
    }
    // Nothing to take back is no mistake.
    let output = to(&sandbox, "0002", &[]).run();
    output.assert_exit(0).assert_says("nothing to do");
    before.assert_untouched(&sandbox);
}

#[test]
fn consent_that_is_missing_or_meant_for_another_database() {
    let sandbox = shop();
    let before = State::of(&sandbox);
    let silent = rollback(&sandbox, &["to", "0001"]).run();
    assert_refused(&silent, 3, &[&format!("--confirm {}", sandbox.database)]);
    let yes = rollback(&sandbox, &["to", "0001", "--yes"]).run();
    assert_refused(&yes, 3, &["--confirm"]);
    let other = rollback(&sandbox, &["to", "0001", "--confirm", "elsewhere"]).run();
    assert_refused(&other, 3, &[&sandbox.database]);
    before.assert_untouched(&sandbox);

    // Typed into a pipe is not typed on a terminal.
    let piped = rollback(&sandbox, &["to", "0001"]).stdin(format!("{}\n", sandbox.database));
    assert_refused(&piped.run(), 3, &["--confirm"]);
    before.assert_untouched(&sandbox);
}

#[test]
fn production_wants_a_name_even_where_nothing_is_lost() {
    let sandbox = shop();
    sandbox.migration(
        "0003_index",
        "create index on orders (customer)",
        "drop index orders_customer_idx",
    );
    sandbox.run("migrate", &["upgrade"]).assert_exit(0);
    sandbox.write("pgbelay.toml", "[env.live]\nproduction = true\n");
    let before = State::of(&sandbox);
    let output = rollback(&sandbox, &["to", "0002", "--yes", "-e", "live"]).run();
    assert_refused(&output, 3, &["production", "--confirm"]);
    before.assert_untouched(&sandbox);
    rollback(&sandbox, &["to", "0002", "--yes"])
        .run()
        .assert_exit(0);
}

#[test]
fn the_plan_reviewed_is_the_plan_carried_out() {
    let sandbox = shop();
    let plan = rollback(&sandbox, &["to", "0001", "--dry-run", "--json"]).run();
    let hash = plan.events("plan")[0]["plan_hash"]
        .as_str()
        .unwrap()
        .to_owned();
    let before = State::of(&sandbox);
    let wrong = to(&sandbox, "0001", &["--plan-hash", "0123456789abcdef"]).run();
    assert_refused(&wrong, 3, &["not the plan that was reviewed", &hash]);
    before.assert_untouched(&sandbox);

    // Other rows are the same plan, another schema is not.
    sandbox.sql("delete from coupons where customer = 3");
    sandbox.sql("alter table orders add extra int");
    let output = to(&sandbox, "0001", &["--plan-hash", &hash]).run();
    assert_refused(&output, 3, &["not the plan that was reviewed"]);
    sandbox.sql("alter table orders drop extra");
    sandbox.write(
        "migrations/0002_points_rollback.sql",
        "drop table coupons;\nalter table customers drop points;",
    );
    let output = to(&sandbox, "0001", &["--plan-hash", &hash]).run();
    assert_refused(&output, 3, &["not the plan that was reviewed"]);
    sandbox.write(
        "migrations/0002_points_rollback.sql",
        "drop table coupons;\nalter table customers drop points",
    );
    to(&sandbox, "0001", &["--plan-hash", &hash[..16]])
        .run()
        .assert_exit(0);
}

#[test]
fn without_a_snapshot_only_by_force() {
    let sandbox = shop();
    let before = State::of(&sandbox);
    let output = to(&sandbox, "0001", &["--without-snapshot"]).run();
    output.assert_exit(2).assert_says("--force");
    before.assert_untouched(&sandbox);

    let output = to(&sandbox, "0001", &["--force", "--without-snapshot"]).run();
    output.assert_exit(0).assert_says("no snapshot");
    assert!(sandbox.tree().is_empty());
    assert_refused(
        &undo(&sandbox, &[]).run(),
        3,
        &["without a snapshot", "migrate upgrade"],
    );
}

#[test]
fn what_can_be_undone_and_what_not() {
    let sandbox = shop();
    let before = State::of(&sandbox);
    assert_refused(&undo(&sandbox, &[]).run(), 2, &["no rollback to undo"]);
    before.assert_untouched(&sandbox);

    to(&sandbox, "0001", &[]).run().assert_exit(0);
    let back = State::of(&sandbox);
    assert_refused(&rollback(&sandbox, &["undo"]).run(), 3, &["--yes"]);
    let output = undo(&sandbox, &["20200101"]).run();
    assert_refused(&output, 2, &["backup list"]);
    back.assert_untouched(&sandbox);

    // Migrated since: forward by another way.
    sandbox.migration("0003_else", "create table other ()", "drop table other");
    sandbox.run("migrate", &["upgrade"]).assert_exit(0);
    let migrated = State::of(&sandbox);
    assert_refused(
        &undo(&sandbox, &[]).run(),
        3,
        &["0001", "0003", "roll back to 0001"],
    );
    migrated.assert_untouched(&sandbox);
    to(&sandbox, "0001", &[]).run().assert_exit(0);

    // The newest rollback first, then the one before it.
    undo(&sandbox, &[]).run().assert_exit(0);
    to(&sandbox, "0001", &[]).run().assert_exit(0);
    let first = back
        .backups
        .keys()
        .find_map(|p| p.split('/').nth(1))
        .unwrap();
    undo(&sandbox, &[first]).run().assert_exit(0);
    before.assert_restored(&sandbox);
    let output = undo(&sandbox, &[first]).run();
    assert_refused(&output, 2, &["undone already"]);
    before.assert_restored(&sandbox);
}
