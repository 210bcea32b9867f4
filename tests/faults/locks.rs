//! A server with room for few locks. Rollback and undo each take more of them the more tables they
//! concern; a rollback whose undo would not fit must not happen.

use crate::harness::{Cluster, Sandbox};
use crate::scenes::{to, undo};

/// A migration that adds a column to each of `tables` tables, which hold a row each.
fn scene(settings: &[(&str, &str)], tables: usize) -> Sandbox {
    let sandbox = Sandbox::on(&Cluster::private(settings));
    let each = |f: fn(usize) -> String| (0..tables).map(f).collect::<String>();
    sandbox.migration(
        "0001_tables",
        &each(|n| format!("create table t{n} (id int primary key, v text);\n")),
        "drop schema public cascade",
    );
    sandbox.migration(
        "0002_columns",
        &each(|n| format!("alter table t{n} add w text;\n")),
        &each(|n| format!("alter table t{n} drop w;\n")),
    );
    sandbox.run("migrate", &["upgrade"]).assert_exit(0);
    sandbox.sql(&each(|n| {
        format!("insert into t{n} values (1, 'v', 'w{n}');\n")
    }));
    sandbox
}

#[test]
fn a_rollback_whose_undo_would_not_find_room_is_refused() {
    let small = [
        ("max_locks_per_transaction", "10"),
        ("max_connections", "20"),
    ];
    for tables in [2, 6, 10, 30] {
        let sandbox = scene(&small, tables);
        let before = sandbox.content();
        let rollback = to(&sandbox, "0001", &[]).run();
        if rollback.code == Some(3) {
            rollback
                .assert_says("may need")
                .assert_says("max_locks_per_transaction");
            assert!(tables > 6, "{}", rollback.stderr);
        } else {
            rollback.assert_exit(0);
            assert!(tables < 30);
            undo(&sandbox, &[]).run().assert_exit(0);
        }
        assert_eq!(sandbox.content(), before, "{tables} tables");
    }
}

#[test]
fn what_is_empty_takes_no_room() {
    let few = [
        ("max_locks_per_transaction", "20"),
        ("max_connections", "20"),
    ];
    let sandbox = scene(&few, 60);
    sandbox.sql(
        &(1..60)
            .map(|n| format!("truncate t{n};"))
            .collect::<String>(),
    );
    let before = sandbox.content();
    to(&sandbox, "0001", &[]).run().assert_exit(0);
    undo(&sandbox, &[]).run().assert_exit(0);
    assert_eq!(sandbox.content(), before);
}
