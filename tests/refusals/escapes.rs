use std::path::Path;

use crate::scenes::{DOWN, State, assert_discreet, shop, to};

/// Objects that hide what they do behind a harmless name.
const TRAPS: &str = "
    create function wipe() returns int language plpgsql volatile as
        'begin delete from orders; return 1; end';
    create function wipe_quietly() returns int language plpgsql stable as
        'begin perform wipe(); return 1; end';
    create function wipe_trigger() returns trigger language plpgsql as
        'begin delete from orders; return new; end';
    create procedure wipe_all() language plpgsql as 'begin delete from orders; end';
    create view trap as select wipe() as one;
    create domain checked as int check (wipe() > 0);
    create operator !! (rightarg = int, function = wipe_int);";

/// Scripts that try to leave the transaction, to act outside of it, or to hide what they destroy.
/// FILE stands for the path of a file that must not come to be.
const ESCAPES: [&str; 34] = [
    // Out of the transaction.
    "drop table coupons; commit; delete from orders",
    "rollback; delete from orders",
    "end; delete from orders",
    "abort; begin; delete from orders; commit",
    "commit and chain; delete from orders",
    "prepare transaction 'x'; delete from orders",
    "set transaction read only; delete from orders",
    "do $$ begin delete from orders; commit; end $$",
    "create procedure p() language plpgsql as $$ begin commit; delete from orders; end $$; call p()",
    // Outside of the transaction.
    "copy orders to 'FILE'",
    "copy (select 1) to program 'touch FILE'",
    "create table t (l text); copy t from program 'touch FILE; echo x'",
    "select lo_export(lo_from_bytea(0, 'x'), 'FILE')",
    "create extension dblink; select dblink_exec('dbname=' || current_database(), 'delete from orders')",
    "select pg_advisory_lock(1); delete from orders",
    "select pg_reload_conf(); delete from orders",
    "alter system set work_mem = '1MB'",
    "notify x; delete from orders",
    "\\! touch FILE",
    // Out of sight.
    "alter table orders disable trigger all; delete from orders; alter table orders enable trigger all",
    "set session_replication_role = replica; delete from orders",
    "select set_config('session_replication_role', 'replica', false); delete from orders",
    "set role pg_monitor; delete from orders",
    "create event trigger e on ddl_command_end execute function f()",
    "create rule r as on update to customers do also delete from orders; update customers set points = 1",
    "create trigger x after update on customers execute function wipe_trigger(); update customers set points = 1",
    "select * from trap",
    "create table n as select wipe_quietly() as one",
    "alter table customers add one int default wipe()",
    "create materialized view m as select * from trap",
    "create table n (c checked); insert into n values (1)",
    "explain analyze delete from orders",
    // At what the toolkit relies on.
    "drop schema pgbelay cascade",
    "truncate \"pgbelay\".journal",
];

#[test]
fn no_script_escapes() {
    let sandbox = shop();
    let traps = TRAPS.replace(
        "create operator",
        "create function wipe_int(int) returns int language sql as 'select wipe()'; create operator",
    );
    sandbox.sql(&traps);
    let file = sandbox.folder.join("escaped");
    let path = file.to_str().unwrap();
    let before = State::of(&sandbox);
    let check = |script: &str, flags: &[&str]| {
        let output = to(&sandbox, "0001", flags).run();
        let refused = matches!(output.code, Some(1 | 3));
        assert!(
            refused,
            "{script} {flags:?} ended with {:?}\n{output}",
            output.code
        );
        assert_discreet(&output);
        assert!(!Path::new(path).exists(), "{script} {flags:?} made a file");
        before.assert_untouched(&sandbox);
    };
    for script in ESCAPES {
        sandbox.write(DOWN, &script.replace("FILE", path));
        check(script, &[]);
    }
    // Whoever forces it takes what can't be judged, not what breaks the promise.
    for script in [
        "drop table coupons; commit; delete from orders",
        "do $$ begin delete from orders; commit; end $$",
        "alter table orders disable trigger all; delete from orders; alter table orders enable trigger all",
        "do $$ begin alter table orders disable trigger all; delete from orders; end $$",
        "do $$ begin delete from pgbelay.progress; drop schema pgbelay cascade; end $$",
        "drop schema pgbelay cascade",
        "do $$ begin perform lo_unlink(lo_from_bytea(0, 'x')); end $$",
    ] {
        sandbox.write(DOWN, script);
        check(script, &["--force", "--accept-drift"]);
    }
}
