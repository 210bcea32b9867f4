//! Values come back as they were whatever casts somebody made, and whatever the database says about
//! how text is read and written.

use pgbelay_core::pg::settings::PINNED;

use super::case::{Case, exact};
use crate::harness::Sandbox;

/// A type that a cast to text rounds.
const AMOUNT: &str = "create type amount as (v numeric, cur text);
    create function amount_text(amount) returns text language sql immutable
        as $$ select '(' || round(($1).v, 0) || ',' || ($1).cur || ')' $$;
    create cast (amount as text) with function amount_text(amount);";
const AMOUNTS: &str = "(1, row(10.55, 'EUR')), (2, row(99.99, 'USD')), (3, row(7.77, 'EUR')),
    (4, row(1.23, 'EUR')), (5, null), (6, row(null, null)), (7, row(7.6, 'EUR'))";

/// A type that a cast from text misreads, and one that it refuses.
const LEVEL: &str = "create type lvl as enum ('low', 'high', 'top');
    create function text_lvl(text) returns lvl language sql immutable as $$ select lvl 'high' $$;
    create cast (text as lvl) with function text_lvl(text) as implicit;";

#[test]
fn a_cast_to_text_that_rounds() {
    let case = Case::new(
        &format!("{AMOUNT} create table t (id int primary key, a amount)"),
        &[(
            "select 1",
            "delete from t where id in (1, 2, 5, 6);
             update t set a = row(7.6, 'EUR')::amount where id in (3, 7)",
        )],
        &format!("insert into t values {AMOUNTS}"),
    );
    case.exact();
    let is = "select (a).v from t where id in (1, 3) order by 1";
    assert_eq!(case.sandbox.query_text(is), "7.77\n10.55");
    let nulls = "select count(*) from t where a is not distinct from null";
    assert_eq!(case.sandbox.query_text(nulls), "1");
}

#[test]
fn a_cast_to_text_that_rounds_a_domain() {
    exact(
        &format!(
            "{AMOUNT} create domain price as amount; create table t (id int primary key, a price)"
        ),
        &[(
            "select 1",
            "delete from t where id = 1; update t set a = null where id = 2",
        )],
        &format!("insert into t values {AMOUNTS}"),
    );
}

#[test]
fn a_cast_to_text_that_rounds_the_values_of_a_key() {
    exact(
        &format!("{AMOUNT} create table t (a amount primary key, v text)"),
        &[(
            "select 1",
            "delete from t where (a).v = 7.77; update t set v = 'x' where (a).v in (7.6, 8)",
        )],
        "insert into t select row(v, 'EUR')::amount, v::text from unnest('{7.6, 7.77, 8, 8.1, 9}'::numeric[]) v",
    );
}

#[test]
fn a_cast_to_text_that_rounds_values_without_key() {
    exact(
        &format!("{AMOUNT} create table t (id int, a amount)"),
        &[(
            "select 1",
            "delete from t where id = 1; update t set a = row(7.8, 'EUR')::amount where id = 3",
        )],
        &format!("insert into t values {AMOUNTS}, (3, row(7.79, 'EUR')), (3, row(7.79, 'EUR'))"),
    );
}

#[test]
fn a_cast_to_text_that_rounds_values_written_since() {
    let case = Case::new(
        &format!("{AMOUNT} create table t (id int primary key, a amount)"),
        &[("select 1", "update t set a = row(7.6, 'EUR')::amount")],
        "insert into t values (1, row(1.5, 'EUR')), (2, row(2.5, 'EUR'))",
    );
    case.back();
    case.sandbox
        .sql("update t set a = row(7.7, 'EUR')::amount where id = 2");
    let done = case.undo();
    assert_eq!(done["conflicts"][0]["rows"], 1, "{done}");
    let is = "select (a).v from t order by id";
    assert_eq!(case.sandbox.query_text(is), "1.5\n7.7");
}

#[test]
fn a_cast_to_text_that_rounds_a_dropped_column() {
    exact(
        &format!("{AMOUNT} create table t (id int primary key, b numeric)"),
        &[(
            "alter table t add a amount; alter table t alter b type amount using row(b, 'X')::amount",
            "alter table t drop a; alter table t alter b type numeric using (b).v",
        )],
        &format!(
            "insert into t (id, a) values {AMOUNTS}; update t set b = a; delete from t where id = 6"
        ),
    );
}

#[test]
fn a_cast_to_text_made_by_the_script() {
    exact(
        "create type amount as (v numeric, cur text); create table t (id int primary key, a amount);
         create function amount_text(amount) returns text language sql immutable
         as $$ select '(' || round(($1).v, 0) || ',' || ($1).cur || ')' $$",
        &[(
            "select 1",
            "create cast (amount as text) with function amount_text(amount);
             delete from t where id = 1; update t set a = row(7.6, 'EUR')::amount where id = 3;
             drop cast (amount as text)",
        )],
        &format!("insert into t values {AMOUNTS}"),
    );
}

#[test]
fn a_cast_from_text_that_reads_another_value() {
    exact(
        &format!(
            "{LEVEL} create domain grade as lvl check (value <> 'top');
             create table t (id int primary key, l lvl, g grade, a lvl[])"
        ),
        &[(
            "select 1",
            "delete from t where id = 1; update t set l = 'top', g = 'high', a = null where id = 2",
        )],
        "insert into t values (1, 'low', 'low', '{low, null}'), (2, 'low', null, '{low}'), (3, 'top', 'low', '{}')",
    );
}

#[test]
fn a_cast_from_text_that_reads_another_value_without_key() {
    exact(
        &format!("{LEVEL} create table t (id int, l lvl)"),
        &[(
            "select 1",
            "delete from t where id = 1; update t set l = 'top' where id = 2",
        )],
        "insert into t values (1, 'low'), (1, 'low'), (2, 'low'), (3, null)",
    );
}

#[test]
fn a_cast_from_text_that_would_misread_what_is_laid_aside() {
    let case = Case::new(
        &format!("{LEVEL} create table t (id int primary key, l lvl)"),
        &[("select 1", "delete from t where id = 1")],
        "insert into t values (1, 'low'), (2, 'low')",
    );
    case.back();
    case.sandbox.sql("insert into t values (1, 'top')");
    case.undo();
    let into = "select relname from pg_class where relnamespace = 'pgbelay'::regnamespace
                and relname like 'rescued%' and relkind = 'r'";
    let into = case.sandbox.query_text(into);
    let aside = format!("select l from pgbelay.{into}");
    assert_eq!(case.sandbox.query_text(&aside), "low");
}

#[test]
fn names_of_relations_that_are_gone() {
    exact(
        "create table r (id int primary key, c regclass, p regproc, o regtype, n name, x \"char\", b boolean, i inet)",
        &[(
            "create table u (id int)",
            "delete from r where id in (1, 2, 3); update r set c = 'pg_type', p = 'now', n = 'y', x = 'y', b = false, i = '::1' where id > 3;
             drop table u",
        )],
        "insert into r values (1, 'pg_class', 'now', 'int', 'n', 'x', true, '10.0.0.1'), (2, '-', '-', '-', '', '', null, '10.0.0.0/8'),
             (3, '999999', '999999', '999999', null, E'\\\\200', false, '::1/64'), (4, '-', '-', '-', 'a b', 'z', true, '10.0.0.1'), (5, '999999', '999999', '999999', '\"', null, null, null)",
    );
}

#[test]
fn settings_of_the_database_change_no_value() {
    let case = Case::new(
        "create table \"Odd\" (); create table t (id int primary key, a text[], at timestamptz, d date, i interval, f float8,
             b bytea, x xml, c regclass)",
        &[(
            "select 1",
            "delete from t where id = 1; update t set a = '{}', at = now(), d = now(), i = '1 s', f = 0, b = '', x = '<c/>', c = 'pg_type' where id = 2",
        )],
        "insert into t select n, array[null, 'a', 'NULL'], '2024-03-04 05:06:07.089+00', '2024-03-04', '1 mon -2 days 3 s', n / 3.0::float8, '\\x00ff5c', '<a/>b', '\"Odd\"' from generate_series(1, 3) n",
    );
    let before = case.sandbox.content();
    let hostile = [
        ("array_nulls", "off"),
        ("datestyle", "SQL, DMY"),
        ("timezone", "Pacific/Chatham"),
        ("intervalstyle", "sql_standard"),
        ("extra_float_digits", "-15"),
        ("bytea_output", "escape"),
        ("xmloption", "document"),
        ("quote_all_identifiers", "on"),
        ("standard_conforming_strings", "off"),
    ];
    // There is nothing but standard strings since 19.
    let before_19 = case.sandbox.cluster.installation.major() < 19;
    let there = |name: &str| before_19 || name != "standard_conforming_strings";
    for (name, value) in hostile.into_iter().filter(|s| there(s.0)) {
        let database = &case.sandbox.database;
        case.sandbox.sql(&format!(
            "alter database \"{database}\" set {name} = '{value}'"
        ));
    }
    case.back();
    // Other ones than those under which the rollback wrote.
    let database = &case.sandbox.database;
    case.sandbox
        .sql(&format!("alter database \"{database}\" reset all; alter database \"{database}\" set array_nulls = off"));
    assert_eq!(case.undo()["conflicts"], serde_json::json!([]));
    assert_eq!(before, case.sandbox.content());
    let nulls = "select count(*) from t where a[1] is null and a[3] = 'NULL'";
    assert_eq!(case.sandbox.query_text(nulls), "3");
}

/// Settings that are of a kind that may change what text means, and don't, or are no matter of the
/// session: name and why.
const HARMLESS: &[(&str, &str)] = &[
    ("backslash_quote", "refuses texts, and changes none"),
    ("check_function_bodies", "no value"),
    (
        "client_encoding",
        "pinned apart: a database may have no encoding",
    ),
    ("client_min_messages", "no value"),
    ("createrole_self_grant", "no value"),
    ("default_table_access_method", "no value"),
    ("default_tablespace", "no value"),
    ("default_text_search_config", "of functions, not of types"),
    ("default_toast_compression", "how it is stored"),
    ("default_transaction_deferrable", "no value"),
    ("default_transaction_isolation", "no value"),
    ("default_transaction_read_only", "no value"),
    ("escape_string_warning", "warns"),
    ("event_triggers", "no value"),
    ("gin_fuzzy_search_limit", "no value"),
    ("gin_pending_list_limit", "no value"),
    ("icu_validation_level", "no value"),
    ("idle_in_transaction_session_timeout", "no value"),
    ("idle_session_timeout", "no value"),
    ("lc_messages", "messages"),
    // Whoever pins this must know in which one a backup of before was written.
    (
        "lc_monetary",
        "money is written and read by that of the database",
    ),
    ("lc_numeric", "of to_char, not of types"),
    ("lc_time", "of to_char, not of types"),
    ("lo_compat_privileges", "no value"),
    ("lock_timeout", "no value"),
    (
        "restrict_nonsystem_relation_kind",
        "which relations are read",
    ),
    ("session_replication_role", "which triggers fire"),
    ("statement_timeout", "no value"),
    ("temp_tablespaces", "no value"),
    ("timezone_abbreviations", "ISO dates hold none"),
    ("transaction_deferrable", "no value"),
    ("transaction_isolation", "no value"),
    ("transaction_read_only", "no value"),
    ("transaction_timeout", "no value"),
    ("transform_null_equals", "of conditions, not of values"),
    ("xmlbinary", "of functions, not of types"),
];

/// The kinds of settings, as far as they begin alike, of which none changes what text means.
const OTHER_KINDS: &[&str] = &[
    "Autovacuum",
    "Client Connection Defaults / Other Defaults",
    "Client Connection Defaults / Shared Library Preloading",
    "Connections and Authentication",
    "Customized Options",
    "Developer Options",
    "Error Handling",
    "File Locations",
    "Lock Management",
    "Preset Options",
    "Process Title",
    "Query Tuning",
    "Replication",
    "Reporting and Logging",
    "Resource Usage",
    "Statistics",
    "Vacuuming",
    "Write-Ahead Log",
];

#[test]
fn every_setting_that_may_change_what_text_means_is_judged() {
    let sandbox = Sandbox::bare();
    let settings = sandbox.query_text(
        "select category || '|' || name from pg_settings
         where context in ('user', 'superuser', 'backend', 'superuser-backend') order by 1",
    );
    let mut unjudged = Vec::new();
    for (kind, name) in settings.lines().filter_map(|line| line.split_once('|')) {
        let other = OTHER_KINDS.iter().any(|other| kind.starts_with(other));
        let pinned = PINNED.iter().any(|s| s.name.eq_ignore_ascii_case(name));
        let harmless = HARMLESS.iter().any(|s| s.0 == name) || name.starts_with("vacuum_");
        if !(other || pinned || harmless) {
            unjudged.push(format!("{kind}: {name}"));
        }
    }
    assert!(unjudged.is_empty(), "not judged: {unjudged:#?}");
    // And the list holds no name that the server doesn't know.
    for setting in PINNED {
        let known = format!(
            "select count(*) from pg_settings where lower(name) = lower('{}')",
            setting.name
        );
        assert_eq!(sandbox.query_text(&known), "1", "{}", setting.name);
    }
}
