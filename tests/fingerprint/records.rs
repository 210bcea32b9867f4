//! Ledgers of before: schemas recorded together with what PostgreSQL 15.20 notes for itself.

use crate::harness::Sandbox;

/// What the ledger of 15.20 held, before options of the server's own were known.
const RECORDED: &str = include_str!("records.sql");

/// Four migrations as they were applied there; on any other major version their record can't prove
/// right, since views are written in another way.
fn applied() -> (Sandbox, bool) {
    let sandbox = Sandbox::new();
    for (name, up, down) in [
        (
            "0001_init",
            "create table former (id int primary key, note text);\n",
            "drop table former;\n",
        ),
        (
            "0002_size",
            "alter table former add size int;\nalter table former alter note set (n_distinct = 7);\n",
            "alter table former alter note reset (n_distinct);\nalter table former drop size;\n",
        ),
        (
            "0003_data",
            "insert into former values (1, 'one', 1);\n",
            "delete from former;\n",
        ),
        (
            "0004_view",
            "alter table former alter size type bigint;\ncreate materialized view formers as select id, size from former;\n",
            "drop materialized view formers;\nalter table former alter size type int;\n",
        ),
    ] {
        sandbox.migration(name, up, down);
    }
    sandbox.run("migrate", &["upgrade"]).assert_exit(0);
    sandbox.sql(RECORDED);
    let right = sandbox.cluster.installation.major() == 15;
    (sandbox, right)
}

const SAID: &str = "pg_attver";

fn consented<'a>(sandbox: &'a Sandbox, to: &'a str) -> [&'a str; 4] {
    ["to", to, "--confirm", &sandbox.database]
}

#[test]
fn they_are_taken_over_once() {
    let (sandbox, right) = applied();
    let drift = sandbox.run("validate", &["drift"]);
    if !right {
        drift.assert_exit(4);
        sandbox
            .run("rollback", &consented(&sandbox, "0003"))
            .assert_exit(0);
        return;
    }
    drift.assert_exit(0).assert_says(SAID);
    let content = sandbox.content();
    for to in ["0003", "0001"] {
        sandbox
            .run("rollback", &consented(&sandbox, to))
            .assert_exit(0);
        sandbox.run("rollback", &["undo", "--yes"]).assert_exit(0);
        crate::harness::state::assert_same_content(&content, &sandbox.content());
    }
    sandbox
        .run("validate", &["drift"])
        .assert_exit(0)
        .assert_silent_about(SAID);
    let left = "select count(*) from pgbelay.ledger where change like '%pg_attver%'";
    assert_eq!(sandbox.query_text(left), "0");
}

#[test]
fn an_upgrade_takes_them_over() {
    let (sandbox, right) = applied();
    if !right {
        return they_are_taken_over_once();
    }
    sandbox.migration(
        "0005_last",
        "alter table former add z int",
        "alter table former drop z",
    );
    let upgrade = sandbox.run("migrate", &["upgrade"]);
    upgrade.assert_exit(0).assert_says(SAID);
    sandbox
        .run("validate", &["drift"])
        .assert_exit(0)
        .assert_silent_about(SAID);
    let back = sandbox.run("rollback", &consented(&sandbox, "base"));
    back.assert_exit(0).assert_silent_about(SAID);
    sandbox.run("rollback", &["undo", "--yes"]).assert_exit(0);
}

/// A record that doesn't prove right is drift, as ever.
#[test]
fn what_was_changed_by_hand_is_drift() {
    let (sandbox, _) = applied();
    sandbox.sql("alter table former add by_hand int");
    sandbox
        .run("validate", &["drift"])
        .assert_exit(4)
        .assert_silent_about("prove right");
}
