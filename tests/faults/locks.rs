//! A server with room for few locks. Rollback and undo each take more of them the more tables they
//! concern; a rollback whose undo would not fit must not happen.

use std::sync::Arc;

use crate::harness::{Cluster, Sandbox};
use crate::scenes::{to, undo};

/// A migration that adds a column to each of `tables` tables, which hold a row each.
fn scene(cluster: &Arc<Cluster>, tables: usize) -> Sandbox {
    let sandbox = Sandbox::on(cluster);
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

fn small() -> Arc<Cluster> {
    Cluster::private(&[
        ("max_locks_per_transaction", "10"),
        ("max_connections", "20"),
    ])
}

#[test]
fn a_rollback_whose_undo_would_not_find_room_is_refused() {
    let small = small();
    for tables in [6, 30] {
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
fn tables_that_go_and_changed_rows_need_room_too() {
    let small = small();
    let create = |n: usize| format!("create table u{n} (id int primary key, v text);\n");
    let each = |tables: usize, f: &dyn Fn(usize) -> String| (0..tables).map(f).collect::<String>();
    let mut refused = 0;
    for tables in [3, 25] {
        for drops in [true, false] {
            let sandbox = Sandbox::on(&small);
            let all = each(tables, &create);
            let (base, up, down) = if drops {
                (
                    "select 1".to_owned(),
                    all,
                    each(tables, &|n| format!("drop table u{n};\n")),
                )
            } else {
                let down = each(tables, &|n| format!("update u{n} set v = 'gone';\n"));
                (all, "select 1".to_owned(), down)
            };
            sandbox.migration("0001_base", &base, "select 1");
            sandbox.migration("0002_more", &up, &down);
            sandbox.run("migrate", &["upgrade"]).assert_exit(0);
            sandbox.sql(&each(tables, &|n| {
                format!("insert into u{n} values (1, 'v{n}');")
            }));
            let before = sandbox.content();
            let rollback = to(&sandbox, "0001", &[]).run();
            if rollback.code == Some(0) {
                undo(&sandbox, &[]).run().assert_exit(0);
            } else {
                refused += 1;
            }
            assert_eq!(
                sandbox.content(),
                before,
                "{tables} tables, dropped: {drops}"
            );
        }
    }
    assert!(refused > 0 && refused < 4, "{refused} of 4 refused");
}

#[test]
fn what_is_empty_takes_no_room() {
    let few = Cluster::private(&[
        ("max_locks_per_transaction", "26"),
        ("max_connections", "20"),
    ]);
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
