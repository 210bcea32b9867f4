//! Values of every sort, loaded in whichever form costs the server least, are what they were.

use super::{Target, create};
use crate::harness::Sandbox;

/// A table that is loaded in binary form, with values among its rows that only the server can read;
/// and tables that are loaded as text.
const VALUES: &str = r#"
    create type mood as enum ('ok', 'not ok', E'b\\ack\tslash');
    create domain short as char(6);
    create table own (
        b bool, i2 int2, i4 int4, i8 int8, n numeric, n2 numeric(14, 3), t text, v varchar(40),
        c char(6), j json, jb jsonb, y bytea, u uuid, d date, ti time, ts timestamp,
        tz timestamptz, m mood);
    insert into own
        select h % 3 = 0, h % 32768, h, h::int8 * 4294967311, h / (1 + i % 7)::numeric(20, 9),
               h::numeric * (10::numeric ^ (i % 9 - 4)) % 100000000000, E'\\' || md5(i::text) || E'\t\n\r\b\f\v' || chr(1 + i % 30000),
               repeat('ä', i % 40), left(md5(h::text), i % 7), json_build_object('k', i, 'l', E'\n\\'),
               jsonb_build_object('k', h, 'l', E'\t\\'), decode(repeat(md5(i::text), i % 3), 'hex'),
               md5(h::text)::uuid, date '2000-01-01' + h % 700000, time '00:00' + h * interval '1.000037 s',
               timestamp '2000-01-01' + h * interval '1.001000007 s' * 2,
               timestamptz '2000-01-01 00:00+00' + h * interval '10.7 s',
               (enum_range(null::mood))[1 + i % 3]
        from (select i, hashint4(i) as h from generate_series(1, 6000) i) s;
    insert into own select (o).* from (
        select case when i % 2 = 0 then null::own else o end as o
        from own o, generate_series(1, 2) i limit 500) s;
    insert into own (n, n2, d, ti, ts, tz, i8) values
        ('NaN', 'NaN', 'infinity', '24:00', 'infinity', '-infinity', -9223372036854775808),
        ('-Infinity', 0, '0044-03-15 BC', '00:00', '0044-03-15 01:02:03.4 BC', '4713-12-01 00:00+00 BC', 9223372036854775807),
        (1e-30, -0.001, '5874897-12-31', '23:59:59.999999', '294276-12-31 23:59:59.999999', '294276-12-31 00:00+00', 0),
        (-1e400 - 0.5, 99999999999.999, '0001-01-01', '12:00', '0001-01-01', '12026-05-06 07:08:09.1+00', null);
    insert into own select * from own where i4 % 10 = 0;
    -- A row that is longer than any buffer.
    insert into own (t, y, jb) select r, decode(repeat(md5('y'), 60000), 'hex'), to_jsonb(r)
        from (select repeat(E'l\\ng\n', 300000) as r) s;

    create table casts (f4 float4, f8 float8, list int[], texts text[], i interval, tz timetz,
        r int4range, money money, bits bit varying, o own, tsv tsvector);
    insert into casts
        select random(), random() * 10 ^ (i % 600 - 300), array[i, null], array['a\b', E't\tb', null],
               i * interval '-1 day 3 minutes', '12:00+05:30', int4range(i, i + 5), i, b'1010',
               (select o from own o where o.t is not null limit 1 offset i % 5), 'a b c'::tsvector
        from generate_series(1, 1500) i;
    insert into casts (f4, f8) values ('NaN', 'Infinity'), ('-Infinity', '-0'), (1e-45, 5e-324),
        (3.4028235e38, 1.7976931348623157e308);
    insert into casts default values;

    create table only_copy (s short, n name, ch "char", i inet, c cidr, x int);
    insert into only_copy select 'ab ', 'name ' || i, 'x', '10.0.0.1', '10.1.0.0/16', i
        from generate_series(1, 900) i;
    create table nothing ();
    insert into nothing default values;
    create table one (t text);
    insert into one values (''), (null), ('\.'), ('\N'), (E'\n');
"#;

#[test]
fn values_of_every_sort_come_back_as_what_they_were() {
    let sandbox = Sandbox::new();
    sandbox.sql(VALUES);
    let id = create(&sandbox, &["--jobs", "2"]);
    let target = Target::new(&sandbox);
    let args = ["restore", &id, "--into", &target.url, "--yes", "--compare"];
    sandbox.run("backup", &args).assert_exit(0);
    target.assert_same(&sandbox);
    target.drop(&sandbox.cluster);
}
