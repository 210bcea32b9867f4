//! How scripts are read and run.

use super::{applied, states, status, two};
use crate::harness::Sandbox;

#[test]
fn line_ends_and_byte_order_marks_are_no_change() {
    let sandbox = Sandbox::bare();
    sandbox.migration(
        "0001_init",
        "create table t (\n  id int\n);\n",
        "drop table t;\n",
    );
    sandbox.run("migrate", &["upgrade"]).assert_exit(0);
    let before = status(&sandbox);
    sandbox.migration(
        "0001_init",
        "\u{feff}create table t (\r\n  id int\r\n);\r\n",
        "\u{feff}drop table t;\r\n",
    );
    sandbox.run("migrate", &["check"]).assert_exit(0);
    assert_eq!(before, status(&sandbox));
}

#[test]
fn a_script_with_its_own_transaction_runs_in_ours() {
    let sandbox = Sandbox::bare();
    let up = "BEGIN;\ncreate table t ();\nselect 1/(select count(*) from t);\nCOMMIT;\n";
    sandbox.migration("0001_init", up, "BEGIN;\ndrop table t;\nCOMMIT;\n");
    sandbox
        .run("migrate", &["upgrade"])
        .assert_exit(1)
        .assert_says("0001_init.sql:3");
    assert_eq!(sandbox.query_text("select to_regclass('t')"), "");
    sandbox.migration("0001_init", &up.replace("1/", "1+"), "drop table t");
    sandbox.run("migrate", &["upgrade"]).assert_exit(0);
    // Elsewhere it would end the transaction that protects the run.
    sandbox.migration(
        "0002_no",
        "create table u (); commit; create table v ()",
        "drop table u",
    );
    sandbox.run("migrate", &["upgrade"]).assert_exit(2);
    assert_eq!(sandbox.query_text("select to_regclass('u')"), "");
}

#[test]
fn outside_a_transaction_goes_on_where_it_stopped() {
    let sandbox = two();
    let up = "-- transaction: off\ncreate index concurrently i on t (note);\ncreate table u ();\nselect 1/(select count(*) from u);\n";
    sandbox.migration("0003_index", up, "drop table u; drop index i");
    let output = sandbox.run("migrate", &["upgrade", "--json"]);
    output.assert_exit(1);
    let done = output.last()["done"].to_string();
    assert!(
        done.contains("0003_index.sql:2 ran") && done.contains("0003_index.sql:3 ran"),
        "{done}"
    );
    assert_eq!(
        states(&status(&sandbox)),
        "0001 applied, 0002 applied, 0003 failed"
    );
    sandbox.run("migrate", &["check"]).assert_exit(4);
    sandbox.write("migrations/0003_index.sql", &up.replace("1/", "1+"));
    sandbox.run("migrate", &["upgrade"]).assert_exit(0);
    assert_eq!(applied(&sandbox), "0003\n");
    sandbox.run("migrate", &["check"]).assert_exit(0);
}
