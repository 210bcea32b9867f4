//! `backup`: a database into a backup, and back.

mod bucket;
mod damage;
mod encodings;
mod everything;
mod forms;
mod interleaved;
mod keys;
mod moving;
mod parallel;
mod recovery;
mod refusals;
mod retention;
mod selections;
mod signed;
mod strangers;
mod tables;
mod verified;
mod whole;

use serde_json::Value;

use crate::harness::Sandbox;
use crate::harness::cluster::Cluster;
use crate::harness::state::{Catalog, assert_same_content, content};

/// Tables that are easy to get wrong.
const HOSTILE: &str = r#"
    create schema "we""ird sch";
    create type mood as enum ('ok', 'so "so"');
    create table "we""ird sch"."it's
 ünï; ""x"":name" (
        "id "" x" int generated always as identity primary key,
        "a
b" text, twice int generated always as (2 * 21) stored, m mood, later text);
    insert into "we""ird sch"."it's
 ünï; ""x"":name" ("a
b", m) values (E'x\ty\n\\N', 'ok'), (null, 'so "so"'), ('\.', null), ('', 'ok');
    alter table "we""ird sch"."it's
 ünï; ""x"":name" drop later;

    create table e (at date, n int, id bigint generated always as identity, primary key (at, n))
        partition by range (at);
    create table e_1 partition of e for values from ('2026-01-01') to ('2026-02-01');
    create table e_rest partition of e default;
    insert into e (at, n) select date '2026-01-15' + i, i from generate_series(1, 40) i;

    create table a (id int primary key, b int);
    create table b (id int primary key, a int references a);
    alter table a add foreign key (b) references b deferrable initially deferred;
    begin;
    insert into a values (1, 1), (2, null), (3, 1);
    insert into b values (1, 3), (2, null);
    commit;

    create table empty (x int);
    create table zero ();
    insert into zero default values;
    insert into zero default values;
    create sequence s start 5 increment -2 maxvalue 10 minvalue -100;
    select nextval('s'), nextval('s');
    create sequence unused;
    create table kinds (id serial primary key, f float8, at timestamptz, i interval, bytes bytea,
        j json, x xml, m money, list int[], d date, n numeric);
    insert into kinds (f, at, i, bytes, j, m, list, d, n)
        select i * 0.1, timestamptz '2026-10-25 00:30+02' + i * interval '1 hour',
               i * interval '-1 day 3 minutes', sha256(i::text::bytea), '{"a": 1, "a": 2}',
               i, array[i, null], date '2026-03-04' + i, i / 3.0
        from generate_series(1, 500) i;
    -- A server that was built without XML has none to lose.
    do $$ begin
        update kinds set x = '<a/>';
    exception when feature_not_supported then null;
    end $$;
    create table large as select i as id, repeat(md5(i::text), 20) as t
        from generate_series(1, 5000) i;
    create materialized view m_1 as select count(*) as c from large;
    create materialized view m_0 as select c + 1 as c from m_1;
    create materialized view bare as select 1 as x with no data;
    create unique index on m_1 (c);
    create unlogged table u (i int);
    insert into u values (1);
    create table parent (i int);
    create table child (j int) inherits (parent);
    insert into parent values (1);
    insert into child values (2, 3);
    create view v as select * from a;
    create function spoil() returns trigger language plpgsql as
        $$ begin new.n := -1; return new; end $$;
    create table watched (id int primary key, n int);
    insert into watched values (1, 1), (2, 2);
    create trigger spoil before insert or update on watched
        for each row execute function spoil();
"#;

/// A database made beside that of a sandbox, to restore into.
struct Target {
    database: String,
    url: String,
}

impl Target {
    fn new(sandbox: &Sandbox) -> Self {
        let database = sandbox.cluster.fresh_name();
        let quoted = format!("\"{database}\"");
        let session = sandbox.cluster.connect("postgres", "postgres");
        session.run(&format!("create database {quoted} template template0"));
        Self {
            url: sandbox.url_of(&database, "postgres"),
            database,
        }
    }

    /// Panics unless it holds what the sandbox's database holds.
    fn assert_same(&self, sandbox: &Sandbox) {
        let session = sandbox.cluster.connect(&self.database, "postgres");
        assert_same_content(&sandbox.content(), &content(&session));
        let pg_dump = sandbox.cluster.installation.bin.join("pg_dump");
        let catalog = Catalog::of(&pg_dump, &self.url);
        sandbox.catalog().assert_same(&catalog);
        for view in ["m_0", "m_1", "watched"] {
            let sql = format!("select * from {view} order by 1");
            let there = sandbox.query_text(&format!("select to_regclass('{view}')"));
            if !there.is_empty() {
                assert_eq!(sandbox.query_text(&sql), session.text(&sql), "{view}");
            }
        }
    }

    fn text(&self, sandbox: &Sandbox, sql: &str) -> String {
        let session = sandbox.cluster.connect(&self.database, "postgres");
        session.text(sql)
    }

    fn drop(self, cluster: &Cluster) {
        let session = cluster.connect("postgres", "postgres");
        session.run(&format!("drop database \"{}\"", self.database));
    }
}

/// Makes a backup and returns its id.
fn create(sandbox: &Sandbox, args: &[&str]) -> String {
    let output = sandbox.run("backup", &[&["create"], args].concat());
    output.assert_exit(0);
    output.last_line().to_owned()
}

fn show(sandbox: &Sandbox, id: &str) -> Value {
    let output = sandbox.run("backup", &["show", id, "--json"]);
    output.assert_exit(0);
    output.json().remove(0)
}
