//! One schema, some migrations, some data; rolled back and undone.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::foretold::Held;
use crate::harness::Sandbox;
use crate::harness::binary::Output;
use crate::harness::state::{Catalog, assert_same_content};

/// A database at its newest revision, with data.
pub struct Case {
    /// Where it lives.
    pub sandbox: Sandbox,
}

/// Everything that an undo has to bring back.
pub struct State {
    content: BTreeMap<String, String>,
    catalog: Catalog,
    matviews: String,
    /// Tables whose rows are not compared.
    forgotten: Vec<String>,
}

impl State {
    /// Leaves the rows of a table out of what is compared, and the numbers that it gives them.
    pub fn forget(&mut self, table: &str) {
        self.forgotten.push(table.to_owned());
        self.leave_out();
    }

    fn leave_out(&mut self) {
        let forgotten = &self.forgotten;
        let of = |what: &str| {
            let what = what.trim_start_matches("sequence ");
            forgotten
                .iter()
                .any(|table| what.starts_with(table.as_str()))
        };
        self.content.retain(|what, _| !of(what));
    }

    /// `now` without what this one leaves out.
    fn like(&self, mut now: Self) -> Self {
        now.forgotten.clone_from(&self.forgotten);
        now.leave_out();
        now
    }
}

impl Case {
    /// `base` is revision 0001, each of `steps` (up, down) one more; `data` is written at the end.
    pub fn new(base: &str, steps: &[(&str, &str)], data: &str) -> Self {
        let sandbox = Sandbox::new();
        // However slow the machine is, the undo is tried.
        sandbox.write("pgbelay.toml", "proof_time = \"60s\"\n");
        sandbox.migration("0001_base", base, "select 1");
        for (number, (up, down)) in steps.iter().enumerate() {
            sandbox.migration(&format!("{:04}_step", number + 2), up, down);
        }
        sandbox.run("migrate", &["upgrade"]).assert_exit(0);
        sandbox.sql(data);
        Self { sandbox }
    }

    /// Everything as it is now.
    pub fn state(&self) -> State {
        State {
            content: self.sandbox.content(),
            catalog: self.sandbox.catalog(),
            matviews: self.matviews(),
            forgotten: Vec::new(),
        }
    }

    fn matviews(&self) -> String {
        let session = self.sandbox.session();
        let names = session.text(
            "select format('%I.%I', schemaname, matviewname) from pg_matviews
             where ispopulated order by 1",
        );
        let one = |name: &str| {
            let sql =
                format!("select md5(string_agg(m::text, ',' order by m::text)) from {name} m");
            format!("{name} {}\n", session.text(&sql))
        };
        names.lines().map(one).collect()
    }

    /// Rolls back to 0001.
    #[track_caller]
    pub fn back(&self) -> Output {
        let output = self.try_back();
        output.assert_exit(0);
        output
    }

    /// Rehearses the way to 0001: whatever the scripts lock there, so that others wait, is in the
    /// plan.
    #[track_caller]
    pub fn assert_locks_foretold(&self) {
        let args = ["validate", "0001", "--rehearse", "clone", "--json"];
        let report = &self.sandbox.run("rollback", &args).json()[0];
        let findings = report["findings"].as_array().unwrap().iter();
        let told = findings.filter_map(|finding| finding["message"].as_str());
        let told: Vec<&str> = told.filter(|text| text.contains("rehearsed on")).collect();
        let refused = report["verdict"] == "UNKNOWN";
        assert!(refused || !told.is_empty(), "not rehearsed: {report:#}");
        let unforeseen = told.iter().any(|text| text.contains("not foreseen"));
        assert!(!unforeseen, "{told:#?}\n{:#}", report["locks"]);
    }

    /// Rolls back to 0001, if that is allowed. What goes must have been foretold.
    #[track_caller]
    pub fn try_back(&self) -> Output {
        self.try_back_with(&[])
    }

    /// The same where what is there was not all made by migrations.
    #[track_caller]
    pub fn try_back_accepting_drift(&self) -> Output {
        self.try_back_with(&["--accept-drift"])
    }

    /// The same while others are connected, so that what goes can't be compared with a copy.
    #[track_caller]
    pub fn try_back_beside_others(&self) -> Output {
        let database = self.sandbox.database.as_str();
        let args = ["to", "0001", "--confirm", database, "--accept-drift"];
        self.sandbox.run("rollback", &args)
    }

    fn try_back_with(&self, more: &[&str]) -> Output {
        let held = Held::now(&self.sandbox);
        let database = self.sandbox.database.as_str();
        let args = [&["to", "0001", "--confirm", database, "--json"], more].concat();
        let output = self.sandbox.run("rollback", &args);
        if output.code == Some(0) {
            let lines = output.json();
            let plan = lines.iter().find(|line| line["type"] == "plan").unwrap();
            held.assert_foretold(&self.sandbox, plan, &output.last());
        }
        output
    }

    /// Undoes the rollback; returns the closing line.
    #[track_caller]
    pub fn undo(&self) -> Value {
        let output = self.sandbox.run("rollback", &["undo", "--yes", "--json"]);
        output.assert_exit(0);
        output.last()
    }

    /// Rolls back and undoes: all must be as it was but for the places of columns, and those must
    /// be reported.
    #[track_caller]
    pub fn exact(&self) {
        self.exact_once(&self.state());
    }

    /// The same again where columns came back: they have other numbers then.
    #[track_caller]
    pub fn exact_twice(&self) {
        if self.exact_once(&self.state()) {
            self.exact();
        }
    }

    /// The same where the rollback ends in another schema than there was, which is accepted.
    #[track_caller]
    pub fn exact_accepting_drift(&self) {
        let before = self.state();
        self.try_back_accepting_drift().assert_exit(0);
        self.assert_as(&before, &self.undo());
    }

    /// Rolls back by scripts that end in another schema than there was, which is accepted. What goes
    /// must have been foretold.
    #[track_caller]
    pub fn assert_foretold(&self) {
        self.try_back_with(&["--accept-drift", "--without-proof"])
            .assert_exit(0);
    }

    /// Returns whether columns stand in other places than `before`.
    #[track_caller]
    fn exact_once(&self, before: &State) -> bool {
        self.back();
        let done = self.undo();
        assert_eq!(done["conflicts"], Value::Array(vec![]), "conflicts");
        self.assert_as(before, &done);
        done["reordered"].as_array().is_some_and(|r| !r.is_empty())
    }

    /// Everything is as it was; `done` is the closing line of the undo.
    #[track_caller]
    pub fn assert_as(&self, before: &State, done: &Value) {
        let now = before.like(self.state());
        assert_same_content(&before.content, &now.content);
        before.catalog.assert_same_but_for_order(&now.catalog);
        assert_eq!(before.matviews, now.matviews, "materialized views");
        let reported = done["reordered"].as_array().unwrap();
        let reported: BTreeSet<&str> = reported.iter().map(|r| r.as_str().unwrap()).collect();
        for table in before.catalog.reordered_tables(&now.catalog) {
            let said = reported.iter().any(|r| r.contains(&*table));
            assert!(said, "{table} is in another order, reported: {reported:?}");
        }
    }

    /// The rollback is refused with `words`, and nothing was changed.
    #[track_caller]
    pub fn refused(&self, words: &str) {
        let before = self.state();
        let output = self.try_back();
        output.assert_exit(3);
        output.assert_says(words);
        self.assert_unchanged(&before);
    }

    /// Whatever was done was rolled back: all is as it was, but for numbers that were drawn.
    #[track_caller]
    pub fn assert_taken_back(&self, before: &State) {
        let rows = |content: &BTreeMap<String, String>| -> BTreeMap<String, String> {
            let rows = content
                .iter()
                .filter(|(what, _)| !what.starts_with("sequence "));
            rows.map(|(what, is)| (what.clone(), is.clone())).collect()
        };
        let now = before.like(self.state());
        assert_same_content(&rows(&before.content), &rows(&now.content));
        before.catalog.assert_same(&now.catalog);
    }

    /// Nothing at all was changed.
    #[track_caller]
    pub fn assert_unchanged(&self, before: &State) {
        let now = self.state();
        assert_same_content(&before.content, &now.content);
        before.catalog.assert_same(&now.catalog);
    }
}

/// A case that must come back exactly.
#[track_caller]
pub fn exact(base: &str, steps: &[(&str, &str)], data: &str) {
    Case::new(base, steps, data).exact();
}

/// As [`exact`], and once more where columns came back.
#[track_caller]
pub fn exact_twice(base: &str, steps: &[(&str, &str)], data: &str) {
    Case::new(base, steps, data).exact_twice();
}
