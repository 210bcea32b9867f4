//! Settings, transactions, and what concerns the session.

use crate::sql::parse;
use crate::sql::tests::check;

#[test]
fn settings() {
    check(&[
        (
            "SET search_path TO App, \"B\", 'c d'",
            "set search_path [app,B,c d]",
        ),
        ("SET LOCAL search_path = ''", "set search_path []"),
        ("SET SCHEMA 'app'", "set search_path [app]"),
        ("SET lock_timeout = '5s'", "set lock_timeout []"),
        ("SET TIME ZONE 'UTC'", "set timezone []"),
        ("RESET search_path", "set search_path []"),
        ("SHOW ALL", "set show []"),
        ("SET app.user TO 1", "set app.user []"),
        ("SET client_encoding = 'UTF8'", "set client_encoding []"),
        (
            "SET client_encoding = 'LATIN1'",
            "refuse SET client_encoding",
        ),
        (
            "SET standard_conforming_strings = on",
            "set standard_conforming_strings []",
        ),
        (
            "SET standard_conforming_strings = off",
            "refuse SET standard_conforming_strings",
        ),
        (
            "SET session_replication_role = replica",
            "refuse SET session_replication_role",
        ),
        (
            "SET LOCAL \"Session_Replication_Role\" TO 'replica'",
            "refuse SET session_replication_role",
        ),
        (
            "SET default_transaction_read_only = off",
            "refuse SET default_transaction_read_only",
        ),
        (
            "SET transaction_read_only = off",
            "refuse SET transaction_read_only",
        ),
        ("SET role = 'x'", "unknown"),
        ("SET ROLE x", "refuse SET ROLE"),
        ("SET LOCAL ROLE NONE", "refuse SET ROLE"),
        ("RESET ROLE", "refuse RESET ROLE"),
        ("SET SESSION AUTHORIZATION x", "refuse SET SESSION AUTH"),
        ("RESET ALL", "refuse RESET"),
        ("RESET session_replication_role", "refuse RESET"),
        ("DISCARD ALL", "refuse DISCARD"),
        ("SET search_path = E'a'", "unknown"),
    ]);
}

#[test]
fn transactions() {
    check(&[
        ("BEGIN", "transaction opens"),
        ("START TRANSACTION READ WRITE", "transaction opens"),
        ("BEGIN ISOLATION LEVEL SERIALIZABLE", "transaction"),
        ("BEGIN READ ONLY", "transaction"),
        ("COMMIT", "transaction closes"),
        ("END TRANSACTION", "transaction closes"),
        ("COMMIT AND NO CHAIN", "transaction closes"),
        ("COMMIT AND CHAIN", "transaction"),
        ("ROLLBACK", "transaction"),
        ("ABORT", "transaction"),
        ("SAVEPOINT a", "transaction"),
        ("RELEASE a", "transaction"),
        ("ROLLBACK TO SAVEPOINT a", "transaction"),
        ("SET TRANSACTION READ ONLY", "transaction"),
        (
            "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
            "transaction",
        ),
        ("SET CONSTRAINTS ALL DEFERRED", "transaction"),
        ("PREPARE TRANSACTION 'x'", "transaction"),
        ("COMMIT PREPARED 'x'", "transaction"),
        ("ROLLBACK PREPARED 'x'", "transaction"),
    ]);
}

#[test]
fn code_and_session() {
    check(&[
        ("DO $$ BEGIN DROP TABLE t; END $$", "opaque DO"),
        ("DO LANGUAGE plpgsql $x$ BEGIN COMMIT; END $x$", "opaque DO"),
        ("CALL p(1)", "opaque CALL"),
        ("PREPARE p AS DELETE FROM t", "opaque PREPARE"),
        ("EXECUTE p(1)", "opaque EXECUTE"),
        ("DEALLOCATE ALL", "refuse DEALLOCATE"),
        ("LISTEN a", "refuse LISTEN"),
        ("UNLISTEN *", "refuse UNLISTEN"),
        ("NOTIFY a, 'b'", "refuse NOTIFY"),
        ("LOAD 'x'", "refuse LOAD"),
        ("CHECKPOINT", "refuse CHECKPOINT"),
        ("DECLARE c CURSOR FOR SELECT 1", "refuse DECLARE"),
        ("FETCH ALL FROM c", "refuse FETCH"),
        ("MOVE NEXT FROM c", "refuse MOVE"),
        ("CLOSE ALL", "refuse CLOSE"),
    ]);
}

#[test]
fn a_script_may_bring_its_own_transaction() {
    let inner = |sql| {
        let script = parse::script(sql);
        parse::own_transaction(&script).map(<[_]>::len)
    };
    assert_eq!(inner("begin; select 1; select 2; commit;"), Some(2));
    assert_eq!(inner("begin; end"), Some(0));
    assert_eq!(
        inner("-- x\nstart transaction; select 1; end work"),
        Some(1)
    );
    assert_eq!(inner("begin; select 1; commit; select 2"), None);
    assert_eq!(
        inner("begin; select 1; commit; begin; select 2; commit"),
        None
    );
    assert_eq!(inner("begin; savepoint a; commit"), None);
    assert_eq!(inner("begin; select 1; rollback"), None);
    assert_eq!(
        inner("begin isolation level serializable; select 1; commit"),
        None
    );
    assert_eq!(inner("begin; commit and chain"), None);
    assert_eq!(inner("begin"), None);
    assert_eq!(inner(""), None);
}
