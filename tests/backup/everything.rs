//! A database that holds whatever a dump must hold, into a backup and back: the same server's
//! version, and with `PGBELAY_TEST_PG_BIN_TO` into another one.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use super::create;
use crate::harness::Sandbox;
use crate::harness::cluster::{Cluster, installation};
use crate::harness::database::Session;
use crate::harness::installation::Installation;
use crate::harness::state::{Catalog, assert_same_content, content};

const EVERYTHING: &str = include_str!("everything.sql");
const EVERYTHING_18: &str = include_str!("everything_18.sql");

/// A view that needs a search path, which nothing says.
const PATHLESS: &str = "
    create function pathless() returns bigint language plpgsql stable as
        $$ begin return (select count(*) from kinds); end $$;
    create materialized view m_pathless as select pathless() as c";

const SETTINGS: &[(&str, &str)] = &[("wal_level", "logical")];

/// Facts that neither `pg_dump --schema-only` nor the rows of tables tell.
const BESIDES: &[(&str, &str)] = &[
    ("hash partitions", "select v, m from hashed order by v"),
    (
        "subscriptions",
        "select subname, subenabled, subslotname from pg_subscription order by 1",
    ),
    (
        "large objects",
        "select m.oid, r.rolname, md5(lo_get(m.oid)), length(lo_get(m.oid)),
                (select string_agg(a.privilege_type || ' ' || coalesce(g.rolname, 'PUBLIC')
                        || ' ' || a.is_grantable, ', ' order by a.privilege_type, g.rolname)
                 from aclexplode(m.lomacl) a left join pg_roles g on g.oid = a.grantee),
                obj_description(m.oid, 'pg_largeobject')
         from pg_largeobject_metadata m join pg_roles r on r.oid = m.lomowner order by 1",
    ),
    (
        "materialized views",
        "select matviewname, ispopulated from pg_matviews order by 1",
    ),
    (
        "rows of views",
        "select c from m_2 union all select c from m_1 union all select c from m_by_function",
    ),
    (
        "invalid constraints",
        "select conrelid::regclass::text, conname from pg_constraint where not convalidated order by 1, 2",
    ),
    (
        "invalid indexes",
        "select indexrelid::regclass::text from pg_index where not indisvalid order by 1",
    ),
    (
        "publications",
        "select pubname, puballtables, pubinsert, pubupdate from pg_publication order by 1",
    ),
    (
        "event triggers",
        "select evtname, evtenabled from pg_event_trigger order by 1",
    ),
];

/// What 14 lacks of it, and what stands there instead.
const OF_15: &[(&str, &str)] = &[
    (" nulls not distinct", ""),
    ("kinds (id, kept), a where (id > 1)", "kinds, a"),
];

/// The source, with everything in it.
fn source(cluster: &Arc<Cluster>) -> Sandbox {
    let sandbox = Sandbox::on(cluster);
    let major = cluster.installation.major();
    let mut everything = EVERYTHING.to_owned();
    for (of_15, before) in OF_15.iter().filter(|_| major < 15) {
        assert!(everything.contains(of_15), "{of_15}");
        everything = everything.replace(of_15, before);
    }
    sandbox.sql(&everything);
    match major {
        18.. => sandbox.sql(EVERYTHING_18),
        17 => {}
        // Before 17 views were filled under the path of whoever asked for it.
        _ => sandbox.sql(PATHLESS),
    }
    // Whatever the database or a role says changes nothing.
    sandbox.sql(&format!(
        "alter database {0} set datestyle = 'SQL, DMY';
         alter database {0} set timezone = 'Asia/Kathmandu';
         alter database {0} set extra_float_digits = 0;
         alter database {0} set bytea_output = 'escape';
         alter database {0} set search_path = nowhere, public;
         alter database {0} set row_security = off;
         alter database {0} set statement_timeout = '3s';
         alter database {0} set default_transaction_isolation = 'serializable'",
        sandbox.database
    ));
    sandbox
}

/// The schema, without the names that PostgreSQL 18 makes up for NOT NULL constraints: `pg_dump`
/// leaves them to the server, where they hang on the order in which tables are made.
fn catalog(pg_dump: &Path, url: &str) -> Catalog {
    let text = Catalog::of(pg_dump, url).text().to_owned();
    let plain = |line: &str| match line.split_once(" CONSTRAINT ") {
        Some((column, rest)) if column.starts_with("    ") => {
            let (name, rest) = rest.split_once(' ').unwrap_or((rest, ""));
            let made_up = name.trim_end_matches(|c: char| c.is_ascii_digit());
            if made_up.ends_with("_not_null") {
                format!("{column} {rest}")
            } else {
                line.to_owned()
            }
        }
        _ => line.to_owned(),
    };
    Catalog::from_dump(&text.lines().map(|l| plain(l) + "\n").collect::<String>())
}

fn in_public(session: &Session) {
    session.run("set search_path = public; set statement_timeout = 0");
}

/// Compares a restored database with the one it came from.
fn assert_same(sandbox: &Sandbox, to: &Arc<Cluster>, database: &str) {
    let (here, there) = (sandbox.session(), to.connect(database, "postgres"));
    // Where an enum's hash puts a row is another matter in every database: compared as a whole.
    let content = |session: &Session| {
        let mut all = content(session);
        all.retain(|name, _| !name.starts_with("public.hashed_"));
        all
    };
    assert_same_content(&content(&here), &content(&there));
    for session in [&here, &there] {
        in_public(session);
    }
    for (what, sql) in BESIDES {
        assert_eq!(here.text(sql), there.text(sql), "{what}");
    }
    let pg_dump = to.installation.bin.join("pg_dump");
    if to.installation.major() == sandbox.cluster.installation.major() {
        let theirs = catalog(&pg_dump, &url(to, database));
        catalog(&pg_dump, &sandbox.url()).assert_same(&theirs);
        return;
    }
    // Servers of different versions write definitions in different words. What stock tools make
    // of the same database there is the measure; what they can't restore (a view that relies on the
    // search path) was compared above.
    for session in [&here, &there] {
        session.run("drop materialized view if exists public.m_pathless");
    }
    let theirs = catalog(&pg_dump, &url(to, database));
    let stock = to.fresh_name();
    let session = to.connect("postgres", "postgres");
    session.run(&format!("create database {stock} template template0"));
    let moved = Command::new("sh")
        .args([
            "-c",
            // A newer pg_dump takes what an older server notes for itself for the user's. Only
            // definitions are compared: rows in partitions by the hash of an enum need a minor of
            // 2023 to be moved.
            "\"$PG_DUMP\" -s -d \"$FROM\" | psql -X -q -v ON_ERROR_STOP=1 -d \"$TO\"",
        ])
        .env("PATH", to.installation.path())
        .env("PG_DUMP", sandbox.cluster.installation.bin.join("pg_dump"))
        .env("FROM", sandbox.url())
        .env("TO", url(to, &stock))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&moved.stderr);
    assert!(moved.status.success(), "{said}");
    // An older pg_dump doesn't write down what was the default then.
    let without = |catalog: &Catalog| {
        let lines = catalog
            .text()
            .lines()
            .filter(|l| !l.starts_with("CREATE SUBSCRIPTION"));
        Catalog::from_dump(&lines.collect::<Vec<_>>().join("\n"))
    };
    without(&catalog(&pg_dump, &url(to, &stock))).assert_same(&without(&theirs));
}

fn url(cluster: &Arc<Cluster>, database: &str) -> String {
    let folder = cluster.folder.display();
    format!("postgresql:///{database}?host={folder}&user=postgres")
}

fn restored(sandbox: &Sandbox, id: &str, to: &Arc<Cluster>) -> String {
    restored_with(sandbox, id, to, "restored")
}

/// Restores into a new database of `to`, which has to say `says`. Returns its name.
fn restored_with(sandbox: &Sandbox, id: &str, to: &Arc<Cluster>, says: &str) -> String {
    let database = to.fresh_name();
    let session = to.connect("postgres", "postgres");
    session.run(&format!("create database {database} template template0"));
    let args = [
        "restore",
        id,
        "--into",
        &url(to, &database),
        "--yes",
        "--compare",
    ];
    sandbox
        .run("backup", &args)
        .assert_exit(0)
        .assert_says(says);
    database
}

#[test]
fn everything_comes_back() {
    let cluster = Cluster::private(SETTINGS);
    let sandbox = source(&cluster);
    let id = create(&sandbox, &[]);
    let database = restored(&sandbox, &id, &cluster);
    assert_same(&sandbox, &cluster, &database);
    // And from there once more: nothing was lost that only a second look would miss.
    let args = ["verify", &id, "--level", "restored"];
    sandbox.run("backup", &args).assert_exit(0);
    let url = sandbox.url_of(&database, "postgres");
    let again = sandbox
        .tool("backup")
        .args(&["create"])
        .env("DATABASE_URL", url)
        .run();
    let again = again.assert_exit(0).last_line().to_owned();
    let database = restored(&sandbox, &again, &cluster);
    assert_same(&sandbox, &cluster, &database);
}

#[test]
fn everything_moves_to_another_server() {
    let from = Cluster::private(SETTINGS);
    let to = match std::env::var_os("PGBELAY_TEST_PG_BIN_TO") {
        Some(bin) => Box::leak(Box::new(Installation::at(PathBuf::from(bin)).unwrap())),
        None => installation().unwrap(),
    };
    let to = Cluster::of(to, SETTINGS);
    let sandbox = source(&from);
    let id = create(&sandbox, &[]);
    // Roles belong to the server: without them nothing is restored, and it is said.
    let database = to.fresh_name();
    let session = to.connect("postgres", "postgres");
    session.run(&format!("create database {database} template template0"));
    let args = ["restore", &id, "--into", &url(&to, &database), "--yes"];
    let refused = sandbox.run("backup", &args);
    refused.assert_exit(1).assert_says("roles and tablespaces");
    session.run(
        "create role owner_of_all; create role \"reader \"\"x\"\"\" noinherit;
         create role admin createrole",
    );
    if from.installation.major() < 17 && to.installation.major() >= 17 {
        // There nothing can fill such a view: said, and all else is restored.
        let database = restored_with(&sandbox, &id, &to, "m_pathless stays empty");
        to.connect(&database, "postgres")
            .run("drop materialized view public.m_pathless");
        sandbox.sql("drop materialized view public.m_pathless");
        assert_same(&sandbox, &to, &database);
        return;
    }
    let database = restored(&sandbox, &id, &to);
    assert_same(&sandbox, &to, &database);
}
