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
