//! What only looks: nothing is written, nothing above ACCESS SHARE is locked, it ends in bounded time,
//! and a server or a role that can only read is enough.

mod acting;
mod counting;
mod made;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::harness::Sandbox;
use crate::harness::cluster::Cluster;
use crate::harness::writer::Writer;

/// Everything that only looks at a database, with the exit codes that it may end with here.
const LOOKS: &[(&str, &[&str], &[i32])] = &[
    ("rollback", &["validate", "0001"], &[4]),
    ("validate", &["rollback", "0001", "--format", "html"], &[4]),
    ("validate", &["drift"], &[0, 4]),
    ("validate", &["production"], &[0, 4]),
    ("rollback", &["to", "0001", "--dry-run"], &[0]),
    ("migrate", &["status"], &[0]),
    ("migrate", &["history", "-v"], &[0]),
];

/// Tables with rows, and a way back that deletes, drops, converts and cascades.
fn filled(cluster: &std::sync::Arc<Cluster>) -> Sandbox {
    let sandbox = Sandbox::on(cluster);
    sandbox.migration(
        "0001_base",
        "create table p (id int primary key, v text);
         create table c (id int primary key, p_id int references p on delete cascade, n int);
         create view seen as select p.v, c.n from p join c on c.p_id = p.id",
        "select 1",
    );
    // The view stands in the way of the conversions.
    sandbox.migration(
        "0002_more",
        "alter table p add w text; drop view seen; alter table c alter n type bigint;
         create view seen as select p.v, c.n from p join c on c.p_id = p.id",
        "delete from p where id % 7 = 0; alter table p drop w;
         alter table c drop constraint c_p_id_fkey; drop view seen; alter table c alter n type int;
         update c set p_id = null where id < 9",
    );
    sandbox.run("migrate", &["upgrade"]).assert_exit(0);
    sandbox.sql(
        "insert into p select g, 'v' || g, 'w' || g from generate_series(1, 4000) g;
         insert into c select g, g % 4000 + 1, g from generate_series(1, 9000) g;
         analyze",
    );
    sandbox
}

/// Runs all that only looks; each must end as it may.
#[track_caller]
fn look(sandbox: &Sandbox, url: &str) {
    for (tool, args, codes) in LOOKS {
        let output = sandbox.tool(tool).args(args).env("DATABASE_URL", url).run();
        let code = output.code.unwrap_or(-1);
        assert!(codes.contains(&code), "{output}");
    }
}

/// Says to stop when it goes, in a failure too: who samples would be waited for forever.
struct Stopping<'a>(&'a AtomicBool);

impl Drop for Stopping<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn nobody_has_to_wait() {
    let cluster = Cluster::private(&[]);
    let sandbox = filled(&cluster);
    sandbox.sql("create table elsewhere (id int)");
    // Somebody holds a table that is none of the rollback's business, and another one waits.
    let holder = sandbox.session();
    holder.run("begin; lock table elsewhere in access exclusive mode");
    let writers = [
        Writer::start(&sandbox, |n| {
            format!("update p set v = 'n{n}' where id = {}", n % 4000)
        }),
        Writer::start(&sandbox, |n| {
            format!(
                "insert into c values ({}, {}, {n})",
                10_000 + n,
                n % 4000 + 1
            )
        }),
    ];
    let stop = AtomicBool::new(false);
    let held = std::thread::scope(|scope| {
        let sampler = scope.spawn(|| {
            let session = sandbox.session();
            let mut held: BTreeSet<Vec<Option<String>>> = BTreeSet::new();
            while !stop.load(Ordering::Relaxed) {
                // What the migrations build is built in a database of its own.
                held.extend(session.rows(
                    "select l.relation::regclass::text, l.mode from pg_locks l
                     join pg_stat_activity a on a.pid = l.pid
                     join pg_database d on d.oid = l.database and d.datname = current_database()
                     where l.locktype = 'relation' and a.application_name like 'pgbelay%'",
                ));
            }
            held
        });
        let stopping = Stopping(&stop);
        look(&sandbox, &sandbox.url());
        drop(stopping);
        sampler.join().unwrap()
    });
    for writer in writers {
        let written = writer.stop();
        assert!(!written.committed.is_empty());
        assert_eq!(written.refused, [], "a writer was refused");
    }
    let table = |row: &&Vec<Option<String>>| row[0].as_deref() == Some("p");
    assert!(held.iter().any(|row| table(&row)), "seen: {held:?}");
    for row in &held {
        assert_eq!(row[1].as_deref(), Some("AccessShareLock"), "{row:?}");
    }
    drop(holder);
}

#[test]
fn behind_somebody_who_waits_for_a_table_it_ends_and_says_who() {
    let sandbox = filled(&Cluster::private(&[]));
    let holder = sandbox.session();
    holder.run("begin; select from p");
    let waiting = "select count(*) from pg_locks where not granted";
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let waiter = sandbox.session();
            // Not for ever, should the test fail before the holder goes.
            waiter.run(
                "set lock_timeout = '30s'; begin; lock table p in access exclusive mode; rollback",
            );
        });
        let deadline = Instant::now() + Duration::from_secs(20);
        while sandbox.query_text(waiting) == "0" {
            assert!(Instant::now() < deadline, "nobody waits");
        }
        for args in [["validate", "0001"], ["to", "0001"]] {
            let args = [&args as &[&str], &["--lock-timeout", "200ms"]].concat();
            let output = sandbox.run("rollback", &args);
            output.assert_exit(5);
            output.assert_says("public.p is locked by pid");
            output.assert_says("in a transaction since");
        }
        holder.run("rollback");
    });
}

#[test]
fn a_hot_standby_is_enough() {
    let cluster = Cluster::private(&[]);
    let sandbox = filled(&cluster);
    let standby = cluster.standby();
    let url = format!(
        "postgresql:///{}?host={}&user=postgres",
        sandbox.database,
        standby.folder.display()
    );
    look(&sandbox, &url);
}

#[test]
fn one_connection_is_enough_for_a_plan() {
    let sandbox = filled(&Cluster::private(&[]));
    sandbox.sql(
        "create role alone login connection limit 1; grant usage on schema pgbelay to alone;
         grant select on all tables in schema public, pgbelay to alone;
         revoke execute on function pg_export_snapshot() from public",
    );
    // Since 19 reading notes which pages are visible to all, and tables grow by that.
    sandbox.sql("vacuum");
    let url = sandbox.url_as("alone");
    let plan = || {
        // The server takes a moment to notice that a connection was closed.
        let there = "select count(*) from pg_stat_activity where usename = 'alone'";
        while sandbox.query_text(there) != "0" {
            std::thread::sleep(Duration::from_millis(5));
        }
        let args = ["validate", "0001", "--json"];
        let output = sandbox
            .tool("rollback")
            .args(&args)
            .env("DATABASE_URL", &url);
        output.run().assert_exit(4).json()
    };
    assert_eq!(plan(), plan());
}

#[test]
fn a_role_that_may_only_read_is_enough() {
    let sandbox = filled(&Cluster::private(&[]));
    sandbox.sql(
        "create role reader login; grant usage on schema pgbelay to reader;
         grant select on all tables in schema public, pgbelay to reader;
         alter role reader set default_transaction_read_only = on",
    );
    look(&sandbox, &sandbox.url_as("reader"));

    // What came to the ledger since, nobody has granted.
    sandbox.run("validate", &["roundtrip"]).assert_exit(4);
    look(&sandbox, &sandbox.url_as("reader"));
    let output = sandbox
        .tool("rollback")
        .args(&["validate", "0001"])
        .env("DATABASE_URL", sandbox.url_as("reader"))
        .run();
    output.assert_says("the grades of round trips: no right to read them");
}
