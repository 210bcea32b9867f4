//! What is refused, and what damage is called.

use std::fs;

use super::{HOSTILE, Target, create};
use crate::harness::Sandbox;
use crate::harness::binary::{Output, Run, path_of};

#[test]
fn nothing_is_written_without_a_recipient() {
    let sandbox = Sandbox::bare();
    let output = sandbox.run("backup", &["create"]);
    output.assert_exit(2).assert_says("backup keygen");
    assert!(sandbox.tree().is_empty());
}

#[test]
fn another_identity_opens_nothing() {
    let sandbox = Sandbox::new();
    sandbox.sql("create table t (secret text); insert into t values ('tell nobody')");
    let id = create(&sandbox, &[]);
    let other = ["keygen", "--output", "other.txt"];
    sandbox.run("backup", &other).assert_exit(0);
    let target = Target::new(&sandbox);
    for args in [
        ["verify", &id, "--level", "decrypted"],
        ["restore", &id, "--into", &target.url],
    ] {
        let wrong = sandbox.tool("backup").args(&args);
        let wrong = wrong.args(&["--identity", "other.txt", "--yes"]).run();
        wrong.assert_exit(6).assert_silent_about("tell nobody");
    }
    assert!(
        target
            .text(
                &sandbox,
                "select 1 from pg_tables where schemaname = 'public'"
            )
            .is_empty()
    );
    for (name, _) in sandbox.tree() {
        let file = sandbox.backups().join(name);
        if file.is_file() {
            let bytes = fs::read(file).unwrap();
            let found = bytes.windows(11).any(|w| w == b"tell nobody");
            assert!(!found, "a row lies in the store in the clear");
        }
    }
    target.drop(&sandbox.cluster);
}

#[test]
fn a_flipped_byte_is_found_and_named() {
    let sandbox = Sandbox::new();
    sandbox.sql(HOSTILE);
    let id = create(&sandbox, &[]);
    let folder = sandbox.backups().join(&sandbox.database).join(&id);
    let file = folder.join("data/000000.sql.zst.age");
    let mut bytes = fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&file, bytes).unwrap();
    let target = Target::new(&sandbox);
    for args in [
        &["verify", &id, "--level", "hashed"][..],
        &["verify", &id],
        &["restore", &id, "--into", &target.url, "--yes"],
        &["restore", &id, "--table", "a", "--yes"],
    ] {
        let output = sandbox.run("backup", args);
        output.assert_exit(6).assert_says("data/000000.sql.zst.age");
    }
    assert!(
        target
            .text(
                &sandbox,
                "select 1 from pg_tables where schemaname = 'public'"
            )
            .is_empty()
    );
    target.drop(&sandbox.cluster);
}

#[test]
fn a_database_in_use_is_not_restored_over() {
    let sandbox = Sandbox::new();
    sandbox.sql("create table t (id int primary key)");
    let id = create(&sandbox, &[]);
    let args = ["restore", &id, "--yes"];
    let refused = sandbox.run("backup", &args);
    refused
        .assert_exit(3)
        .assert_says("is not empty")
        .assert_says("--into");

    let target = Target::new(&sandbox);
    let args = ["restore", &id, "--into", &target.url];
    sandbox
        .run("backup", &args)
        .assert_exit(3)
        .assert_says("--yes");
    let wrong = [&args[..], &["--confirm", "elsewhere"]].concat();
    sandbox.run("backup", &wrong).assert_exit(3);
    let right = [&args[..], &["--confirm", &target.database]].concat();
    sandbox.run("backup", &right).assert_exit(0);
    target.drop(&sandbox.cluster);
}

#[test]
fn what_a_rollback_saved_is_for_its_undo() {
    let sandbox = Sandbox::new();
    sandbox.migration(
        "0001_t",
        "create table t (id int primary key, n int)",
        "drop table t",
    );
    sandbox.run("migrate", &["upgrade"]).assert_exit(0);
    sandbox.sql("insert into t values (1, 1), (2, 2)");
    let back = ["to", "base", "--confirm", &sandbox.database];
    let output = sandbox.run("rollback", &back);
    let id = output.assert_exit(0).last_line().to_owned();
    let target = Target::new(&sandbox);
    let whole = ["restore", &id, "--into", &target.url, "--yes"];
    sandbox
        .run("backup", &whole)
        .assert_exit(3)
        .assert_says("rollback undo");
    let verified = sandbox.run("backup", &["verify", &id, "--json"]);
    assert_eq!(verified.assert_exit(0).last()["in_journal"], true);

    let table = ["restore", &id, "--table", "t", "--yes"];
    sandbox
        .run("backup", &table)
        .assert_exit(3)
        .assert_says("no table public.t");
    sandbox.sql("create table t (id int primary key, n int)");
    sandbox.run("backup", &table).assert_exit(0);
    assert_eq!(
        sandbox.query_text("select * from t order by id"),
        "1|1\n2|2"
    );
    target.drop(&sandbox.cluster);
}

#[test]
fn an_interrupted_backup_leaves_nothing() {
    let sandbox = Sandbox::new();
    sandbox.sql("create table t as select i, repeat('x', 1000) from generate_series(1, 30000) i");
    let mut run = sandbox.tool("backup").args(&["create", "--json"]).start();
    run.wait_for_lines(3);
    run.interrupt();
    run.wait().assert_exit(130);
    let left: Vec<String> = sandbox
        .tree()
        .into_keys()
        .filter(|n| n.contains("manual"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

/// Runs `backup` where no `pg_dump` is found but those in `bin` of the sandbox: whatever the
/// distribution has installed lies hidden below a mount that nobody else sees.
fn with_programs_of(sandbox: &Sandbox, args: &str) -> Output {
    let bin = sandbox.folder.join("bin");
    fs::create_dir_all(&bin).unwrap();
    let script = format!(
        "for folder in /usr/lib/postgresql /usr/pgsql-*; do
             [ ! -d $folder ] || mount -t tmpfs none $folder || exit 99
         done
         PATH={bin} exec {backup} {args}",
        bin = bin.display(),
        backup = path_of("backup"),
    );
    let id = std::process::Command::new("id").arg("-u").output().unwrap();
    let root = id.stdout.starts_with(b"0\n");
    let output = Run::of_program("unshare", "unshare")
        .args(if root { &["-m"] } else { &["-r", "-m"] })
        .args(&["sh", "-c", &script])
        .current_dir(&sandbox.folder)
        .env("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin")
        .env("HOME", sandbox.home())
        .env("XDG_CONFIG_HOME", sandbox.config())
        .env("LC_ALL", "C")
        .env("DATABASE_URL", sandbox.url())
        .run();
    assert_ne!(output.code, Some(99), "nothing could be hidden: {output}");
    output
}

#[test]
fn without_a_fitting_pg_dump_rows_alone_can_be_saved() {
    use std::os::unix::fs::PermissionsExt as _;

    let sandbox = Sandbox::new();
    sandbox.sql("create table t as select 1 as n");
    let major = sandbox.cluster.installation.major();
    let none = with_programs_of(&sandbox, "create");
    none.assert_exit(1)
        .assert_says("no pg_dump was found")
        .assert_says(&format!("postgresql-client-{major}"))
        .assert_says("--data-only");
    sandbox.write(
        "bin/pg_dump",
        "#!/bin/sh\necho 'pg_dump (PostgreSQL) 12.4'\n",
    );
    let pg_dump = sandbox.folder.join("bin/pg_dump");
    fs::set_permissions(&pg_dump, fs::Permissions::from_mode(0o755)).unwrap();
    let old = with_programs_of(&sandbox, "create");
    old.assert_exit(1)
        .assert_says(&format!(
            "found is 12, but the server is PostgreSQL {major}"
        ))
        .assert_says("--data-only");
    assert!(sandbox.tree().is_empty(), "a failed backup left something");
    let rows = with_programs_of(&sandbox, "create --data-only");
    let id = rows.assert_exit(0).last_line().to_owned();
    sandbox.run("backup", &["verify", &id]).assert_exit(0);
}
