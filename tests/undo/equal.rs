//! Keys that are equal and not the same text: 1.00 and 1, a word by two cases.

use super::case::{Case, exact};
use super::since::{assert_rows, conflicts, since};

const TAKEN: &str = "a newer row has the same unique value (k); it was kept";

/// A row that was deleted, and a new one with a key that the constraint calls equal: the new one stays.
#[test]
fn a_new_row_with_an_equal_key_stays_as_it_is() {
    let fold =
        "create collation fold (provider = icu, locale = 'und-u-ks-level2', deterministic = false)";
    for (base, kind, was, new) in [
        ("select 1", "numeric", "7.00", "7"),
        ("select 1", "interval", "1 mon", "30 days"),
        ("select 1", "float8", "0", "-0"),
        ("select 1", "jsonb", "[1.0]", "[1]"),
        (fold, "text collate fold", "Key", "KEY"),
    ] {
        let base = format!("{base}; create table t (k {kind} primary key, v text, w int)");
        let (case, done) = since(
            &base,
            &[(
                "update t set v = upper(v); alter table t add s text",
                "delete from t where v = 'RED'; alter table t drop s",
            )],
            &format!("insert into t values ('{was}', 'RED', 1, 'secret')"),
            &format!("insert into t values ('{new}', 'reduced', 2)"),
        );
        assert_eq!(conflicts(&done), [(1, TAKEN)], "{done:#}");
        assert_rows(
            &case,
            "select k::text, v, w, s from t",
            &format!("{new}|REDUCED|2|"),
        );
        let into = done["rescued"][0]["into"].as_str().unwrap();
        assert_rows(
            &case,
            &format!("select k::text, v, w, s from {into}"),
            &format!("{was}|RED|1|secret"),
        );
    }
}

/// A script writes keys that are equal to those that were there.
#[test]
fn keys_that_a_script_writes_otherwise_come_back_as_they_were() {
    let fold =
        "create collation fold (provider = icu, locale = 'und-u-ks-level2', deterministic = false)";
    for (base, kind, rows, up, down) in [
        (
            "select 1",
            "numeric",
            "(1.00, 1), (2.500, 2)",
            "round(k, 2)",
            "trim_scale(k)",
        ),
        (
            "select 1",
            "interval",
            "('1 mon', 1), ('36:00', 2)",
            "justify_hours(k)",
            "justify_days(k)",
        ),
        ("select 1", "float8", "('-0', 1), (2, 2)", "k", "k + 0"),
        (
            fold,
            "text collate fold",
            "('Ann', 1), ('bob', 2)",
            "initcap(k)",
            "upper(k)",
        ),
    ] {
        let base = format!(
            "{base}; create table t (k {kind} primary key, n int);
             create table c (id int primary key, k {kind} references t on update cascade on delete cascade)"
        );
        exact(
            &base,
            &[(
                &format!("update t set k = {up}"),
                &format!("update t set k = {down}"),
            )],
            &format!("insert into t values {rows}; insert into c select n, k from t"),
        );
    }
    // Deleted, and added again.
    exact(
        "create table t (k numeric primary key, n int)",
        &[("select 1", "delete from t; insert into t values (1, 9)")],
        "insert into t values (1.00, 1), (2.0, 2)",
    );
    exact(
        "create table t (k numeric primary key, n int)",
        &[("select 1", "truncate t; insert into t values (1, 9)")],
        "insert into t values (1.00, 1), (2.0, 2)",
    );
}

/// Values of a row whose key somebody writes otherwise meanwhile are laid aside, and that is said.
#[test]
fn a_key_that_somebody_writes_otherwise() {
    let case = Case::new(
        "create table t (k numeric primary key, v text)",
        &[("select 1", "update t set v = 'wiped'")],
        "insert into t values (1.0, 'a'), (2, 'b')",
    );
    case.back();
    case.sandbox.sql("update t set k = 1.000 where k = 1");
    let done = case.undo();
    assert_rows(&case, "select k, v from t order by 1", "1.000|wiped\n2|b");
    assert_eq!(conflicts(&done)[0].0, 1, "{done:#}");
    let into = done["rescued"][0]["into"].as_str().unwrap();
    assert_rows(&case, &format!("select k, v from {into}"), "1.0|a");
}
