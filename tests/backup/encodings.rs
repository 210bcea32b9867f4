//! Databases in other encodings than UTF-8.

use super::create;
use crate::harness::Sandbox;

/// A sandbox whose database was made anew with `encoding`.
fn encoded(encoding: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    let session = sandbox.cluster.connect("postgres", "postgres");
    session.run(&format!("drop database {}", sandbox.database));
    session.run(&format!(
        "create database {} template template0 encoding '{encoding}' locale 'C'",
        sandbox.database
    ));
    sandbox
}

/// Restores `id` into a new database with `encoding`, and compares the digest of `t` there.
fn comes_back(sandbox: &Sandbox, id: &str, encoding: &str, sql: &str) {
    let database = sandbox.cluster.fresh_name();
    let session = sandbox.cluster.connect("postgres", "postgres");
    session.run(&format!(
        "create database {database} template template0 encoding '{encoding}' locale 'C'"
    ));
    let url = sandbox.url_of(&database, "postgres");
    let args = ["restore", id, "--into", &url, "--yes", "--compare"];
    sandbox.run("backup", &args).assert_exit(0);
    let there = sandbox.cluster.connect(&database, "postgres");
    assert_eq!(sandbox.query_text(sql), there.text(sql), "{encoding}");
    drop(there);
    session.run(&format!("drop database {database}"));
}

#[test]
fn latin_1_comes_back_and_moves_to_utf_8() {
    let sandbox = encoded("LATIN1");
    sandbox.sql(
        "create table \"größe\" (\"naïve\" text, b bytea);
         insert into \"größe\" select chr(i) || 'ÿ', decode('ff00', 'hex')
             from generate_series(1, 255) i;
         comment on table \"größe\" is 'é'",
    );
    let id = create(&sandbox, &[]);
    let bytes = "select md5(string_agg(encode(convert_to(\"naïve\", 'LATIN1'), 'hex'), ','
                     order by \"naïve\" collate \"C\")), count(*),
                     obj_description('\"größe\"'::regclass) from \"größe\"";
    comes_back(&sandbox, &id, "LATIN1", bytes);
    comes_back(&sandbox, &id, "UTF8", bytes);
    let args = ["verify", &id, "--level", "restored"];
    sandbox.run("backup", &args).assert_exit(0);
}

#[test]
fn bytes_in_no_known_encoding_come_back_as_they_were() {
    let sandbox = encoded("SQL_ASCII");
    sandbox.sql(
        "create table t (id int primary key, v text);
         set client_encoding = 'SQL_ASCII';
         insert into t select i, convert_from(decode(lpad(to_hex(i), 2, '0') || 'ff80fe', 'hex'),
             'SQL_ASCII') from generate_series(1, 255) i;
         insert into t values (1000, 'plain'), (1001, null)",
    );
    let id = create(&sandbox, &[]);
    let bytes = "select md5(string_agg(id || encode(convert_to(v, 'SQL_ASCII'), 'hex'), ','
                     order by id)), count(*) from t";
    comes_back(&sandbox, &id, "SQL_ASCII", bytes);
    for level in ["decrypted", "restored"] {
        let args = ["verify", &id, "--level", level];
        sandbox.run("backup", &args).assert_exit(0);
    }
    // Some of them are no UTF-8: then the restore fails, and loads nothing else instead.
    let database = sandbox.cluster.fresh_name();
    let session = sandbox.cluster.connect("postgres", "postgres");
    session.run(&format!("create database {database} template template0"));
    let url = sandbox.url_of(&database, "postgres");
    let args = ["restore", &id, "--into", &url, "--yes"];
    sandbox
        .run("backup", &args)
        .assert_exit(1)
        .assert_says("public.t");
    session.run(&format!("drop database {database}"));
}

/// What a rollback destroys comes back byte by byte, whatever the bytes mean.
#[test]
fn bytes_in_any_encoding_survive_a_rollback_and_its_undo() {
    let cases = [
        ("SQL_ASCII", "fffee980"),
        ("LATIN1", "e9e8fca4"),
        ("EUC_JP", "a4a2a4a4b4c1"),
        ("WIN1251", "cff0e8"),
    ];
    for (encoding, bytes) in cases {
        let sandbox = encoded(encoding);
        let up = "alter table t add s text; alter table t add c char(6);
                  create table g (id int primary key, v text); create table k (v text)";
        let down = "update t set n = 'x' where id < 3; delete from t where id = 3;
                    alter table t drop s; alter table t drop c; drop table g; drop table k";
        sandbox.migration(
            "0001_t",
            "create table t (id int primary key, n text)",
            "drop table t",
        );
        sandbox.migration("0002_g", up, down);
        sandbox.run("migrate", &["upgrade"]).assert_exit(0);
        sandbox.sql(&format!(
            "set client_encoding = '{encoding}';
             insert into t select i, v || i, v, left(v, 2) from generate_series(1, 4) i,
                 convert_from('\\x{bytes}', '{encoding}') v;
             insert into g select id, s from t;
             insert into k select s from t"
        ));
        let state = format!(
            "select md5(string_agg(x, '|' order by x)) from (
                 select convert_to(t::text, '{encoding}')::text from t union all
                 select convert_to(g::text, '{encoding}')::text from g union all
                 select convert_to(k::text, '{encoding}')::text from k) as a (x)"
        );
        let before = sandbox.query_text(&state);
        let consent = ["to", "0001", "--confirm", &sandbox.database];
        sandbox.run("rollback", &consent).assert_exit(0);
        sandbox.run("rollback", &["undo", "--yes"]).assert_exit(0);
        assert_eq!(before, sandbox.query_text(&state), "{encoding}");
    }
}
