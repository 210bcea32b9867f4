//! Many runs at once on one database, and poolers that would give the lock away.

use std::fs;

use crate::harness::Sandbox;
use crate::harness::pooler::Pooler;

/// `PGBELAY_TEST_TOGETHER=PROCESSESxMIGRATIONSxRUNS`; scripts/together-test sets it.
fn size() -> (usize, usize, usize) {
    let size = std::env::var("PGBELAY_TEST_TOGETHER").unwrap_or_else(|_| "6x8x1".to_owned());
    let mut numbers = size.split('x').map(|n| n.parse().unwrap());
    let mut next = || numbers.next().unwrap();
    (next(), next(), next())
}

#[test]
fn each_migration_is_applied_once() {
    let (processes, migrations, runs) = size();
    for _ in 0..runs {
        let sandbox = Sandbox::bare();
        sandbox.migration(
            "0000_log",
            "create table log (n int, at int unique)",
            "drop table log",
        );
        for n in 1..=migrations {
            // A second run of it would fail, and leave a row too many if it did not.
            let up = match n % 4 {
                0 => format!(
                    "-- transaction: off\ncreate index concurrently i{n} on log (n);\ninsert into log values ({n}, {n})"
                ),
                _ => format!("create table t{n} (); insert into log values ({n}, {n})"),
            };
            let down = format!("delete from log where n = {n}");
            sandbox.migration(&format!("{n:04}_x"), &up, &down);
        }
        let running: Vec<_> = (0..processes)
            .map(|_| sandbox.tool("migrate").args(&["upgrade", "--json"]).start())
            .collect();
        let mut applied = 0;
        for run in running {
            let output = run.wait();
            output.assert_exit(0);
            applied += output.events("migration_finished").len();
        }
        assert_eq!(applied, migrations + 1);
        let count = "select count(*), count(distinct n) from log";
        assert_eq!(
            sandbox.query_text(count),
            format!("{migrations}|{migrations}")
        );
        let invalid = "select count(*) from pg_index where not indisvalid";
        assert_eq!(sandbox.query_text(invalid), "0");
        sandbox.run("migrate", &["check"]).assert_exit(0);
    }
}

#[test]
fn a_pooler_in_transaction_mode_is_refused() {
    let sandbox = Sandbox::bare();
    sandbox.migration("0001_a", "create table a ()", "drop table a");
    let folder = sandbox.folder.join("p");
    fs::create_dir(&folder).unwrap();
    let pooler = Pooler::start(&folder, &sandbox.cluster.folder);
    let url = pooler.url(&sandbox.database);
    let output = sandbox.run("migrate", &["upgrade", "-d", &url]);
    output.assert_exit(1).assert_says("pooler");
    assert!(output.says("connect directly to PostgreSQL"), "{output}");
    // Nothing was done, and nobody was left with the lock.
    let lock = sandbox.run("migrate", &["lock", "show"]);
    lock.assert_exit(0).assert_says("nobody");
    assert_eq!(sandbox.query_text("select to_regclass('a')"), "");
    sandbox.run("migrate", &["upgrade"]).assert_exit(0);
}

#[test]
fn nothing_to_do_takes_one_connection_and_three_round_trips() {
    let sandbox = Sandbox::bare();
    for n in 1..=20 {
        sandbox.migration(
            &format!("{n:04}_x"),
            &format!("create table t{n} ()"),
            "select 1",
        );
    }
    sandbox.run("migrate", &["upgrade"]).assert_exit(0);
    let folder = sandbox.folder.join("p");
    fs::create_dir(&folder).unwrap();
    let pooler = Pooler::start(&folder, &sandbox.cluster.folder);
    let url = pooler.url(&sandbox.database);
    let output = sandbox.run("migrate", &["upgrade", "-d", &url]);
    output.assert_exit(0).assert_says("nothing to do");
    assert_eq!(pooler.counted(), (1, 3));
}
