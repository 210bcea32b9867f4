//! Backups while tables change their shape: what is in one was so at one instant.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::Target;
use crate::harness::Sandbox;
use crate::harness::cluster::nonce;

/// How many backups are taken meanwhile; `scripts/race-test` asks for more.
fn races() -> u32 {
    let asked = std::env::var("PGBELAY_TEST_RACES").ok();
    asked.map_or(6, |races| {
        races.parse().expect("PGBELAY_TEST_RACES is a number")
    })
}

/// Tables that change, and a function that tells everything about all of them: names, columns
/// with types, partitions, rows. Each change notes in `stamp`, in its own transaction, what that
/// is when it is done.
const SCENE: &str = r"
    create table stamp (one int primary key, n bigint, state text);
    create table retyped (id int primary key, v int);
    create table reloaded (id int, step bigint);
    create table comes_and_goes (id int);
    create table events (at int not null, v text) partition by list (at);
    create table events_1 partition of events for values in (1);
    create table events_2 partition of events for values in (2);
    create sequence steps;
    insert into retyped select i, i from generate_series(1, 1000) i;
    insert into events select 1 + i % 2, 'e' || i from generate_series(1, 1000) i;
    create function public.state() returns text language plpgsql
        set search_path = pg_catalog as $$
    declare r record; rows text; result text := ''; begin
        for r in select c.oid, c.relname, c.relkind,
                   (select string_agg(a.attname || ' ' || format_type(a.atttypid, a.atttypmod), ','
                            order by a.attnum)
                    from pg_attribute a where a.attrelid = c.oid and a.attnum > 0
                      and not a.attisdropped) as columns,
                   (select i.inhparent::regclass::text from pg_inherits i where i.inhrelid = c.oid)
                       as parent
                 from pg_class c where c.relnamespace = 'public'::regnamespace
                   and c.relkind in ('r', 'p') and c.relname <> 'stamp' order by c.relname
        loop
            rows := '';
            if r.relkind = 'r' then
                execute format('select md5(coalesce(string_agg(t::text, %L order by t::text), %L))
                                || count(*) from only public.%I t', ';', '', r.relname)
                    into rows;
            end if;
            result := result || concat_ws('|', r.relname, r.relkind, r.columns, r.parent, rows)
                || E'\n';
        end loop;
        return result;
    end $$;
    insert into stamp values (1, 0, public.state());
";

/// The `n`-th change, which leaves the same tables behind whatever came before.
fn change(n: u64) -> String {
    let kind = if n.is_multiple_of(2) { "bigint" } else { "int" };
    match nonce() % 6 {
        0 => format!("alter table retyped alter v type {kind} using v + 1"),
        1 => format!(
            "truncate reloaded;
             insert into reloaded select i, {n} from generate_series(1, 500) i"
        ),
        2 => format!(
            "drop table if exists comes_and_goes;
             create table comes_and_goes (id int, n{n} bigint);
             insert into comes_and_goes select i, {n} from generate_series(1, 100) i"
        ),
        3 => "drop table if exists comes_and_goes".to_owned(),
        4 => "do $$ begin
                 if exists (select from pg_inherits where inhrelid = 'events_2'::regclass) then
                     alter table events detach partition events_2;
                     update events_2 set v = v || '-';
                 else
                     alter table events attach partition events_2 for values in (2);
                 end if; end $$"
            .to_owned(),
        _ => format!(
            "alter table retyped add column if not exists extra int default {n};
             update retyped set v = v + 1; alter table retyped drop column extra"
        ),
    }
}

/// Changes tables until told to stop. Returns how many changes were made.
fn upheaval(sandbox: &Sandbox, stop: &Arc<AtomicBool>) -> thread::JoinHandle<u64> {
    let session = sandbox.session();
    let stop = Arc::clone(stop);
    thread::spawn(move || {
        let mut done = 0;
        for n in 1.. {
            if stop.load(Ordering::Relaxed) {
                break;
            }
            // A backup holds its locks for long: a change that waits would keep everybody behind
            // it waiting, so it gives up and another one is tried.
            let change = change(n);
            let pause = (nonce() % 30) as f64 / 1000.0;
            let sql = format!(
                "begin; set local lock_timeout = '300ms'; {change};
                 update stamp set n = {n}, state = public.state();
                 select pg_sleep({pause}); commit"
            );
            match session.try_run(&sql) {
                Ok(()) => done += 1,
                Err(_) => session.run("rollback"),
            }
            thread::sleep(Duration::from_millis(nonce() % 25));
        }
        done
    })
}

#[test]
#[expect(
    clippy::print_stdout,
    reason = "the figures are what `scripts/race-test` is run for"
)]
fn a_backup_is_of_one_instant_whatever_changes_meanwhile() {
    let sandbox = Sandbox::new();
    sandbox.sql(SCENE);
    let stop = Arc::new(AtomicBool::new(false));
    let changes = upheaval(&sandbox, &stop);
    let (mut taken, mut refused) = (0, 0);
    for _ in 0..races() {
        thread::sleep(Duration::from_millis(nonce() % 40));
        let output = sandbox.run("backup", &["create", "--json"]);
        if output.code == Some(5) {
            // Definitions never stood still for long enough: said, and nothing is left.
            refused += 1;
            continue;
        }
        output.assert_exit(0);
        taken += 1;
        let id = output.last()["backup"].as_str().unwrap().to_owned();
        let target = Target::new(&sandbox);
        let args = ["restore", &id, "--into", &target.url, "--yes", "--compare"];
        sandbox.run("backup", &args).assert_exit(0);
        let session = sandbox.cluster.connect(&target.database, "postgres");
        let (said, is) = (
            session.text("select state from stamp"),
            session.text("select public.state()"),
        );
        assert_eq!(said, is, "backup {id} is torn");
        drop(session);
        target.drop(&sandbox.cluster);
    }
    stop.store(true, Ordering::Relaxed);
    let done = changes.join().unwrap();
    println!("{taken} backups between {done} changes, {refused} refused");
    assert!(taken * 4 >= races(), "{taken} taken, {refused} refused");
    assert!(done > u64::from(taken), "{done} changes");
}
