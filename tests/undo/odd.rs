//! What odd databases are made of, each with a way there and a way back: names, casts, rules, triggers,
//! settings, and what people make by hand. A test draws some of them and puts them together.

use super::drawn::Draw;

/// One of them. In its statements `{t}` is a table of its own, with the columns `{i}` (the key), `{v}` (a
/// text) and `{w}` (a number that no script touches); `{u}` may be another one, and `{a}` to `{f}` are
/// names for whatever it makes. `{n}` is a number of rows, `{m}` a small number.
pub struct Odd {
    /// What it is called in the sums.
    pub name: &'static str,
    /// After its table was made, in the first migration.
    pub base: &'static str,
    /// The way there.
    pub up: &'static str,
    /// The way back.
    pub down: &'static str,
    /// After rows were put into its table.
    pub data: &'static str,
    /// What somebody makes by hand then.
    pub hand: &'static str,
    /// Rows of its table change their keys or are refused to writers: nobody else writes there.
    pub still: bool,
    /// From which version of the server on it can't be made.
    pub until: u32,
}

const NONE: Odd = Odd {
    name: "",
    base: "",
    up: "select 1",
    down: "select 1",
    data: "",
    hand: "",
    still: false,
    until: u32::MAX,
};

/// All of them.
pub const ODD: &[Odd] = &[
    Odd {
        name: "column",
        up: "alter table {t} add {a} text",
        down: "alter table {t} drop {a}",
        data: "update {t} set {a} = nullif('s' || {i}, 's3')",
        ..NONE
    },
    Odd {
        name: "cast",
        base: "create type {b} as (x int, y text); create function {c}({b}) returns text immutable \
               language sql as 'select ''lossy'''; create cast ({b} as text) with function {c}({b}) as assignment; \
               create function {d}(text) returns {b} immutable language sql as $$ select row(0, 'lossy')::{b} $$; \
               create cast (text as {b}) with function {d}(text) as assignment",
        up: "alter table {t} add {a} {b}",
        down: "alter table {t} drop {a}",
        data: "update {t} set {a} = row({i}, 'it''s ' || {i})",
        ..NONE
    },
    Odd {
        name: "domain",
        base: "create domain {b} as int check (value > 0)",
        up: "alter table {t} add {a} {b}",
        down: "update {t} set {v} = 'gone' where {i} % {m} = 0; alter table {t} drop {a}",
        data: "update {t} set {a} = {i}",
        ..NONE
    },
    Odd {
        name: "narrowed",
        base: "alter table {t} add {a} numeric(12, 2)",
        up: "alter table {t} alter {a} type numeric(20, 6)",
        down: "alter table {t} alter {a} type numeric(12, 2)",
        data: "update {t} set {a} = {i} / 7.0",
        ..NONE
    },
    Odd {
        name: "rule",
        base: "create table {u} (x int, o int); \
               create rule {b} as on delete to {t} do also delete from {u} where o = old.{i}",
        down: "delete from {t} where {i} % {m} = 0",
        data: "insert into {u} select g, g % 9 from generate_series(1, {n}) g",
        still: true,
        ..NONE
    },
    Odd {
        name: "triggers off",
        base: "create table {u} (x int); create function {b}() returns trigger language plpgsql as $$ begin \
               insert into {u} values (new.{i}); return new; end $$; \
               create trigger {c} before update on {t} for each row execute function {b}()",
        up: "alter table {t} disable trigger all; update {t} set {v} = 'up'; alter table {t} enable trigger all",
        down: "update {t} set {v} = 'down' where {i} % {m} = 1",
        ..NONE
    },
    Odd {
        name: "foreign key",
        base: "create table {u} (x int primary key, r int constraint {b} references {t} on delete cascade)",
        up: "alter table {u} drop constraint {b}",
        down: "alter table {u} add constraint {b} foreign key (r) references {t} on delete cascade; \
               delete from {t} where {i} % {m} = 0",
        data: "insert into {u} select g, g from generate_series(1, {n}) g",
        ..NONE
    },
    Odd {
        name: "truncate",
        base: "create table {u} (x int primary key, r int constraint {b} references {t})",
        up: "alter table {u} drop constraint {b}",
        down: "alter table {u} add constraint {b} foreign key (r) references {t}; truncate {t} cascade",
        data: "insert into {u} select g, g from generate_series(1, {n}) g",
        ..NONE
    },
    Odd {
        name: "exception block",
        base: "create table {u} (x int primary key, cnt int check (cnt < 2)); \
               create function {b}() returns trigger language plpgsql as $$ begin \
               begin update {u} set cnt = cnt + 1 where x = new.{i}; \
               exception when others then null; end; return new; end $$; \
               create trigger {c} after update on {t} for each row execute function {b}()",
        down: "update {t} set {v} = 'x' where {i} % {m} = 0; update {t} set {v} = 'y' where {i} % 2 = 0; \
               update {t} set {v} = 'z'",
        data: "insert into {u} select g, 0 from generate_series(1, {n}) g",
        ..NONE
    },
    Odd {
        name: "rewrite",
        up: "alter table {t} add {a} float8 default random()",
        down: "alter table {t} drop {a}",
        ..NONE
    },
    Odd {
        name: "not valid",
        base: "insert into {t} select g, 'v' || g, g from generate_series(-{n}, 0) g; \
               alter table {t} add constraint {b} check ({i} > -3) not valid",
        up: "alter table {t} add {a} text default 'd'",
        down: "alter table {t} drop {a}",
        data: "alter table {t} drop constraint {b}; update {t} set {a} = 's' || {i}; \
               alter table {t} add constraint {b} check ({i} > -3) not valid",
        ..NONE
    },
    Odd {
        name: "search path",
        base: "create table {u} (x int); create function {b}(int) returns int language plpgsql immutable as \
               $$ begin perform from {u}; return $1; end $$",
        up: "alter table {t} add {a} int; create index {c} on {t} ({b}({a}))",
        down: "alter table {t} drop {a}",
        data: "update {t} set {a} = {i} * 2",
        until: 17,
        ..NONE
    },
    Odd {
        name: "materialized view",
        up: "create view {a} as select {v}, count(*) as n from {t} group by 1; \
             create materialized view {b} as select * from {a}; create index {c} on {b} (n)",
        down: "drop materialized view {b}; drop view {a}",
        data: "refresh materialized view {b}",
        still: true, // what it held before can't be computed from what others wrote since
        ..NONE
    },
    Odd {
        name: "column by hand",
        up: "alter table {t} add {a} int",
        down: "alter table {t} drop {a} cascade",
        data: "update {t} set {a} = {i} * 3",
        hand: "create index {b} on {t} ({a}); comment on column {t}.{a} is 'it''s'; \
               create view {c} as select {i}, {a} from {t}; alter table {t} add constraint {d} check ({a} >= 0); \
               grant select ({a}) on {t} to public; create statistics {e} on {a}, {w} from {t}; \
               alter table {t} alter {a} set statistics 7",
        ..NONE
    },
    Odd {
        name: "table by hand",
        up: "create table {u} (x int primary key, {a} text, r int references {t})",
        down: "drop table {u}",
        data: "insert into {u} select {i}, 'u' || {i}, {i} from {t}",
        hand: "create index {b} on {u} ({a}); create policy {c} on {u} using (true); \
               create function {d}() returns trigger language plpgsql as $$ begin return new; end $$; \
               create trigger {e} before update on {u} for each row execute function {d}(); \
               comment on table {u} is 'x'; alter table {u} set (fillfactor = 70); grant select on {u} to public",
        still: true,
        ..NONE
    },
    Odd {
        name: "settings",
        up: "alter table {t} add {a} timestamptz, add {b} float8, add {c} interval, add {d} text[], add {e} bytea",
        down: "alter table {t} drop {a}, drop {b}, drop {c}, drop {d}, drop {e}",
        data: "update {t} set {a} = '2024-03-31 01:59:59.25+00'::timestamptz + {i} * interval '1 day', \
               {b} = {i} / 3.0::float8, {c} = {i} * interval '1 mon -1 day 2 s', {d} = array['NULL', null, 'a,b'], \
               {e} = decode(md5({i}::text), 'hex')",
        hand: "do $$ begin execute format('alter database %I set datestyle = ''German, DMY''', current_database()); \
               execute format('alter database %I set array_nulls = off', current_database()); \
               execute format('alter database %I set extra_float_digits = -3', current_database()); \
               execute format('alter database %I set bytea_output = escape', current_database()); \
               execute format('alter database %I set intervalstyle = sql_standard', current_database()); \
               execute format('alter database %I set timezone = ''Asia/Kolkata''', current_database()); end $$",
        ..NONE
    },
    Odd {
        name: "no key",
        base: "create table {u} (x int, {a} text)",
        up: "select 1",
        down: "delete from {u} where x % {m} = 0",
        data: "insert into {u} select g % 5, nullif('d' || g % 3, 'd1') from generate_series(1, {n}) g",
        still: true,
        ..NONE
    },
    Odd {
        name: "no key, column",
        base: "create table {u} (x int, {a} text)",
        up: "alter table {u} add {b} text",
        down: "alter table {u} drop {b}",
        data: "insert into {u} select g % 5, nullif('d' || g % 3, 'd1'), 's' || g % 4 from generate_series(1, {n}) g",
        still: true,
        ..NONE
    },
    Odd {
        name: "key of several",
        base: "create table {u} ({a} text, {b} date, {c} numeric, x text, primary key ({c}, {a}, {b}))",
        up: "alter table {u} add {d} text, add {e} jsonb",
        down: "update {u} set x = 'rolled' where {c} > 3; delete from {u} where {c} < 1; \
               alter table {u} drop {d}, drop {e}",
        data: "insert into {u} select 'k' || g % 3, '2024-01-01'::date + g, g / 4.0, 'x', 's' || g, \
               jsonb_build_object('g', g) from generate_series(1, {n}) g",
        ..NONE
    },
    Odd {
        name: "types",
        up: "alter table {t} add {a} tsvector, add {b} inet, add {c} bit varying(9), add {d} int4range, \
             add {e} timetz, add {f} \"char\"",
        down: "alter table {t} drop {a}, drop {b}, drop {c}, drop {d}, drop {e}, drop {f}",
        data: "update {t} set {a} = to_tsvector('simple', 'a ' || {i}), {b} = ('10.0.0.' || {i})::inet, \
               {c} = {i}::bit(9)::bit varying(9), {d} = int4range({i}, {i} + 3), {e} = '12:00:01.5+02', {f} = 'x'",
        ..NONE
    },
    Odd {
        name: "inheritance",
        base: "create table {u} ({a} int) inherits ({t})",
        up: "alter table {t} add {b} text",
        down: "alter table {t} drop {b}",
        data: "insert into {u} select 500 + g, 'child', g, g from generate_series(1, 9) g; \
               update {t} set {b} = 's' || {i}",
        still: true, // its child has no key
        ..NONE
    },
    Odd {
        name: "upsert",
        down: "insert into {t} ({i}, {v}) values (1, 'up'), (900, 'new') \
               on conflict ({i}) do update set {v} = excluded.{v}",
        ..NONE
    },
    Odd {
        name: "keys that move",
        down: "update {t} set {i} = {i} + 1000 where {i} % {m} = 0",
        still: true,
        ..NONE
    },
    Odd {
        name: "event trigger",
        up: "alter table {t} add {a} text",
        down: "alter table {t} drop {a}; update {t} set {v} = null where {i} % {m} = 0",
        data: "update {t} set {a} = 'e' || {i}",
        hand: "create table if not exists public.ddl_log (id bigserial primary key, tag text); \
               create or replace function public.note_ddl() returns event_trigger language plpgsql as $$ begin \
               insert into public.ddl_log (tag) values (tg_tag); end $$; \
               drop event trigger if exists noted; create event trigger noted on ddl_command_end \
               execute function public.note_ddl()",
        ..NONE
    },
    Odd {
        name: "identity",
        base: "create table {u} (x int generated always as identity primary key, {a} text)",
        up: "insert into {u} ({a}) select 'seed' || g from generate_series(1, {m}) g",
        down: "delete from {u} where {a} like 'seed%'",
        data: "insert into {u} ({a}) select 'own' || g from generate_series(1, {n}) g",
        ..NONE
    },
    Odd {
        name: "renamed",
        up: "alter table {t} rename {v} to {a}",
        down: "update {t} set {a} = upper({a}) where {i} % {m} = 0; alter table {t} rename {a} to {v}",
        ..NONE
    },
    Odd {
        name: "generated",
        up: "alter table {t} add {a} int generated always as ({i} * 2) stored, add {b} text",
        down: "alter table {t} drop {a}, drop {b}",
        data: "update {t} set {b} = 'g' || {i}",
        ..NONE
    },
    Odd {
        name: "partitions referred to",
        base: "create table {u} (x int primary key, y text) partition by range (x); \
               create table {a} partition of {u} for values from (minvalue) to (6); \
               create table {b} partition of {u} for values from (6) to (maxvalue)",
        up: "alter table {t} add {d} int constraint {e} references {u} on delete set null",
        down: "delete from {u} where x % {m} = 0; alter table {t} drop {d}",
        data: "insert into {u} select g, 'p' || g from generate_series(1, {n}) g; update {t} set {d} = {i}",
        still: true, // parents come back after the rows that others refer to them from
        ..NONE
    },
    Odd {
        name: "partitions that go",
        up: "create table {u} (x int primary key, y text) partition by range (x); \
             create table {a} partition of {u} for values from (minvalue) to (6); \
             create table {b} partition of {u} for values from (6) to (maxvalue); \
             create table {c} (x int primary key, r int references {u} on delete cascade)",
        down: "drop table {c}; drop table {u}",
        data: "insert into {u} select g, 'p' || g from generate_series(1, {n}) g; \
               insert into {c} select x, x from {u}",
        ..NONE
    },
    Odd {
        name: "deferred",
        base: "create table {u} (x int primary key, r int references {u} deferrable initially deferred)",
        down: "delete from {u} where x > {m}; update {u} set r = 1",
        data: "insert into {u} select g, 1 + g % {n} from generate_series(1, {n}) g",
        ..NONE
    },
    Odd {
        name: "exclusion",
        base: "create table {u} (x int primary key, {a} int4range, exclude using gist ({a} with &&))",
        down: "delete from {u} where x % {m} = 0; update {u} set {a} = int4range(x * 10 + 4, x * 10 + 9)",
        data: "insert into {u} select g, int4range(g * 10, g * 10 + 5) from generate_series(1, {n}) g",
        ..NONE
    },
    Odd {
        name: "unique among some",
        base: "create table {u} (x int primary key, {a} text, y bool); create unique index {b} on {u} (lower({a})) where y",
        up: "alter table {u} add {c} uuid unique",
        down: "update {u} set y = not y; alter table {u} drop {c}",
        data: "insert into {u} select g, 'k' || g, g % 2 = 0, md5(g::text)::uuid from generate_series(1, {n}) g",
        ..NONE
    },
    Odd {
        name: "made of others",
        base: "create type {b} as (x int, y text[]); create domain {c} as int[] check (value[1] > 0)",
        up: "alter table {t} add {a} {b}, add {d} {c}, add {e} {b}[]",
        down: "alter table {t} drop {a}, drop {d}, drop {e}",
        data: "update {t} set {a} = row({i}, array['a,b', null, '\"']), {d} = array[{i}, null], \
               {e} = array[row({i}, array['(x)'])::{b}, null]",
        ..NONE
    },
    Odd {
        name: "through a view",
        base: "create view {a} as select {i}, {v} from {t}; create view {b} as select * from {a}",
        down: "delete from {b} where {i} % {m} = 0; update {a} set {v} = 'view'",
        ..NONE
    },
    Odd {
        name: "enum",
        up: "create type {b} as enum ('x', 'it''s'); alter table {t} add {a} {b} default 'x'",
        down: "alter table {t} drop {a}; drop type {b}",
        data: "update {t} set {a} = 'it''s' where {i} % {m} = 0",
        ..NONE
    },
    Odd {
        name: "label",
        base: "create type {b} as enum ('x', 'y'); alter table {t} add {a} {b} default 'x'",
        up: "alter type {b} add value 'z' before 'y'",
        down: "update {t} set {a} = 'x' where {a} = 'z'; alter table {t} alter {a} drop default; \
               alter type {b} rename to {c}; create type {b} as enum ('x', 'y'); \
               alter table {t} alter {a} type {b} using {a}::text::{b}; \
               alter table {t} alter {a} set default 'x'; drop type {c}",
        data: "update {t} set {a} = 'z' where {i} % {m} = 0",
        ..NONE
    },
];

/// Names that a statement put together by hand gets wrong. Each is made unique by a number.
const NAMES: &[&str] = &[
    "plain",
    "a.b",
    "w.",
    "x\"y",
    "a,b",
    "select",
    "Order By",
    "Ünïcode é",
    "t.ctid",
    "present",
    "had",
    "$1",
    "{}",
    "%s %I",
    "it's",
    "back\\slash",
    "a very long name that is as long as a name may be in postgres",
    "e.b1",
    "tab\there",
    "(",
    "--",
    "/*",
];

/// The statements of one odd thing, with names of its own.
pub struct Made {
    /// What it is.
    pub odd: &'static Odd,
    /// The names of its table, its key, and the column that no script touches, quoted.
    pub table: String,
    /// The key.
    pub key: String,
    /// The column that others write.
    pub own: String,
    names: Vec<(String, String)>,
}

impl Made {
    /// Draws names and numbers for `odd`, which is the `number`th.
    pub fn draw(draw: &mut Draw, odd: &'static Odd, number: usize) -> Self {
        let hostile = draw.below(3) > 0;
        let mut name = |short: &str| {
            let base = if hostile {
                NAMES[draw.below(NAMES.len())]
            } else {
                "plain"
            };
            let end = format!("{number}{short}");
            let mut base = base.to_owned();
            while base.len() + end.len() > 63 {
                base.pop();
            }
            format!("\"{}\"", format!("{base}{end}").replace('"', "\"\""))
        };
        let mut names: Vec<(String, String)> =
            ["t", "u", "i", "v", "w", "a", "b", "c", "d", "e", "f"]
                .iter()
                .map(|short| (format!("{{{short}}}"), name(short)))
                .collect();
        let of = |short: usize| names[short].1.clone();
        let (table, key, own) = (of(0), of(2), of(4));
        names.push(("{n}".to_owned(), (5 + draw.below(30)).to_string()));
        names.push(("{m}".to_owned(), (2 + draw.below(4)).to_string()));
        Self {
            odd,
            table,
            key,
            own,
            names,
        }
    }

    fn filled(&self, template: &str) -> String {
        // In two steps: a name may look like a place for one.
        let mark = |place: &str| format!("\u{1}{place}");
        let mut text = template.to_owned();
        for (place, _) in &self.names {
            text = text.replace(place, &mark(place));
        }
        for (place, name) in &self.names {
            text = text.replace(&mark(place), name);
        }
        text
    }

    /// Of the first migration.
    pub fn base(&self) -> String {
        self.filled(&format!(
            "create table {{t}} ({{i}} int primary key, {{v}} text, {{w}} int); {};\n",
            self.odd.base
        ))
    }

    /// The way there and the way back.
    pub fn step(&self) -> (String, String) {
        (self.filled(self.odd.up), self.filled(self.odd.down))
    }

    /// Its rows.
    pub fn data(&self) -> String {
        // By then a script may have renamed the text.
        self.filled(&format!(
            "insert into {{t}} select g, 'v' || g, g % 7 from generate_series(1, {{n}}) g; {};\n",
            self.odd.data
        ))
    }

    /// What is made by hand.
    pub fn hand(&self) -> String {
        self.filled(self.odd.hand)
    }
}
