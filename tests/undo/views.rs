//! Rows of tables that scripts change through views.

use serde_json::Value;

use super::case::Case;

const BASE: &str = "create table t (i int primary key, v text, n int default 0);
    create table kept (i int primary key);
    create view a as select i as key, v as value from t;
    create view b as select * from a where key > 0;
    create view checked as select value, key from b where key < 100 with check option";
const DATA: &str = "insert into t select g, 'v' || g from generate_series(1, 20) g;
    insert into kept select generate_series(1, 3)";

/// Rolled back by `down`, and undone; returns the plan.
#[track_caller]
fn exact(base: &str, down: &str, data: &str) -> Value {
    let case = Case::new(base, &[("select 1", down)], data);
    let before = case.state();
    let output = case.back();
    assert_eq!(output.last()["undo"], "proved", "{output}");
    let plan = output.json().into_iter().find(|l| l["type"] == "plan");
    let done = case.undo();
    case.assert_as(&before, &done);
    plan.unwrap()
}

/// Rule, table, rows and certainty of the losses.
fn losses(plan: &Value) -> Vec<String> {
    let losses = plan["losses"].as_array().unwrap().iter();
    let told = |loss: &Value| {
        let word = |key: &str| loss[key].as_str().unwrap().to_owned();
        format!(
            "{} {} {} {}",
            word("rule"),
            word("table"),
            loss["rows"],
            word("certainty")
        )
    };
    losses.map(told).collect()
}

#[test]
fn rows_of_the_table_beneath_are_foretold_and_come_back() {
    for (down, expected) in [
        (
            "delete from b where key % 2 = 0",
            "RB-DELETE public.t 10 exact",
        ),
        (
            "update a set value = 'x' where key < 4",
            "RB-UPDATE public.t 3 exact",
        ),
        (
            "update checked as c set value = 'x' from kept k where k.i = c.key",
            "RB-UPDATE public.t 3 exact",
        ),
        (
            "with old as (select max(key) as k from b) delete from a using old where a.key = old.k",
            "RB-DELETE public.t 1 exact",
        ),
        ("delete from only checked", "RB-DELETE public.t 20 exact"),
        (
            "with gone as (delete from b where key = 1 returning key) select * from gone",
            "RB-DELETE public.t 20 upper_bound",
        ),
    ] {
        let plan = exact(BASE, down, DATA);
        assert_eq!(losses(&plan), [expected], "{down}\n{plan:#}");
        assert_eq!(plan["verdict"], "LOSS_RECOVERABLE", "{down}");
    }
    let plan = exact(BASE, "insert into checked values ('new', 50)", DATA);
    assert_eq!(losses(&plan), Vec::<String>::new(), "{plan:#}");
    for down in [
        "delete from b where key % 2 = 0; update a set value = 'x'",
        "insert into a values (7, 'y') on conflict (key) do update set value = 'z'",
        "merge into b using kept k on k.i = b.key when matched then delete",
        "alter table t rename v to w; alter view a rename value to val; update a set val = 'x'; \
         alter view a rename val to value; alter table t rename w to v",
        "alter table t rename to u; delete from b where key < 3; alter table u rename to t",
    ] {
        let major = crate::harness::cluster::installation().unwrap().major();
        if !down.starts_with("merge") || major >= 17 {
            exact(BASE, down, DATA);
        }
    }
}

/// Keys, partitions, columns that are computed, other tables in the condition.
#[test]
fn whatever_hangs_on_the_table_beneath() {
    let referred = "create table t (i int primary key, v text);
        create table c (i int primary key, t int references t on delete cascade on update cascade);
        create view a as select i, v from t; create view b as select * from a";
    let rows = "insert into t select g, 'v' from generate_series(1, 9) g;
        insert into c select g, 1 + g % 9 from generate_series(1, 30) g";
    let plan = exact(referred, "delete from b where i < 4", rows);
    let told = losses(&plan);
    assert!(
        told.contains(&"RB-DELETE public.t 3 exact".to_owned()),
        "{told:?}"
    );
    assert!(told.iter().any(|l| l.contains("public.c")), "{told:?}");
    let plan = exact(referred, "update b set i = i + 100 where i < 4", rows);
    assert!(
        losses(&plan).iter().any(|l| l.contains("public.c")),
        "{plan:#}"
    );
    // No key refers to what is assigned.
    let plan = exact(referred, "update b set v = 'x' where i < 4", rows);
    assert_eq!(losses(&plan), ["RB-UPDATE public.t 3 exact"]);

    exact(
        "create table t (i int, v text) partition by range (i);
         create table t1 partition of t for values from (0) to (10);
         create table t2 partition of t for values from (10) to (30);
         create view a as select v, i, upper(v) as u from t where i in (select i from t where v <> 'v3')",
        "delete from a where i % 2 = 0; update a set v = 'x', i = i + 1 where u <> 'V5'",
        "insert into t select g, 'v' || g from generate_series(1, 20) g",
    );
    exact(
        "create table p (i int primary key, v text); create table q (w text) inherits (p);
         create view a as select * from p; create view only_p as select * from only p",
        "delete from only_p where i < 3; update a set v = 'x'",
        "insert into p select g, 'v' from generate_series(1, 5) g;
         insert into q select g, 'v', 'w' from generate_series(6, 9) g",
    );
    exact(
        "create table t (i int primary key, v text); create table log (i int);
         create function note() returns trigger language plpgsql as
             $$ begin insert into log values (old.i); return old; end $$;
         create trigger note after delete on t for each row execute function note();
         create view a as select * from t",
        "delete from a where i < 4",
        "insert into t select g, 'v' from generate_series(1, 9) g",
    );
}

/// What a trigger or a rule does in the place of the server can't be told, but is recorded.
#[test]
fn triggers_and_rules_of_views() {
    let table = "create table t (i int primary key, v text); create table o (i int primary key);
        create view a as select i, v from t; create view b as select * from a";
    let data = "insert into t select g, 'v' from generate_series(1, 9) g; insert into o select generate_series(1, 9)";
    for more in [
        "create function instead() returns trigger language plpgsql as
             $$ begin delete from o where i = old.i; return old; end $$;
         create trigger r instead of delete on a for each row execute function instead()",
        "create rule r as on delete to a do instead delete from o where i = old.i",
        "create rule r as on delete to a do also delete from o where i = old.i",
        "create rule r as on delete to b do also delete from o where i = old.i",
        "create function instead() returns trigger language plpgsql as
             $$ begin delete from o; return null; end $$;
         create trigger r after delete on a for each statement execute function instead();
         create trigger r after delete on b for each statement execute function instead()",
    ] {
        let plan = exact(
            &format!("{table}; {more}"),
            "delete from b where i < 4",
            data,
        );
        assert_ne!(plan["verdict"], "NO_LOSS", "{more}");
    }
}
