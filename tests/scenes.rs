//! What the tests of faults begin with, and all that must stay as it was.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use crate::harness::Sandbox;
use crate::harness::binary::{Output, Run};
use crate::harness::database::Session;
use crate::harness::state::{Catalog, assert_same_content};

/// Stands in rows, and must never be said.
pub const IN_ROWS: &str = "secretvalue";

/// The way back from 0002.
pub const DOWN: &str = "migrations/0002_points_rollback.sql";

/// Stands in the URL, and must never be said.
pub const PASSWORD: &str = "secretword";

/// The first migration of every scene.
pub const INIT: &str = "
    create table customers (id int primary key, email text not null unique);
    create table orders (id int primary key, customer int not null references customers, note text)";

/// A shop at 0002, which dropped nothing yet: going back to 0001 costs a column and a table.
pub fn shop() -> Sandbox {
    let sandbox = Sandbox::new();
    fill(&sandbox);
    sandbox
}

/// Applies the migrations of [`shop`] and puts rows into its tables.
pub fn fill(sandbox: &Sandbox) {
    write_migrations(sandbox);
    sandbox.run("migrate", &["upgrade"]).assert_exit(0);
    rows(sandbox);
}

/// The migrations of [`shop`].
pub fn write_migrations(sandbox: &Sandbox) {
    sandbox.migration("0001_init", INIT, "drop table orders; drop table customers");
    sandbox.migration(
        "0002_points",
        "alter table customers add points int not null default 0;\n\
         create table coupons (code text primary key, customer int references customers)",
        "drop table coupons;\nalter table customers drop points",
    );
}

/// The rows of [`shop`].
pub fn rows(sandbox: &Sandbox) {
    sandbox.sql(&format!(
        "insert into customers select i, '{IN_ROWS}' || i || '@example', i * 3
         from generate_series(1, 50) i;
         insert into orders select i, 1 + i % 50, '{IN_ROWS}' from generate_series(1, 80) i;
         insert into coupons select '{IN_ROWS}' || i, i from generate_series(1, 20) i"
    ));
}

/// Everything that a refused run must leave as it was.
#[derive(Debug)]
pub struct State {
    /// What tables and sequences hold.
    pub content: BTreeMap<String, String>,
    /// The schema.
    pub catalog: Catalog,
    /// Ledger and journal.
    pub ledger: String,
    /// The folder of backups.
    pub backups: BTreeMap<String, String>,
}

impl State {
    /// The state now.
    pub fn of(sandbox: &Sandbox) -> Self {
        Self {
            content: sandbox.content(),
            catalog: sandbox.catalog(),
            ledger: ledger(sandbox),
            backups: sandbox.tree(),
        }
    }

    /// Panics with the difference unless nothing changed since.
    #[track_caller]
    pub fn assert_untouched(&self, sandbox: &Sandbox) {
        self.assert_database_untouched(sandbox);
        let now: Vec<String> = sandbox.tree().into_keys().collect();
        let before: Vec<&String> = self.backups.keys().collect();
        assert!(self.backups == sandbox.tree(), "{before:?}\nnow: {now:?}");
    }

    /// The same without the folder of backups.
    #[track_caller]
    pub fn assert_database_untouched(&self, sandbox: &Sandbox) {
        assert_same_content(&self.content, &sandbox.content());
        self.catalog.assert_same(&sandbox.catalog());
        assert_eq!(self.ledger, ledger(sandbox));
        assert_nothing_left(sandbox);
    }

    /// Panics unless tables and schema are as they were, but for the order of columns.
    #[track_caller]
    pub fn assert_restored(&self, sandbox: &Sandbox) {
        assert_same_content(&self.content, &sandbox.content());
        self.catalog.assert_same_but_for_order(&sandbox.catalog());
        assert_nothing_left(sandbox);
    }
}

/// Ledger and journal as text.
pub fn ledger(sandbox: &Sandbox) -> String {
    let session = sandbox.session();
    ["ledger", "journal"]
        .map(|table| {
            let there = session.text(&format!("select to_regclass('pgbelay.{table}')"));
            if there.is_empty() {
                return String::new();
            }
            // Runs that came to nothing are noted, and change nothing.
            session.text(&format!(
                "select t::text from pgbelay.{table} t
                 where to_jsonb(t)->>'verb' is distinct from 'failed' order by sequence"
            ))
        })
        .join("\n")
}

/// Panics when a trigger, function, temporary object, lock or session of ours is still there.
#[track_caller]
pub fn assert_nothing_left(sandbox: &Sandbox) {
    let session = sandbox.session();
    wait_until_alone(&session);
    let left = session.text(
        "select 'trigger ' || tgname from pg_trigger where not tgisinternal and tgname ~ 'pgbelay'
             and tgrelid not in (select oid from pg_class where relnamespace =
                 (select oid from pg_namespace where nspname = 'pgbelay'))
         union all
         select 'relation ' || oid::regclass from pg_class c
         where relname ~ 'pgbelay' and relnamespace not in
             (select oid from pg_namespace where nspname in ('pgbelay', 'pg_toast'))
             and relkind <> 'i'
         union all
         select 'function ' || p.oid::regprocedure from pg_proc p where proname ~ '^pgbelay'
         union all
         select 'schema ' || nspname from pg_namespace where nspname = 'pgbelay_saved'
         union all
         select 'advisory lock' from pg_locks l join pg_database d on d.oid = l.database
         where locktype = 'advisory' and datname = current_database()",
    );
    assert_eq!(left, "", "something was left behind");
}

/// Waits until no session of ours is connected to the database of `session`: a server that lost
/// its client notices only at the end of a statement.
#[track_caller]
pub fn wait_until_alone(session: &Session) {
    let deadline = Instant::now() + Duration::from_mins(1);
    loop {
        let others = session.text(
            "select application_name, state, left(query, 80) from pg_stat_activity
             where datname = current_database() and pid <> pg_backend_pid()
               and application_name ~ '^(pgbelay|pg_dump)'",
        );
        if others.is_empty() {
            return;
        }
        assert!(Instant::now() < deadline, "still connected: {others}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// `rollback` with a password in its URL.
pub fn rollback(sandbox: &Sandbox, args: &[&str]) -> Run {
    let url = sandbox.url_as(&format!("postgres&password={PASSWORD}"));
    sandbox.tool("rollback").args(args).env("DATABASE_URL", url)
}

/// `rollback to REV` with consent.
pub fn to(sandbox: &Sandbox, revision: &str, more: &[&str]) -> Run {
    let consent = ["to", revision, "--confirm", &sandbox.database];
    rollback(sandbox, &[&consent, more].concat())
}

/// `rollback undo` with consent.
pub fn undo(sandbox: &Sandbox, more: &[&str]) -> Run {
    rollback(sandbox, &[&["undo", "--yes"], more].concat())
}

/// Panics unless `output` is one clear refusal: this exit code, one error with a next step, all
/// of `says`, and no secret.
#[track_caller]
pub fn assert_refused(output: &Output, code: i32, says: &[&str]) {
    output.assert_exit(code);
    assert_discreet(output);
    let count = |start: &str| {
        output
            .stderr
            .lines()
            .filter(|l| l.starts_with(start))
            .count()
    };
    assert_eq!(count("error:"), 1, "one error is expected from\n{output}");
    assert!(count("hint:") > 0, "a next step is expected from\n{output}");
    for text in says {
        output.assert_says(text);
    }
}

/// Panics when a password or a row's value was said.
#[track_caller]
pub fn assert_discreet(output: &Output) {
    output
        .assert_silent_about(PASSWORD)
        .assert_silent_about(IN_ROWS);
}

/// The ids of the backups that `backup list` calls complete.
pub fn complete_backups(sandbox: &Sandbox) -> Vec<String> {
    let output = sandbox.run("backup", &["list", "--json"]);
    output.assert_exit(0);
    let document = output.json().remove(0);
    let backups = document["backups"].as_array().unwrap().iter();
    backups
        .filter(|b| b["state"] == "complete")
        .map(|b| b["id"].as_str().unwrap().to_owned())
        .collect()
}

/// Panics unless every complete backup decrypts and is what it says.
#[track_caller]
pub fn assert_backups_sound(sandbox: &Sandbox) {
    for id in complete_backups(sandbox) {
        let verify = ["verify", &id, "--level", "decrypted"];
        sandbox.run("backup", &verify).assert_exit(0);
    }
}
