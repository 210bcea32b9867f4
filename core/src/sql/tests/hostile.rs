//! Text made, by accident or on purpose, to be read as something else.

use crate::sql::parse;
use crate::sql::statement::Kind;
use crate::sql::tests::check;
use crate::sql::tests::consistent;
use crate::sql::tests::never_panics;
use crate::sql::tests::short;

/// Asserts what the statements of a script are, and the lines where they start.
fn check_script(sql: &str, expected: &[(u32, &str)]) {
    let found: Vec<(u32, String)> = consistent(sql)
        .iter()
        .map(|s| (s.line, short(&s.kind)))
        .collect();
    let expected: Vec<(u32, String)> = expected
        .iter()
        .map(|(l, s)| (*l, (*s).to_owned()))
        .collect();
    assert_eq!(found, expected, "{sql}");
    never_panics(sql);
}

#[test]
fn comments_and_strings_hide_nothing_and_split_nothing() {
    check_script("", &[]);
    check_script(" ;; -- nothing\n/* at all; */ ;", &[]);
    check_script(
        "-- drop table a;\n/* drop /* table */ b; */\ndrop table c; -- ;\n\n;drop table d",
        &[(3, "drop table c"), (5, "drop table d")],
    );
    check_script("/* /* */ drop table a; */ select 1", &[(1, "query")]);
    check_script("/* /* */ */ drop table a;", &[(1, "drop table a")]);
    check_script(
        "select '--'; drop table a",
        &[(1, "query"), (1, "drop table a")],
    );
    check_script(
        "select 'it''s; '; drop table a",
        &[(1, "query"), (1, "drop table a")],
    );
    check_script("select E'\\'; drop table a; --'", &[(1, "query")]);
    check_script(
        "select '\\'; drop table a; --'",
        &[(1, "query"), (1, "drop table a")],
    );
    check_script(
        "select $$;$$, $a$ $$ ; $a$; drop table b",
        &[(1, "query"), (1, "drop table b")],
    );
    check_script(
        "select a$$b from t; drop table b -- $$",
        &[(1, "query"), (1, "drop table b")],
    );
    check_script(
        "select 1*--;\n2; drop table b",
        &[(1, "query"), (2, "drop table b")],
    );
    check_script(
        "select \"a--b\"; drop table b",
        &[(1, "query"), (1, "drop table b")],
    );
    check_script("drop/**/table/**/a", &[(1, "drop table a")]);
    check_script("dRoP\n\tTaBlE\r\na", &[(1, "drop table a")]);
    check_script(
        "create function f() returns int begin atomic select 1; delete from t; end; drop table x",
        &[(1, "CREATE FUNCTION"), (1, "drop table x")],
    );
}

#[test]
fn what_is_not_understood_is_unknown_and_taints_nothing_else() {
    check_script(
        "select 1;\nfoo bar;\ndelete from t;",
        &[(1, "query"), (2, "unknown"), (3, "delete t")],
    );
    check_script("select 1 drop table t;", &[(1, "unknown")]);
    check_script("drop table t cascade x;", &[(1, "unknown")]);
    check_script("drop table (;\nselect 2", &[(1, "unknown"), (2, "query")]);
    check_script("select 'unterminated; drop table t", &[(1, "unknown")]);
    check_script(
        "drop table a; /* unterminated; drop table t",
        &[(1, "drop table a"), (1, "unknown")],
    );
    check_script("select $a$ ; drop table t;", &[(1, "unknown")]);
    check_script("drop table t\0;", &[(1, "unknown")]);
    check(&[
        ("drop table U&\"d\\0061t\"", "unknown"),
        ("drop table u&\"x\", y", "unknown"),
        ("delete from t where a = :id", "unknown"),
        ("delete from :tbl", "unknown"),
        ("select 1 \\gexec", "unknown"),
        ("REPACK t", "outside REPACK"),
        ("create property graph g", "unknown"),
        ("frobnicate", "unknown"),
    ]);
}

#[test]
fn lines_of_psql() {
    check_script(
        "\\restrict abc\n\nSET lock_timeout = 0;\n\\unrestrict abc\n",
        &[(3, "set lock_timeout []")],
    );
    check_script(
        "\\connect other\nselect 1;\n  \\i more.sql\nselect 2;",
        &[(1, "unknown"), (2, "query"), (3, "unknown"), (4, "query")],
    );
    check_script(
        "select 1; \\! rm -rf /\nselect 2",
        &[(1, "query"), (1, "unknown"), (2, "query")],
    );
    let script = parse::script("\\connect secret");
    assert!(
        matches!(&script[0].kind, Kind::Unknown { why } if why.contains("psql") && !why.contains("secret"))
    );
}

#[test]
fn rows_of_copy_are_no_statements() {
    let data = |sql: &str| -> Vec<Option<String>> {
        parse::script(sql).into_iter().map(|s| s.data).collect()
    };
    let text = "copy t from stdin;\n1\ta;b\ndrop table x;\n\\.\n\ndrop table y;";
    check_script(text, &[(1, "copy t"), (6, "drop table y")]);
    let rows = Some("1\ta;b\ndrop table x;\n".to_owned());
    assert_eq!(data(text), [rows, None]);
    let text = "copy t from stdin;\nit's /*\n\\.\nselect 1; copy t from stdin;\n\\.";
    check_script(text, &[(1, "copy t"), (4, "query"), (4, "copy t")]);
    assert_eq!(
        data(text),
        [Some("it's /*\n".to_owned()), None, Some(String::new())]
    );
    check_script(
        "select 1;\ncopy t from stdin;\ndrop table x;",
        &[(1, "query"), (2, "unknown")],
    );
    // What psql would make of the rest of the line is not for us to guess.
    check_script(
        "copy t from stdin; drop table x;\n1\n\\.\n",
        &[(1, "unknown")],
    );
    check_script("copy t from stdin; -- end", &[(1, "copy t")]);
    check_script("copy t from '/x'; select 1", &[(1, "copy t"), (1, "query")]);
    assert_eq!(data("copy t from stdin"), [None]);
}

#[test]
fn names_are_cut_as_the_server_cuts_them() {
    let long = "a".repeat(70);
    let expected = format!("drop table {}", "a".repeat(63));
    let found = parse::script(&format!("drop table {long}"));
    assert_eq!(short(&found[0].kind), expected);
}

#[test]
fn nesting_ends_nothing() {
    for (open, close, times) in [("(", ")", 20_000), ("not ", "", 3_000), ("f(", ")", 300)] {
        let sql = format!("select {}1{}", open.repeat(times), close.repeat(times));
        assert_eq!(parse::script(&sql).len(), 1, "{open}");
    }
}
