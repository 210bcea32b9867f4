//! `rollback validate --rehearse`: what comes out when the scripts run on a copy.

use serde_json::Value;

use crate::harness::Sandbox;

/// A database with a table of ten rows, whose newest migration goes back by `down`.
fn with(down: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.migration(
        "0001_init",
        "create table t (id int primary key, v text); create table log (t int)",
        "drop table log; drop table t",
    );
    sandbox.migration(
        "0002_more",
        "alter table t add w text; create index by_w on t (w)",
        down,
    );
    sandbox.run("migrate", &["upgrade"]).assert_exit(0);
    sandbox.sql("insert into t select i, i, i from generate_series(1, 10) i");
    sandbox
}

/// The verdict, and what was found by rehearsing.
fn rehearsed(sandbox: &Sandbox, on: &str) -> (String, Vec<(String, String)>) {
    let before = (sandbox.catalog(), sandbox.content());
    let output = sandbox.run(
        "rollback",
        &["validate", "0001", "--rehearse", on, "--json"],
    );
    output.assert_exit(4);
    before.0.assert_same(&sandbox.catalog());
    assert_eq!(before.1, sandbox.content());
    // Those of other tests belong to connections that are there.
    let left = "select count(*) from pg_database where
                substring(datname from '^pgbelay_verify_([0-9]+)_')
                    not in (select pid::text from pg_stat_activity)";
    assert_eq!(sandbox.query_text(left), "0");
    let answer: Value = serde_json::from_str(&output.stdout).unwrap();
    (text(&answer["verdict"]), found(&answer))
}

/// Severity and message of what was found by rehearsing.
fn found(report: &Value) -> Vec<(String, String)> {
    let findings = report["findings"].as_array().unwrap().iter();
    let found = findings.filter(|f| f["rule"] == "RB-REHEARSED");
    found
        .map(|f| (text(&f["severity"]), text(&f["message"])))
        .collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

#[test]
fn a_copy_of_the_definitions_tells_whether_scripts_run_and_where_they_end() {
    let sandbox = with("drop index by_w; alter table t drop w");
    let (verdict, found) = rehearsed(&sandbox, "clone");
    assert_eq!(verdict, "LOSS_RECOVERABLE");
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].1.contains("the scripts run"), "{found:?}");

    let sandbox = with("alter table t drop w, add left_over int");
    let (verdict, found) = rehearsed(&sandbox, "clone");
    assert_eq!(verdict, "LOSS_RECOVERABLE");
    assert_eq!(found[1].0, "warn");
    assert!(
        found[1].1.contains("extra column public.t.left_over"),
        "{found:?}"
    );

    let sandbox = with(
        "alter table t add constraint c check (id > 0), drop w;
                        alter table t add constraint c check (id > 1)",
    );
    let (verdict, found) = rehearsed(&sandbox, "clone");
    assert_eq!(verdict, "WILL_FAIL");
    assert_eq!((found.len(), found[0].0.as_str()), (1, "block"));
    assert!(found[0].1.contains("constraint \"c\""), "{found:?}");
}

#[test]
fn a_restored_backup_tells_what_becomes_of_the_rows() {
    let sandbox = with(
        "drop index by_w; alter table t drop w;
         do $$ begin delete from t where id % 5 = 0; insert into log values (1); end $$",
    );
    sandbox.run("backup", &["create"]).assert_exit(0);
    let (verdict, found) = rehearsed(&sandbox, "latest");
    assert_eq!(verdict, "UNKNOWN");
    let of = |table: &str| {
        let found = found.iter().find(|(_, text)| text.contains(table));
        found
            .unwrap_or_else(|| panic!("nothing about {table}"))
            .clone()
    };
    let (severity, text) = of("table public.t:");
    // Code that can't be read may change any row: that much was foreseen.
    assert_eq!(severity, "info");
    assert!(text.ends_with("10 rows before, 8 after"), "{text}");
    assert!(of("table public.log:").1.contains("0 rows before, 1 after"));
    let (severity, text) = of("the undo was tried");
    assert_eq!(severity, "info");
    assert!(
        text.ends_with("with --force, the undo was tried: all rows come back"),
        "{text}"
    );

    let output = sandbox.run("rollback", &["validate", "0001", "--rehearse", "latest"]);
    assert!(
        output
            .stdout
            .contains("  the database: info: rehearsed on backup")
    );

    // In every format.
    for format in ["human", "markdown", "html", "sarif"] {
        let args = [
            "validate",
            "0001",
            "--rehearse",
            "latest",
            "--format",
            format,
        ];
        let output = sandbox.run("rollback", &args);
        output.assert_exit(4);
        assert!(
            output.stdout.contains("10 rows before, 8 after"),
            "{format}"
        );
    }
}

/// On a restored backup the rollback is carried out as far as COMMIT, and its undo tried; nothing stays.
#[test]
fn the_undo_is_tried_on_a_restored_backup() {
    for (down, severity, said) in [
        (
            "drop index by_w; alter table t drop w",
            "info",
            "the undo was tried: all rows come back",
        ),
        (
            "drop index by_w; alter table t drop w; insert into log values (1)",
            "block",
            "it would be refused: the scripts did more than was announced and saved: large objects",
        ),
    ] {
        let sandbox = with(down);
        sandbox.write("tmp/here", "");
        sandbox.sql(
            "select lo_create(4711);
             create function unlink() returns trigger language plpgsql as $$ begin
             perform lo_unlink(4711); return new; end $$;
             create trigger unlink before insert on log for each row execute function unlink()",
        );
        sandbox.run("backup", &["create"]).assert_exit(0);
        let args = ["validate", "0001", "--rehearse", "latest", "--json"];
        let room = sandbox.folder.join("tmp");
        let tool = sandbox.tool("rollback").args(&args);
        let output = tool.env("TMPDIR", room.display().to_string()).run();
        let report: Value = serde_json::from_str(&output.stdout).unwrap();
        let found = found(&report);
        let about = found.iter().find(|(_, text)| text.contains(said));
        assert_eq!(
            about.map(|(s, _)| s.as_str()),
            Some(severity),
            "{down}: {found:#?}"
        );
        let left: Vec<_> = std::fs::read_dir(&room).unwrap().collect();
        assert_eq!(left.len(), 1, "{left:?}");
        let kept = std::fs::read_dir(sandbox.backups()).unwrap().count();
        assert_eq!(kept, 1, "only the database itself has backups");
    }
}

/// Tables, partitions, references.
const FAMILIES: &str = "
    create table parent (id int primary key, v text);
    create table child (id int primary key, parent int references parent);
    create table other (id int primary key, w int, kept int);
    create table split (id int primary key, v int) partition by range (id);
    create table split_1 partition of split for values from (0) to (100);
    create table heir (z int) inherits (other);
    create view seen as select w from other;
    create materialized view stored as select w from other;
    create function f() returns trigger language plpgsql as 'begin return new; end';
    create index other_w on other (w);
    create table split_rest partition of split default;
    create table kept (id int);
    create trigger watch before update on kept execute function f();
    create rule ignored as on delete to kept where old.id = 7 do instead nothing;
    create view behind as select * from seen;
    create domain measure as int;
    create domain narrow as measure;
    create table measured (m measure, n narrow);
    create type shape as (a int);
    create table shaped of shape;
    create schema elsewhere;
    create table elsewhere.far (id int primary key, v int);
    create index far_v on elsewhere.far (v);
    create table kin (id int primary key);
    create table numbered (id serial);
    create table counting (id int default nextval('numbered_id_seq'));
    create index child_parent on child (parent);
    create table target (id int primary key);
    create table refers (id int primary key, t int references target) partition by range (id);
    create table refers_1 partition of refers for values from (0) to (100);
    create table refers_rest partition of refers default partition by range (id);
    create table refers_deep partition of refers_rest default;
    create table loose (id int primary key, t int references target);
    create table pointing (id int primary key, r int references refers)";

/// Scripts that take them back, and a lock that each takes, on a table that it needn't name.
const LOCKS: &[(&str, &str, &str)] = &[
    ("drop table child", "parent", "ACCESS EXCLUSIVE"),
    (
        "alter table child drop constraint child_parent_fkey",
        "parent",
        "ACCESS EXCLUSIVE",
    ),
    (
        "alter table child drop parent",
        "parent",
        "ACCESS EXCLUSIVE",
    ),
    ("drop table parent cascade", "child", "ACCESS EXCLUSIVE"),
    (
        "alter table child add foreign key (id) references other",
        "other",
        "SHARE ROW EXCLUSIVE",
    ),
    ("create index on other (w)", "other", "SHARE"),
    (
        "create trigger t before insert on other for each row execute function f()",
        "other",
        "SHARE ROW EXCLUSIVE",
    ),
    (
        "alter table other drop w cascade",
        "heir",
        "ACCESS EXCLUSIVE",
    ),
    (
        "alter table other alter kept set not null",
        "heir",
        "ACCESS EXCLUSIVE",
    ),
    ("alter table split drop v", "split_1", "ACCESS EXCLUSIVE"),
    (
        "alter table split detach partition split_1",
        "split",
        "ACCESS EXCLUSIVE",
    ),
    ("drop table split_1", "split", "ACCESS EXCLUSIVE"),
    ("drop table split", "split_1", "ACCESS EXCLUSIVE"),
    ("truncate parent cascade", "child", "ACCESS EXCLUSIVE"),
    (
        "create table t2 (id int references parent)",
        "parent",
        "SHARE ROW EXCLUSIVE",
    ),
    (
        "create table split_2 partition of split for values from (100) to (200)",
        "split",
        "ACCESS EXCLUSIVE",
    ),
    ("drop table split_1", "split_rest", "ACCESS EXCLUSIVE"),
    ("drop function f cascade", "kept", "ACCESS EXCLUSIVE"),
    (
        "alter table child alter parent type bigint",
        "parent",
        "ACCESS EXCLUSIVE",
    ),
    (
        "alter table parent alter id type bigint",
        "child",
        "ACCESS EXCLUSIVE",
    ),
    (
        "alter table parent drop constraint parent_pkey cascade",
        "child",
        "ACCESS EXCLUSIVE",
    ),
    (
        "alter table parent rename to renamed; create index on renamed (v)",
        "parent",
        "ACCESS EXCLUSIVE",
    ),
    ("drop index other_w", "other", "ACCESS EXCLUSIVE"),
    (
        "refresh materialized view stored",
        "stored",
        "ACCESS EXCLUSIVE",
    ),
    ("lock table other in exclusive mode", "other", "EXCLUSIVE"),
    (
        "-- transaction: off\ndrop index concurrently other_w",
        "other",
        "ACCESS EXCLUSIVE",
    ),
    (
        "-- transaction: off\nreindex (verbose) index concurrently other_w",
        "other",
        "SHARE",
    ),
    ("lock behind in exclusive mode", "other", "EXCLUSIVE"),
    ("reindex table other", "other", "SHARE"),
    ("reindex index other_w", "other", "SHARE"),
    ("cluster other using other_w", "other", "ACCESS EXCLUSIVE"),
    ("cluster other_w on other", "other", "ACCESS EXCLUSIVE"),
    (
        "alter trigger watch on kept rename to watching",
        "kept",
        "ACCESS EXCLUSIVE",
    ),
    (
        "alter rule ignored on kept rename to unheard",
        "kept",
        "ACCESS EXCLUSIVE",
    ),
    (
        "alter materialized view stored rename to held",
        "stored",
        "ACCESS EXCLUSIVE",
    ),
    (
        "create table refers_2 partition of refers for values from (100) to (200)",
        "target",
        "SHARE ROW EXCLUSIVE",
    ),
    (
        "create table refers_2 partition of refers for values from (100) to (200)",
        "pointing",
        "SHARE ROW EXCLUSIVE",
    ),
    (
        "create table refers_2 partition of refers for values from (100) to (200)",
        "refers_deep",
        "ACCESS EXCLUSIVE",
    ),
    (
        "alter table refers attach partition loose for values from (100) to (200)",
        "target",
        "ACCESS EXCLUSIVE",
    ),
    (
        "alter table refers detach partition refers_1",
        "target",
        "SHARE ROW EXCLUSIVE",
    ),
    (
        "alter table refers detach partition refers_1",
        "pointing",
        "ACCESS EXCLUSIVE",
    ),
    (
        "alter table pointing drop constraint pointing_r_fkey",
        "refers_1",
        "ACCESS EXCLUSIVE",
    ),
    (
        "alter domain measure add check (value > 0)",
        "measured",
        "SHARE",
    ),
    ("alter domain measure set not null", "measured", "SHARE"),
    (
        "alter type shape add attribute b int cascade",
        "shaped",
        "ACCESS EXCLUSIVE",
    ),
    (
        "alter index other_w rename to w_other; drop index w_other",
        "other",
        "ACCESS EXCLUSIVE",
    ),
    (
        "set search_path = elsewhere; drop index far_v",
        "elsewhere.far",
        "ACCESS EXCLUSIVE",
    ),
    (
        "alter table child rename constraint child_parent_fkey to k; alter table child drop constraint k",
        "parent",
        "ACCESS EXCLUSIVE",
    ),
    (
        "alter table child add constraint k foreign key (id) references kin; alter table child drop constraint k",
        "kin",
        "ACCESS EXCLUSIVE",
    ),
    (
        "create table new (k int references kin); alter table new rename to newer; drop table newer",
        "kin",
        "ACCESS EXCLUSIVE",
    ),
    (
        "create table new (k int references kin); alter table new set schema elsewhere; drop table elsewhere.new",
        "kin",
        "ACCESS EXCLUSIVE",
    ),
    (
        "create table elsewhere.new (k int references kin); alter schema elsewhere rename to y; drop schema y cascade",
        "kin",
        "ACCESS EXCLUSIVE",
    ),
    (
        "drop table pointing; drop table refers_1",
        "refers_rest",
        "ACCESS EXCLUSIVE",
    ),
    (
        "alter table refers detach partition refers_1; drop table refers_1",
        "target",
        "ACCESS EXCLUSIVE",
    ),
    (
        "alter table refers detach partition refers_1; alter table refers_1 drop t",
        "target",
        "ACCESS EXCLUSIVE",
    ),
    (
        "alter table refers attach partition loose for values from (100) to (200); drop table pointing; drop table loose",
        "refers",
        "ACCESS EXCLUSIVE",
    ),
    (
        "alter table numbered set schema elsewhere; drop sequence elsewhere.numbered_id_seq cascade",
        "counting",
        "ACCESS EXCLUSIVE",
    ),
    (
        "alter index child_parent rename to renamed; alter table child drop constraint child_parent_fkey",
        "parent",
        "ACCESS EXCLUSIVE",
    ),
];

#[test]
fn locks_are_measured_and_compared_with_those_foretold() {
    let sandbox = Sandbox::new();
    sandbox.migration("0001_init", "create table x (id int)", "drop table x");
    sandbox.migration("0002_more", FAMILIES, "select 1");
    sandbox.run("migrate", &["upgrade"]).assert_exit(0);
    sandbox.sql(
        "insert into kin values (1); insert into parent values (1); insert into child values (1, 1); insert into other values (1, 1, 1)",
    );
    sandbox.run("backup", &["create"]).assert_exit(0);
    let mut wrong = Vec::new();
    for (down, table, mode) in LOCKS {
        sandbox.migration("0002_more", FAMILIES, down);
        let schema = if table.contains('.') { "" } else { "public." };
        let expected = format!(": {mode} on {schema}{table} for ");
        // What needs rows is seen on a restored backup only, which takes several times as long.
        let seen = ["clone", "latest"].iter().any(|on| {
            let args = ["validate", "0001", "--rehearse", on, "--json"];
            let report = &sandbox.run("rollback", &args).json()[0];
            let told = found(report);
            if told.iter().any(|(_, text)| text.contains("not foreseen")) {
                wrong.push(format!("{down}: {told:#?} {:#}", report["locks"]));
            }
            told.iter().any(|(_, text)| text.contains(&expected))
        });
        if !seen {
            wrong.push(format!("{down}: no {mode} on {table}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_runs_outside_a_transaction_is_not_measured_and_that_is_said() {
    let sandbox =
        with("-- transaction: off\nreindex schema public; drop index by_w; alter table t drop w");
    let (_, found) = rehearsed(&sandbox, "clone");
    let said = |text: &str| found.iter().any(|(_, message)| message.contains(text));
    assert!(said("the scripts run"), "{found:?}");
    assert!(said("isn't measured, since it runs outside"), "{found:?}");
}

#[test]
fn a_new_table_with_the_name_of_a_renamed_one_is_no_loss() {
    for renamed in ["old", "zold"] {
        let down = format!(
            "alter table t rename to {renamed}; create table t (id int); drop index by_w; \
             alter table {renamed} drop w"
        );
        let sandbox = with(&down);
        sandbox.run("backup", &["create"]).assert_exit(0);
        let (verdict, found) = rehearsed(&sandbox, "latest");
        let unforeseen = found.iter().any(|(_, text)| text.contains("not foreseen"));
        assert!(!unforeseen, "{verdict} {found:#?}");
    }
}

#[test]
fn what_cannot_be_rehearsed_is_refused() {
    let sandbox = with("drop index by_w; alter table t drop w");
    sandbox.run("backup", &["create"]).assert_exit(0);
    sandbox.migration("0003_last", "create table l (id int)", "drop table l");
    sandbox.run("migrate", &["upgrade"]).assert_exit(0);
    let validate = |args: &[&str]| {
        sandbox.run(
            "rollback",
            &[&["validate", "0001", "--rehearse"], args].concat(),
        )
    };
    validate(&["latest"])
        .assert_exit(2)
        .assert_says("is of revision 0002");
    validate(&["nothing"]).assert_exit(2);
    let proof = sandbox.home().join("escaped");
    let escape = format!(
        "drop table l; copy t to program 'touch {}'",
        proof.display()
    );
    sandbox.migration("0003_last", "create table l (id int)", &escape);
    validate(&["clone"])
        .assert_exit(3)
        .assert_says("not rehearsed");
    assert!(!proof.exists());
    sandbox.write("pgbelay.toml", "[env.live]\nproduction = true\n");
    validate(&["clone", "--env", "live"]).assert_exit(3);
}
