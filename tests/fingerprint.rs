//! The digest of a schema: the same on a copy, blind for what the server notes for itself, and not
//! for anything that somebody set.

mod drawn;
mod records;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::harness::installation::Installation;
use crate::harness::{Cluster, Sandbox};
use crate::undo::Draw;

/// The fingerprint of the database, as a baseline records it. Once in a sandbox.
fn fingerprint(sandbox: &Sandbox) -> String {
    sandbox.migration("0001_init", "select 1", "select 1");
    sandbox
        .run("migrate", &["baseline", "--yes"])
        .assert_exit(0);
    sandbox.query_text("select fingerprint_after from pgbelay.ledger")
}

/// The fingerprint now, taken from the same record made again.
fn again(sandbox: &Sandbox) -> String {
    sandbox.sql("drop schema pgbelay cascade");
    fingerprint(sandbox)
}

/// What `sql` makes, as the ledger records it.
fn objects(sql: &str) -> BTreeSet<String> {
    let sandbox = Sandbox::bare();
    let plain: Vec<&str> = sql.lines().filter(|l| !l.starts_with('\\')).collect();
    sandbox.migration("0001_init", &plain.join("\n"), "");
    sandbox.run("migrate", &["upgrade"]).assert_exit(0);
    let change = sandbox.query_text("select change from pgbelay.ledger");
    let change: Vec<serde_json::Value> = serde_json::from_str(&change).unwrap();
    let only = |object: &serde_json::Value| {
        let mut object = object.clone();
        object["after"]["order"].take();
        object.to_string()
    };
    change.iter().map(only).collect()
}

/// `pg_dump -s | psql` from one database into another.
fn copy(from: &Sandbox, to: &Sandbox) {
    let bin = &from.cluster.installation.bin;
    let mut dump = Command::new(bin.join("pg_dump"))
        .args([
            "--schema-only",
            "--exclude-schema=pgbelay",
            "-d",
            &from.url(),
        ])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let load = Command::new(bin.join("psql"))
        .args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", &to.url()])
        .stdin(dump.stdout.take().unwrap())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&load.stderr);
    assert!(
        dump.wait().unwrap().success() && load.status.success(),
        "{said}"
    );
}

#[test]
fn a_copy_of_a_random_schema_has_the_same() {
    let number = |name: &str| std::env::var(name).ok().and_then(|v| v.parse::<u64>().ok());
    let seeds = match number("PGBELAY_TEST_SEED") {
        Some(seed) => seed..=seed,
        None => 1..=number("PGBELAY_TEST_SEEDS").unwrap_or(100).div_ceil(20),
    };
    for seed in seeds {
        let from = Sandbox::bare();
        let major = from.cluster.installation.major();
        let mut sql = drawn::schema(&mut Draw(seed), major);
        if from.session().try_run("select xml '<a/>'").is_err() {
            sql = drawn::without_xml(&sql); // as pinned builds are
        }
        if let Err(error) = from.session().try_run(&sql) {
            panic!("seed {seed}: {error:?}\n{sql}");
        }
        let to = Sandbox::bare();
        copy(&from, &to);
        let (one, other) = (fingerprint(&from), fingerprint(&to));
        if one == other {
            continue;
        }
        let (one, other) = (objects(&sql), objects(from.catalog().text()));
        let differ = one.symmetric_difference(&other);
        let differ: Vec<&str> = differ.map(String::as_str).collect();
        panic!("seed {seed}\n{sql}\n{}", differ.join("\n"));
    }
}

/// Every number that the server keeps is changed, and none of them is seen.
#[test]
fn what_the_server_notes_is_not_seen() {
    let sandbox = Sandbox::bare();
    sandbox.sql(
        "create table t (id int primary key, note text, part text);
         alter table t alter note set (n_distinct = 7);
         create materialized view m as select * from t;
         create index on t (note) with (fillfactor = 70)",
    );
    let before = fingerprint(&sandbox);
    noted(&sandbox, "pg_attver=4711");
    assert_eq!(again(&sandbox), before);
    noted(&sandbox, "pg_attver=4712");
    assert_eq!(again(&sandbox), before);
    sandbox
        .run("validate", &["drift", "--no-build"])
        .assert_exit(0)
        .assert_silent_about("unknown");
    // What is written again gets it anew.
    sandbox.sql("drop materialized view m; alter table t alter part type varchar; alter table t alter part type text; create materialized view m as select * from t");
    assert_eq!(again(&sandbox), before);
    sandbox.sql(
        "set allow_system_table_mods = on;
         update pg_attribute set attoptions = '{n_distinct=8,pg_attver=4712}'
         where attrelid = 't'::regclass and attname = 'note'",
    );
    assert_ne!(again(&sandbox), before);
}

/// Adds an option to every column of `public`, as only the server itself does.
fn noted(sandbox: &Sandbox, option: &str) {
    sandbox.sql(&format!(
        "set allow_system_table_mods = on;
         update pg_attribute a set attoptions = coalesce(
             (select array_agg(o) from unnest(attoptions) o where o not like 'pg_attver=%'), '{{}}')
             || '{option}'::text
         from pg_class c
         where c.oid = attrelid and c.relnamespace = 'public'::regnamespace
           and c.relkind in ('r', 'm', 'v', 'p') and attnum > 0"
    ));
}

/// A dump that holds it all the same, since not every `pg_dump` knows it, can be restored where nobody
/// takes it.
#[test]
fn what_the_server_notes_is_not_restored() {
    let sandbox = Sandbox::new();
    sandbox.sql("create table t (id int primary key, note text); insert into t values (1, 'x')");
    noted(&sandbox, "pg_attver=4711");
    sandbox.run("backup", &["create"]).assert_exit(0);
    let to = Sandbox::bare();
    let args = ["restore", "latest", "--into", &to.url(), "--yes"];
    sandbox.run("backup", &args).assert_exit(0);
    assert_eq!(to.query_text("select * from t"), "1|x");
}

/// Told once, compared with nothing, and no drift.
#[test]
fn an_option_that_nobody_knows_is_named() {
    let sandbox = Sandbox::new();
    sandbox.migration(
        "0001_init",
        "create table t (id int primary key, note text); create index by_note on t (note);
         create view v as select * from t",
        "drop view v; drop table t",
    );
    sandbox.migration(
        "0002_more",
        "alter table t add x int",
        "alter table t drop x",
    );
    sandbox.run("migrate", &["upgrade"]).assert_exit(0);
    sandbox.sql(
        "set allow_system_table_mods = on;
         update pg_attribute set attoptions = '{colour=red}'
         where attrelid = 't'::regclass and attname = 'note';
         update pg_class set reloptions = '{fillfactor=70,shape=round}' where relname = 'by_note';
         update pg_class set reloptions = '{depth=3}' where relname in ('t', 'v')",
    );
    // A user's option beside them is seen.
    sandbox
        .run("validate", &["drift", "--no-build"])
        .assert_exit(4);
    sandbox.sql(
        "set allow_system_table_mods = on;
         update pg_class set reloptions = '{shape=round}' where relname = 'by_note'",
    );
    let output = sandbox.run("validate", &["drift"]);
    output.assert_exit(0);
    for name in [
        "column public.t.note: colour",
        "index public.t.by_note: shape",
        "table public.t: depth",
        "view public.v: depth",
    ] {
        assert_eq!(
            output.to_string().matches(name).count(),
            1,
            "{name}\n{output}"
        );
    }
    let consent = ["to", "0001", "--confirm", &sandbox.database];
    let output = sandbox.run("rollback", &consent);
    output
        .assert_exit(0)
        .assert_says("column public.t.note: colour");
    assert_eq!(output.to_string().matches("colour").count(), 1, "{output}");
    sandbox.run("rollback", &["undo", "--yes"]).assert_exit(0);
}

/// Options that somebody set are part of a definition, whoever reads them.
#[test]
fn what_is_the_users_is_seen() {
    let cluster = Cluster::private(&[]);
    let sandbox = Sandbox::on(&cluster);
    sandbox.sql(
        "create extension bloom; create extension file_fdw;
         create table t (id int primary key, a int, b text) with (fillfactor = 80);
         create index by_a on t using bloom (a) with (length = 80);
         create index by_b on t (b) with (fillfactor = 70);
         create view v with (security_barrier) as select * from t;
         create server s foreign data wrapper file_fdw;
         create foreign table f (a int options (force_not_null 'true'))
             server s options (filename '/dev/null');
         create function g() returns int language sql set app.x = 'one' as 'select 1'",
    );
    let mut last = fingerprint(&sandbox);
    for change in [
        "alter index by_a set (length = 160)",
        "alter index by_b set (fillfactor = 60)",
        "alter index by_b reset (fillfactor)",
        "alter table t set (fillfactor = 90)",
        "alter table t set (toast.autovacuum_enabled = off)",
        "alter table t alter a set (n_distinct = 3)",
        "alter table t alter a set (n_distinct_inherited = 3)",
        "alter view v reset (security_barrier)",
        "alter foreign table f options (add format 'csv')",
        "alter foreign table f alter a options (set force_not_null 'false')",
        "alter server s options (add pg_attver '7')",
        "alter server s options (set pg_attver '8')",
        "alter function g() set app.x = 'two'",
        "alter function g() set app.pg_attver = '7'",
    ] {
        if change.contains("(add pg_attver") {
            // This wrapper takes no options of servers.
            sandbox.sql("alter foreign data wrapper file_fdw no validator");
            last = again(&sandbox);
        }
        sandbox.sql(change);
        let now = again(&sandbox);
        assert_ne!(now, last, "{change}");
        last = now;
    }
    // And it comes back: all of it, after a rollback that drops it.
    sandbox.sql("drop schema pgbelay cascade");
    sandbox.sql("alter server s options (drop pg_attver); alter foreign data wrapper file_fdw validator file_fdw_validator");
    sandbox
        .run("migrate", &["baseline", "--yes"])
        .assert_exit(0);
    sandbox.migration("0002_more", "select 1", "drop index by_a; drop view v");
    sandbox.run("migrate", &["upgrade"]).assert_exit(0);
    let before = sandbox.catalog();
    let consent = [
        "to",
        "0001",
        "--accept-drift",
        "--confirm",
        &sandbox.database,
    ];
    sandbox.run("rollback", &consent).assert_exit(0);
    sandbox.run("rollback", &["undo", "--yes"]).assert_exit(0);
    before.assert_same(&sandbox.catalog());
}

/// The other server's programs, if they are of the same major version.
fn newer() -> Option<&'static Installation> {
    let bin = std::env::var_os("PGBELAY_TEST_PG_BIN_TO")?;
    let installation = Installation::at(PathBuf::from(bin)).unwrap();
    let installation: &'static Installation = Box::leak(Box::new(installation));
    let here = Cluster::shared().installation.major();
    (installation.major() == here).then_some(installation)
}

/// What was recorded before an update of the server holds after it. With `PGBELAY_TEST_PG_BIN_TO`
/// of the same major version it is those programs that take over.
#[test]
fn a_server_is_updated() {
    let cluster = Cluster::private(&[]);
    let sandbox = Sandbox::on(&cluster);
    sandbox.migration(
        "0001_init",
        "create table t (id int primary key, note text)",
        "drop table t",
    );
    sandbox.migration(
        "0002_more",
        "alter table t add size int; alter table t alter note type varchar(40)",
        "alter table t drop size; alter table t alter note type text",
    );
    sandbox.run("migrate", &["upgrade"]).assert_exit(0);
    sandbox.sql("insert into t values (1, 'one', 1), (2, 'two', 2)");
    cluster.stop();
    cluster.start_again_with(newer().unwrap_or(cluster.installation));

    sandbox.run("validate", &["drift"]).assert_exit(0);
    let content = sandbox.content();
    let back = |to: &str| {
        let args = ["to", to, "--confirm", &sandbox.database];
        sandbox.run("rollback", &args).assert_exit(0);
        sandbox.run("rollback", &["undo", "--yes"]).assert_exit(0);
        sandbox.run("validate", &["drift"]).assert_exit(0);
    };
    for to in ["0001", "base"] {
        back(to);
        crate::harness::state::assert_same_content(&content, &sandbox.content());
    }
    sandbox.migration(
        "0003_last",
        "alter table t add z int",
        "alter table t drop z",
    );
    sandbox.run("migrate", &["upgrade"]).assert_exit(0);
    sandbox.run("validate", &["drift"]).assert_exit(0);
    back("0001");
}
