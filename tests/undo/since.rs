//! What somebody wrote between a rollback and its undo is never overwritten, and what stands in
//! its way is reported.

use serde_json::Value;

use super::case::Case;

/// Rolls back, lets somebody write, undoes.
pub fn since(base: &str, steps: &[(&str, &str)], data: &str, written: &str) -> (Case, Value) {
    let case = Case::new(base, steps, data);
    case.back();
    case.sandbox.sql(written);
    let done = case.undo();
    (case, done)
}

pub fn conflicts(done: &Value) -> Vec<(u64, &str)> {
    let all = done["conflicts"].as_array().unwrap().iter();
    all.map(|c| (c["rows"].as_u64().unwrap(), c["reason"].as_str().unwrap()))
        .collect()
}

#[track_caller]
fn assert_conflict(done: &Value, rows: u64, words: &str) {
    let all = conflicts(done);
    let found = all
        .iter()
        .any(|(n, reason)| *n == rows && reason.contains(words));
    assert!(found, "no conflict of {rows} rows with '{words}': {all:?}");
}

#[track_caller]
pub fn assert_rows(case: &Case, query: &str, expected: &str) {
    assert_eq!(case.sandbox.query_text(query), expected, "{query}");
}

const GONE: &str =
    "somebody deleted their rows since they were saved; their values were laid aside";
const T: &str = "create table t (id int primary key, v text)";

#[test]
fn inserted_rows_and_other_columns_are_kept() {
    let (case, done) = since(
        T,
        &[(
            "alter table t add a text default 'd'",
            "alter table t drop a",
        )],
        "insert into t values (1, 'x', 'a1'), (2, 'y', null), (3, 'z', 'a3')",
        "insert into t values (4, 'new'); update t set v = 'Y' where id = 2; delete from t where id = 3",
    );
    assert_eq!(conflicts(&done), [(1, GONE)]);
    assert_rows(&case, "select * from t order by 1", "1|x|a1\n2|Y|\n4|new|d");
    assert_rows(&case, "select a is null from t where id = 2", "t");
}

#[test]
fn a_value_changed_since_is_kept_and_reported() {
    let (case, done) = since(
        "create table t (id int primary key, v text, w text)",
        &[("select 1", "update t set v = 'lost'")],
        "insert into t values (1, 'x', 'w'), (2, 'y', 'w')",
        "update t set v = 'mine' where id = 2; update t set w = 'mine' where id = 1",
    );
    assert_conflict(&done, 1, "changed the same values since");
    assert_rows(&case, "select * from t order by 1", "1|x|mine\n2|mine|w");
}

#[test]
fn a_converted_value_changed_since_is_kept_and_reported() {
    let (case, done) = since(
        "create table t (id int primary key, v varchar(2))",
        &[(
            "alter table t alter v type text",
            "alter table t alter v type varchar(2) using left(v, 2)",
        )],
        "insert into t values (1, 'long'), (2, 'longer'), (3, 'x')",
        "update t set v = 'zz' where id = 2; insert into t values (4, 'n')",
    );
    assert_conflict(&done, 1, "changed the converted value since");
    assert_rows(
        &case,
        "select * from t order by 1",
        "1|long\n2|zz\n3|x\n4|n",
    );
}

#[test]
fn a_key_given_to_a_new_row() {
    let (case, done) = since(
        T,
        &[("select 1", "delete from t where id < 3")],
        "insert into t values (1, 'x'), (2, 'y'), (3, 'z')",
        "insert into t values (1, 'new')",
    );
    assert_conflict(&done, 1, "their key was given to a new row");
    assert_rows(&case, "select * from t order by 1", "1|new\n2|y\n3|z");
}

#[test]
fn a_unique_value_given_to_a_new_row() {
    let (case, done) = since(
        "create table t (id int primary key, email text unique)",
        &[(
            "select 1",
            "delete from t where id = 1; update t set email = 'other' where id = 2",
        )],
        "insert into t values (1, 'a'), (2, 'b'), (3, 'c')",
        "insert into t values (10, 'a'), (11, 'b')",
    );
    assert_conflict(&done, 2, "the same unique value (email)");
    assert_rows(
        &case,
        "select * from t order by 1",
        "2|other\n3|c\n10|a\n11|b",
    );
}

#[test]
fn a_parent_deleted_since() {
    let (case, done) = since(
        "create table p (id int primary key); create table c (id int primary key, p_id int references p (id))",
        &[(
            "select 1",
            "delete from c where id < 3; update c set p_id = null where id = 3",
        )],
        "insert into p values (1), (2), (3); insert into c values (1, 1), (2, 2), (3, 3), (4, null)",
        "delete from p where id <> 1",
    );
    assert_conflict(&done, 2, "the rows of public.p that they refer to are gone");
    assert_rows(&case, "select * from c order by 1", "1|1\n3|\n4|");
}

#[test]
fn a_parent_of_a_value_deleted_since() {
    let (case, done) = since(
        "create table p (id int primary key); create table c (id int primary key)",
        &[(
            "alter table c add p_id int references p (id)",
            "alter table c drop p_id",
        )],
        "insert into p values (1), (2); insert into c values (1, 1), (2, 2), (3, null)",
        "delete from p where id = 2",
    );
    assert_conflict(&done, 1, "refers to are gone since");
    assert_rows(&case, "select * from c order by 1", "1|1\n2|\n3|");
}

#[test]
fn a_row_deleted_since_together_with_its_parent_is_laid_aside() {
    let (case, done) = since(
        "create table p (id int primary key); create table c (id int primary key)",
        &[(
            "alter table c add p_id int references p (id)",
            "alter table c drop p_id",
        )],
        "insert into p values (1), (2); insert into c values (1, 1), (2, 2), (3, null)",
        "delete from c where id = 2; delete from p where id = 2",
    );
    assert_eq!(conflicts(&done), [(1, GONE)]);
    assert_rows(&case, "select * from c order by 1", "1|1\n3|");
}

#[test]
fn rows_deleted_since_stay_away() {
    let (case, done) = since(
        T,
        &[(
            "alter table t add a text; insert into t values (100, 'seed')",
            "update t set v = upper(v); delete from t where id = 100; alter table t drop a",
        )],
        "insert into t values (1, 'x', 'a1'), (2, 'y', 'a2')",
        "delete from t where id = 1",
    );
    let told = conflicts(&done);
    assert_eq!(told.len(), 1);
    assert!(
        told[0]
            .1
            .starts_with("somebody deleted their rows, or gave them another key")
    );
    assert_rows(&case, "select * from t order by 1", "2|y|a2\n100|seed|");
    let into = done["rescued"][0]["into"].as_str().unwrap();
    assert_rows(&case, &format!("select id, a from {into}"), "1|a1");
}

#[test]
fn new_rows_get_what_the_migration_gives_them() {
    let (case, done) = since(
        "create table t (id int primary key, first text, last text)",
        &[(
            "alter table t add name text; update t set name = first || ' ' || last; alter table t alter name set not null",
            "alter table t drop name",
        )],
        "insert into t values (1, 'a', 'b', 'own name'), (2, 'c', 'd', 'other')",
        "insert into t values (3, 'e', 'f'); update t set first = 'C' where id = 2",
    );
    assert_eq!(conflicts(&done), []);
    assert_rows(
        &case,
        "select * from t order by 1",
        "1|a|b|own name\n2|C|d|other\n3|e|f|e f",
    );
}

#[test]
fn new_rows_draw_numbers_that_no_saved_row_has() {
    let (case, done) = since(
        T,
        &[("alter table t add n serial unique", "alter table t drop n")],
        "insert into t select g, 'v', 8 - g from generate_series(1, 5) g; delete from t where id in (1, 2)",
        "delete from t where id = 3; insert into t values (0, 'new'), (9, 'new')",
    );
    assert_eq!(conflicts(&done), [(1, GONE)]);
    assert_rows(
        &case,
        "select id, n from t where id between 1 and 8 order by 1",
        "4|4\n5|3",
    );
    assert_rows(&case, "select count(distinct n) from t", "4");
    case.sandbox
        .sql("insert into t (id, v) select 20 + g, 'later' from generate_series(1, 9) g");
}

#[test]
fn a_unique_value_that_the_migration_gave_to_a_new_row() {
    let (case, done) = since(
        "create table t (id int primary key, v text)",
        &[(
            "alter table t add code text; update t set code = v; alter table t add unique (code)",
            "alter table t drop code",
        )],
        "insert into t values (1, 'a', 'own'), (2, 'b', 'taken')",
        "insert into t values (3, 'taken')",
    );
    assert_conflict(&done, 1, "the same unique value (code)");
    assert_rows(
        &case,
        "select * from t order by 1",
        "1|a|own\n2|b|b\n3|taken|taken",
    );
}

#[test]
fn rows_made_for_new_parents_stay() {
    let base = "create table users (id int primary key, v text)";
    let up = "create table profiles (user_id int primary key references users (id) on delete cascade, made timestamptz default clock_timestamp());
              insert into profiles (user_id) select id from users";
    let (case, done) = since(
        base,
        &[(up, "drop table profiles")],
        "insert into users values (1), (2), (3); insert into profiles values (1, '2024-01-01'), (2, '2024-01-02')",
        "insert into users values (4); delete from users where id = 2",
    );
    assert_conflict(&done, 1, "refer to are gone since");
    // 3 had no profile before, so it has none now; 4 is new.
    assert_rows(&case, "select user_id from profiles order by 1", "1\n4");
    assert_rows(
        &case,
        "select made from profiles where user_id = 1",
        "2024-01-01 00:00:00+00",
    );
}

#[test]
fn rows_made_for_new_parents_give_way_to_saved_ones() {
    let (case, done) = since(
        "create table users (id int primary key, v text)",
        &[(
            "create table notes (id serial primary key, user_id int references users (id)); insert into notes (user_id) select id from users order by id",
            "drop table notes",
        )],
        "insert into users values (1), (2); insert into notes (user_id) values (1), (2), (1)",
        "insert into users values (3), (4), (5), (6)",
    );
    // Numbers 1 to 3 belong to saved rows, one of which the scripts had given to a newer user.
    assert_conflict(&done, 1, "the migrations made them for newer rows");
    assert_rows(
        &case,
        "select * from notes order by 1",
        "1|1\n2|2\n3|1\n4|4\n5|5\n6|6",
    );
    case.sandbox.sql("insert into notes (user_id) values (1)");
}

#[test]
fn seeds_that_new_rows_refer_to_stay() {
    let (case, done) = since(
        "create table kinds (id int primary key, name text); create table t (id int primary key, kind int references kinds (id) on delete cascade)",
        &[(
            "delete from kinds where id = 7",
            "insert into kinds values (7, 'legacy'), (8, 'legacy')",
        )],
        "insert into kinds values (1, 'a')",
        "insert into t values (1, 7), (2, 8), (3, 1)",
    );
    assert_conflict(&done, 2, "newer rows of public.t refer to them");
    assert_rows(&case, "select id from t order by 1", "1\n2\n3");
}

#[test]
fn values_of_a_column_that_the_migration_drops_are_saved_first() {
    let (case, done) = since(
        "create table t (id int primary key, name text)",
        &[(
            "alter table t add first text; update t set first = name; alter table t drop name",
            "alter table t add name text; update t set name = first; alter table t drop first",
        )],
        "insert into t values (1, 'one'), (2, 'two')",
        "update t set name = 'written since' where id = 2; insert into t values (3, 'new')",
    );
    assert_rows(&case, "select * from t order by 1", "1|one\n2|two\n3|new");
    let saved = done["backups"].as_array().unwrap();
    assert!(!saved.is_empty(), "{done}");
    let id = saved[0].as_str().unwrap();
    let shown = case.sandbox.run("backup", &["show", id]);
    shown.assert_exit(0);
    shown.assert_says("public.t");
}

#[test]
fn rows_of_a_table_that_was_replaced_are_saved_first() {
    let (case, done) = since(
        "create table nonce (nonce char(36) primary key)",
        &[(
            "drop table nonce; create table nonce (state text primary key, nonce text)",
            "drop table nonce; create table nonce (nonce char(36) primary key)",
        )],
        "insert into nonce values ('a', 'x')",
        "insert into nonce values ('written since')",
    );
    assert_rows(&case, "select * from nonce", "a|x");
    let id = done["backups"][0].as_str().unwrap();
    let shown = case.sandbox.run("backup", &["show", id]);
    shown.assert_exit(0);
    shown.assert_says("public.nonce");
}

#[test]
fn rows_of_a_table_without_key() {
    let (case, done) = since(
        "create table t (v text, n int)",
        &[(
            "select 1",
            "delete from t where n = 1; update t set v = 'lost' where n = 2",
        )],
        "insert into t values ('a', 1), ('a', 1), ('b', 2), ('c', 3)",
        "insert into t values ('new', 9); update t set v = 'mine' where n = 2",
    );
    assert_conflict(&done, 1, "the newer rows were kept beside the old ones");
    assert_rows(
        &case,
        "select * from t order by 2, 1",
        "a|1\na|1\nb|2\nmine|2\nc|3\nnew|9",
    );
}

#[test]
fn emptied_and_filled_by_somebody() {
    let (case, done) = since(
        "create table t (id serial primary key, v text)",
        &[("select 1", "truncate t restart identity")],
        "insert into t (v) values ('a'), ('b'), ('c')",
        "insert into t (v) values ('new')",
    );
    assert_rows(&case, "select * from t order by 1", "1|new\n2|b\n3|c");
    assert_conflict(&done, 1, "their key was given to a new row");
    case.sandbox.sql("insert into t (v) values ('later')");
}

#[test]
fn a_table_that_is_gone_since_is_a_refusal() {
    let case = Case::new(
        T,
        &[("alter table t add a int", "alter table t drop a")],
        "",
    );
    case.sandbox.sql("insert into t values (1, 'x', 2)");
    case.back();
    case.sandbox.sql("drop table t");
    let output = case.sandbox.run("rollback", &["undo", "--yes"]);
    output.assert_exit(3);
    output.assert_says("public.t is gone since the rollback");
}

#[test]
fn the_last_of_two_rollbacks_first() {
    let case = Case::new(
        T,
        &[
            ("alter table t add a int", "alter table t drop a"),
            ("alter table t add b int", "alter table t drop b"),
        ],
        "insert into t values (1, 'x', 2, 3)",
    );
    let before = case.state();
    let database = case.sandbox.database.as_str();
    for to in ["0002", "0001"] {
        case.sandbox
            .run("rollback", &["to", to, "--confirm", database])
            .assert_exit(0);
    }
    case.undo();
    assert_rows(&case, "select * from t", "1|x|2");
    let done = case.undo();
    case.assert_as(&before, &done);
    case.sandbox
        .run("rollback", &["undo", "--yes"])
        .assert_exit(2);
}

#[test]
fn a_partly_unique_value_given_to_a_new_row() {
    let (case, done) = since(
        "create table t (id int primary key, email text, gone boolean not null default false);
         create unique index on t (lower(email)) where not gone",
        &[("select 1", "delete from t where id < 3")],
        "insert into t values (1, 'A@x'), (2, 'b@x'), (3, 'c@x')",
        "insert into t values (4, 'a@X', false), (5, 'B@x', true)",
    );
    assert_conflict(&done, 1, "same unique value");
    assert_rows(
        &case,
        "select id, email from t order by 1",
        "2|b@x\n3|c@x\n4|a@X\n5|B@x",
    );
}

#[test]
fn new_rows_with_a_converted_text_key() {
    let (case, done) = since(
        "create table t (code varchar(4) primary key, v text)",
        &[(
            "alter table t alter code type text, add n int",
            "alter table t alter code type varchar(4), drop n",
        )],
        "insert into t select 'k' || n, 'same', n from generate_series(1, 5) n",
        "insert into t values ('a', 'same'); update t set code = 'z' where code = 'k3'",
    );
    assert_rows(
        &case,
        "select code, n from t order by 1",
        "a|\nk1|1\nk2|2\nk4|4\nk5|5\nz|",
    );
    assert_eq!(conflicts(&done), [(1, GONE)]);
}

#[test]
fn new_rows_of_a_table_that_the_rollback_replaced_by_a_copy() {
    let (case, _) = since(
        "create table t (id int primary key, v text)",
        &[(
            "alter table t add n text default 'd'",
            "create table t_new (id int primary key, v text);
             insert into t_new select id, v from t; drop table t; alter table t_new rename to t;
             alter index t_new_pkey rename to t_pkey",
        )],
        "insert into t values (1, 'x', 'n1'), (2, 'y', 'n2'), (3, 'z', null)",
        "insert into t values (4, 'new'); update t set v = 'Y' where id = 2; delete from t where id = 3",
    );
    assert_rows(
        &case,
        "select * from t order by 1",
        "1|x|n1\n2|Y|n2\n4|new|d",
    );
}

#[test]
fn new_rows_of_a_table_that_the_migration_replaces_by_a_copy() {
    let (case, done) = since(
        "create table t (id int primary key, v text)",
        &[(
            "create table t_new (id int primary key, v text, n text default 'd');
             insert into t_new select id, v from t; drop table t; alter table t_new rename to t;
             alter index t_new_pkey rename to t_pkey",
            "alter table t drop n",
        )],
        "insert into t values (1, 'x', 'n1'), (2, 'y', 'n2'), (3, 'z', null)",
        "insert into t values (4, 'new'); update t set v = 'Y' where id = 2; delete from t where id = 3",
    );
    assert_eq!(conflicts(&done), []);
    assert_rows(
        &case,
        "select * from t order by 1",
        "1|x|n1\n2|Y|n2\n4|new|d",
    );
}

#[test]
fn new_rows_of_a_table_that_both_ways_make_anew() {
    let (case, done) = since(
        "create table t (id int primary key, old text)",
        &[(
            "drop table t; create table t (id int primary key, v text)",
            "drop table t; create table t (id int primary key, old text)",
        )],
        "insert into t values (1, 'x'), (2, 'y')",
        "insert into t values (2, 'two'), (7, 'seven')",
    );
    assert_rows(&case, "select * from t order by 1", "1|x\n2|\n7|");
    assert_eq!(
        conflicts(&done)[0].0,
        1,
        "row 2 is another one now: {done:#}"
    );
    let into = done["rescued"][0]["into"].as_str().unwrap();
    assert_rows(&case, &format!("select id, v from {into}"), "2|y");
    let saved = done["backups"].as_array().unwrap();
    assert!(
        !saved.is_empty(),
        "what they held in the old column is in no backup"
    );
}

/// Values whose rows somebody deleted are counted and laid aside, as far as there are any.
#[test]
fn values_whose_rows_are_gone_are_laid_aside() {
    let case = Case::new(
        "create table t (id int primary key, n text)",
        &[(
            "alter table t add a text, add b int",
            "alter table t drop a, drop b",
        )],
        "insert into t values (1, 'one', 'a', 1), (2, 'two', null, 2), (3, 'three', null, null), (4, 'four', 'd', 4)",
    );
    case.back();
    case.sandbox.sql("delete from t where id < 4");
    let done = case.undo();
    assert_eq!(done["conflicts"][0]["rows"], 2, "{done:#}");
    let into = done["rescued"][0]["into"].as_str().unwrap();
    let aside =
        format!("select string_agg(format('%s %s %s', id, a, b), ', ' order by id) from {into}");
    assert_eq!(case.sandbox.query_text(&aside), "1 a 1, 2  2, 3  ");
    assert_eq!(
        case.sandbox
            .query_text("select string_agg(a || b, '') from t"),
        "d4"
    );
}

/// A migration rewrites values, and somebody wrote one in the old form: what the migration makes of it stays.
#[test]
fn newer_values_are_as_the_migration_makes_them() {
    let (case, _) = since(
        "create table o (id int primary key, st text not null constraint c check (st in ('new', 'paid')))",
        &[(
            "alter table o drop constraint c; update o set st = upper(st);
             alter table o add constraint c check (st in ('NEW', 'PAID'))",
            "alter table o drop constraint c; update o set st = lower(st);
             alter table o add constraint c check (st in ('new', 'paid'))",
        )],
        "insert into o values (1, 'NEW'), (2, 'NEW')",
        "update o set st = 'paid' where id = 1; insert into o values (3, 'new')",
    );
    assert_rows(&case, "select * from o order by 1", "1|PAID\n2|NEW\n3|NEW");

    let (case, _) = since(
        "create table t (id int primary key, price int)",
        &[(
            "update t set price = price * 100",
            "update t set price = price / 100",
        )],
        "insert into t values (1, 1001), (2, 2500)",
        "update t set price = 12 where id = 1; insert into t values (3, 7)",
    );
    assert_rows(&case, "select * from t order by 1", "1|1200\n2|2500\n3|700");
}

/// A migration numbers what rows hold, and numbers it otherwise when newer rows are there: each row means
/// in the end what it meant, by whatever number.
#[test]
fn numbers_that_the_migration_gives_otherwise() {
    const CITIES: &str =
        "select a.id, c.name from addr a join city c on c.id = a.city_id order by 1";
    for (base, up, down, data, written, shown, expected) in [
        (
            "create table addr (id int primary key, city text)",
            "create table city (id serial primary key, name text);
             insert into city (name) select distinct city from addr order by 1;
             alter table addr add city_id int references city;
             update addr set city_id = c.id from city c where c.name = addr.city",
            "alter table addr drop city_id; drop table city",
            "insert into city (name) values ('Rom'), ('Wien');
             insert into addr values (1, 'Rom', 1), (2, 'Wien', 2)",
            "insert into addr values (10, 'Athen'), (11, 'Wien'), (12, 'Zug')",
            CITIES,
            "1|Rom\n2|Wien\n10|Athen\n11|Wien\n12|Zug",
        ),
        (
            "create table addr (id int primary key, city text)",
            "create table city (id int generated always as identity primary key, name text unique, at timestamptz default now());
             insert into city (name) select distinct city from addr order by 1;
             alter table addr add city_id int references city;
             update addr set city_id = c.id from city c where c.name = addr.city;
             alter table addr drop city",
            "alter table addr add city text; update addr set city = name from city c where c.id = city_id;
             alter table addr drop city_id; drop table city",
            "insert into city (name) values ('Rom'), ('Wien');
             insert into addr values (1, 1), (2, 2)",
            "insert into addr values (10, 'Athen'), (11, 'Wien')",
            CITIES,
            "1|Rom\n2|Wien\n10|Athen\n11|Wien",
        ),
        (
            "create table post (id int primary key, tags text[])",
            "create table tag (id serial primary key, name text);
             create table post_tag (post int references post, tag int references tag, primary key (post, tag));
             insert into tag (name) select distinct unnest(tags) from post order by 1;
             insert into post_tag select p.id, t.id from post p join tag t on t.name = any (p.tags)",
            "drop table post_tag; drop table tag",
            "insert into post values (1, '{x,y}'); insert into tag (name) values ('x'), ('y');
             insert into post_tag values (1, 1), (1, 2)",
            "insert into post values (2, '{a,y}')",
            "select p.post, t.name from post_tag p join tag t on t.id = p.tag order by 1, 2",
            "1|x\n1|y\n2|a\n2|y",
        ),
    ] {
        let (case, done) = since(base, &[(up, down)], data, written);
        assert_rows(&case, shown, expected);
        for (_, reason) in conflicts(&done) {
            assert!(reason.ends_with("refer to them; they were kept"), "{reason}");
        }
        // Whoever draws the next number gets one that is free.
        let table = if up.contains("table tag") { "tag" } else { "city" };
        case.sandbox.sql(&format!("insert into {table} (name) values ('next')"));
        let rest = format!("select count(*) from {table} where name in ('Rom', 'Wien', 'x', 'y')");
        assert_rows(&case, &rest, "2");
    }
}

/// Numbers that the migration adds to rows, and by which others refer to them from then on.
#[test]
fn numbers_that_the_migration_adds_otherwise() {
    let (case, done) = since(
        "create table t (a text primary key);
         create table r (id int primary key, a text references t on update cascade on delete set null)",
        &[(
            "alter table t add id bigserial unique; alter table r add t_id bigint references t (id);
             update r set t_id = t.id from t where t.a = r.a",
            "alter table r drop t_id; alter table t drop id",
        )],
        "insert into t values ('a'), ('b'), ('c'), ('d'); insert into r select id, a, id from t",
        "delete from r where a = 'b'; delete from t where a = 'b'; insert into t values ('new');
         insert into r values (77, 'new'), (78, 'd'), (79, 'a'), (80, 'c')",
    );
    let shown = "select r.id, r.a, t.a from r join t on t.id = r.t_id order by 1";
    assert_rows(
        &case,
        shown,
        "1|a|a\n3|c|c\n4|d|d\n77|new|new\n78|d|d\n79|a|a\n80|c|c",
    );
    assert_rows(
        &case,
        "select a, id from t where id < 5 order by 2",
        "a|1\nc|3\nd|4",
    );
    assert_eq!(conflicts(&done).len(), 2, "{done:#}"); // of b, who was deleted, in both
    case.sandbox.sql("insert into t values ('next')");
}
