//! Tables whose columns somebody renamed, dropped or added between a rollback and its undo: what was
//! saved goes where the columns are by then.

use super::case::Case;

const BASE: &str = "create table t (id int primary key, v text, k text)";

/// Changes a value, takes a column away, deletes a row.
const STEPS: [(&str, &str); 1] = [(
    "alter table t add extra text",
    "update t set k = 'rolled' where id = 1; alter table t drop extra; delete from t where id = 3",
)];

const DATA: &str =
    "insert into t values (1, 'a', 'k1', 'x1'), (2, 'b', 'k2', 'x2'), (3, 'c', 'k3', 'x3')";

/// Rolls back, changes the table, and undoes: first as it is, which the other schema forbids, then
/// accepting that. Returns what it says.
#[track_caller]
fn reshaped(change: &str, expected: &str) -> String {
    let case = Case::new(BASE, &STEPS, DATA);
    case.back();
    case.sandbox.sql(change);
    let before = case.sandbox.content();
    let careful = case.sandbox.run("rollback", &["undo", "--yes"]);
    careful.assert_exit(3).assert_says("--accept-drift");
    assert_eq!(case.sandbox.content(), before, "{change}");
    let accepting = ["undo", "--yes", "--accept-drift"];
    let undone = case.sandbox.run("rollback", &accepting);
    undone.assert_exit(0);
    let sql = "select (select jsonb_object_agg(key, value order by key) from jsonb_each(to_jsonb(t))) \
               from t order by 1";
    let found = case.sandbox.query_text(sql);
    assert_eq!(found, expected, "{change}");
    undone.stdout.clone() + &undone.stderr
}

#[test]
fn columns_renamed_since() {
    reshaped(
        "alter table t rename v to w",
        r#"{"k": "k1", "w": "a", "id": 1, "extra": "x1"}
{"k": "k2", "w": "b", "id": 2, "extra": "x2"}
{"k": "k3", "w": "c", "id": 3, "extra": "x3"}"#,
    );
    reshaped(
        "alter table t rename id to number; update t set k = 'mine' where number = 1",
        r#"{"k": "k2", "v": "b", "extra": "x2", "number": 2}
{"k": "k3", "v": "c", "extra": "x3", "number": 3}
{"k": "mine", "v": "a", "extra": "x1", "number": 1}"#,
    );
}

#[test]
fn columns_that_exchanged_their_names_since() {
    let case = Case::new(BASE, &STEPS, DATA);
    case.back();
    case.sandbox.sql(
        "alter table t rename v to spare; alter table t rename k to v; alter table t rename spare to k",
    );
    // The schema is the same again, but for the order of columns.
    case.undo();
    assert_eq!(
        case.sandbox
            .query_text("select id, v, k, extra from t order by 1"),
        "1|k1|a|x1\n2|k2|b|x2\n3|k3|c|x3"
    );
}

#[test]
fn a_column_dropped_since_is_not_made_again() {
    let said = reshaped(
        "alter table t drop k",
        r#"{"v": "a", "id": 1, "extra": "x1"}
{"v": "b", "id": 2, "extra": "x2"}
{"v": "c", "id": 3, "extra": "x3"}"#,
    );
    assert!(said.contains("the column k was dropped since"), "{said}");
    // The same name, another column.
    reshaped(
        "alter table t drop k; alter table t add k int",
        r#"{"k": null, "v": "a", "id": 1, "extra": "x1"}
{"k": null, "v": "b", "id": 2, "extra": "x2"}
{"k": null, "v": "c", "id": 3, "extra": "x3"}"#,
    );
}

#[test]
fn a_column_added_since_keeps_its_values() {
    reshaped(
        "alter table t add z int; update t set z = id",
        r#"{"k": "k1", "v": "a", "z": 1, "id": 1, "extra": "x1"}
{"k": "k2", "v": "b", "z": 2, "id": 2, "extra": "x2"}
{"k": "k3", "v": "c", "z": null, "id": 3, "extra": "x3"}"#,
    );
    reshaped(
        "alter table t add z int not null default 7",
        r#"{"k": "k1", "v": "a", "z": 7, "id": 1, "extra": "x1"}
{"k": "k2", "v": "b", "z": 7, "id": 2, "extra": "x2"}
{"k": "k3", "v": "c", "z": 7, "id": 3, "extra": "x3"}"#,
    );
}

#[test]
fn a_key_that_is_gone_is_a_refusal() {
    let case = Case::new(BASE, &STEPS, DATA);
    case.back();
    case.sandbox.sql("alter table t drop id");
    let before = case.sandbox.content();
    let undo = case
        .sandbox
        .run("rollback", &["undo", "--yes", "--accept-drift"]);
    undo.assert_exit(3)
        .assert_says("the column id of public.t is gone since");
    assert_eq!(case.sandbox.content(), before);
}

#[test]
fn rows_of_an_emptied_table_whose_columns_moved() {
    let case = Case::new(
        BASE,
        &[("select 1", "truncate t")],
        "insert into t values (1, 'a', 'k1'), (2, 'b', 'k2')",
    );
    case.back();
    case.sandbox
        .sql("alter table t rename v to w; alter table t drop k; insert into t values (2, 'new')");
    let undo = case
        .sandbox
        .run("rollback", &["undo", "--yes", "--accept-drift"]);
    undo.assert_exit(0);
    assert_eq!(
        case.sandbox.query_text("select * from t order by 1"),
        "1|a\n2|new"
    );
}
