use crate::harness::{Cluster, Sandbox};
use crate::scenes::{PASSWORD, State, assert_refused, fill, rollback, shop, to, undo};

#[test]
fn a_server_that_is_gone() {
    let cluster = Cluster::private(&[]);
    let sandbox = Sandbox::on(&cluster);
    fill(&sandbox);
    cluster.stop();
    assert_refused(&to(&sandbox, "0001", &[]).run(), 1, &["could not connect"]);
    assert_refused(&undo(&sandbox, &[]).run(), 1, &["could not connect"]);
    assert!(sandbox.tree().is_empty());
    let url = format!("postgresql://u:{PASSWORD}@127.0.0.1:1/x");
    let output = rollback(&sandbox, &["to", "0001", "-d", &url]).run();
    assert_refused(&output, 1, &["127.0.0.1"]);
}

#[test]
fn another_run_holds_the_migration_lock() {
    let sandbox = shop();
    let before = State::of(&sandbox);
    let holder = sandbox.session();
    // The key that every run of ours asks for.
    holder.run(
        "set application_name = 'pgbelay other'; select pg_advisory_lock(3824816850283774370)",
    );
    let pid = holder.text("select pg_backend_pid()");
    let output = to(&sandbox, "0001", &["--wait", "300ms"]).run();
    assert_refused(
        &output,
        5,
        &[
            "another run holds the migration lock",
            &format!("pid {pid}"),
            "--wait",
        ],
    );
    drop(holder);
    before.assert_untouched(&sandbox);
    to(&sandbox, "0001", &[]).run().assert_exit(0);
}

#[test]
fn a_table_lock_that_is_not_had_in_time() {
    let sandbox = shop();
    let before = State::of(&sandbox);
    let reader = sandbox.session();
    reader.run("set application_name = 'nightly report'; begin; select count(*) from customers");
    let pid = reader.text("select pg_backend_pid()");
    let output = to(&sandbox, "0001", &["--lock-timeout", "50ms"]).run();
    assert_refused(
        &output,
        5,
        &["5 attempts", "attempt 1 of 5", "--lock-timeout", &pid],
    );
    // The reader was never disturbed.
    assert_eq!(reader.text("select count(*) from customers"), "50");
    reader.run("commit");
    before.assert_untouched(&sandbox);

    // Let go of in time, it is had at a later attempt.
    reader.run("begin; select count(*) from customers");
    let mut run = to(&sandbox, "0001", &["--lock-timeout", "50ms"]).start();
    assert!(run.wait_for_text("attempt 1 of 5"));
    reader.run("commit");
    run.wait().assert_exit(0);
    reader.run("begin; select count(*) from customers");
    let output = undo(&sandbox, &["--lock-timeout", "50ms"]).run();
    assert_refused(&output, 5, &["attempt 1 of 5", &pid, "nothing was changed"]);
    reader.run("commit");
    undo(&sandbox, &[]).run().assert_exit(0);
    before.assert_restored(&sandbox);
}

/// While a run waits between attempts, others must be able to work.
#[test]
fn nothing_is_locked_between_attempts() {
    let sandbox = shop();
    let reader = sandbox.session();
    reader.run("begin; select count(*) from customers");
    let mut run = to(&sandbox, "0001", &["--lock-timeout", "20ms"]).start();
    for attempt in 1..5 {
        assert!(run.wait_for_text(&format!("attempt {attempt} of 5")));
        let other = sandbox.session();
        other.run("set lock_timeout = '5s'; update customers set points = points + 1 where id = 1");
        assert_eq!(
            other.text(
                "select count(*) from pg_locks l join pg_stat_activity a using (pid)
                 where a.application_name ~ '^pgbelay' and l.relation = 'customers'::regclass
                   and l.granted and l.mode like '%Exclusive%' and a.state = 'idle'"
            ),
            "0"
        );
    }
    reader.run("commit");
    run.wait();
}

/// A transaction that was prepared belongs to no session: nobody finds it in `pg_stat_activity`.
#[test]
fn a_prepared_transaction_in_the_way_is_named() {
    let cluster = Cluster::private(&[("max_prepared_transactions", "5")]);
    let sandbox = Sandbox::on(&cluster);
    fill(&sandbox);
    let prepare = |what: &str, gid: &str| {
        let session = sandbox.session();
        session.run("begin");
        session.run(what);
        session.run(&format!("prepare transaction '{gid}'"));
    };
    let names = |output: &crate::harness::binary::Output, gid: &str| {
        output.assert_exit(5);
        output.assert_says(&format!(
            "the prepared transaction '{gid}' of role postgres"
        ));
        output.assert_says(&format!("ROLLBACK PREPARED '{gid}'"));
    };
    let before = State::of(&sandbox);
    let short = ["--lock-timeout", "100ms"];

    prepare("update coupons set code = code", "g''x");
    names(&to(&sandbox, "0001", &short).run(), "g''x");
    sandbox.sql("rollback prepared 'g''x'");

    // In a reader's way, too.
    prepare("lock table coupons", "all");
    let validate = ["validate", "0001", "--lock-timeout", "100ms"];
    names(&rollback(&sandbox, &validate).run(), "all");
    sandbox.sql("rollback prepared 'all'");

    // The migration lock itself.
    prepare("select pg_advisory_xact_lock(3824816850283774370)", "key");
    names(&to(&sandbox, "0001", &["--wait", "200ms"]).run(), "key");
    let shown = sandbox.run("migrate", &["lock", "show", "--json"]);
    let shown = shown.assert_exit(0).json().remove(0);
    assert_eq!(shown["holder"]["prepared"], "key");
    assert!(shown["holder"]["pid"].is_null(), "{shown}");
    let release = sandbox.run("migrate", &["lock", "release", "--yes"]);
    release
        .assert_exit(3)
        .assert_says("ROLLBACK PREPARED 'key'");
    sandbox.sql("rollback prepared 'key'");
    before.assert_untouched(&sandbox);

    to(&sandbox, "0001", &[]).run().assert_exit(0);
    prepare("update customers set email = email", "undo");
    names(&undo(&sandbox, &short).run(), "undo");
    sandbox.sql("commit prepared 'undo'");
    undo(&sandbox, &[]).run().assert_exit(0);
}

/// A snapshot belongs to one server: `pg_dump` must ask the one that the session is on.
#[test]
fn of_several_hosts_all_of_a_run_asks_the_one_that_answered() {
    let cluster = Cluster::private(&[]);
    let sandbox = Sandbox::on(&cluster);
    fill(&sandbox);
    let standby = cluster.standby();
    let (first, second) = (standby.folder.display(), cluster.folder.display());
    let url = format!(
        "postgresql:///{}?host=/nowhere,{first},{second}&user=postgres",
        sandbox.database
    );
    let at = |run: crate::harness::binary::Run| run.env("DATABASE_URL", &url).run();
    let output = at(to(&sandbox, "0001", &["--json"]));
    output.assert_exit(0);
    let host = output.last()["host"].as_str().unwrap().to_owned();
    assert_eq!(host, second.to_string());
    at(undo(&sandbox, &[])).assert_exit(0);
    let create = sandbox.tool("backup").args(&["create"]);
    at(create).assert_exit(0);
}
