//! What somebody made beside the migrations goes with a column, a table or a schema that the rollback drops,
//! and comes back with it: every kind of object that there is.

use super::case::Case;

/// Tables that stay.
const STAY: &str = "create schema base; create table base.p (id int primary key);
    create table base.o (id int primary key, c int, r int4range);
    create function base.tell() returns trigger language plpgsql as 'begin return new; end';
    create function base.plus(i int) returns int language sql immutable as 'select i + 1'";

const TABLE: &str = "create table k.t (id int primary key, note text)";
const COLUMN: &str =
    "alter table k.t add c int not null default 7, add e text collate \"C\", add w int4range";

const ROWS: &str = "insert into base.p select generate_series(1, 9);
    insert into k.t (id, note, c, e, w) select g, 'n' || g, g, 'e' || g, int4range(g * 10, g * 10 + 5)
        from generate_series(1, 9) g;
    insert into base.o select g, g from generate_series(1, 5) g;";

/// By hand, on the column: all that can hang on one.
const ON_COLUMN: &str = "
    create index plain on k.t (c); create index \"Odd \"\"index\" on k.t (c desc nulls last) include (e) where c > 0;
    create index computed on k.t (base.plus(c)); create index hashed on k.t using hash (e);
    create index many on k.t using gist (w) with (fillfactor = 70);
    create unique index identity on k.t (c); alter table k.t replica identity using index identity;
    alter table k.t cluster on plain;
    alter table k.t add constraint positive check (c > 0), add constraint loose check (c < 99) not valid,
        add constraint once unique (c, e) deferrable initially deferred,
        add constraint apart exclude using gist (w with &&),
        add constraint up foreign key (c) references base.p on delete cascade,
        add constraint of_c unique (c);
    alter table base.o add constraint down foreign key (c) references k.t (c) deferrable not valid;
    create trigger told after update of c on k.t for each row when (old.c <> new.c) execute function base.tell();
    create trigger off before insert on k.t for each row when (new.c > 5) execute function base.tell();
    alter table k.t disable trigger off;
    create rule noted as on delete to k.t where old.c > 100 do also insert into base.p values (old.c + 1000);
    create policy mine on k.t as restrictive for select using (c > 0);
    create view base.a as select id, c from k.t; create view base.b as select c, count(*) from base.a group by c;
    create view base.checked with (security_barrier) as select id, c from k.t where c < 50 with local check option;
    create materialized view base.m as select c, e from k.t; create unique index on base.m (c);
    refresh materialized view base.m;
    create function base.sums() returns bigint language sql begin atomic select sum(c) from k.t; end;
    create statistics base.stat (dependencies, mcv) on c, e from k.t; alter statistics base.stat set statistics 50;
    alter table k.t add doubled int generated always as (c * 2) stored;
    create sequence k.counted owned by k.t.c; alter table k.t alter c set default nextval('k.counted');
    alter table k.t alter e set storage external, alter c set statistics 77, alter c set (n_distinct = -0.5);
    comment on column k.t.c is 'by hand'; comment on index k.plain is 'an index';
    comment on constraint positive on k.t is 'a check'; comment on trigger told on k.t is 'a trigger';
    comment on rule noted on k.t is 'a rule'; comment on policy mine on k.t is 'a policy';
    comment on view base.b is 'a view'; comment on materialized view base.m is 'kept';
    comment on column base.m.c is 'of a view'; comment on function base.sums() is 'a sum';
    comment on statistics base.stat is 'both'; comment on sequence k.counted is 'numbers';
    grant select (c), update (c) on k.t to pg_monitor; grant select on base.a to pg_monitor with grant option;
    grant select (c) on base.b to public; grant usage on sequence k.counted to pg_monitor;
    grant execute on function base.sums() to pg_monitor; revoke execute on function base.sums() from public;
    grant select on base.m to pg_monitor; alter view base.b owner to pg_database_owner;
    create publication part for table k.t (id, c); create publication filtered for table k.t where (c > 3);";

/// By hand, on the table.
const ON_TABLE: &str = "
    alter table k.t enable row level security, force row level security, set (fillfactor = 80);
    comment on table k.t is 'a table'; grant insert, truncate on k.t to pg_monitor; grant select on k.t to public;
    create table base.child (more int) inherits (k.t); insert into base.child (id, c, more) values (100, 30, 1); refresh materialized view base.m;
    create table base.holds (id int primary key, row k.t); create index on k.t (note);
    create view base.whole as select t from k.t t; create function base.takes(k.t) returns int language sql as 'select 1';
    create publication wide for table k.t with (publish = 'insert, truncate'); create policy all_of on k.t using (true);";

/// By hand, in the schema.
const IN_SCHEMA: &str = "
    create type k.mood as enum ('sad', 'ok'); create type k.pair as (a int, b text);
    create domain k.small as int default 3 constraint less check (value < 10); create type k.shell;
    create type k.spread as range (subtype = float8);
    create function k.f(i int, variadic l text[]) returns setof int language sql stable as 'select i';
    create procedure k.run(inout i int) language plpgsql as 'begin i := 1; end';
    create aggregate k.total (int) (sfunc = int4pl, stype = int, initcond = '0');
    create operator k.### (leftarg = int, rightarg = int, function = int4pl, commutator = operator(k.###));
    create operator family k.fam using btree;
    create operator class k.cls for type int using btree family k.fam as operator 1 <, operator 2 <=, operator 3 =,
        operator 4 >=, operator 5 >, function 1 btint4cmp(int, int);
    create collation k.other from \"C\"; create conversion k.conv for 'LATIN1' to 'UTF8' from iso8859_1_to_utf8;
    create text search dictionary k.dict (template = simple, stopwords = english);
    create text search configuration k.conf (copy = simple);
    alter text search configuration k.conf alter mapping for word with k.dict;
    create function k.of_mood(k.mood) returns int language sql immutable as 'select 1';
    create cast (k.mood as int) with function k.of_mood(k.mood) as assignment;
    create sequence k.alone as smallint increment 3 cycle; create table k.more (id int generated always as identity, m k.mood);
    insert into k.more (m) values ('ok'), ('sad'); create table k.parts (id int, at date) partition by range (at);
    create table k.parts_1 partition of k.parts for values from ('2026-01-01') to ('2027-01-01');
    create index on k.parts (at); insert into k.parts values (1, '2026-03-03');
    create unlogged table k.quick (id int); create view k.v as select * from k.more;
    alter table base.o add m k.mood default 'ok', add s k.small;
    alter default privileges in schema k grant select on tables to pg_monitor;
    grant usage on schema k to pg_monitor; grant usage on type k.mood to pg_monitor; comment on schema k is 'a schema';
    comment on type k.pair is 'two'; comment on domain k.small is 'small'; comment on operator k.### (int, int) is 'sum';
    comment on aggregate k.total (int) is 'all'; comment on collation k.other is 'c'; comment on conversion k.conv is 'one way';
    comment on text search dictionary k.dict is 'words'; comment on text search configuration k.conf is 'how';
    comment on cast (k.mood as int) is 'a number'; comment on operator class k.cls using btree is 'class';
    comment on operator family k.fam using btree is 'family'; comment on procedure k.run(int) is 'runs';
    comment on constraint less on domain k.small is 'less';
    create publication of_schema for tables in schema k;";

#[track_caller]
fn comes_back(base: &str, up: &str, down: &str, by_hand: &str) {
    let base = format!("{STAY}; {base}");
    let case = Case::new(&base, &[(up, down)], ROWS);
    case.sandbox.sql(by_hand);
    case.exact_accepting_drift();
}

#[test]
fn with_a_column() {
    comes_back(
        &format!("create schema k; {TABLE}"),
        COLUMN,
        "alter table k.t drop c cascade, drop e cascade, drop w cascade",
        ON_COLUMN,
    );
}

#[test]
fn with_a_table() {
    comes_back(
        "create schema k",
        &format!("{TABLE}; {COLUMN}"),
        "drop table k.t cascade",
        &format!("{ON_COLUMN} {ON_TABLE}"),
    );
}

#[test]
fn with_a_schema() {
    comes_back(
        "select 1",
        &format!("create schema k; {TABLE}; {COLUMN}"),
        "drop schema k cascade",
        &format!("{ON_COLUMN} {ON_TABLE} {IN_SCHEMA}"),
    );
}
