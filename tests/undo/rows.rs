//! Rows that are deleted, changed or added come back, leave or change back.

use super::case::exact;

const TREE: &str = "create table p (id int primary key, v text);
    create table c (id int primary key, p_id int references p (id) on delete cascade on update cascade, v text);
    create table g (id int primary key, c_id int references c (id) on delete cascade);
    create table n (id int primary key, p_id int references p (id) on delete set null);
    create table d (id int primary key, p_id int default 1 references p (id) on delete set default)";
const FILL: &str = "insert into p select n, 'v' || n % 4 from generate_series(1, 20) n;
    insert into c select n, n % 20 + 1, 'c' from generate_series(1, 60) n; insert into g select n, n % 60 + 1 from generate_series(1, 90) n;
    insert into n select n, nullif(n % 21, 0) from generate_series(1, 60) n; insert into d select n, n % 20 + 1 from generate_series(1, 60) n;";

fn tree(down: &str) {
    exact(TREE, &[("select 1", down)], FILL);
}

#[test]
fn delete_where() {
    tree("delete from p where v = 'v1' and id <> 1");
}

#[test]
fn delete_using() {
    tree("delete from p using c where c.p_id = p.id and c.id in (7, 8, 9)");
}

#[test]
fn delete_all() {
    tree("delete from d; delete from p");
}

#[test]
fn delete_in_a_cte_and_a_subquery() {
    tree(
        "with gone as (delete from g where id % 3 = 0 returning c_id) delete from c where id in (select c_id from gone); delete from n where p_id = (select max(id) from p)",
    );
}

#[test]
fn delete_only_some_columns_set_null() {
    exact(
        "create table p (a int, b int, primary key (a, b)); create table c (id int primary key, a int, b int, foreign key (a, b) references p on delete set null (b))",
        &[("select 1", "delete from p where a = 2")],
        "insert into p select n % 3, n from generate_series(1, 12) n; insert into c select n, n % 3, n from generate_series(1, 12) n",
    );
}

#[test]
fn delete_in_a_tree_of_one_table() {
    exact(
        "create table t (id int primary key, up int references t (id) on delete cascade)",
        &[("select 1", "delete from t where id = 2")],
        "insert into t select n, nullif(n / 2, 0) from generate_series(1, 31) n",
    );
}

#[test]
fn delete_without_key() {
    exact(
        "create table t (v text, j json)",
        &[("select 1", "delete from t where v = 'a'")],
        r#"insert into t select (array['a', 'b', null])[n % 3 + 1], '{"b":1, "a":2}' from generate_series(1, 20) n"#,
    );
}

#[test]
fn delete_with_audit_triggers() {
    exact(
        "create table t (id int primary key, v text); create table audit (n serial primary key, at timestamptz default clock_timestamp(), old text);
         create table total (id int primary key, rows int); insert into total values (1, 0);
         create function note() returns trigger language plpgsql as $$ begin insert into audit (old) values (old.v); update total set rows = rows - 1; return old; end $$;
         create trigger note after delete on t for each row execute function note()",
        &[("select 1", "delete from t where id % 2 = 0")],
        "insert into t select n, 'v' || n from generate_series(1, 20) n; update total set rows = 20",
    );
}

#[test]
fn seeded_rows() {
    exact(
        "create table t (id serial primary key, name text unique, made timestamptz default clock_timestamp(), u uuid default gen_random_uuid()); create table c (id int primary key, t_id int references t (id) on delete cascade)",
        &[
            (
                "insert into t (name) values ('a'), ('b'), ('c')",
                "delete from t where name in ('a', 'b', 'c')",
            ),
            (
                "insert into t (name) values ('d') on conflict do nothing; insert into c select 1, id from t where name = 'd'",
                "delete from t where name = 'd'",
            ),
        ],
        "insert into t (name) values ('own'); insert into c select 2, id from t where name = 'a'; update t set name = 'bb' where name = 'b'; delete from t where name = 'c'",
    );
}

#[test]
fn seeded_rows_without_key() {
    exact(
        "create table t (name text, made timestamptz default clock_timestamp())",
        &[(
            "insert into t (name) values ('a'), ('a'), ('b')",
            "delete from t where name in ('a', 'b')",
        )],
        "insert into t values ('a', '2024-01-01'), ('c', now()), ('c', now())",
    );
}

#[test]
fn update_where_and_from() {
    tree(
        "update p set v = 'x' where v = 'v2'; update c set v = p.v || c.v from p where p.id = c.p_id and p.id < 9",
    );
}

#[test]
fn update_many_to_one() {
    exact(
        "create table t (id int primary key, v text, n numeric)",
        &[(
            "update t set n = n * 100",
            "update t set v = coalesce(v, ''); update t set n = round(n / 100)",
        )],
        "insert into t select n, (array['', null, 'a'])[n % 3 + 1], n * 33.3 from generate_series(1, 30) n",
    );
}

#[test]
fn update_of_a_key() {
    exact(
        TREE,
        &[("select 1", "update p set id = id + 1000 where id > 10")],
        &FILL
            .replace("n % 21", "n % 9")
            .replace(
                "n % 20 + 1 from generate_series(1, 60) n;\n",
                "n % 9 + 1 from generate_series(1, 60) n;\n",
            )
            .replace(
                "insert into d select n, n % 20",
                "insert into d select n, n % 9",
            ),
    );
}

#[test]
fn update_that_shifts_keys() {
    exact(
        "create table t (id int primary key, v text)",
        &[(
            "select 1",
            "update t set id = id - 1 where id > 100; update t set id = id + 500 where id < 50",
        )],
        "insert into t values (101, 'a'), (1, 'c'), (2, 'd')",
    );
}

#[test]
fn update_that_exchanges_unique_values() {
    exact(
        "create table t (id int primary key, n int unique deferrable initially deferred)",
        &[("select 1", "update t set n = 21 - n")],
        "insert into t select n, n from generate_series(1, 20) n",
    );
    exact(
        "create table t (id int primary key, n int unique)",
        &[("select 1", "update t set n = -n; update t set n = 21 + n")],
        "insert into t select n, n from generate_series(1, 20) n",
    );
}

#[test]
fn update_that_exchanges_keys() {
    exact(
        "create table t (id int primary key, v text)",
        &[(
            "select 1",
            "update t set id = -id; update t set id = 21 + id",
        )],
        "insert into t select n, 'v' || n from generate_series(1, 20) n",
    );
}

#[test]
fn update_with_a_trigger_that_notes_the_time() {
    exact(
        "create table t (id int primary key, v text, updated_at timestamptz default clock_timestamp());
         create function touch() returns trigger language plpgsql as $$ begin new.updated_at := clock_timestamp(); return new; end $$;
         create trigger touch before update on t for each row execute function touch()",
        &[("update t set v = upper(v)", "update t set v = lower(v) where id > 3")],
        "insert into t select n, 'V' || n from generate_series(1, 9) n",
    );
}

#[test]
fn update_without_key() {
    exact(
        "create table t (v text, n int)",
        &[(
            "update t set n = n + 1",
            "update t set v = 'one', n = 0 where n < 5",
        )],
        "insert into t select 'v' || n % 3, n % 10 from generate_series(1, 30) n; insert into t values (null, null), ('one', 0)",
    );
}

#[test]
fn update_that_moves_rows_between_partitions() {
    exact(
        "create table m (id int, k int, v text, primary key (id, k)) partition by range (k); create table m1 partition of m for values from (0) to (10); create table m2 partition of m for values from (10) to (100)",
        &[(
            "select 1",
            "update m set k = k + 10 where k < 5; update m set v = 'x' where k > 50; delete from m where k = 7",
        )],
        "insert into m select n, n, 'v' || n from generate_series(1, 60) n",
    );
    exact(
        "create table m (id int, k int, v text) partition by list (k); create table m1 partition of m for values in (1); create table m2 partition of m for values in (2)",
        &[("select 1", "update m set k = 3 - k where id % 2 = 0")],
        "insert into m select n % 6, n % 2 + 1, 'v' from generate_series(1, 20) n",
    );
}

#[test]
fn upsert_and_merge() {
    exact(
        "create table t (id int primary key, v text); create table s (id int primary key, v text)",
        &[("select 1", "insert into t select * from s on conflict (id) do update set v = excluded.v;
           merge into t using s on s.id = t.id + 1 when matched and t.id > 4 then delete when matched then update set v = 'm' when not matched then insert values (s.id + 100, 'new')")],
        "insert into t select n, 'v' || n from generate_series(1, 9) n; insert into s select n, 's' || n from generate_series(5, 14) n",
    );
}

#[test]
fn insert_by_the_rollback() {
    exact(
        "create table t (id serial primary key, v text); create table l (v text)",
        &[(
            "delete from t where v like 'legacy%'; delete from l where v = 'back'",
            "insert into t (v) select 'legacy ' || n from generate_series(1, 5) n; insert into l values ('back'), ('back')",
        )],
        "insert into t (v) select 'v' || n from generate_series(1, 9) n; insert into l values ('back'), ('x')",
    );
}

#[test]
fn truncate() {
    exact(
        "create table t (id serial primary key, v text); create table nokey (v text)",
        &[(
            "insert into t (v) values ('seed')",
            "truncate t restart identity; truncate nokey",
        )],
        "insert into t (v) select 'v' || n from generate_series(1, 20) n; delete from t where id = 4; insert into nokey select 'v' from generate_series(1, 5)",
    );
}

#[test]
fn truncate_cascade() {
    exact(TREE, &[("select 1", "truncate p cascade")], FILL);
}

#[test]
fn truncate_and_fill_again() {
    exact(
        "create table t (id serial primary key, v text); create table nokey (v text)",
        &[(
            "select 1",
            "insert into t values (50, 'lost'); truncate t, nokey; insert into t values (3, 'new'), (77, 'newer'); insert into nokey values ('v'), ('w')",
        )],
        "insert into t (v) select 'v' || n from generate_series(1, 9) n; insert into nokey select 'v' from generate_series(1, 3)",
    );
}

#[test]
fn truncate_partitions() {
    exact(
        "create table m (id int primary key, v text) partition by range (id); create table m1 partition of m for values from (0) to (10); create table m2 partition of m default",
        &[
            ("select 1", "truncate m1"),
            (
                "insert into m values (1000, 'seed')",
                "delete from m where id = 1000; truncate m",
            ),
        ],
        "insert into m select n, 'v' from generate_series(1, 20) n",
    );
}

#[test]
fn foreign_keys_in_a_circle() {
    exact(
        "create table a (id int primary key, b_id int); create table b (id int primary key, a_id int not null references a (id) on delete cascade); alter table a add foreign key (b_id) references b (id) on delete cascade deferrable",
        &[("select 1", "delete from a where id = 2")],
        "insert into a select n from generate_series(1, 9) n; insert into b select n, n from generate_series(1, 9) n; update a set b_id = id % 9 + 1 where id < 5",
    );
}

#[test]
fn rows_and_columns_at_once() {
    exact(
        "create table t (id int primary key, v text)",
        &[
            (
                "alter table t add a text default 'd', add b int unique",
                "update t set v = a where a is not null; delete from t where b % 5 = 0; alter table t drop a, drop b",
            ),
            (
                "update t set a = 'A' || id",
                "update t set a = null where id > 10; insert into t (id, v) values (-1, 'back')",
            ),
        ],
        "insert into t select n, 'v' || n, 'a' || n, 61 - n from generate_series(1, 20) n",
    );
}

#[test]
fn not_null_columns_of_deleted_rows() {
    exact(
        "create table t (id int primary key, v text not null)",
        &[(
            "alter table t add a text; update t set a = 'A'; alter table t alter a set not null",
            "delete from t where id < 5; alter table t drop a",
        )],
        "insert into t select n, 'v' || n, 'a' || n from generate_series(1, 20) n",
    );
}

#[test]
fn children_of_rows_that_scripts_insert_again() {
    exact(
        "create table kinds (id serial primary key, name text unique not null); create table things (id int primary key)",
        &[(
            "insert into kinds (name) values ('x'), ('y'); alter table things add kind int references kinds (id); update things set kind = (select id from kinds where name = 'x')",
            "alter table things drop kind; delete from kinds where name in ('x', 'y')",
        )],
        "insert into things select n, n % 2 + 1 from generate_series(1, 9) n",
    );
}

/// A trigger keeps a history, and the history loses a column meanwhile.
#[test]
fn a_history_that_loses_a_column() {
    exact(
        "create table t (id int primary key, v text);
         create table h (hid bigserial primary key, t_id int, v text);
         create function note() returns trigger language plpgsql as $$ begin
             insert into h (t_id, v) values (old.id, old.v); return new; end $$;
         create trigger note before update on t for each row execute function note()",
        &[(
            "alter table h add w text; update t set v = upper(v)",
            "alter table h drop w; update t set v = lower(v); delete from h where t_id = 2",
        )],
        "insert into t values (1, 'A'), (2, 'B'); insert into h (t_id, v, w) values (1, 'a', 'w'), (2, 'b', 'x')",
    );
}
