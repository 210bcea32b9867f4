//! Materialized views, into which nobody can write rows.

use super::case::Case;
use super::since::conflicts;

const BASE: &str = "create table t (id int primary key, s text); \
    create materialized view mv as select id, s, json_build_object('s', s) as j from t";

/// What a view held that can't be computed again is kept, and laid aside.
#[test]
fn what_cannot_be_computed_again_is_laid_aside() {
    let again =
        "create materialized view mv as select id, s, json_build_object('s', s) as j from t";
    for (up, down) in [
        (
            "create materialized view mv2 as select *, json_build_object('s', s) as j from t",
            "drop materialized view mv2",
        ),
        ("select 1", "refresh materialized view mv"),
        (again, "drop materialized view mv"),
    ] {
        let base = if up == again {
            "create table t (id int primary key, s text)"
        } else {
            BASE
        };
        let view = if up.contains("mv2") { "mv2" } else { "mv" };
        let case = Case::new(
            base,
            &[(up, down)],
            &format!(
                "insert into t select g, 'x' || g from generate_series(1, 20) g; \
                 refresh materialized view {view}; delete from t where id > 5"
            ),
        );
        let held = format!("select id, s, j::text from {view} order by id");
        let before = case.sandbox.query_text(&held);
        let back = case.back().json();
        let plan = back.iter().find(|line| line["type"] == "plan").unwrap();
        assert_eq!(plan["verdict"], "LOSS_RECOVERABLE", "{down}: {plan:#}");
        let closing = back.last().unwrap();
        assert_eq!(closing["undo"], "sampled", "{down}: {closing:#}");
        let done = case.undo();
        let told = conflicts(&done);
        assert_eq!(told.len(), 1, "{down}: {told:?}");
        assert!(
            told[0].0 == 20 && told[0].1.contains("computed anew"),
            "{told:?}"
        );
        let into = done["rescued"][0]["into"].as_str().unwrap();
        let aside = format!("select id, s, j::text from {into} order by id");
        assert_eq!(case.sandbox.query_text(&aside), before, "{down}");
        let computed = format!("select count(*) from {view}");
        assert_eq!(case.sandbox.query_text(&computed), "5", "{down}");
    }
}

/// A view that the rollback filled anew is filled again from the rows that came back.
#[test]
fn what_the_rollback_fills_anew_is_filled_again() {
    let case = Case::new(
        BASE,
        &[(
            "select 1",
            "delete from t where id <= 5; refresh materialized view mv",
        )],
        "insert into t select g, 'x' || g from generate_series(1, 20) g; \
         refresh materialized view mv",
    );
    let held = "select id, s, j::text from mv order by id";
    let before = case.sandbox.query_text(held);
    let back = case.back();
    assert_eq!(back.last()["undo"], "proved");
    assert_eq!(case.sandbox.query_text("select count(*) from mv"), "15");
    let done = case.undo();
    assert_eq!(conflicts(&done), []);
    assert_eq!(case.sandbox.query_text(held), before);
}
