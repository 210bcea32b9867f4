//! All rules, and checking with them.

use crate::model::loss::Finding;
use crate::model::migration::Migration;
use crate::rules::allow;
use crate::rules::database::{
    cascade_hidden, drift, edited, grade, no_file, no_key, rehearsed, row_security, stored_result,
    will_fail,
};
use crate::rules::delete;
use crate::rules::delete_all;
use crate::rules::drop_column;
use crate::rules::drop_extension;
use crate::rules::drop_schema;
use crate::rules::drop_sequence;
use crate::rules::drop_table;
use crate::rules::drop_type;
use crate::rules::empty;
use crate::rules::forward::{
    check_scans, destroys, index_locks, no_default, not_null_scans, reference_scans, type_rewrites,
    unique_locks,
};
use crate::rules::merge;
use crate::rules::missing;
use crate::rules::narrow_type;
use crate::rules::non_tx;
use crate::rules::opaque;
use crate::rules::refused;
use crate::rules::rule::{Direction, Rule};
use crate::rules::script::Script;
use crate::rules::side_effect;
use crate::rules::truncate;
use crate::rules::txn_control;
use crate::rules::unparseable;
use crate::rules::update;
use crate::rules::update_all;
use crate::rules::upsert;

/// Every rule, in the order of the documentation.
pub static RULES: &[&Rule] = &[
    &missing::RULE,
    &empty::RULE,
    &unparseable::RULE,
    &opaque::RULE,
    &txn_control::RULE,
    &non_tx::RULE,
    &side_effect::RULE,
    &refused::RULE,
    &drop_table::RULE,
    &drop_column::RULE,
    &narrow_type::RULE,
    &truncate::RULE,
    &delete::RULE,
    &delete_all::RULE,
    &update::RULE,
    &update_all::RULE,
    &merge::RULE,
    &upsert::RULE,
    &drop_schema::RULE,
    &drop_type::RULE,
    &drop_extension::RULE,
    &drop_sequence::RULE,
    &cascade_hidden::RULE,
    &no_key::RULE,
    &row_security::RULE,
    &stored_result::RULE,
    &will_fail::RULE,
    &drift::RULE,
    &no_file::RULE,
    &edited::RULE,
    &grade::RULE,
    &rehearsed::RULE,
    &index_locks::RULE,
    &unique_locks::RULE,
    &not_null_scans::RULE,
    &check_scans::RULE,
    &reference_scans::RULE,
    &type_rewrites::RULE,
    &no_default::RULE,
    &destroys::RULE,
];

/// The rule with this id, such as `RB-DROP-COLUMN`; case doesn't matter.
pub fn by_id(id: &str) -> Option<&'static Rule> {
    RULES
        .iter()
        .copied()
        .find(|rule| rule.id.eq_ignore_ascii_case(id))
}

/// What the rules find in the scripts of `migrations`, without a database: in the order of the
/// migrations, the way back before the way forward, within a script by line.
pub fn check_folder(migrations: &[Migration]) -> Vec<Finding> {
    let both = [Direction::Back, Direction::Forward];
    migrations
        .iter()
        .flat_map(|migration| both.map(|direction| check(migration, direction)))
        .flatten()
        .collect()
}

fn check(migration: &Migration, direction: Direction) -> Vec<Finding> {
    let script = Script::of(migration, direction);
    let mut found = Vec::new();
    for rule in RULES.iter().filter(|rule| rule.direction == direction) {
        (rule.check)(&script, &mut found);
    }
    found.sort_by_key(|finding| finding.line);
    allow::leave_out(script.text(), script.statements(), &mut found);
    found
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::model::migration::Script as Text;
    use crate::rules::rule;

    fn ids(down: &str) -> Vec<&'static str> {
        of(Direction::Back, down)
    }

    fn of(direction: Direction, sql: &str) -> Vec<&'static str> {
        let (up, down) = match direction {
            Direction::Back => ("", sql),
            Direction::Forward => (sql, "DROP VIEW v"),
        };
        let migration = Migration {
            revision: "1".parse().unwrap(),
            name: String::new(),
            description: String::new(),
            depends_on: Vec::new(),
            transactional: true,
            down_transactional: true,
            up: Text::new("1.sql", up),
            down: (down != rule::NO_SCRIPT).then(|| Text::new("1_rollback.sql", down)),
        };
        check_folder(&[migration]).iter().map(|f| f.rule).collect()
    }

    /// The names of the rules' files in a folder.
    fn files(folder: &str) -> BTreeSet<String> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.is_file())
            .map(|path| path.file_stem().unwrap().to_string_lossy().into_owned())
            .filter(|name| {
                ![
                    "mod", "registry", "rule", "script", "allow", "database", "forward",
                ]
                .contains(&name.as_str())
            })
            .collect()
    }

    fn file_of(rule: &Rule) -> String {
        let name = rule.id.trim_start_matches("RB-").trim_start_matches("FW-");
        name.to_lowercase().replace('-', "_")
    }

    fn from_files(rule: &Rule) -> bool {
        ["src/rules", "src/rules/forward"]
            .iter()
            .any(|folder| files(folder).contains(&file_of(rule)))
    }

    #[test]
    fn every_rule_finds_its_bad_case_and_not_its_good_one() {
        for rule in RULES.iter().filter(|rule| from_files(rule)) {
            let bad = of(rule.direction, rule.bad);
            assert!(bad.contains(&rule.id), "{}: {bad:?}", rule.id);
            let good = of(rule.direction, rule.good);
            assert!(!good.contains(&rule.id), "{}", rule.id);
        }
    }

    #[test]
    fn every_file_is_a_registered_rule() {
        let mut all = files("src/rules");
        all.append(&mut files("src/rules/database"));
        all.append(&mut files("src/rules/forward"));
        let ids: BTreeSet<String> = RULES.iter().map(|rule| file_of(rule)).collect();
        assert_eq!(all, ids);
        assert_eq!(ids.len(), RULES.len());
    }

    /// Every `"RB-…"` in the sources below `folder`.
    fn named(folder: &Path, into: &mut BTreeSet<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                named(&path, into);
                continue;
            }
            let text = fs::read_to_string(&path).unwrap_or_default();
            for part in text.split("\"RB-").skip(1) {
                if let Some((name, _)) = part.split_once('"') {
                    into.insert(format!("RB-{name}"));
                }
            }
        }
    }

    #[test]
    fn whatever_is_told_can_be_explained() {
        let mut ids = BTreeSet::new();
        named(
            &Path::new(env!("CARGO_MANIFEST_DIR")).join("src/ops"),
            &mut ids,
        );
        named(
            &Path::new(env!("CARGO_MANIFEST_DIR")).join("src/planner"),
            &mut ids,
        );
        assert!(ids.len() > 10, "{ids:?}");
        for id in ids {
            assert!(by_id(&id).is_some(), "{id}");
        }
    }

    #[test]
    fn a_comment_with_a_reason_allows_what_follows() {
        let drop = "ALTER TABLE t DROP a;";
        let cases = [
            (
                format!("-- pgbelay allow RB-DROP-COLUMN: unused\n{drop}"),
                0,
            ),
            (format!("{drop} -- pgbelay allow rb-drop-column: unused"), 0),
            (
                format!("-- pgbelay allow RB-DROP-COLUMN: unused\n{drop}\n{drop}"),
                1,
            ),
            (format!("-- pgbelay allow RB-DROP-COLUMN:\n{drop}"), 1),
            (format!("-- pgbelay allow RB-DROP-COLUMN\n{drop}"), 1),
            (format!("-- pgbelay allow RB-DROP-TABLE: unused\n{drop}"), 1),
            (
                format!("{drop}\n-- pgbelay allow RB-DROP-COLUMN: too late"),
                1,
            ),
        ];
        for (sql, expected) in cases {
            assert_eq!(ids(&sql).len(), expected, "{sql}");
        }
    }

    #[test]
    fn tables_that_the_script_made_are_nobodys() {
        for sql in [
            "CREATE TABLE t (a int); ALTER TABLE t ADD UNIQUE (a); CREATE INDEX ON t (a)",
            "CREATE TABLE s.t (a int); CREATE INDEX ON s.t (a); DROP TABLE s.t",
            "CREATE INDEX CONCURRENTLY i ON t (a)",
            "ALTER TABLE t ADD note text NOT NULL DEFAULT ''",
        ] {
            assert_eq!(of(Direction::Forward, sql), [""; 0], "{sql}");
        }
    }

    #[test]
    fn findings_are_exact() {
        let check = |sql: &str, expected: &[&str]| assert_eq!(ids(sql), expected, "{sql}");
        check("DROP INDEX i; ALTER TABLE t DROP CONSTRAINT k", &[]);
        check(
            "CREATE TABLE t (a int); DROP TABLE t; DROP TABLE t",
            &["RB-DROP-TABLE"],
        );
        check(
            "ALTER TABLE t ADD a int; UPDATE t SET a = b, b = 1",
            &["RB-UPDATE-ALL"],
        );
        check(
            "ALTER TABLE t ADD COLUMN IF NOT EXISTS a int; UPDATE t SET a = 1",
            &["RB-UPDATE-ALL"],
        );
        check("DELETE FROM t WHERE true", &["RB-DELETE-ALL"]);
        check("DELETE FROM t WHERE purge(id)", &["RB-OPAQUE", "RB-DELETE"]);
        check("BEGIN; DROP TABLE t; COMMIT", &["RB-DROP-TABLE"]);
        check("BEGIN; COMMIT", &["RB-EMPTY"]);
        check("", &["RB-EMPTY"]);
        check("SELECT 1 FROM t", &[]);
        check("SELECT setval('s', 1)", &[]);
        check("SELECT setval(s, 1) FROM t", &["RB-SIDE-EFFECT"]);
        check("COPY t TO '/tmp/x'", &["RB-SIDE-EFFECT"]);
        check("SET ROLE admin", &["RB-REFUSED"]);
        check(
            "DROP TABLE a;\nfoo;\nDROP TABLE b",
            &["RB-DROP-TABLE", "RB-UNPARSEABLE", "RB-DROP-TABLE"],
        );
        assert_eq!(by_id("rb-drop-table").map(|r| r.id), Some("RB-DROP-TABLE"));
        assert!(by_id("RB-NONE").is_none());
    }
}
