//! A plain table that becomes a partitioned one by copy and rename, and a plain one again.

use super::case::{Case, exact};
use super::since::{assert_rows, conflicts, since};

const DATA: &str = "insert into e values (1, 'a'), (200, 'b'), (3, 'c'), (4, null)";
const PARTS: &str = "create table e_1 partition of e_new for values from (minvalue) to (100);
    create table e_2 partition of e_new default";

/// A table with `columns` and a constraint that is called so, if any, and the scripts: into partitions, and
/// back.
fn copied(columns: &str, constraint: &str) -> [String; 3] {
    let renamed = |from: &str| match constraint {
        "" => String::new(),
        name => format!("; alter table e rename constraint {from}_{name} to e_{name}"),
    };
    [
        format!("create table e ({columns})"),
        format!(
            "create table e_new ({columns}) partition by range (id); {PARTS};
             insert into e_new select * from e; drop table e; alter table e_new rename to e{}",
            renamed("e_new")
        ),
        format!(
            "create table e_old ({columns}); insert into e_old select * from e;
             drop table e; alter table e_old rename to e{}",
            renamed("e_old")
        ),
    ]
}

/// The same with a primary key.
fn with_key() -> [String; 3] {
    copied("id int primary key, v text", "pkey")
}

#[test]
fn by_copies_both_ways() {
    for (columns, constraint) in [
        ("id int, v text", ""),
        ("id int primary key, v text", "pkey"),
        ("id int not null unique, v text", "id_key"),
    ] {
        let [base, up, down] = copied(columns, constraint);
        exact(&base, &[(&up, &down)], DATA);
    }
}

#[test]
fn by_renames_first() {
    let base = "create table e (id int, v text, constraint e_pk primary key (id))";
    let columns = "id int, v text, constraint e_pk primary key (id)";
    exact(
        base,
        &[(
            &format!(
                "alter table e rename to e_old; alter table e_old rename constraint e_pk to e_old_pk;
                 create table e ({columns}) partition by range (id); {};
                 insert into e select * from e_old; drop table e_old",
                PARTS.replace("e_new", "e")
            ),
            &format!(
                "alter table e rename to e_new; alter table e_new rename constraint e_pk to e_new_pk;
                 create table e ({columns}); insert into e select * from e_new; drop table e_new"
            ),
        )],
        DATA,
    );
}

#[test]
fn in_two_levels_and_with_rows_that_refer_to_it() {
    let [base, up, down] = with_key();
    let up = up.replace(
        "default",
        "default partition by range (id); create table e_3 partition of e_2 default",
    );
    let child = "create table child (id int primary key, e int)";
    let key = "alter table child add constraint to_e foreign key (e) references e";
    let off = "alter table child drop constraint to_e";
    exact(
        &format!("{base}; {child}; {key}"),
        &[(
            &format!("{off}; {up}; {key}"),
            &format!("{off}; {down}; {key}; update e set v = 'lost' where id = 1"),
        )],
        &format!("{DATA}; insert into child values (1, 1), (2, 200)"),
    );
}

#[test]
fn newer_rows_stay() {
    let [base, up, down] = with_key();
    let (case, done) = since(
        &base,
        &[(
            &up,
            &format!("{down}; update e set v = 'back' where id = 4"),
        )],
        DATA,
        "insert into e values (50, 'new'), (300, 'new'); update e set v = 'since' where id = 1; delete from e where id = 3",
    );
    let rows = "select tableoid::regclass, * from e order by id";
    assert_rows(
        &case,
        rows,
        "e_1|1|since\ne_1|4|\ne_1|50|new\ne_2|200|b\ne_2|300|new",
    );
    let reasons = [
        "somebody changed their rows since; the newer ones were kept",
        "somebody deleted their rows since they were saved; their values were laid aside",
    ];
    assert_eq!(conflicts(&done), reasons.map(|reason| (1, reason)));
    let aside = done["rescued"].as_array().unwrap();
    assert_eq!(aside.len(), 1, "{done}");
    assert_eq!(aside[0]["rows"], 2, "{done}");
}

#[test]
fn without_a_key_nothing_may_have_been_written() {
    let [base, up, down] = copied("id int, v text", "");
    for (written, passes) in [
        ("select 1", true),
        ("insert into e values (50, 'new')", false),
        ("update e set v = 'since' where id = 1", false),
        ("delete from e where id = 3", false),
    ] {
        let case = Case::new(&base, &[(&up, &down)], DATA);
        let before = case.state();
        case.back();
        case.sandbox.sql(written);
        if passes {
            case.assert_as(&before, &case.undo());
            continue;
        }
        let left = case.state();
        let output = case.sandbox.run("rollback", &["undo", "--yes"]);
        output.assert_exit(3).assert_says("without a key");
        case.assert_taken_back(&left);
    }
}
