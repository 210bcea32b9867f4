//! Schemas of many kinds of objects, drawn by a seed: not to be run on, only to be read.

use std::fmt::Write as _;

use crate::undo::Draw;

/// Type, a default, a condition on the column `COL`.
const COLUMNS: &[(&str, &str, &str)] = &[
    ("int", "-1", "COL between 0 and 100"),
    ("bigint", "'9'::bigint * 2", "COL in (1, 2, 3)"),
    ("smallint", "1", "COL % 2 = 0"),
    ("text", "'it''s \\ here'", "COL in ('a', 'b,]', 'it''s')"),
    ("text collate \"C\"", "current_user", "COL ~ '^[a-z]+$'"),
    ("varchar(20)", "'x'", "COL in ('a', 'b')"),
    (
        "varchar",
        "lower('X')::varchar",
        "COL not in ('a', 'b') and COL like 'x%'",
    ),
    ("char(4)", "'ab'", "COL = any (array['a', 'b'])"),
    ("numeric(9, 3)", "1.50", "COL > -1.5"),
    ("numeric", "(-1.5)", "COL is distinct from 0"),
    ("float8", "'-Infinity'", "COL > 1e-5"),
    ("boolean", "false", "COL is not true"),
    ("date", "current_date", "COL > '2001-01-01'"),
    (
        "timestamptz",
        "now()",
        "COL > timestamptz '2001-01-01 00:00+00'",
    ),
    (
        "timestamp(3)",
        "localtimestamp",
        "extract(year from COL) > 2000",
    ),
    ("time", "'12:00'", "COL is not null"),
    ("interval", "'1 day'", "COL > interval '1 mon'"),
    ("interval day to second", "'1'", "COL < '3 days'"),
    ("bytea", "'\\xdead'", "length(COL) < 10"),
    (
        "uuid",
        "gen_random_uuid()",
        "COL <> '00000000-0000-0000-0000-000000000000'",
    ),
    ("json", "'{\"a\": 1}'", "COL ->> 'a' is not null"),
    ("jsonb", "'[]'", "jsonb_typeof(COL) in ('array', 'object')"),
    ("int[]", "'{1,2}'", "array_length(COL, 1) > 1"),
    ("text[]", "array['a', null]::text[]", "'a' = any (COL)"),
    ("int4range", "'[1,5)'", "COL && '[1,2]'"),
    ("inet", "'10.0.0.0/8'", "COL << '10.0.0.0/8'"),
    ("bit(3)", "b'101'", "COL <> b'000'"),
    ("point", "'(1,2)'", "(COL)[0] > 0"),
    ("xml", "'<a/>'", "COL is document"),
    ("tsvector", "to_tsvector('simple', 'a')", "COL @@ 'a'"),
    ("tone", "'low'", "COL in ('low', 'high')"),
    ("tone[]", "'{low}'", "'low' = any (COL)"),
    ("positive", "1", "COL > 3"),
    ("pair", "row(1, 'x')::pair", "(COL).a > 0"),
    ("money", "1.0::numeric", "COL > 1::money"),
    ("oid", "0", "COL <> 'pg_class'::regclass"),
];

const QUERIES: &[&str] = &[
    "select a.id, b.id as other, case when a.id > 3 then 'x'::text else null end as c from @ a left join @ b on a.id = b.id and b.id in (1, 2)",
    "select count(*) as n, max(id) filter (where id > 1) as m, array_agg(id order by id desc) as l from @ group by grouping sets ((id % 2), ())",
    "select id, row_number() over w as r, sum(id) over (partition by id % 2 order by id rows between 1 preceding and current row) as s from @ window w as (order by id)",
    "select id from @ union all (select id from @ where id > 2 order by id limit 3) except select 7",
    "with recursive r(n) as (select 1 union all select n + 1 from r where n < 5) select r.n, t.id from r join @ t on t.id = r.n cross join lateral (select t.id * 2 as d) l",
    "select t.*, (select max(x) from unnest(array[1, 2]) x) as sub, exists (select from @ u where u.id = t.id) as e from @ t where id not in (select id from @ where false)",
    "select coalesce(id, 0)::numeric(10, 2) as n, (id || ' x')::varchar(10) as v, nullif(id, 1) as u, greatest(id, 3) as g, current_timestamp as now, interval '1 day' * id as i from @",
    "select distinct on (id % 3) id, 'a' as lit, null as nothing, 1.5 as num, date '2020-01-01' as d, array[1, 2, null] as arr, row(1, 'x')::pair as p from @ order by id % 3, id desc nulls last",
    "select f.x, f.y from (values (1, 'a'), (2, 'b')) f(x, y) where f.y collate \"C\" like 'a%' escape '!' and f.x between symmetric 3 and 1",
    "select (p).a as a, (p).b as b, s.tag from (select row(id, 'q')::pair as p, id from @) s0 join (select 1 as id, 'low'::tone as tag) s using (id)",
];

/// `sql` with texts in the place of XML.
pub fn without_xml(sql: &str) -> String {
    sql.replace(" xml", " text")
        .replace("is document", "like '<%'")
}

/// A schema for servers of version `major` (some parts are newer than others).
#[expect(clippy::too_many_lines, reason = "a list")]
pub fn schema(draw: &mut Draw, major: u32) -> String {
    let mut sql = "create type tone as enum ('low', 'high', 'it''s');
        create type pair as (a int, b text collate \"C\");
        create domain positive as int default 3 not null constraint above check (value > 0) check (value < 1000);
        create domain code as varchar(8) check (value in ('a', 'b')) check (value ~ '^[a-z]');
        create type span as range (subtype = float8, subtype_diff = float8mi);
        create collation plain from \"C\";
        create sequence counted as smallint increment -2 minvalue -100 maxvalue 50 start 10 cache 3 cycle;
        create schema \"Odd.one\";
        create function twice(x int default 2, variadic l int[] default '{}') returns int immutable strict parallel safe language sql as $$ select x * 2 $$;
        create function note() returns trigger language plpgsql security definer set search_path = public, pg_temp set app.x = 'y' as $$ begin  -- why
            return new; end $$;
        create function rows(n int) returns table (a int, b text) language sql stable rows 7 cost 3 as 'select n, ''x''';
        create procedure act(inout x int) language plpgsql as $$ begin x := 1; end $$;
        create aggregate total(int) (sfunc = int4pl, stype = int, initcond = '0');
        create operator === (leftarg = int, rightarg = int, function = int4eq, commutator = ===);
        create text search configuration words (copy = simple);
        create foreign data wrapper w options (a 'b');
        create server s type 't' version '1' foreign data wrapper w options (host 'x');
        create foreign table far (a int options (k 'v') not null, b text default 'q') server s options (t 'u');
        create table \"Odd.one\".\"from\" (\"Select\" int primary key, \"a.b\" text default 'x', \"c\"\"d\" positive);
        comment on table \"Odd.one\".\"from\" is 'it''s';
        comment on column \"Odd.one\".\"from\".\"a.b\" is 'a column';
        comment on type tone is 'tones';\n"
        .to_owned();
    if major >= 14 {
        sql += "create function body(x int) returns int language sql begin atomic select x + 1; end;\n";
    }
    let tables = 2 + draw.below(3);
    for number in 0..tables {
        let name = format!("t{number}");
        let mut parts = vec![match draw.below(4) {
            0 => "id serial primary key".to_owned(),
            1 => "id int generated always as identity (start 5 increment 3) primary key".to_owned(),
            2 => format!(
                "id int default nextval('counted'), constraint \"pk {name}\" primary key (id) include (c1) deferrable"
            ),
            _ => "id bigint generated by default as identity, unique (id), primary key (c1, id)"
                .to_owned(),
        }];
        let columns = 3 + draw.below(5);
        let mut after = String::new();
        parts.push("c1 int not null".to_owned());
        for c in 2..columns + 2 {
            let (kind, default, check) = COLUMNS[draw.below(COLUMNS.len())];
            let mut text = format!("c{c} {kind}");
            if draw.maybe() {
                let _ = write!(text, " default {default}");
            }
            if draw.maybe() {
                text += " not null";
            }
            if draw.maybe() {
                let check = check.replace("COL", &format!("c{c}"));
                let named = draw
                    .one(&["", "constraint \"named c@\" "])
                    .replace('@', &c.to_string());
                let _ = write!(text, " {named}check ({check})");
            }
            parts.push(text);
            match draw.below(6) {
                0 => {
                    let _ = write!(
                        after,
                        "alter table {name} alter c{c} set (n_distinct = {});",
                        draw.below(50)
                    );
                }
                1 => {
                    let _ = write!(
                        after,
                        "alter table {name} alter c{c} set statistics {};",
                        draw.below(500)
                    );
                }
                2 => {
                    let _ = write!(
                        after,
                        "grant select (c{c}), update (c{c}) on {name} to public;"
                    );
                }
                3 => {
                    let _ = write!(after, "comment on column {name}.c{c} is 'c {c}';");
                }
                4 => {
                    let _ = write!(
                        after,
                        "create index on {name} ((c{c} is null), c1 desc nulls last) where c1 > 3 or c1 in (1, 2);"
                    );
                }
                _ => {}
            }
        }
        if draw.maybe() {
            parts.push("g int generated always as (c1 * 2 + 1) stored".to_owned());
        }
        if draw.maybe() {
            parts.push("check (c1 > 0 and (id, c1) <> (1, 2)) no inherit".to_owned());
        }
        if draw.maybe() {
            parts.push(
                "exclude using gist (int4range(c1, c1 + 1) with &&) where (c1 > 0)".to_owned(),
            );
        }
        let with = draw.one(&[
            "",
            "with (fillfactor = 70, autovacuum_enabled = off, toast.autovacuum_enabled = false)",
        ]);
        let unlogged = if number > 0 {
            draw.one(&["", "", "unlogged"])
        } else {
            ""
        };
        let _ = writeln!(
            sql,
            "create {unlogged} table {name} ({}) {with}; {after}",
            parts.join(", ")
        );
        match draw.below(5) {
            0 => {
                let _ = writeln!(
                    sql,
                    "create unique index \"by c1 {number}\" on {name} using btree (c1 int4_ops, (lower(c1::text)) collate \"C\" text_pattern_ops) include (id) with (fillfactor = 60);"
                );
            }
            1 => {
                let _ = writeln!(
                    sql,
                    "create index on {name} using hash (c1); create index on {name} using brin (c1) with (pages_per_range = 8); create index \"cl {number}\" on {name} (c1); alter table {name} cluster on \"cl {number}\";"
                );
            }
            2 => {
                let _ = writeln!(
                    sql,
                    "create statistics st{number} (ndistinct, mcv) on c1, id from {name}; create statistics se{number} on (c1 % 3), id from {name};"
                );
            }
            3 => {
                let _ = writeln!(
                    sql,
                    "alter table {name} enable row level security; alter table {name} force row level security; create policy \"p {number}\" on {name} as restrictive for update to public using (c1 > 0 and current_user = 'x') with check (c1 in (1, 2));"
                );
            }
            _ => {
                let _ = writeln!(
                    sql,
                    "create trigger tr after insert or update of c1 on {name} for each row when (new.c1 > 3 and new.c1 in (4, 5)) execute function note(); alter table {name} disable trigger tr; create rule r as on delete to {name} where old.c1 = 7 do also select twice(old.c1);"
                );
            }
        }
        let query = QUERIES[draw.below(QUERIES.len())].replace('@', &name);
        let kind = if draw.maybe() {
            "materialized view"
        } else {
            "view"
        };
        let _ = writeln!(
            sql,
            "create {kind} v{number} as {query}; comment on {kind} v{number} is 'seen'; grant select on v{number} to public;"
        );
        if kind == "view" && draw.maybe() {
            let _ = writeln!(
                sql,
                "create view vv{number} with (security_barrier) as select * from v{number} where true; alter view vv{number} owner to current_user;"
            );
        }
    }
    if draw.maybe() {
        sql += "create table kid (extra text default 'e') inherits (t0); alter table kid alter c1 set default 9; alter table kid add check (extra in ('a', 'b'));\n";
    }
    if draw.maybe() {
        sql += "create table p (id int, at date not null default current_date, v code, primary key (id, at)) partition by range (at);
            create table p1 partition of p (v default 'a', check (id > 0)) for values from ('2020-01-01') to ('2021-01-01');
            create table p2 partition of p default partition by list (id);
            create table p21 partition of p2 for values in (1, 2, null);
            create index on p (v); create index byid on only p (id);
            create trigger tp before insert on p for each row execute function note();\n";
    }
    if draw.maybe() {
        sql += "create table l (a bigint, b int references \"Odd.one\".\"from\" on delete set null on update cascade deferrable initially deferred,
            constraint own foreign key (b) references \"Odd.one\".\"from\" (\"Select\") match full not valid, constraint loose check (b > 0) not valid);
            alter table l replica identity full;\n";
    }
    if draw.maybe() {
        sql += "create publication pub for table t0; alter default privileges in schema public grant select on tables to public; alter default privileges revoke execute on functions from public;
            revoke usage on type pair from public; grant usage on schema \"Odd.one\" to public;\n";
    }
    if major >= 15 && draw.maybe() {
        sql += "create table nn (a int, b int, unique nulls not distinct (a, b)); create view inv with (security_invoker = on) as select * from nn; create publication pubs for tables in schema \"Odd.one\";\n";
    }
    if major >= 14 && draw.maybe() {
        sql += "create table compressed (a text compression pglz, b text);
            alter table compressed alter b set storage external;
            create table multi (r int4multirange default '{[1,2)}');\n";
    }
    sql
}
