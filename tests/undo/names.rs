//! What a name in a script means, when others like it are there, or were before the script began.

use super::case::{Case, exact};

/// Two schemas: what is called alike in both, and what depends on the sequence and on the index of
/// the second one.
const TWO: &str = "
    create schema a; create schema b;
    create table a.t (id serial, v int, constraint x unique (v));
    create table b.x (id int primary key, v text);
    create sequence b.t_id_seq; create domain b.d as int default nextval('b.t_id_seq');
    create table b.u (id int primary key, v b.d)";

const ROWS: &str = "
    insert into a.t (v) values (1), (2); insert into b.x values (1, 'one'), (2, 'two');
    insert into b.u (id) values (1), (2)";

/// What `down` does to `base` with `rows` is foretold.
#[track_caller]
fn foretold(base: &str, down: &str, rows: &str) {
    Case::new(base, &[("select 1", down)], rows).assert_foretold();
}

#[track_caller]
fn of_two(down: &str) {
    foretold(TWO, down, ROWS);
}

#[test]
fn what_went_with_a_table_hides_nothing() {
    of_two("set search_path = a, b; drop table a.t; drop table x");
    of_two("set search_path = a, b; alter table a.t drop constraint x; delete from x where id = 1");
    of_two("set search_path = a, b; drop table a.t; drop sequence t_id_seq cascade");
}

#[test]
fn what_went_does_not_move_with_its_table() {
    foretold(
        "create schema s; create table t (id int primary key, constraint x unique (id));
         create table s.x (id int primary key, v text)",
        "alter table t drop constraint x; alter table t set schema s; drop table s.x",
        "insert into s.x values (1, 'one')",
    );
}

#[test]
fn sequences_and_functions_along_a_path_of_the_script() {
    for drop in [
        "set search_path to \"$user\", public; drop sequence s cascade",
        "set search_path to \"$user\", public; drop function f() cascade",
        "alter schema postgres rename to other; set search_path = other; drop function f() cascade",
        "alter schema postgres rename to other; drop sequence other.s cascade",
        "alter sequence postgres.s set schema public; drop sequence public.s cascade",
        "alter sequence postgres.s rename to z; drop sequence postgres.z cascade",
    ] {
        foretold(
            "create schema postgres; create sequence postgres.s;
             create function postgres.f() returns int language sql as 'select 7';
             create domain d as int default nextval('postgres.s');
             create domain e as int default postgres.f();
             create table t (id int primary key, v d, w e)",
            drop,
            "insert into t (id) values (1), (2), (3)",
        );
    }
}

#[test]
fn types_move_with_their_schema() {
    foretold(
        "create schema s; create type s.mood as enum ('good', 'bad');
         create table t (id int primary key, m s.mood)",
        "alter schema s rename to z; drop type z.mood cascade",
        "insert into t values (1, 'good'), (2, 'bad')",
    );
}

#[test]
fn an_index_is_not_the_constraint_of_its_name() {
    foretold(
        "create table users (id int primary key, v text);
         create table t (id int primary key, p int, constraint foo foreign key (p) references users);
         create index foo on t (p)",
        "alter table t rename constraint foo to users; alter table t drop constraint users; drop table users",
        "insert into users values (1, 'one'); insert into t values (1, 1)",
    );
}

#[test]
fn a_partition_that_is_detached_may_go() {
    exact(
        "create table r (id int primary key, v text) partition by range (id);
         create table r_2 partition of r for values from (10) to (20);
         create table pointing (id int primary key, r int references r)",
        &[(
            "create table r_1 partition of r for values from (0) to (10)",
            "alter table r detach partition r_1; drop table r_1",
        )],
        "insert into r select g, 'v' || g from generate_series(1, 15) g; insert into pointing values (1, 12)",
    );
}
