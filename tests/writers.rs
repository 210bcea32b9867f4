//! An application that never pauses: what it was told is committed is there after the undo.

mod pauses;

use std::collections::BTreeMap;

use crate::harness::{Sandbox, Writer};
use crate::scenes::{assert_nothing_left, to, undo};

/// How many rows there are at the beginning.
const ROWS: u64 = 100_000;

/// Numbers that rows new to the table begin at.
const NEW: u64 = 1_000_000;

/// Numbers of the rows that one long transaction writes.
const LONG: u64 = 90_000;

/// What the value and the text of a row are at the beginning.
fn original(id: u64) -> (String, String) {
    (format!("{id}.25"), format!("e{id}"))
}

/// The value that the application writes: one that no conversion leaves behind. A write of the
/// very value that a conversion left can't be told from no write.
fn value(n: u64) -> u64 {
    n + 500_000
}

/// The `n`-th thing that the application does. Each row is touched once, so that what it must be
/// in the end is known from what was acknowledged.
fn statement(n: u64) -> String {
    let (new, v) = (NEW + n, value(n));
    let upsert = format!(
        "insert into t (id, v, extra) values ({n}, {v}, 'w{n}')
         on conflict (id) do update set v = excluded.v, extra = excluded.extra"
    );
    match n % 4 {
        0 => format!("insert into t (id, v, extra) values ({new}, {v}, 'w{n}')"),
        1 => upsert,
        2 => format!(
            "do $$ begin delete from t where id = {n};
             if not found then raise exception 'it is gone'; end if; end $$"
        ),
        // The block makes a subtransaction: the row bears another number than its transaction.
        _ => format!(
            "do $$ begin begin {upsert}; exception when division_by_zero then null; end; end $$"
        ),
    }
}

/// Runs the migration, rolls it back while the application writes, and undoes that.
fn scenario(init: &str, up: &str, down: &str) {
    let sandbox = Sandbox::new();
    sandbox.migration("0001_init", init, "drop table if exists t; drop table tick");
    sandbox.migration("0002_change", up, down);
    sandbox.run("migrate", &["upgrade"]).assert_exit(0);
    sandbox.sql(&format!(
        "insert into t (id, v, extra) select i, i + 0.25, 'e' || i from generate_series(1, {ROWS}) i"
    ));
    sandbox.sql("analyze t");

    // In progress when the snapshot is taken: its later writes bear numbers that the snapshot
    // knows as running, and those in savepoints numbers that it doesn't know.
    let long = sandbox.session();
    long.run(&format!(
        "begin; insert into tick values (0);
         savepoint a; update t set v = 1, extra = 'long' where id = {LONG}; release a"
    ));
    let writer = Writer::start(&sandbox, statement);
    let other = Writer::start(&sandbox, |n| format!("insert into tick values ({n})"));
    writer.wait_for(40);

    let mut run = to(&sandbox, "0001", &["--json", "--lock-timeout", "20s"]).start();
    assert!(run.wait_for_text("backup_complete"));
    long.run(&format!(
        "savepoint b; update t set v = 2, extra = 'long' where id = {LONG} + 1;
         savepoint c; delete from t where id = {LONG} + 2; release c;
         savepoint d; delete from t where id = {LONG} + 3; rollback to d;
         insert into t (id, v, extra) values ({NEW} - 1, 3, 'long'); commit"
    ));
    run.wait().assert_exit(0);
    other.wait_for(40);
    assert_nothing_left(&sandbox);
    let output = undo(&sandbox, &["--json", "--lock-timeout", "20s"]).run();
    output.assert_exit(0);
    writer.wait_for(40);
    let (written, ticked) = (writer.stop(), other.stop());
    assert!(written.unknown.is_empty() && ticked.unknown.is_empty());
    assert!(ticked.refused.is_empty(), "{:?}", ticked.refused);

    let mut expected: BTreeMap<u64, (String, String)> =
        (1..=ROWS).map(|id| (id, original(id))).collect();
    let row = |v: u64, text: &str| (v.to_string(), text.to_owned());
    expected.insert(LONG, row(1, "long"));
    expected.insert(LONG + 1, row(2, "long"));
    expected.remove(&(LONG + 2));
    expected.insert(NEW - 1, row(3, "long"));
    for n in &written.committed {
        let row = row(value(*n), &format!("w{n}"));
        match n % 4 {
            0 => expected.insert(NEW + n, row),
            2 => expected.remove(n),
            _ => expected.insert(*n, row),
        };
    }
    let rows = sandbox.query_text("select id, v::float8, extra from t");
    let found: BTreeMap<u64, (String, String)> = rows
        .lines()
        .map(|line| {
            let mut fields = line.splitn(3, '|').map(str::to_owned);
            let mut next = || fields.next().unwrap();
            (next().parse().unwrap(), (next(), next()))
        })
        .collect();
    let differ = |id: &&u64| expected.get(id) != found.get(id);
    let ids: Vec<&u64> = expected.keys().chain(found.keys()).filter(differ).collect();
    let told = |id: &&u64| (**id, expected.get(id), found.get(id));
    let first: Vec<_> = ids.iter().take(10).map(told).collect();
    assert!(
        ids.is_empty(),
        "{} rows differ (id, expected, found): {first:?}\n{output}",
        ids.len()
    );
    let ticks = sandbox.query_text("select count(*) from tick");
    assert_eq!(ticks, (ticked.committed.len() + 1).to_string());
    assert_nothing_left(&sandbox);
}

const TABLE: &str = "create table tick (n bigint);
    create table t (id bigint primary key, v numeric(30, 2), extra text)";

#[test]
fn while_a_column_is_dropped() {
    scenario(
        "create table tick (n bigint); create table t (id bigint primary key, v numeric(30, 2))",
        "alter table t add extra text",
        "alter table t drop extra",
    );
}

#[test]
fn while_the_table_is_dropped() {
    scenario(
        "create table tick (n bigint)",
        "create table t (id bigint primary key, v numeric(30, 2), extra text)",
        "drop table t",
    );
}

#[test]
fn while_a_type_is_narrowed() {
    let init = TABLE.replace("(30, 2)", "(20, 0)");
    scenario(
        &init,
        "alter table t alter v type numeric(30, 2)",
        "alter table t alter v type numeric(20, 0)",
    );
}

#[test]
fn while_rows_are_deleted() {
    scenario(
        TABLE,
        "create index t_extra on t (extra)",
        "delete from t where id % 3 = 0;\ndrop index t_extra",
    );
}
