//! A session as a person has it: questions, progress, Ctrl-C.

use super::{applied, states, status};
use crate::harness::Sandbox;
use crate::harness::terminal::Terminal;

#[test]
fn a_session_at_a_terminal() {
    let sandbox = Sandbox::new();
    sandbox.migration(
        "0001_init",
        "create table t (id int primary key)",
        "drop table t",
    );
    sandbox.migration(
        "0002_note",
        "alter table t add note text",
        "alter table t drop note",
    );
    let start = |tool: &str, args: &[&str]| Terminal::start(&sandbox, tool, args);

    // Production asks for the database's name; another one is a no.
    let production = ["upgrade", "--env", "production"];
    let mut terminal = start("migrate", &production);
    terminal
        .wait_for("0002_note")
        .wait_for("type the name of the database");
    terminal.answer("other").assert_exit(3);
    assert_eq!(applied(&sandbox), "base\n");
    let mut terminal = start("migrate", &production);
    terminal.wait_for("type the name of the database");
    let output = terminal.answer(&sandbox.database);
    output
        .assert_exit(0)
        .assert_says("2 migrations applied; now at 0002");
    // Progress was there, and is gone: the cursor is shown again.
    assert!(output.says("running scripts"), "{output}");
    assert_eq!(
        output.stdout.matches("\u{1b}[?25l").count(),
        output.stdout.matches("\u{1b}[?25h").count(),
        "{output}"
    );

    // What destroys shows its cost and asks for the name; what doesn't takes a yes.
    sandbox.sql("insert into t values (1, 'x')");
    let mut terminal = start("rollback", &["to", "0001"]);
    terminal
        .wait_for("LOSS_RECOVERABLE")
        .wait_for("type the name of the database");
    terminal
        .answer(&sandbox.database)
        .assert_exit(0)
        .assert_says("rollback undo");
    let mut terminal = start("rollback", &["undo"]);
    terminal.wait_for("[y/N]");
    terminal.answer("n").assert_exit(3);
    let mut terminal = start("rollback", &["undo"]);
    terminal.wait_for("[y/N]");
    terminal.answer("y").assert_exit(0);
    assert_eq!(sandbox.query_text("select * from t"), "1|x");
}

#[test]
fn ctrl_c_leaves_nothing_half_applied() {
    let sandbox = Sandbox::bare();
    sandbox.migration("0001_init", "create table t ()", "drop table t");
    let up = "create table half (); select pg_sleep(100)";
    sandbox.migration("0002_slow", up, "drop table half");
    let mut terminal = Terminal::start(&sandbox, "migrate", &["upgrade"]);
    terminal.wait_for("running scripts");
    let session = sandbox.session();
    let sleeping = "select count(*) from pg_stat_activity where query like '%pg_sleep(100)%' and pid <> pg_backend_pid() and datname = current_database()";
    while session.text(sleeping) != "1" {}
    terminal
        .interrupt()
        .assert_exit(130)
        .assert_says("interrupted");
    // The statement was cancelled, not left to run; the lock is free.
    while session.text(sleeping) != "0" {}
    let lock = sandbox.run("migrate", &["lock", "show"]);
    lock.assert_exit(0).assert_says("nobody");
    assert_eq!(states(&status(&sandbox)), "0001 applied, 0002 pending");
    assert_eq!(sandbox.query_text("select to_regclass('half')"), "");

    // Ctrl-C at a question: nothing was begun.
    let mut terminal = Terminal::start(&sandbox, "migrate", &["stamp", "0002"]);
    terminal.wait_for("[y/N]");
    terminal.interrupt().assert_exit(130);
    assert_eq!(applied(&sandbox), "0001\n");
}
