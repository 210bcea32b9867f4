use std::fs;

use crate::scenes::{DOWN, State, assert_discreet, assert_refused, shop, to, undo};

const GOOD: &str = "drop table coupons;\nalter table customers drop points";

#[test]
fn scripts_that_are_missing_or_empty() {
    let sandbox = shop();
    // The ledger keeps what was there when the migration was applied, so both must go.
    sandbox.sql("update pgbelay.ledger set down_text = null, down_checksum = null");
    let before = State::of(&sandbox);
    fs::remove_file(sandbox.folder.join(DOWN)).unwrap();
    let missing = to(&sandbox, "0001", &[]).run();
    assert_refused(&missing, 3, &["0002_points", "no rollback script"]);
    let forced = to(&sandbox, "0001", &["--force"]).run();
    assert_refused(&forced, 3, &["no rollback script"]);
    for empty in ["", "  \n\n", "-- nothing to do\n/* really */\n;"] {
        sandbox.write(DOWN, empty);
        let output = to(&sandbox, "0001", &[]).run();
        assert_refused(&output, 3, &["0002_points", "write the rollback script"]);
    }
    before.assert_untouched(&sandbox);
}

#[test]
fn migrations_edited_after_they_were_applied() {
    let sandbox = shop();
    let up = "migrations/0002_points.sql";
    let text = fs::read_to_string(sandbox.folder.join(up)).unwrap();
    sandbox.write(up, "alter table customers add points bigint");
    let before = State::of(&sandbox);
    let output = to(&sandbox, "0001", &[]).run();
    assert_refused(&output, 3, &["0002_points.sql", "edited", "--accept-drift"]);
    before.assert_untouched(&sandbox);
    // What was applied counts, not what the file says now.
    to(&sandbox, "0001", &["--accept-drift"])
        .run()
        .assert_exit(0);
    undo(&sandbox, &[]).run().assert_exit(0);
    before.assert_restored(&sandbox);
    sandbox.write(up, &text);
}

#[test]
fn scripts_that_can_not_be_judged() {
    let sandbox = shop();
    sandbox.sql(
        "create function wipe() returns int language plpgsql volatile as
         'begin delete from orders; return 1; end';
         create procedure wipe_all() language plpgsql as 'begin delete from orders; end'",
    );
    let before = State::of(&sandbox);
    for bad in [
        "commit",
        "rollback",
        "begin; drop table coupons; end",
        "do $$ begin delete from orders; end $$",
        "call wipe_all()",
        "select wipe()",
        "copy orders to program 'cat'",
        "copy orders to '/tmp/pgbelay_orders'",
        "vacuum orders",
        "alter tabel customers drop points",
        "select pg_terminate_backend(1)",
        "set role postgres",
        "prepare transaction 'x'",
        "\\i other.sql",
    ] {
        sandbox.write(DOWN, &format!("drop table coupons;\n{bad};\n"));
        let output = to(&sandbox, "0001", &[]).run();
        assert_refused(&output, 3, &["0002_points_rollback.sql:2"]);
        let session = sandbox.session();
        assert_eq!(session.text("select count(*) from orders"), "80", "{bad}");
    }
    before.assert_untouched(&sandbox);
}

#[test]
fn force_saves_every_table_and_the_undo_puts_all_back() {
    let sandbox = shop();
    sandbox.write(
        DOWN,
        "drop table coupons;\n\
         do $$ begin update orders set note = 'secretvalue!' where id < 9; delete from orders where id > 70;\n\
         end $$;\nalter table customers drop points",
    );
    let before = State::of(&sandbox);
    let output = to(&sandbox, "0001", &[]).run();
    assert_refused(&output, 3, &["0002_points_rollback.sql:2", "--force"]);
    before.assert_untouched(&sandbox);

    let output = to(&sandbox, "0001", &["--force", "--json", "--echo-sql", "-v"]).run();
    output.assert_exit(0);
    assert_discreet(&output);
    assert_eq!(sandbox.query_text("select count(*) from orders"), "70");
    let saved = output.events("backup_complete")[0]["rows"]
        .as_u64()
        .unwrap();
    assert_eq!(saved, 50 + 80 + 20, "every table is saved");
    undo(&sandbox, &[]).run().assert_exit(0);
    before.assert_restored(&sandbox);
}

#[test]
fn a_script_that_fails_half_way_takes_nothing_and_leaves_nothing() {
    let sandbox = shop();
    let before = State::of(&sandbox);
    for (fails, says) in [
        (
            "insert into customers (id, email) values (1, 'secretvalue')",
            "SQLSTATE 23505",
        ),
        ("drop table nowhere", "nowhere"),
        (
            "update customers set id = 1 / (points - points)",
            "division by zero",
        ),
    ] {
        sandbox.write(
            DOWN,
            &format!("drop table coupons;\n{fails};\nalter table customers drop points"),
        );
        let output = to(&sandbox, "0001", &[]).run();
        // What can be foreseen is refused, the rest fails.
        let code = if output.code == Some(3) { 3 } else { 1 };
        assert_refused(&output, code, &["0002_points_rollback.sql:2", says]);
        before.assert_untouched(&sandbox);
    }
    sandbox.write(
        DOWN,
        "drop table coupons;\nupdate customers set id = 1 / (points - points)",
    );
    let output = to(&sandbox, "0001", &[]).run();
    assert_refused(
        &output,
        1,
        &[
            "0002_points_rollback.sql:2",
            "nothing was changed",
            "taken away",
        ],
    );
    before.assert_untouched(&sandbox);
}

#[test]
fn a_constraint_that_fails_at_the_end_is_told_from_a_failed_commit() {
    let sandbox = shop();
    sandbox.sql("alter table orders add unique (note, id) deferrable initially deferred;
                 alter table orders alter constraint orders_customer_fkey deferrable initially deferred");
    sandbox.migration(
        "0003_index",
        "create index on orders (note)",
        "drop index orders_note_idx; update orders set customer = 0 where id = 7",
    );
    sandbox.run("migrate", &["upgrade"]).assert_exit(0);
    let before = State::of(&sandbox);
    let output = to(&sandbox, "0002", &[]).run();
    assert_refused(&output, 1, &["nothing was changed", "23503"]);
    output.assert_silent_about("not known");
    before.assert_untouched(&sandbox);
}

#[test]
fn a_schema_that_ends_other_than_recorded() {
    let sandbox = shop();
    sandbox.write(DOWN, &format!("{GOOD};\nalter table orders add extra int"));
    let before = State::of(&sandbox);
    let output = to(&sandbox, "0001", &[]).run();
    let words = [
        "another schema",
        "extra column public.orders.extra",
        "+ integer",
        "--accept-drift",
    ];
    assert_refused(&output, 3, &words);
    before.assert_untouched(&sandbox);

    // A ledger from before changes were recorded: no difference to show, as safe as ever.
    sandbox.sql(
        "alter table pgbelay.ledger drop column change; update pgbelay.layout set version = 1",
    );
    let output = to(&sandbox, "0001", &[]).run();
    assert_refused(&output, 3, &["another schema", "--accept-drift"]);
    output.assert_silent_about("extra column");
    sandbox.run("migrate", &["status"]).assert_exit(0);

    let output = to(&sandbox, "0001", &["--accept-drift"]).run();
    output.assert_exit(0).assert_says("accepted");
    undo(&sandbox, &["--accept-drift"]).run().assert_exit(0);
    sandbox.sql("alter table orders drop column if exists extra");
    before.assert_restored(&sandbox);
}

#[test]
fn a_schema_changed_by_hand_since() {
    let sandbox = shop();
    sandbox.sql("alter table orders add by_hand int");
    let before = State::of(&sandbox);
    let output = to(&sandbox, "0001", &[]).run();
    assert_refused(&output, 3, &["--accept-drift"]);
    before.assert_untouched(&sandbox);
    to(&sandbox, "0001", &["--accept-drift"])
        .run()
        .assert_exit(0);
    undo(&sandbox, &[]).run().assert_exit(0);
    before.assert_restored(&sandbox);
}

/// What a trigger does when the transaction ends is part of what the script did.
#[test]
fn what_is_deferred_to_the_end_is_kept_too() {
    let sandbox = shop();
    sandbox.migration(
        "0003_log",
        "create table log (id int primary key, n int not null);
         create function count_changes() returns trigger language plpgsql as $$
         begin update log set n = n + 1 where id = 1; return null; end $$;
         create constraint trigger counted after update on orders deferrable initially deferred
         for each row execute function count_changes()",
        "drop table log; drop trigger counted on orders; drop function count_changes()",
    );
    sandbox.migration(
        "0004_index",
        "create index orders_note on orders (note)",
        "drop index orders_note;\nupdate orders set note = 'other' where id < 9",
    );
    sandbox.run("migrate", &["upgrade"]).assert_exit(0);
    sandbox.sql("insert into log values (1, 100), (2, 0)");
    let before = State::of(&sandbox);
    to(&sandbox, "0003", &["--force"]).run().assert_exit(0);
    assert_eq!(sandbox.query_text("select n from log where id = 1"), "108");
    undo(&sandbox, &[]).run().assert_exit(0);
    before.assert_restored(&sandbox);
}

#[test]
fn statements_about_columns_that_are_not_there() {
    let sandbox = shop();
    let before = State::of(&sandbox);
    for bad in [
        "update orders set note = 'x' where gone is null",
        "delete from orders using customers c where c.gone = 1",
        "update orders set note = 'x' where customer = point(1, 2)",
    ] {
        sandbox.write(DOWN, &format!("{GOOD};\n{bad}"));
        let output = to(&sandbox, "0001", &[]).run();
        assert_refused(&output, 3, &["would fail", "0002_points_rollback.sql:3"]);
        before.assert_untouched(&sandbox);
    }
}
