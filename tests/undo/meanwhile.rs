//! What happens between a rollback and its undo, and what must have come of it: a model of what others
//! wrote, which knows nothing of the product.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

use super::drawn::Draw;
use super::odd::Made;
use crate::harness::Sandbox;
use crate::harness::database::Session;

/// The rows of a table by their key.
type Rows = BTreeMap<i64, Value>;

/// What others do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Meanwhile {
    /// Nothing.
    Nothing,
    /// They write rows.
    Writes,
    /// A transaction writes that began before the rollback.
    OlderTransaction,
    /// The database is moved by `pg_dump`.
    MovedByDump,
    /// The database is moved by a backup of ours.
    MovedByBackup,
    /// One table is put back first.
    InPart,
}

impl Meanwhile {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Nothing,
        Self::Writes,
        Self::OlderTransaction,
        Self::MovedByDump,
        Self::MovedByBackup,
        Self::InPart,
    ];

    /// What it is called in the sums.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nothing => "nothing meanwhile",
            Self::Writes => "writes",
            Self::OlderTransaction => "older transaction",
            Self::MovedByDump => "moved by pg_dump",
            Self::MovedByBackup => "moved by a backup",
            Self::InPart => "in part first",
        }
    }
}

/// What somebody did to a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Write {
    /// Set the column that no script touches.
    Updated(i64),
    /// Took it away.
    Deleted,
    /// Made it, under a key that no row had.
    Inserted(i64),
    /// Made it in the place of another.
    Replaced(i64),
}

/// What was there, and what others wrote since.
pub struct Model<'a> {
    made: &'a Made,
    before: Rows,
    writes: BTreeMap<i64, Write>,
}

fn rows(session: &Session, made: &Made) -> Rows {
    let sql = format!(
        "select {}, to_jsonb(t) from only {} as t",
        made.key, made.table
    );
    let rows = session.rows(&sql).into_iter();
    rows.map(|row| {
        let text = |at: usize| row[at].as_deref().unwrap();
        (
            text(0).parse().unwrap(),
            serde_json::from_str(text(1)).unwrap(),
        )
    })
    .collect()
}

impl<'a> Model<'a> {
    /// What the table of `made` holds before the rollback.
    pub fn of(sandbox: &Sandbox, made: &'a Made) -> Self {
        Self {
            made,
            before: rows(&sandbox.session(), made),
            writes: BTreeMap::new(),
        }
    }

    /// Somebody writes, on `session`. Statements that the table doesn't allow do nothing. Returns what was
    /// run.
    pub fn write(&mut self, draw: &mut Draw, session: &Session) -> String {
        let (table, key, own) = (&self.made.table, &self.made.key, &self.made.own);
        let mut told = String::new();
        let left: BTreeSet<i64> = rows(session, self.made).into_keys().collect();
        for number in 0..2 + draw.below(6) {
            let there: Vec<i64> = rows(session, self.made).into_keys().collect();
            let value = 1000 + number as i64;
            let some = there.get(draw.below(there.len().max(1))).copied();
            let known: Vec<i64> = self.before.keys().copied().collect();
            let (id, sql, write) = match (draw.below(4), some) {
                (0, Some(id)) => (
                    id,
                    format!("update {table} set {own} = {value} where {key} = {id}"),
                    match self.writes.get(&id) {
                        Some(Write::Inserted(_)) => Write::Inserted(value),
                        Some(Write::Replaced(_)) => Write::Replaced(value),
                        _ => Write::Updated(value),
                    },
                ),
                (1, Some(id)) => (
                    id,
                    format!("delete from {table} where {key} = {id}"),
                    Write::Deleted,
                ),
                (2, _) if !known.is_empty() => {
                    let id = known[draw.below(known.len())];
                    (
                        id,
                        format!(
                            "delete from {table} where {key} = {id}; \
                             insert into {table} ({key}, {own}) values ({id}, {value})"
                        ),
                        Write::Replaced(value),
                    )
                }
                _ => {
                    let id = 2000 + number as i64;
                    (
                        id,
                        format!("insert into {table} ({key}, {own}) values ({id}, {value})"),
                        Write::Inserted(value),
                    )
                }
            };
            let sql = format!("savepoint w; {sql}; release savepoint w");
            if session.try_run(&sql).is_ok() {
                // What the rollback took and nobody else has comes back.
                if write == Write::Deleted && !left.contains(&id) {
                    self.writes.remove(&id);
                } else {
                    self.writes.insert(id, write);
                }
            } else {
                session.run("rollback to savepoint w; release savepoint w");
            }
            told += &format!("{sql};\n");
        }
        told
    }

    /// What must hold after the undo, which ended with `done`.
    pub fn check(&self, sandbox: &Sandbox, done: &Value) {
        let after = rows(&sandbox.session(), self.made);
        let name = &self.made.table;
        let own = self.made.own.trim_matches('"').replace("\"\"", "\"");
        let told = done["conflicts"].as_array().unwrap().iter();
        let aside = told.filter_map(|c| c["reason"].as_str());
        let aside = aside
            .into_iter()
            .any(|why| why.contains("whether these are still"));
        let keys = self.before.keys().chain(self.writes.keys()).copied();
        let keys: BTreeSet<i64> = keys.chain(after.keys().copied()).collect();
        for id in keys {
            let (was, is) = (self.before.get(&id), after.get(&id));
            let value = is.map(|row| row[&own].as_i64());
            match self.writes.get(&id) {
                None => assert_eq!(is, was, "{name}: row {id}, which nobody wrote"),
                Some(Write::Deleted) => {
                    assert_eq!(is, None, "{name}: row {id}, which somebody deleted");
                }
                Some(Write::Updated(wrote)) => {
                    assert_eq!(value, Some(Some(*wrote)), "{name}: row {id}, updated");
                    let mut wanted = was.cloned().unwrap_or_default();
                    wanted[&own] = (*wrote).into();
                    if was.is_some() && !aside {
                        assert_eq!(is, Some(&wanted), "{name}: row {id}, updated");
                    }
                }
                Some(Write::Inserted(wrote) | Write::Replaced(wrote)) => {
                    assert_eq!(value, Some(Some(*wrote)), "{name}: row {id}, made since");
                }
            }
        }
    }
}

/// Moves the database by `pg_dump`, and gives the copy its name.
pub fn move_by_dump(sandbox: &Sandbox) {
    let fresh = fresh(sandbox);
    let bin = &sandbox.cluster.installation.bin;
    let dump = sandbox.folder.join("moved.dump");
    let run = |command: &mut Command| {
        let output = command.output().unwrap();
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{complaint}");
    };
    run(Command::new(bin.join("pg_dump"))
        .args(["-Fc", "-d", &sandbox.url(), "-f"])
        .arg(&dump));
    run(Command::new(bin.join("pg_restore"))
        .args(["-d", &sandbox.url_of(&fresh, "postgres")])
        .arg(&dump));
    take_over(sandbox, &fresh);
}

/// Moves the database by a backup, and gives the copy its name.
pub fn move_by_backup(sandbox: &Sandbox) {
    let fresh = fresh(sandbox);
    sandbox.run("backup", &["create"]).assert_exit(0);
    let into = sandbox.url_of(&fresh, "postgres");
    let args = ["restore", "latest", "--into", &into, "--yes"];
    sandbox.run("backup", &args).assert_exit(0);
    take_over(sandbox, &fresh);
}

fn fresh(sandbox: &Sandbox) -> String {
    let fresh = sandbox.cluster.fresh_name();
    let session = sandbox.cluster.connect("postgres", "postgres");
    session.run(&format!("create database {fresh} template template0"));
    fresh
}

fn take_over(sandbox: &Sandbox, fresh: &str) {
    let session = sandbox.cluster.connect("postgres", "postgres");
    session.run(&format!("drop database {} with (force)", sandbox.database));
    session.run(&format!(
        "alter database {fresh} rename to {}",
        sandbox.database
    ));
}
