use crate::harness::Sandbox;
use crate::scenes::{IN_ROWS, State, assert_discreet, rows, write_migrations};

const VALUES: &str = "
    alter table coupons add at date, add stamp timestamptz, add f float8, add b bytea,
        add span interval, add x xml, add arr numeric[];
    update coupons set at = '2026-02-01'::date + customer, stamp = '2026-03-29 00:59:59.123456+00',
        f = 0.1::float8 + customer / 3.0, b = decode('00ff5c0a', 'hex'),
        span = '1 year 2 days -03:04:05.6', arr = array[1.50, null, 'NaN']";

const SETTINGS: &[&str] = &[
    "search_path = public, shadow",
    "datestyle = 'SQL, DMY'",
    "timezone = 'Pacific/Chatham'",
    "intervalstyle = 'sql_standard'",
    "extra_float_digits = -15",
    "bytea_output = 'escape'",
    "default_transaction_isolation = 'serializable'",
    "lock_timeout = '1ms'",
    "statement_timeout = '60ms'",
    "idle_in_transaction_session_timeout = '50ms'",
    "idle_session_timeout = '250ms'",
    "row_security = off",
    "standard_conforming_strings = off",
    "quote_all_identifiers = on",
    "xmloption = 'document'",
    "client_min_messages = 'debug1'",
    "client_encoding = 'LATIN1'",
    "session_replication_role = 'replica'",
    "synchronize_seqscans = on",
    "check_function_bodies = off",
];

/// Settings of a role that change how values are written, what may be written, and for how long.
#[test]
fn settings_of_a_role_change_no_value_and_end_no_session() {
    let sandbox = Sandbox::new();
    write_migrations(&sandbox);
    sandbox.migration(
        "0003_values",
        VALUES,
        "alter table coupons drop at, drop stamp, drop f, drop b, drop span, drop x, drop arr",
    );
    let role = format!("hostile_{}", sandbox.database);
    sandbox.sql(&format!(
        "create role {role} login superuser;
         create schema shadow; create table shadow.customers (id int, points int);
         create table shadow.coupons (); create table shadow.orders (id int);
         create function shadow.count(int) returns bigint language sql as 'select 0::bigint'"
    ));
    let run = |tool: &str, args: &[&str]| {
        let url = sandbox.url_as(&role);
        let output = sandbox.tool(tool).args(args).env("DATABASE_URL", url).run();
        output.assert_exit(0);
        assert_discreet(&output);
    };
    let plain = |name: &str| {
        let known = format!("select 1 from pg_settings where name = '{name}'");
        !sandbox.query_text(&known).is_empty()
    };
    for setting in SETTINGS {
        if plain(setting.split(' ').next().unwrap()) {
            sandbox.sql(&format!("alter role {role} set {setting}"));
        }
    }
    run("migrate", &["upgrade", "0002"]);
    rows(&sandbox);
    run("migrate", &["upgrade"]);
    sandbox.sql(&format!(
        "update customers set email = '{IN_ROWS}' || chr(8364) || chr(92) || chr(9) || id where id < 9;
         insert into coupons (code) values ('<x');
         -- A server that was built without XML has none to lose.
         do $$ begin update coupons set x = '<a/>b<c/>' where code = '<x';
         exception when feature_not_supported then null; end $$"
    ));
    sandbox.sql(&format!(
        "alter role {role} set default_transaction_read_only = on"
    ));
    let before = State::of(&sandbox);
    run("rollback", &["to", "0001", "--confirm", &sandbox.database]);
    run("rollback", &["undo", "--yes"]);
    before.assert_restored(&sandbox);
    sandbox.sql(&format!(
        "reassign owned by {role} to postgres; drop owned by {role}; drop role {role}"
    ));
}
