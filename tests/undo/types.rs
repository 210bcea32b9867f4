//! Values that a conversion changed come back as they were.

use super::case::{Case, exact};

#[test]
fn narrowing() {
    exact(
        "create table t (id int primary key, v varchar(3), n numeric(6, 1), at date, f real, s smallint)",
        &[(
            "alter table t alter v type varchar(20), alter n type numeric(12, 4), alter at type timestamptz using at, alter f type float8, alter s type bigint",
            "alter table t alter v type varchar(3) using left(v, 3), alter n type numeric(6, 1), alter at type date using at, alter f type real, alter s type smallint",
        )],
        "insert into t select n, nullif('value ' || n, 'value 4'), n / 7.0, timestamptz '2024-01-01 12:34:56.789+05' + n * interval '7 hours', n / 3.0::float8, n from generate_series(1, 40) n;
         insert into t (id) values (99)",
    );
}

#[test]
fn text_and_number() {
    exact(
        "create table t (id int primary key, v int, b boolean)",
        &[(
            "alter table t alter v type text using v::text, alter b type text using b::text",
            "alter table t alter v type int using v::int, alter b type boolean using b::boolean",
        )],
        "insert into t select n, '00' || n, (array['yes', 'f', 'on', null])[n % 4 + 1] from generate_series(1, 20) n; update t set v = ' 7 ' where id = 7",
    );
}

#[test]
fn json() {
    exact(
        "create table t (id int primary key, v jsonb)",
        &[(
            "alter table t alter v type json using v::json",
            "alter table t alter v type jsonb using v::jsonb",
        )],
        r#"insert into t select n, ('{"b": 1,  "a":2, "b":' || n || '}')::json from generate_series(1, 20) n"#,
    );
}

#[test]
fn enum_made_anew() {
    exact(
        "create type mood as enum ('sad', 'ok'); create table t (id int primary key, m mood default 'ok')",
        &[(
            "alter table t alter m drop default; alter type mood rename to old; create type mood as enum ('sad', 'ok', 'happy', 'meh');
             alter table t alter m type mood using m::text::mood; alter table t alter m set default 'ok'; drop type old",
            "delete from t where m = 'meh'; update t set m = 'ok' where m = 'happy'; alter table t alter m drop default; alter type mood rename to old; create type mood as enum ('sad', 'ok');
             alter table t alter m type mood using m::text::mood; alter table t alter m set default 'ok'; drop type old",
        )],
        "insert into t select n, (array['sad', 'ok', 'happy', 'meh', null])[n % 5 + 1]::mood from generate_series(1, 30) n",
    );
}

#[test]
fn integer_key() {
    exact(
        "create table t (id int primary key, v text); create table c (id int primary key, t_id int references t (id))",
        &[(
            "alter table t alter id type bigint; alter table c alter t_id type bigint",
            "delete from c where t_id > 2147483647; delete from t where id > 2147483647; alter table c alter t_id type int; alter table t alter id type int",
        )],
        "insert into t select n, 'v' from generate_series(1, 9) n; insert into t values (9999999999, 'big'); insert into c select n, n from generate_series(1, 9) n; insert into c values (50, 9999999999)",
    );
}

#[test]
fn only_key_to_another_kind() {
    exact(
        "create table t (id int primary key, v text)",
        &[(
            "alter table t alter id type text",
            "alter table t alter id type int using id::int",
        )],
        "insert into t select '00' || n, 'v' || n % 3 from generate_series(1, 20) n",
    );
}

#[test]
fn key_kept_by_another() {
    exact(
        "create table t (id int primary key, code text not null unique, v text)",
        &[(
            "alter table t alter id type text",
            "alter table t alter id type int using id::int",
        )],
        "insert into t select '00' || n, 'c' || n, 'v' from generate_series(1, 20) n",
    );
}

#[test]
fn without_key() {
    exact(
        "create table t (v numeric(4, 1), w text)",
        &[(
            "alter table t alter v type numeric(8, 3)",
            "alter table t alter v type numeric(4, 1)",
        )],
        "insert into t select n / 7.0, 'w' || n % 2 from generate_series(1, 20) n; insert into t select 1.234, 'w' from generate_series(1, 3); insert into t values (null, null)",
    );
}

#[test]
fn with_index_check_default_and_view() {
    exact(
        "create table t (id int primary key, v int default 3 check (v > 0)); create index on t (v)",
        &[(
            "alter table t alter v drop default, alter v type numeric(10, 2), alter v set default 3; create view big as select id from t where v > 5",
            "drop view big; alter table t alter v drop default; alter table t drop constraint t_v_check; alter table t alter v type int using v::int, add check (v > 0), alter v set default 3",
        )],
        "insert into t select n, n / 3.0 + 0.4 from generate_series(1, 20) n",
    );
}

#[test]
fn of_a_partitioned_table() {
    exact(
        "create table m (id int primary key, v numeric(6, 1)) partition by range (id); create table m1 partition of m for values from (0) to (10); create table m2 partition of m default",
        &[(
            "alter table m alter v type numeric(9, 4)",
            "alter table m alter v type numeric(6, 1)",
        )],
        "insert into m select n, n / 7.0 from generate_series(1, 20) n",
    );
}

#[test]
fn unique_values_that_a_conversion_exchanges() {
    exact(
        "create table t (id int primary key, v int unique)",
        &[(
            "alter table t alter v type text",
            "alter table t alter v type int using 100 - v::int",
        )],
        "insert into t select n, 40 + n from generate_series(1, 20) n",
    );
}

#[test]
fn rows_changed_before_and_after_the_conversion() {
    exact(
        "create table t (id int primary key, v int, w text)",
        &[(
            "alter table t alter v type text",
            "update t set v = '0' where v = 'none'; alter table t alter v type int using v::int; update t set v = v + 1, w = upper(w) where id % 2 = 0; delete from t where id % 5 = 0",
        )],
        "insert into t select n, (array['none', ' 1', '002'])[n % 3 + 1], 'w' || n from generate_series(1, 20) n",
    );
}

#[test]
fn character_sets_of_types() {
    exact(
        "create table t (id int primary key, c char(3), i cidr, n name, iv interval day to second, ts timestamp(0), tm time, a int[])",
        &[(
            "alter table t alter c type text, alter i type inet using i::inet, alter n type text, alter iv type interval, alter ts type timestamp(6), alter tm type timestamp using timestamp '2024-01-01' + tm, alter a type text[] using a::text[]",
            "alter table t alter c type char(3) using left(c, 3), alter i type cidr using i::cidr, alter n type name, alter iv type interval day to second using iv::interval day to second, alter ts type timestamp(0), alter tm type time, alter a type int[] using a::int[]",
        )],
        "insert into t select n, 'ab ' || n, ('10.0.0.' || n || '/24')::inet, repeat('n', 60 + n), n * interval '1 mon 3.5 days 0.001 s', timestamp '2024-01-01' + n * interval '1.3 s', timestamp '2025-05-05' + n * interval '1 h', array['0' || n, null] from generate_series(1, 9) n",
    );
}

#[test]
fn values_rewritten_within_one_type() {
    exact(
        "create table t (id int primary key, v text, n numeric(8, 2))",
        &[(
            "select 1",
            "alter table t alter v type text using upper(v), alter n type numeric(8, 2) using round(n)",
        )],
        "insert into t select n, nullif('Value ' || n, 'Value 4'), n / 7.0 from generate_series(1, 40) n",
    );
}

#[test]
fn enum_swapped_by_the_conversion_alone() {
    exact(
        "create type mood as enum ('sad', 'ok'); create table t (id int primary key, m mood)",
        &[(
            "alter type mood rename to old; create type mood as enum ('sad', 'ok', 'happy');
             alter table t alter m type mood using m::text::mood; drop type old",
            "create type new as enum ('sad', 'ok');
             alter table t alter m type new using case m when 'happy' then 'ok' else m::text end::new;
             drop type mood; alter type new rename to mood",
        )],
        "insert into t select n, (array['sad', 'ok', 'happy', null])[n % 4 + 1]::mood from generate_series(1, 30) n",
    );
}

#[test]
fn type_under_another_name() {
    exact(
        "create type feeling as enum ('sad', 'ok'); create table t (id int primary key, m feeling, v text)",
        &[(
            "alter type feeling rename to mood; alter table t add w text",
            "alter type mood rename to feeling; update t set m = 'sad' where m = 'ok'; alter table t drop w",
        )],
        "insert into t select n, (array['sad', 'ok', null])[n % 3 + 1]::mood, 'v', 'w' || n from generate_series(1, 30) n",
    );
}

#[test]
fn text_key() {
    exact(
        "create table t (code varchar(4) primary key, v text);
         create table c (id int primary key, code varchar(4) references t (code))",
        &[(
            "alter table t alter code type text, add n int; alter table c alter code type text",
            "alter table t alter code type varchar(4), drop n; alter table c alter code type varchar(4)",
        )],
        "insert into t select 'k' || n, 'same', n from generate_series(1, 30) n;
         insert into c select n, 'k' || n from generate_series(1, 30) n",
    );
}

#[test]
fn text_key_cut_by_the_conversion() {
    let case = Case::new(
        "create table t (code varchar(4) primary key, v text)",
        &[(
            "alter table t alter code type text",
            "alter table t alter code type varchar(4)",
        )],
        "insert into t values ('a', 'x'), ('b   ', 'x'), ('c     ', 'y')",
    );
    case.refused("code");
}

#[test]
fn blanks_that_a_type_calls_equal() {
    exact(
        "create domain padded as bpchar; create table t (id int primary key, a bpchar, b padded, c char(5), d text)",
        &[(
            "alter table t add e int",
            "alter table t drop e; update t set a = 'z', b = 'z' where id < 4; delete from t where id > 6",
        )],
        "insert into t values (1, 'a  ', 'b  ', 'c', 'd  ', 1), (2, 'a', 'b', null, 'd', 2), (3, ' ', ' ', ' ', ' ', 3), (7, 'a   ', 'b   ', 'c', 'd ', 7)",
    );
}

#[test]
fn label_that_the_migration_adds() {
    exact(
        "create type mood as enum ('sad', 'ok'); create table t (id int primary key, m mood)",
        &[(
            "alter type mood add value 'meh' before 'ok'; alter table t add n int",
            "update t set m = 'ok' where m = 'meh'; alter table t drop n;
             alter type mood rename to old; create type mood as enum ('sad', 'ok');
             alter table t alter m type mood using m::text::mood; drop type old",
        )],
        "insert into t select n, (array['sad', 'ok', 'meh', null])[n % 4 + 1]::mood, n from generate_series(1, 30) n",
    );
}

#[test]
fn rows_that_change_before_their_column_is_converted() {
    exact(
        "create table t (id int primary key, v text, m int)",
        &[
            ("select 1", "alter table t alter v type text using upper(v)"),
            (
                "select 1",
                "update t set v = 'lost', m = m + 1 where id < 3; insert into t values (9, 'new', 1);
                 delete from t where id = 4",
            ),
        ],
        "insert into t select i, 'v' || i, i from generate_series(1, 5) i",
    );
}

/// A key and what refers to it are converted together, and lose something.
#[test]
fn a_key_with_what_refers_to_it() {
    exact(
        "create table u (id int primary key); create table o (id int primary key, u_id int references u)",
        &[(
            "alter table o drop constraint o_u_id_fkey; alter table u alter id type text using 'u' || id;
             alter table o alter u_id type text using 'u' || u_id; alter table o add foreign key (u_id) references u",
            "alter table o drop constraint o_u_id_fkey; alter table u alter id type int using substr(id, 2)::int;
             alter table o alter u_id type int using substr(u_id, 2)::int;
             alter table o add foreign key (u_id) references u",
        )],
        "insert into u values ('u1'), ('u02'); insert into o values (1, 'u1'), (2, 'u02')",
    );
}
