//! What the store says is not believed: definitions are code, and something outside the store has to
//! vouch for them before they are run.

use std::fs;
use std::path::PathBuf;

use crate::harness::Sandbox;
use crate::harness::terminal::Terminal;

/// A backup in the store of a sandbox that somebody else has made, who knows its public recipient.
/// What it makes runs a program of the server, as far as it may.
struct Forged {
    sandbox: Sandbox,
    id: String,
    digest: String,
    /// What the program leaves behind.
    trace: PathBuf,
}

fn forged(args: &[&str]) -> Forged {
    let sandbox = Sandbox::new();
    let trace = (sandbox.cluster.folder).join(format!("{}-trace", sandbox.database));
    sandbox.sql(&format!(
        "create table t (id int primary key, n text);
         insert into t select i, 'row ' || i from generate_series(1, 100) i;
         create function g(int) returns int language plpgsql as $f$ begin
             execute $$copy (select 1) to program 'cat > {}'$$; return $1;
         end $f$;
         create function f(int) returns int language plpgsql immutable as
             $f$ begin return public.g($1); end $f$;
         create index on t (f(id));",
        trace.display()
    ));
    let home = sandbox.folder.join("stranger").display().to_string();
    let made = sandbox.tool("backup").args(&[&["create"], args].concat());
    let made = made.env("HOME", &home).run();
    made.assert_exit(0);
    let id = made.last_line().to_owned();
    let shown = sandbox.run("backup", &["show", &id, "--json"]);
    let digest = shown.json().remove(0)["manifest"]
        .as_str()
        .unwrap()
        .to_owned();
    fs::remove_file(&trace).unwrap();
    Forged {
        sandbox,
        id,
        digest,
        trace,
    }
}

impl Forged {
    /// A new database, and its URL.
    fn target(&self) -> String {
        let database = self.sandbox.cluster.fresh_name();
        let session = self.sandbox.cluster.connect("postgres", "postgres");
        session.run(&format!("create database {database} template template0"));
        self.sandbox.url_of(&database, "postgres")
    }
}

/// Every role made for a verification has its scratch database, as long as that goes on.
fn assert_no_role_left(sandbox: &Sandbox) {
    let left = "select count(*) from pg_roles r where rolname like 'pgbelay_verify%' and not exists
                    (select from pg_database where datname = r.rolname)";
    assert_eq!(sandbox.query_text(left), "0");
}

#[test]
fn definitions_that_nothing_vouches_for_are_not_run() {
    let forged = forged(&[]);
    let (sandbox, id) = (&forged.sandbox, forged.id.as_str());
    let seen = sandbox.run("backup", &["verify", id, "--level", "decrypted"]);
    seen.assert_exit(0).assert_says("not vouched for");

    let into = forged.target();
    for args in [
        &["verify", id, "--level", "restored"][..],
        &["restore", id, "--into", &into, "--yes"],
    ] {
        let refused = sandbox.run("backup", args);
        refused.assert_exit(3).assert_says("--trust-definitions");
        refused.assert_says("--expect");
        assert!(!forged.trace.exists(), "{refused}");
    }
    let wrong = "0".repeat(64);
    let args = ["restore", id, "--into", &into, "--yes", "--expect", &wrong];
    sandbox
        .run("backup", &args)
        .assert_exit(6)
        .assert_says("--expect");
    let args = ["restore", id, "--expect", "nonsense"];
    sandbox.run("backup", &args).assert_exit(2);

    // Looked at all the same, under a role that may do nothing elsewhere.
    let args = ["verify", id, "--level", "restored", "--trust-definitions"];
    let failed = sandbox.run("backup", &args);
    failed.assert_exit(1).assert_says("--expect");
    assert!(!forged.trace.exists(), "{failed}");
    assert_no_role_left(sandbox);

    let args = [
        "restore",
        id,
        "--into",
        &into,
        "--yes",
        "--trust-definitions",
    ];
    sandbox.run("backup", &args).assert_exit(0);
    assert!(forged.trace.exists());
}

/// A sound backup can be looked at without anybody's word, and leaves nothing behind.
#[test]
fn a_sound_backup_is_looked_at_under_a_role_without_rights() {
    let sandbox = Sandbox::new();
    let other = sandbox.cluster.fresh_name();
    sandbox.sql(&format!(
        "create role {other};
         create schema s;
         create table s.t (id serial primary key, n text, e int generated always as (2) stored);
         insert into s.t (n) select 'x' || i from generate_series(1, 1000) i;
         alter table s.t owner to {other};
         grant select on s.t to {other};
         create view v as select * from s.t;
         create materialized view m as select count(*) from s.t;
         create type mood as enum ('a', 'b');
         create domain d as int check (value > 0);
         create function f() returns event_trigger language plpgsql as 'begin end';
         create event trigger {other} on ddl_command_end execute function f();
         comment on event trigger {other} is 'x';
         create policy p on s.t using (true);
         alter default privileges in schema s grant select on tables to {other};
         select lo_from_bytea(0, 'abc');"
    ));
    let home = sandbox.folder.join("elsewhere").display().to_string();
    let made = sandbox
        .tool("backup")
        .args(&["create"])
        .env("HOME", home)
        .run();
    made.assert_exit(0);
    let args = [
        "verify",
        "latest",
        "--level",
        "restored",
        "--trust-definitions",
    ];
    let verified = sandbox.run("backup", &args);
    verified.assert_exit(0).assert_says("not vouched for");
    assert_no_role_left(&sandbox);
    sandbox.sql(&format!(
        "drop event trigger {other}; reassign owned by {other} to postgres;
         drop owned by {other}; drop role {other}"
    ));
}

#[test]
fn a_digest_vouches_and_is_remembered() {
    let forged = forged(&[]);
    let (sandbox, id) = (&forged.sandbox, forged.id.as_str());
    let verify = ["verify", id, "--level", "restored", "--json"];
    // A repository has no say in what this machine remembers.
    fs::create_dir_all(sandbox.folder.join("state/pgbelay/backups")).unwrap();
    sandbox.write(&format!("state/pgbelay/backups/{id}"), &forged.digest);
    let state = sandbox.folder.join("state").display().to_string();
    sandbox.write(".env", &format!("XDG_STATE_HOME={state}\n"));
    sandbox.run("backup", &verify).assert_exit(3);

    let expected = [&verify[..], &["--expect", &forged.digest]].concat();
    let verified = sandbox.run("backup", &expected);
    verified.assert_exit(0);
    assert_eq!(verified.last()["vouched_for_by"], "expected");
    let verified = sandbox.run("backup", &verify);
    verified.assert_exit(0);
    assert_eq!(verified.last()["vouched_for_by"], "machine");
    let into = forged.target();
    let args = ["restore", id, "--into", &into, "--yes"];
    sandbox.run("backup", &args).assert_exit(0);

    // Another one in its place.
    let state = sandbox.home().join(".local/state/pgbelay/backups");
    fs::write(state.join(id), "0".repeat(64)).unwrap();
    for level in ["hashed", "decrypted", "restored"] {
        let args = ["verify", id, "--level", level];
        sandbox.run("backup", &args).assert_exit(6);
    }
}

#[test]
fn a_person_may_trust_definitions() {
    let forged = forged(&[]);
    let (sandbox, id) = (&forged.sandbox, forged.id.as_str());
    let into = forged.target();
    let args = ["restore", id, "--into", &into, "--yes"];
    let mut terminal = Terminal::start(sandbox, "backup", &args);
    terminal.wait_for("type yes");
    terminal.answer("y").assert_exit(3);
    assert!(!forged.trace.exists());
    let mut terminal = Terminal::start(sandbox, "backup", &args);
    terminal.wait_for("type yes");
    terminal.answer("yes").assert_exit(0);
    assert!(forged.trace.exists());
}

#[test]
fn rows_alone_need_nobody_to_vouch() {
    let forged = forged(&["--data-only"]);
    let (sandbox, id) = (&forged.sandbox, forged.id.as_str());
    sandbox.sql("drop index t_f_idx; delete from t where id > 50");
    let args = ["restore", id, "--table", "public.t", "--yes"];
    sandbox.run("backup", &args).assert_exit(0);
    assert_eq!(sandbox.query_text("select count(*) from t"), "100");
}

/// What was made here goes on unasked.
#[test]
fn this_machine_vouches_for_what_it_made() {
    let sandbox = Sandbox::new();
    sandbox.sql("create table t (id int primary key)");
    let made = sandbox.run("backup", &["create", "--json"]);
    made.assert_exit(0);
    let verified = sandbox.run("backup", &["verify", "latest", "--level", "restored"]);
    verified.assert_exit(0).assert_says("vouched for by");
    verified.assert_silent_about("not vouched for");
}

/// So does the journal for what was made by hand, wherever that was, and not for what was put in its place.
#[test]
fn the_journal_vouches_for_what_was_made_by_hand() {
    let sandbox = Sandbox::new();
    sandbox.migration(
        "0001_init",
        "create table t (id int primary key)",
        "drop table t",
    );
    sandbox.run("migrate", &["upgrade"]).assert_exit(0);
    let elsewhere = sandbox.folder.join("elsewhere").display().to_string();
    let made = sandbox.tool("backup").args(&["create"]);
    let made = made
        .env("HOME", &elsewhere)
        .env("XDG_STATE_HOME", &elsewhere)
        .run();
    let id = made.assert_exit(0).last_line().to_owned();
    let runs = sandbox
        .run("migrate", &["history", "-v", "--json"])
        .json()
        .remove(0)["runs"]
        .clone();
    assert_eq!(
        (&runs[0]["verb"], &runs[0]["backups"][0]),
        (&"backup".into(), &id.clone().into())
    );

    let verify = |args: &[&str]| {
        let home = sandbox.folder.join("third").display().to_string();
        let verify = sandbox
            .tool("backup")
            .args(&[&["verify", &id], args].concat());
        verify.env("HOME", &home).env("XDG_STATE_HOME", &home).run()
    };
    verify(&["--level", "restored"])
        .assert_exit(0)
        .assert_says("vouched for by the journal");
    // Who may not write there makes backups all the same.
    sandbox.sql(&format!(
        "create role {0}_reader login in role pg_read_all_data",
        sandbox.database
    ));
    let reader = sandbox.url_as(&format!("{}_reader", sandbox.database));
    let made = sandbox
        .tool("backup")
        .args(&["create", "-v"])
        .env("DATABASE_URL", &reader)
        .run();
    made.assert_exit(0)
        .assert_says("was not noted in the journal");
    let folder = sandbox.backups().join(&sandbox.database);
    fs::remove_dir_all(folder.join(made.last_line())).unwrap();
    sandbox.sql(&format!("drop role {}_reader", sandbox.database));

    let manifest = folder.join(&id).join("manifest.json");
    let text = fs::read_to_string(&manifest).unwrap();
    fs::write(
        &manifest,
        text.replacen("\"format\"", "\"extra\": 1, \"format\"", 1),
    )
    .unwrap();
    verify(&[])
        .assert_exit(6)
        .assert_says("the journal of the database remembers");
}
