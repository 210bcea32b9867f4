//! How far, in which order, and in what form: targets, dependencies, dry runs, scripts for psql.

use std::fs;

use super::{applied, states, status, two};
use crate::harness::Sandbox;
use crate::harness::binary::{Output, Run};

/// Runs a script as whoever gets one would.
fn psql(sandbox: &Sandbox, script: &str) -> Output {
    let program = sandbox.cluster.installation.bin.join("psql");
    sandbox.write("script.sql", script);
    Run::of_program(program.to_str().unwrap(), "psql")
        .current_dir(&sandbox.folder)
        .args(&["-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", "script.sql"])
        .args(&["-d", &sandbox.url()])
        .run()
}

fn order(sandbox: &Sandbox) -> String {
    sandbox.query_text("select string_agg(revision, ' ' order by sequence) from pgbelay.ledger")
}

#[test]
fn what_is_depended_on_comes_first() {
    let sandbox = Sandbox::bare();
    let write = |name: &str, header: &str| {
        let table = name.split_once('_').unwrap().1;
        let up = format!("{header}\ncreate table {table} ();");
        sandbox.migration(name, &up, &format!("drop table {table}"));
    };
    write("0001_a", "");
    write("0002_b", "-- depends-on: 0003");
    write("0003_c", "");
    write("0004_d", "-- depends-on: 0001_a");
    let heads = sandbox.run("migrate", &["heads"]);
    assert_eq!(heads.assert_exit(0).stdout, "0002_b\n0004_d\n");

    sandbox
        .run("migrate", &["upgrade", "--target", "0003"])
        .assert_exit(0);
    assert_eq!(order(&sandbox), "0001 0003");
    // Pending, and a lower number, but it comes after 0003: nothing is late.
    sandbox.run("migrate", &["upgrade", "+1"]).assert_exit(0);
    sandbox
        .run("migrate", &["upgrade", "--single-transaction"])
        .assert_exit(0);
    assert_eq!(order(&sandbox), "0001 0003 0002 0004");
    sandbox.run("migrate", &["check"]).assert_exit(0);

    write("0005_e", "-- depends-on: 0006");
    write("0006_f", "-- depends-on: 0005");
    write("00001_again", "");
    write("0007_g", "-- depends-on: 0099");
    let output = sandbox.run("migrate", &["upgrade"]);
    output.assert_exit(2);
    assert!(
        output.says("0001_a.sql") && output.says("same revision"),
        "{output}"
    );
    fs::remove_file(sandbox.migrations().join("00001_again.sql")).unwrap();
    fs::remove_file(sandbox.migrations().join("00001_again_rollback.sql")).unwrap();
    let output = sandbox.run("migrate", &["upgrade"]);
    output
        .assert_exit(2)
        .assert_says("depends on 0099, which is not there");
    write("0007_g", "");
    let output = sandbox.run("migrate", &["upgrade"]);
    output.assert_exit(2);
    assert!(
        output.says("circle") && output.says("0005_e, 0006_f"),
        "{output}"
    );
}

#[test]
fn late_migrations_are_applied_when_that_is_asked_for() {
    let sandbox = Sandbox::new();
    sandbox.migration("0001_a", "create table a ()", "drop table a");
    sandbox.migration("0003_c", "create table c ()", "drop table c");
    sandbox.run("migrate", &["upgrade"]).assert_exit(0);
    sandbox.migration("0002_b", "create table b ()", "drop table b");
    let output = sandbox.run("migrate", &["upgrade"]);
    output.assert_exit(3).assert_says("--allow-out-of-order");
    sandbox
        .run("migrate", &["upgrade", "--allow-out-of-order"])
        .assert_exit(0);
    assert_eq!(order(&sandbox), "0001 0003 0002");
    // Two runs: the newest of them goes first, whatever its number.
    let back = ["--steps", "1", "--batch", "--confirm", &sandbox.database];
    sandbox.run("rollback", &back).assert_exit(0);
    assert_eq!(order(&sandbox), "0001 0003");
    let back = ["--steps", "2", "--batch"];
    sandbox
        .run("rollback", &back)
        .assert_exit(2)
        .assert_says("there were 1");
    let back = ["--steps", "1", "--batch", "--confirm", &sandbox.database];
    sandbox.run("rollback", &back).assert_exit(0);
    assert_eq!(applied(&sandbox), "base\n");
}

#[test]
fn a_dry_run_shows_scripts_locks_and_what_goes() {
    let sandbox = two();
    sandbox.run("migrate", &["upgrade"]).assert_exit(0);
    sandbox.sql("insert into t values (1, 'x')");
    let up = "alter table t drop note;\ncreate index on t (more);\ndo $$ begin end $$;\n";
    sandbox.migration("0003_drop", up, "select 1");
    let output = sandbox.run("migrate", &["upgrade", "--dry-run"]);
    output.assert_exit(0);
    for part in [
        "create index on t (more);",
        "ACCESS EXCLUSIVE",
        "0003_drop.sql:2",
        "RB-DROP-COLUMN",
        "not evaluated",
    ] {
        assert!(output.says(part), "{part}: {output}");
    }
    let json = sandbox.run("migrate", &["upgrade", "--dry-run", "--json"]);
    let plan = json.events("plan").remove(0);
    assert_eq!(plan["steps"][0]["sql"], up);
    assert_eq!(plan["locks"][1]["mode"], "SHARE");
    assert_eq!(plan["findings"][0]["rule"], "RB-DROP-COLUMN");
    assert_eq!(applied(&sandbox), "0002\n");
}

#[test]
fn scripts_for_psql_keep_the_ledger() {
    let sandbox = two();
    sandbox.migration(
        "0003_index",
        "-- transaction: off\ncreate index concurrently i on t (note);",
        "BEGIN;\ndrop index i -- the index\n;COMMIT;",
    );
    let script = sandbox
        .run("migrate", &["upgrade", "--sql"])
        .assert_exit(0)
        .stdout
        .clone();
    let files = sandbox.tool("migrate").without_env("DATABASE_URL");
    let files = files.args(&["upgrade", "base:", "--sql"]).run();
    let statements = |script: &str| script.lines().filter(|l| !l.starts_with("--")).count();
    assert_eq!(
        statements(&files.assert_exit(0).stdout),
        statements(&script)
    );
    psql(&sandbox, &script).assert_exit(0);
    let document = status(&sandbox);
    assert_eq!(
        states(&document),
        "0001 applied, 0002 applied, 0003 applied"
    );
    assert_eq!(document["migrations"][2]["batch"], 1);
    sandbox.run("migrate", &["check"]).assert_exit(0);
    // The chain of the journal holds.
    let history = sandbox.run("migrate", &["history", "-v", "--json"]);
    assert_eq!(
        history.assert_exit(0).json()[0]["runs"]
            .as_array()
            .unwrap()
            .len(),
        3
    );
    // Once is enough: the ledger is elsewhere now.
    psql(&sandbox, &script)
        .assert_exit(3)
        .assert_says("at another revision");

    sandbox.sql("insert into t values (1, 'x', 'y')");
    let back = sandbox.run("migrate", &["downgrade", "0001", "--sql"]);
    let back = back.assert_exit(0).stdout.clone();
    assert!(back.contains("saves nothing"), "{back}");
    psql(&sandbox, &back).assert_exit(0);
    assert_eq!(
        states(&status(&sandbox)),
        "0001 applied, 0002 pending, 0003 pending"
    );
    assert_eq!(sandbox.query_text("select * from t"), "1|x");
    sandbox
        .run("migrate", &["history", "-v"])
        .assert_exit(0)
        .assert_says("rollback");
    let undo = sandbox.run("rollback", &["undo", "--yes"]);
    undo.assert_exit(3).assert_says("without a snapshot");
    sandbox.run("migrate", &["upgrade"]).assert_exit(0);
}

#[test]
fn a_backup_comes_first_or_nothing_does() {
    let mut sandbox = two();
    sandbox.run("migrate", &["upgrade", "+1"]).assert_exit(0);
    sandbox.sql("insert into t values (1, 'x')");
    let output = sandbox.run("migrate", &["upgrade", "--backup"]);
    output.assert_exit(2).assert_says("backup keygen");
    assert_eq!(applied(&sandbox), "0001\n");
    sandbox.make_keys();
    let output = sandbox.run("migrate", &["upgrade", "--backup", "--json"]);
    output.assert_exit(0);
    let list = sandbox.run("backup", &["list", "--json"]).json().remove(0);
    assert_eq!(list["backups"][0]["id"], output.last()["backup"]);
    assert_eq!(list["backups"][0]["kind"], "premigrate");
    assert_eq!(list["backups"][0]["rows"], 1);
    assert_eq!(applied(&sandbox), "0002\n");
}

/// One migration each: whatever changes a schema in a way of its own.
const CHANGES: &str = "
create table a (id int primary key, v text); create table b (id serial primary key, a_id int references a)
create table c (id int primary key)
alter table a rename to first
alter table first rename to a
create index on a (v)
create view va as select a.id, a.v, b.id as other from a join b on b.a_id = a.id
alter table b add note text not null default 'x'
alter table b rename note to remark
alter table a rename to aa
alter table aa rename constraint a_pkey to aa_key
alter index a_v_idx rename to by_v
comment on table aa is 'first'; comment on column aa.v is 'second'
comment on constraint aa_key on aa is 'third'
comment on constraint aa_key on aa is null; comment on column aa.v is null
grant select on aa to public; grant update (v) on aa to public
revoke update (v) on aa from public
revoke all on aa from public
create type mood as enum ('sad'); create type pair as (x int, y text); create domain small as int check (value < 9)
alter type mood add value 'ok'
alter type pair add attribute z mood
alter domain small add constraint positive check (value > 0)
create table t (m mood, p pair, s small)
alter type mood rename to feeling
create function f() returns trigger language plpgsql as 'begin return new; end'
create trigger g before insert on c for each row execute function f()
alter table c disable trigger g
alter trigger g on c rename to gg
alter function f() rename to ff
create or replace function ff() returns trigger language plpgsql as 'begin return old; end'
alter table c enable row level security; create policy p on c using (id in (select id from b))
alter table b add more int
alter policy p on c rename to pp
create rule r as on insert to t do instead nothing
create sequence s; alter table c add n int
alter sequence s owned by c.n
alter sequence s owned by none
alter sequence s increment 5
create table child () inherits (c)
alter table child no inherit c
create table parts (id int, k int) partition by list (k); create table one (id int, k int)
alter table parts attach partition one for values in (1)
create index on parts (id)
alter table parts detach partition one
alter table parts rename to pieces
create statistics st on id, k from one
alter table one alter k set statistics 7
alter table one set (fillfactor = 50); alter table one set unlogged
alter table aa alter v set storage external
alter table aa replica identity using index aa_key
alter table aa cluster on by_v
create materialized view mv as select id from aa; create index on mv (id)
create or replace view va as select aa.id, aa.v, b.id as other, 1 as one from aa join b on b.a_id = aa.id
alter view va rename column one to uno
create function atomic() returns bigint begin atomic select count(*) from aa; end
alter table aa rename v to w
create schema other
alter table pieces set schema other
alter schema other rename to another
alter default privileges grant select on tables to public
create table granted (id int)
create publication pub for table aa
alter publication pub add table c
alter table c rename to cc
create operator === (leftarg = int, rightarg = int, function = int4eq)
create cast (feeling as int) with inout as assignment
create collation german (provider = libc, locale = 'C')
create text search configuration simple2 (copy = simple)
alter text search configuration simple2 drop mapping for word
create event trigger et on ddl_command_end execute function nothing()
alter table one alter k set not null
alter table one alter k type bigint
alter table one add constraint positive check (k > 0) not valid
alter table one validate constraint positive
alter table one alter id set not null, alter id add generated by default as identity
alter table one alter id set generated always
alter table one drop constraint positive
drop table one; create table one (id int, k int)
drop view va; alter table b drop more
drop trigger gg on cc
drop policy pp on cc; drop rule r on t
drop statistics if exists st; drop index by_v
alter table aa drop column w cascade
drop materialized view mv; drop table b cascade
drop schema another cascade
insert into cc (id) values (1)
comment on schema public is 'ours'; comment on extension plpgsql is 'theirs'
revoke all on schema public from public
create table later (id int primary key, cc_id int references cc); create type later_on as (a int)
create table latest (like later including all)
comment on column later.cc_id is 'one of them'
set local track_counts = off; create table uncounted (id int)
savepoint a; create table never (id int); rollback to a
savepoint b; create table ever (id int); release b
alter table later add check (id > 0); alter table later rename to late
grant select on late to public
create index on cc (n)
alter table cc add own text default 'x'; update cc set own = 'y'
create domain tags as text[]
alter domain tags set default '{}'
alter domain tags rename to labels
revoke usage on type labels from public
comment on table cc is 'é'
set client_encoding = 'LATIN1'; alter table cc add encoded int
set standard_conforming_strings = off; create table slashed (a text default E'a\\\\b')
create view sv as select E'a\\\\b'::text as x from cc
set local standard_conforming_strings = off; create function other() returns int language sql as 'select 1'
create table leaving (id int)
alter table leaving set schema information_schema
create foreign data wrapper w; create server srv foreign data wrapper w
create user mapping for public server srv
drop view sv
create function giving() returns bigint return (select count(x.a1) from cc x(a1))
alter table cc add another int
do $$ begin execute 'create table made (id int)'; execute 'drop table granted'; end $$
";

/// After each migration only what it changed is read again.
#[test]
fn the_schema_on_record_is_the_one_that_is_there() {
    let all = Sandbox::bare();
    let each = Sandbox::bare();
    let together = Sandbox::bare();
    let helper = "create function nothing() returns event_trigger language plpgsql as 'begin end'";
    // Since 19 there are standard strings alone.
    let before_19 = all.cluster.installation.major() < 19;
    let there = |change: &&str| before_19 || !change.contains("standard_conforming_strings");
    let changes = CHANGES.trim().lines().filter(there);
    let changes: Vec<&str> = [helper].into_iter().chain(changes).collect();
    for (number, change) in changes.iter().enumerate() {
        for sandbox in [&all, &each, &together] {
            sandbox.migration(&format!("{:04}_change", number + 1), change, "");
        }
    }
    let output = all.run("migrate", &["upgrade"]);
    output.assert_exit(0).assert_silent_about("not on record");
    let output = together.run("migrate", &["upgrade", "--single-transaction"]);
    output.assert_exit(0).assert_silent_about("not on record");
    let recorded = |sandbox: &Sandbox, what: &str| -> Vec<String> {
        let sql = format!("select coalesce({what}, '') from pgbelay.ledger order by sequence");
        sandbox
            .query_text(&sql)
            .lines()
            .map(str::to_owned)
            .collect()
    };
    // What a run reads first, it reads as a whole.
    for _ in &changes {
        each.run("migrate", &["upgrade", "+1"]).assert_exit(0);
    }
    let told = |found: &[String], expected: &[String], what: &str| {
        for (place, (found, expected)) in found.iter().zip(expected).enumerate() {
            assert_eq!(found, expected, "{what}: {}", changes[place]);
        }
        assert_eq!(found.len(), expected.len());
    };
    let (before, after) = (
        recorded(&each, "fingerprint_before"),
        recorded(&each, "fingerprint_after"),
    );
    told(&after[..after.len() - 1], &before[1..], "one at a time");
    told(&recorded(&all, "fingerprint_after"), &after, "all at once");
    let after = recorded(&together, "fingerprint_after");
    told(
        &after,
        &recorded(&all, "fingerprint_after"),
        "in one transaction",
    );
    for sandbox in [&all, &together] {
        let changes = recorded(sandbox, "change");
        told(&changes, &recorded(&each, "change"), "changes");
    }
    assert!(before.windows(2).filter(|pair| pair[0] != pair[1]).count() > 60);
}

/// Members of extensions aren't in the model; what mentions them is. Roles belong to no database.
#[test]
fn what_is_only_mentioned_counts_as_well() {
    let sandbox = Sandbox::bare();
    let role = format!("{}_r", sandbox.database);
    let changes = [
        format!("create role {role}; create table owned (id int); alter table owned owner to {role}"),
        format!("alter role {role} rename to {role}2"),
        "create table m (a int); alter extension plpgsql add table m; create view v as select a from m"
            .to_owned(),
        "alter table m rename to mm".to_owned(),
        "alter table mm rename a to b".to_owned(),
        "set local track_counts = off; create table uncounted (id int); set local track_counts = on"
            .to_owned(),
        "create table last (id int)".to_owned(),
    ];
    for (number, change) in changes.iter().enumerate() {
        sandbox.migration(&format!("{:04}_change", number + 1), change, "");
    }
    let sums = |column: &str| {
        let sql = format!("select coalesce({column}, '-') from pgbelay.ledger order by sequence");
        let text = sandbox.query_text(&sql);
        text.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    for (number, change) in changes.iter().enumerate() {
        let output = sandbox.run("migrate", &["upgrade", "+1"]);
        output.assert_exit(0);
        // Nobody counts what a superuser hides; then it is said that nothing is known.
        let hidden = change.contains("track_counts = on");
        assert_eq!(output.says("not on record"), hidden, "{change}\n{output}");
        let (before, after) = (sums("fingerprint_before"), sums("fingerprint_after"));
        assert_eq!(after[number] == "-", hidden, "{change}");
        if number > 0 && !hidden && after[number - 1] != "-" {
            assert_eq!(after[number - 1], before[number], "{}", changes[number - 1]);
            assert_ne!(after[number], before[number], "{change}");
        }
    }
    sandbox.sql(&format!("drop owned by {role}2; drop role {role}2"));
}

/// What a run that fails on its way left on record, a look at everything agrees with.
#[test]
fn what_was_applied_before_a_failure_is_on_record_or_nothing_is() {
    let sandbox = Sandbox::bare();
    sandbox.migration("0001_a", "create table a (id int)", "drop table a");
    let hidden =
        "set local track_counts = off; create table h (id int); set local track_counts = on";
    sandbox.migration("0002_h", hidden, "drop table h");
    sandbox.migration("0003_f", "select 1 / 0", "");
    let output = sandbox.run("migrate", &["upgrade"]);
    output.assert_exit(1).assert_says("not on record");
    output.assert_says("0002 h was applied");
    let known = "select count(fingerprint_after) from pgbelay.ledger";
    assert_eq!(sandbox.query_text(known), "0");
    let off = "-- transaction: off\ncreate index concurrently on a (id)";
    sandbox.migration("0003_f", hidden.replace("table h", "table i").as_str(), "");
    sandbox.migration("0004_off", off, "");
    let output = sandbox.run("migrate", &["upgrade"]);
    output.assert_exit(0).assert_says("not on record");
    let change = "select change from pgbelay.ledger where revision = '0004'";
    let change = sandbox.query_text(change);
    assert!(
        change.contains("a_id_idx") && !change.contains("table\":\"i"),
        "{change}"
    );
}
