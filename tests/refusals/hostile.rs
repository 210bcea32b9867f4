use crate::harness::{Cluster, Sandbox};
use crate::scenes::{State, assert_discreet, fill, shop, to, undo};

const VALUES: &str = "
    alter table coupons add at date, add stamp timestamptz, add f float8, add b bytea,
        add span interval, add x xml, add arr numeric[];
    update coupons set at = '2026-02-01'::date + customer, stamp = '2026-03-29 00:59:59.123456+00',
        f = 0.1::float8 + customer / 3.0, b = '\\x00ff5c0a'::bytea,
        span = '1 year 2 days -03:04:05.6', arr = array[1.50, null, 'NaN']";

/// Settings that change how values are written, and what may be written.
#[test]
fn settings_of_a_role_change_no_value() {
    let sandbox = shop();
    sandbox.migration(
        "0003_values",
        VALUES,
        "
        alter table coupons drop at, drop stamp, drop f, drop b, drop span, drop x, drop arr",
    );
    sandbox.run("migrate", &["upgrade"]).assert_exit(0);
    sandbox.sql(&format!(
        "create schema shadow; create table shadow.customers (id int, points int);
         create table shadow.coupons (); create table shadow.orders (id int);
         create function shadow.count(int) returns bigint language sql as 'select 0::bigint';
         alter database {0} set search_path = public, shadow;
         alter database {0} set datestyle = 'SQL, DMY';
         alter database {0} set timezone = 'Pacific/Chatham';
         alter database {0} set intervalstyle = 'sql_standard';
         alter database {0} set extra_float_digits = -15;
         alter database {0} set bytea_output = 'escape';
         alter database {0} set default_transaction_read_only = on;
         alter database {0} set default_transaction_isolation = 'serializable';
         alter database {0} set lock_timeout = '1ms';
         alter database {0} set statement_timeout = '40ms';
         alter database {0} set idle_in_transaction_session_timeout = '10ms';
         alter database {0} set row_security = off;
         alter database {0} set standard_conforming_strings = off;
         alter database {0} set quote_all_identifiers = on;
         alter database {0} set xmloption = 'document';
         alter database {0} set client_min_messages = 'debug1';
         alter database {0} set client_encoding = 'LATIN1';
         alter database {0} set session_replication_role = 'replica'",
        sandbox.database
    ));
    let before = State::of(&sandbox);
    let output = to(&sandbox, "0001", &["--accept-drift"]).run();
    output.assert_exit(0);
    assert_discreet(&output);
    let output = undo(&sandbox, &[]).run();
    output.assert_exit(0);
    assert_discreet(&output);
    before.assert_restored(&sandbox);
}

#[test]
fn a_server_with_a_low_statement_timeout() {
    let cluster = Cluster::private(&[
        ("statement_timeout", "150ms"),
        ("lock_timeout", "20ms"),
        ("idle_in_transaction_session_timeout", "30ms"),
    ]);
    let sandbox = Sandbox::on(&cluster);
    fill(&sandbox);
    let before = State::of(&sandbox);
    to(&sandbox, "0001", &[]).run().assert_exit(0);
    undo(&sandbox, &[]).run().assert_exit(0);
    before.assert_restored(&sandbox);
}
