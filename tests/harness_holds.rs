//! The harness keeps its own promises.

use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::harness::binary::Run;
use crate::harness::cluster::send;
use crate::harness::state::{Catalog, assert_same_content};
use crate::harness::transcript::redact;
use crate::harness::{Cluster, Sandbox, Writer};

const TABLES: &str = "
    create table a (id int primary key, note text, made timestamptz default now());
    insert into a values (1, 'x', now()), (2, null, now()), (3, 'NULL', now());
    create table e (at date not null, n int) partition by range (at);
    create table e_1 partition of e for values from ('2026-01-01') to ('2026-02-01');
    insert into e values ('2026-01-03', 1);
    create table nothing ();
    create sequence s; select nextval('s')";

#[test]
fn content_ignores_order_and_sees_every_value() {
    let sandbox = Sandbox::bare();
    sandbox.sql(TABLES);
    let before = sandbox.content();
    let names: Vec<_> = before.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "public.a",
            "public.e_1",
            "public.nothing",
            "sequence public.s"
        ]
    );

    // Rows rewritten, columns in another order: the same content.
    sandbox.sql(
        "update a set id = id; alter table a add column later text;
         update a set later = note; alter table a drop column note;
         alter table a rename column later to note",
    );
    assert_same_content(&before, &sandbox.content());

    for change in [
        "update a set note = 'NULL' where note is null",
        "update a set made = made + interval '1 microsecond' where id = 1",
        "insert into e values ('2026-01-03', 1)",
        "select nextval('s')",
        "drop table nothing",
        "create schema pgbelay_not_ours; create table pgbelay_not_ours.t ()",
    ] {
        let before = sandbox.content();
        sandbox.sql(change);
        assert_ne!(before, sandbox.content(), "{change}");
    }

    let before = sandbox.content();
    sandbox.sql("create schema pgbelay; create table pgbelay.t (i int)");
    assert_same_content(&before, &sandbox.content());
}

#[test]
fn catalog_tells_order_from_difference() {
    let sandbox = Sandbox::bare();
    sandbox.sql("create table t (a int, b text default 'x'); create table u (a int)");
    let before = sandbox.catalog();
    before.assert_same(&sandbox.catalog());

    sandbox.sql("alter table t drop column a; alter table t add column a int");
    let moved = sandbox.catalog();
    assert_ne!(before, moved);
    before.assert_same_but_for_order(&moved);
    assert_eq!(
        before
            .reordered_tables(&moved)
            .into_iter()
            .collect::<Vec<_>>(),
        ["public.t"]
    );

    sandbox.sql("alter table t alter column b set default 'y'");
    assert_ne!(
        moved.without_column_order(),
        sandbox.catalog().without_column_order()
    );
    assert!(
        moved
            .difference(&sandbox.catalog())
            .contains("+    b text DEFAULT 'y'::text")
    );
}

#[test]
fn dumps_lose_what_differs_by_accident() {
    let one =
        Catalog::from_dump("--\n-- Dumped by pg_dump version 16\n\\restrict abc\nSELECT 1;\n");
    let two = Catalog::from_dump("\\restrict def\n\nSELECT 1;\n\\unrestrict def\n");
    assert_eq!(one, two);
}

#[test]
fn writers_know_what_was_committed() {
    let sandbox = Sandbox::bare();
    sandbox.sql("create table t (n bigint primary key check (n % 5 <> 0))");
    let writer = Writer::start(&sandbox, |n| format!("insert into t values ({n})"));
    writer.wait_for(20);
    let written = writer.stop();
    let rows = sandbox.query_text("select n from t order by n");
    let committed: Vec<String> = written.committed.iter().map(ToString::to_string).collect();
    assert_eq!(rows.lines().collect::<Vec<_>>(), committed);
    assert!(
        written
            .refused
            .iter()
            .all(|(n, state)| n % 5 == 0 && state == "23514")
    );
    assert!(written.unknown.is_empty());
}

#[test]
fn roles_other_than_the_superuser_can_connect() {
    let sandbox = Sandbox::bare();
    let role = format!("reader_of_{}", sandbox.database);
    sandbox.sql(&format!("create table t (); create role {role} login"));
    let session = sandbox.session_as(&role);
    assert_eq!(session.text("select current_user"), role);
    assert!(session.try_run("select * from t").is_err());
    drop(session);
    sandbox.sql(&format!("drop role {role}"));
}

fn shell(script: &str) -> Run {
    Run::of_program("/bin/sh", "sh").arg("-c").arg(script)
}

#[test]
fn runs_are_told_apart_by_how_they_end() {
    let output = shell("read -r x; echo \"$x $HOME\"; echo two >&2; exit 4")
        .stdin("one\n")
        .run();
    output
        .assert_exit(4)
        .assert_says("two")
        .assert_silent_about("three");
    assert_eq!((output.stdout.as_str(), output.killed()), ("one \n", false));

    let output = shell("echo 1; echo 2; echo 3; exec sleep 60")
        .start()
        .kill_after_lines(3);
    assert!(output.killed());
    assert_eq!(output.stdout, "1\n2\n3\n");
    let output = shell("echo 1; exit 3").start().kill_after_lines(3);
    output.assert_exit(3);

    let started = Instant::now();
    let late = std::panic::catch_unwind(|| {
        shell("sleep 60 & wait")
            .patience(Duration::from_millis(50))
            .run()
    });
    assert!(late.is_err() && started.elapsed() < Duration::from_secs(30));
}

#[test]
fn binaries_run_in_the_sandbox() {
    let sandbox = Sandbox::bare();
    for tool in ["migrate", "rollback", "backup", "validate"] {
        sandbox.run(tool, &["--version"]).assert_exit(0);
    }
    sandbox.migration("0001_init", "create table t ()", "drop table t");
    assert!(sandbox.migrations().join("0001_init_rollback.sql").exists());
    sandbox.write("backups/x/manifest.json", "{}");
    let tree = sandbox.tree();
    assert_eq!(tree["x"], "folder");
    assert!(tree["x/manifest.json"].starts_with("2 bytes 44136fa355b3678a"));
}

#[test]
fn transcripts_keep_what_is_no_accident() {
    let sandbox = Sandbox::bare();
    let said = format!(
        "{}/backups of {}: 20261121T101500Z-prerollback-0042-7f3a9c, 12 rows in 1.5s at \
         2026-11-21T10:15:00Z, revision 0042.",
        sandbox.folder.display(),
        sandbox.database,
    );
    assert_eq!(
        redact(&said, &sandbox),
        "[folder]/backups of [database]: [backup], 12 rows in [duration] at [time], revision 0042."
    );
}

#[test]
fn json_is_one_document_or_lines() {
    let output =
        shell(r#"echo '{"type":"step","n":1}'; echo '{"type":"done","exit_code":0}'"#).run();
    assert_eq!(output.json().len(), 2);
    assert_eq!(output.events("step")[0]["n"], 1);
    assert_eq!(output.last()["exit_code"], 0);
}

#[test]
fn a_private_server_survives_a_crash_and_leaves_nothing() {
    let cluster = Cluster::private(&[("max_locks_per_transaction", "33")]);
    let session = cluster.connect("postgres", "postgres");
    session.run("create table t (n int); insert into t values (1)");
    assert_eq!(session.text("show max_locks_per_transaction"), "33");
    cluster.kill();
    assert!(session.try_run("select 1").is_err());
    cluster.start_again();
    assert_eq!(
        cluster
            .connect("postgres", "postgres")
            .text("select n from t"),
        "1"
    );

    let folder = cluster.folder.clone();
    assert!(folder.exists());
    drop(cluster);
    assert!(!folder.exists());
}

/// Runs this test binary again, for [`starts_a_server_and_waits`], and kills it.
#[test]
fn a_killed_test_process_leaves_nothing() {
    let note = std::env::temp_dir().join(format!("pgb-note-{}", std::process::id()));
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "harness_holds::starts_a_server_and_waits",
            "--nocapture",
        ])
        .env("PGBELAY_TEST_NOTE", &note)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut folder = String::new();
    wait_until("the other process has a server", || {
        folder = std::fs::read_to_string(&note).unwrap_or_default();
        folder.ends_with('\n')
    });
    std::fs::remove_file(&note).unwrap();
    let folder = Path::new(folder.trim_end());
    let pid_file = std::fs::read_to_string(folder.join("data/postmaster.pid")).unwrap();
    let server: u32 = pid_file.lines().next().unwrap().parse().unwrap();

    send("KILL", child.id());
    child.wait().unwrap();
    wait_until("its folder is gone", || !folder.exists());
    wait_until("its server is gone", || {
        let state = Command::new("ps")
            .args(["-o", "stat=", "-p", &server.to_string()])
            .output();
        let state = String::from_utf8_lossy(&state.unwrap().stdout)
            .trim()
            .to_owned();
        state.is_empty() || state.starts_with('Z')
    });
}

/// Does nothing unless it is asked to by [`a_killed_test_process_leaves_nothing`].
#[test]
fn starts_a_server_and_waits() {
    let Some(note) = std::env::var_os("PGBELAY_TEST_NOTE") else {
        return;
    };
    let sandbox = Sandbox::bare();
    std::fs::write(note, format!("{}\n", sandbox.cluster.folder.display())).unwrap();
    thread::sleep(Duration::from_mins(1));
}

fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_mins(1);
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        thread::sleep(Duration::from_millis(20));
    }
}
