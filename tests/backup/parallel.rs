//! Several connections at once: the same backup and the same database, however many; whole or
//! nothing when one of them fails; and going on where a restore was interrupted.

use std::time::{Duration, Instant};

use super::{HOSTILE, Target, create};
use crate::harness::Sandbox;
use crate::harness::sandbox::walk;

/// Tables of every sort and size: cut into slices, packed together, with rows that fit into no
/// buffer, with columns that are gone.
const SIZES: &str = r"
    create table big (id int primary key, gone text, t text, r text);
    insert into big
        select i, 'x', md5(i::text), case when i % 50000 = 0 then repeat('\\long' || i, 100000) end
        from generate_series(1, 220000) i;
    alter table big drop gone;
    alter table big add later int default 7;
    delete from big where id between 100000 and 130000;
    create index on big (t);
    create table line (big int references big, n int, primary key (big, n));
    insert into line select id, 1 from big;
    create table toasted (id int, b bytea);
    alter table toasted alter b set storage external;
    insert into toasted select i, decode(repeat(md5(i::text), 30000), 'hex')
        from generate_series(1, 6) i;
    create table wide () inherits (big);
    insert into wide (id, t) select -i, 'child' from generate_series(1, 3) i;
    do $$ begin
        for i in 1..150 loop
            execute format('create table tiny_%s (id int primary key, t text)', i);
            execute format('insert into tiny_%s select n, n from generate_series(1, %s) n', i, i);
        end loop;
    end $$;
    vacuum;
";

fn chunks(sandbox: &Sandbox, id: &str) -> Vec<String> {
    let folder = sandbox.backups().join(&sandbox.database).join(id);
    let files = walk(&folder.join("data"));
    let mut names: Vec<String> = (files.iter())
        .filter_map(|path| Some(path.file_name()?.to_str()?.to_owned()))
        .collect();
    names.sort();
    names
}

#[test]
fn any_number_of_connections_saves_and_loads_the_same() {
    let sandbox = Sandbox::new();
    sandbox.sql(HOSTILE);
    for sql in SIZES.split("vacuum;") {
        sandbox.sql(sql);
    }
    for jobs in ["1", "3"] {
        let id = create(&sandbox, &["--jobs", jobs]);
        let again = create(&sandbox, &["--jobs", jobs]);
        assert_eq!(chunks(&sandbox, &id), chunks(&sandbox, &again), "{jobs}");
        sandbox
            .run("backup", &["verify", &again, "--level", "decrypted"])
            .assert_exit(0);
        // Slices of two tables, and what was packed together.
        assert!(chunks(&sandbox, &id).len() > 3, "{jobs}");
        let target = Target::new(&sandbox);
        let args = [
            "restore",
            &id,
            "--into",
            &target.url,
            "--yes",
            "--jobs",
            jobs,
        ];
        sandbox.run("backup", &args).assert_exit(0);
        target.assert_same(&sandbox);
        let left = "select count(*) from pg_namespace where nspname like 'pgbelay_rest%'";
        assert_eq!(target.text(&sandbox, left), "0");
        target.drop(&sandbox.cluster);
    }
    sandbox
        .run("backup", &["create", "--jobs", "0"])
        .assert_exit(2);
}

/// Ends one of the tool's backends while it runs a statement that begins with `query`.
fn terminate(sandbox: &Sandbox, database: &str, query: &str) {
    let session = sandbox.cluster.connect("postgres", "postgres");
    let until = Instant::now() + Duration::from_mins(1);
    let sql = format!(
        "select count(pg_terminate_backend(pid)) from (
             select pid from pg_stat_activity
             where datname = '{database}' and application_name like 'pgbelay %'
               and state = 'active' and query like '{query}%' limit 1) a"
    );
    while session.text(&sql) == "0" {
        assert!(Instant::now() < until, "no {query} was seen");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn a_backend_that_is_ended_ends_the_backup_and_leaves_nothing() {
    let sandbox = Sandbox::new();
    sandbox.sql(SIZES.split("vacuum;").next().unwrap());
    for jobs in ["1", "3"] {
        let running = sandbox
            .tool("backup")
            .args(&["create", "--jobs", jobs, "--json"])
            .start();
        terminate(&sandbox, &sandbox.database, "COPY");
        let output = running.wait();
        output.assert_exit(1);
        let list = sandbox.run("backup", &["list", "--json"]).json().remove(0);
        assert_eq!(list["backups"].as_array().map(Vec::len), Some(0), "{list}");
        let left = walk(&sandbox.backups());
        assert!(left.is_empty(), "{left:?}");
        let sessions = format!(
            "select count(*) from pg_stat_activity where datname = '{}' \
             and application_name like 'pgbelay%'",
            sandbox.database
        );
        let until = Instant::now() + Duration::from_secs(10);
        while sandbox.query_text(&sessions) != "0" {
            assert!(Instant::now() < until, "a connection was left");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
    create(&sandbox, &["--jobs", "3"]);
}

#[test]
fn a_restore_goes_on_where_a_backend_was_ended() {
    let sandbox = Sandbox::new();
    sandbox.sql(SIZES.split("vacuum;").next().unwrap());
    let id = create(&sandbox, &[]);
    let other = create(&sandbox, &[]);
    let target = Target::new(&sandbox);
    let args = [
        "restore",
        &id,
        "--into",
        &target.url,
        "--yes",
        "--jobs",
        "2",
    ];
    for query in ["COPY", "ALTER TABLE"] {
        let running = sandbox.tool("backup").args(&args).start();
        terminate(&sandbox, &target.database, query);
        let ended = running.wait();
        ended
            .assert_exit(1)
            .assert_says("run the same command again");
        // Another backup doesn't mix with it.
        let mixed = ["restore", &other, "--into", &target.url, "--yes"];
        sandbox
            .run("backup", &mixed)
            .assert_exit(3)
            .assert_says(&id);
    }
    sandbox.run("backup", &args).assert_exit(0);
    target.assert_same(&sandbox);
    sandbox
        .run("backup", &args)
        .assert_exit(3)
        .assert_says("not empty");
    target.drop(&sandbox.cluster);
}

#[test]
fn a_restore_goes_on_after_kill() {
    let sandbox = Sandbox::new();
    sandbox.sql(SIZES.split("vacuum;").next().unwrap());
    let id = create(&sandbox, &[]);
    let target = Target::new(&sandbox);
    let args = [
        "restore",
        &id,
        "--into",
        &target.url,
        "--yes",
        "--jobs",
        "2",
        "--json",
    ];
    // Later and later, until one comes through.
    let mut killed = 0;
    for lines in (3..).step_by(5) {
        let run = sandbox.tool("backup").args(&args).start();
        let output = run.kill_after_lines(lines);
        if !output.killed() {
            output.assert_exit(0);
            break;
        }
        killed += 1;
    }
    assert!(killed > 1);
    target.assert_same(&sandbox);
    target.drop(&sandbox.cluster);
}
