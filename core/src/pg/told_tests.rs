use super::*;

fn shown(code: &str, message: &str, text: &str) -> String {
    let said = Said {
        code,
        message,
        ..Said::default()
    };
    said.shown(text)
}

fn raising(message: &str, text: &str) -> String {
    let said = Said {
        code: "23514",
        message,
        raised: true,
        function: function("PL/pgSQL function public.f(integer) line 3 at RAISE"),
        ..Said::default()
    };
    said.shown(text)
}

#[test]
fn messages_never_quote_data() {
    for (code, message, expected) in [
        (
            "22P02",
            "invalid input syntax for type integer: \"a\"b\"",
            "invalid input syntax for type integer: \"…\"",
        ),
        (
            "22003",
            "value \"99999999999\" is out of range for type integer",
            "value \"…\" is out of range for type integer",
        ),
        (
            "22008",
            "date field value out of range: 2026-13-01",
            "date field value out of range: …",
        ),
        (
            "22007",
            "invalid input syntax for type date: «x»",
            "invalid input syntax for type date: \"…\"",
        ),
        ("22012", "division by zero", "division by zero"),
        (
            "23505",
            "duplicate key value violates unique constraint \"k\"",
            "duplicate key value violates unique constraint \"k\"",
        ),
        (
            "42704",
            "unrecognized configuration parameter \"secret-1\"",
            "unrecognized configuration parameter \"…\"",
        ),
        (
            "42P01",
            "relation \"secret\" does not exist",
            "relation \"…\" does not exist",
        ),
        (
            "42601",
            "syntax error at or near \"secret\" of jsonpath input",
            "syntax error at or near \"…\" of jsonpath input",
        ),
        (
            "42704",
            "type \"select\" secret \"from\" does not exist",
            "type \"…\" does not exist",
        ),
        (
            "58P01",
            "could not open file \"secret\" for reading",
            "could not open file \"…\" for reading",
        ),
    ] {
        assert_eq!(shown(code, message, "select a from t"), expected);
    }
}

#[test]
fn names_in_the_script_are_shown() {
    let script = "ALTER TABLE app.Orders ADD COLUMN note int REFERENCES \"Odd Name\"";
    for message in [
        "relation \"app.orders\" does not exist",
        "column \"note\" of relation \"orders\" does not exist",
        "relation \"Odd Name\" does not exist",
    ] {
        assert_eq!(shown("42P01", message, script), message);
    }
    assert_eq!(
        shown(
            "42703",
            "column \"not\" of relation \"orders\" does not exist",
            script
        ),
        "column \"…\" of relation \"orders\" does not exist"
    );
}

#[test]
fn what_a_function_raises_is_withheld_whatever_its_code() {
    let text = raising(
        "customer with ssn 123 may not go",
        "delete from t where id = 1",
    );
    assert_eq!(
        text,
        "function public.f(integer) raised an exception; its text is withheld, since it may quote \
         rows"
    );
    let script = "DO $$ BEGIN RAISE EXCEPTION 'orders must be empty'; END $$";
    assert_eq!(
        raising("orders must be empty", script),
        "orders must be empty"
    );
    let script = "do $$ begin raise warning 'x'; raise exception 'ssn % isn''t at 5%%', v; end $$";
    assert_eq!(raising("ssn 123 isn't at 5%", script), "ssn … isn't at 5%");
    // A format that is all values says nothing.
    assert!(!raising("secret", "do $$ begin raise exception '%', v; end $$").contains("secret"));
}

#[test]
fn who_raises_is_known_by_where_it_comes_from() {
    assert!(raised(Some("pl_exec.c"), Some("exec_stmt_raise")));
    assert!(raised(Some("pl_exec.c"), Some("exec_stmt_assert")));
    assert!(raised(
        Some("./build/../plpy_elog.c"),
        Some("PLy_elog_impl")
    ));
    assert!(raised(Some("plv8.cc"), None));
    assert!(!raised(Some("execMain.c"), Some("ExecConstraints")));
    assert!(!raised(Some("scan.l"), Some("scanner_yyerror")));
    assert!(!raised(None, None));
}
