//! Statements that today's rows would make fail: foretold by `rollback validate`, with the number of
//! rows, and true: the server fails, too.

use crate::harness::Sandbox;

const BASE: &str = "create table parent (id int primary key, code text);
    create table t (id int primary key, a int, b int, p int);
    create table leaf (extra int) inherits (t);
    create table parts (k int, v int) partition by range (k);
    create table parts_1 partition of parts for values from (0) to (10)";

const ROWS: &str = "insert into parent values (1, 'x'), (2, 'four  ');
    insert into t values (1, 1, 1, 1), (2, 1, null, 9), (3, null, null, null);
    insert into leaf values (4, -5, 7, 1);
    insert into parts values (1, 1), (2, 1)";

fn filled() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.migration("0001_base", BASE, "select 1");
    sandbox.run("migrate", &["upgrade"]).assert_exit(0);
    sandbox.sql(ROWS);
    sandbox
}

/// Validates `down` and tries it out: the verdict, what is said to fail, and whether it works.
#[track_caller]
fn validate(sandbox: &Sandbox, down: &str) -> (String, Vec<String>, bool) {
    sandbox.migration("0002_step", "select 1", down);
    sandbox.run("migrate", &["upgrade"]).assert_exit(0);
    let output = sandbox.run("rollback", &["validate", "0001", "--format", "json"]);
    let report = output.json().pop().unwrap();
    let findings = report["findings"].as_array().unwrap();
    let failing = findings.iter().filter(|f| f["rule"] == "RB-WILL-FAIL");
    let messages = failing.map(|f| f["message"].as_str().unwrap().to_owned());
    let works = sandbox
        .session()
        .try_run(&format!("begin; {down}; rollback"));
    sandbox.sql("delete from pgbelay.ledger where revision = '0002'");
    (
        report["verdict"].as_str().unwrap().to_owned(),
        messages.collect(),
        works.is_ok(),
    )
}

#[test]
fn rows_that_break_what_a_script_promises() {
    let cases = [
        (
            "alter table t alter b set not null",
            "public.t.b is to be NOT NULL, and 2 rows hold NULL",
        ),
        (
            "alter table t add constraint positive check (a > 0)",
            "1 row of public.t breaks CHECK (a > 0)",
        ),
        (
            "alter table t add unique (a)",
            "(a) of public.t is to be unique, and 1 value of it stands in several rows",
        ),
        (
            "create unique index on parts (v)",
            "(v) of public.parts is to be unique",
        ),
        (
            "alter table t add foreign key (p) references parent",
            "(p) of public.t is to refer to parent, and 1 row refers to none of its rows",
        ),
        (
            "alter table t add c text not null",
            "public.t.c is added as NOT NULL without a default, and the table has 4 rows",
        ),
        (
            "alter table parent alter code type char",
            "public.parent.code is to be char, and 1 row holds a longer text",
        ),
        (
            "alter table parent alter code type character varying ( 3 ), drop id",
            "public.parent.code is to be character varying ( 3 ), and 1 row holds a longer text",
        ),
    ];
    let sandbox = filled();
    for (down, expected) in cases {
        let (verdict, messages, works) = validate(&sandbox, down);
        assert!(!works, "the server does it: {down}");
        assert_eq!(verdict, "WILL_FAIL", "{down}");
        assert!(
            messages.iter().any(|m| m.contains(expected)),
            "{down}: {messages:?}"
        );
    }
}

#[test]
fn promises_that_are_kept_are_not_said_to_be_broken() {
    let sandbox = filled();
    for down in [
        "alter table t alter id set not null",
        "alter table t add check (a > -9)",
        "alter table t add constraint up check (a > 0) no inherit",
        "alter table t add check (a > 0) not valid",
        "alter table t add unique (b)",
        "create unique index on t (a) where b is not null",
        "update t set b = 0 where b is null; alter table t alter b set not null",
        "delete from t where a is null or b is null; alter table t alter b set not null",
        "alter table t add c int not null default 4; alter table t add check (c = 4)",
        "create domain filled as text default 'x'; alter table t add c filled not null",
        "alter table t add foreign key (a) references parent not valid",
        "update t set p = null; alter table t add foreign key (p) references parent",
        "alter table parent alter code type char(4)",
        "alter table parent alter code type varchar(1) using left(code, 1)",
        "update parent set code = 'y'; alter table parent alter code type char",
        "alter table t rename a to z; alter table t add z2 int; alter table t add unique (z2)",
    ] {
        let (verdict, messages, works) = validate(&sandbox, down);
        assert!(works, "the server does not do it: {down}");
        assert_eq!(messages, Vec::<String>::new(), "{down}");
        assert_ne!(verdict, "WILL_FAIL", "{down}");
    }
}
