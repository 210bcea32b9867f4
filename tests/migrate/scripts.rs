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

#[test]
fn rows_of_a_copy_are_loaded_and_taken_back() {
    let sandbox = Sandbox::new();
    sandbox.migration(
        "0001_init",
        "create table t (id int primary key, v text);\n\
         COPY public.t (id, v) FROM stdin;\n1\tit's; drop table t;\n2\t\\N\n\\.\n\n\
         copy t from stdin with (format csv);\n3,\"a,b\"\n\\.\nupdate t set v = v || '!';\n",
        "drop table t;",
    );
    sandbox.migration(
        "0002_more",
        "COPY t FROM stdin;\n4\tfour\n\\.\n",
        "delete from t where id = 4;\nCOPY t FROM stdin;\n5\tback\n\\.\n",
    );
    sandbox.run("migrate", &["upgrade"]).assert_exit(0);
    let rows = || sandbox.query_text("select * from t order by id");
    let above = rows();
    assert_eq!(above, "1|it's; drop table t;!\n2|\n3|a,b!\n4|four");
    let back = ["to", "0001", "--json", "--confirm", &sandbox.database];
    let rolled = sandbox.tool("rollback").args(&back).run();
    // Another state than the one before 0002: that rows come back is no matter of schemas.
    rolled.assert_exit(0);
    assert_eq!(rows(), "1|it's; drop table t;!\n2|\n3|a,b!\n5|back");
    let undo = ["undo", "--json", "--confirm", &sandbox.database];
    sandbox.tool("rollback").args(&undo).run().assert_exit(0);
    assert_eq!(rows(), above);

    // Where psql would take the rest of the file for rows, nothing runs.
    sandbox.migration(
        "0003_open",
        "COPY t FROM stdin;\n6\tsix\ndrop table t;\n",
        "",
    );
    sandbox.run("migrate", &["upgrade"]).assert_exit(2);
    sandbox.migration("0003_open", "COPY t FROM stdin;\n1\tdouble\n\\.\n", "");
    let double = sandbox.run("migrate", &["upgrade"]);
    double.assert_exit(1).assert_says("0003_open.sql:1:1");
    double.assert_says("23505");
    assert_eq!(rows(), above);
}

#[test]
fn an_error_shows_the_line_without_its_values() {
    let sandbox = Sandbox::bare();
    sandbox.migration(
        "0001_init",
        "create table t (id int);\n\ninsert into t\nselect 'topsecret', nothing -- here\nfrom t;\n",
        "drop table t",
    );
    let failed = sandbox.run("migrate", &["upgrade"]);
    failed.assert_exit(1).assert_says("0001_init.sql:4:21");
    failed.assert_says("  | select ???????????, nothing\n  |                     ^");
    failed.assert_silent_about("topsecret");
}

/// The schema is read between scripts, by statements that the session keeps ready.
#[test]
fn scripts_that_prepare_or_forget_statements_do_no_harm() {
    let sandbox = Sandbox::new();
    let forget = "create table t (id int); do $$ begin execute 'deallocate all'; end $$";
    sandbox.migration("0001_forget", forget, "drop table t");
    let hide = "prepare pgbelay_catalog_columns as select 1; create table u (id int)";
    sandbox.migration("0002_hide", hide, "drop table u");
    sandbox.migration(
        "0003_more",
        "alter table t add v text",
        "alter table t drop v",
    );
    sandbox.run("migrate", &["upgrade"]).assert_exit(0);
    // What was recorded after each is what a session reads that knows of none of this.
    let output = sandbox.run("validate", &["drift", "--json"]);
    output.assert_exit(0).assert_says("same");
    for revision in ["0002", "0001"] {
        sandbox
            .run("rollback", &["to", revision, "--yes"])
            .assert_exit(0);
    }
}
