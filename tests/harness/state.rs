//! States to compare: what tables hold, what the schema is, what a folder holds.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use sha2::{Digest, Sha256};

use super::database::Session;
use super::sandbox::walk;

/// Tables and sequences of the user, as (schema, name, kind, quoted name).
const RELATIONS: &str = "
    select format('%I.%I', n.nspname, c.relname), c.relkind, c.oid
    from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('r', 'S')
      and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
      and n.nspname not in ('pgbelay', 'pgbelay_saved')
    order by 1";

/// Every table's (partitions count as tables) and sequence's content.
///
/// A row's digest is over its columns by name, so neither the order of rows nor that of columns
/// matters, and every value, NULL and the empty string among them, does.
pub fn content(session: &Session) -> BTreeMap<String, String> {
    // Functions in indexes may find others along the path, and planning is enough to need them.
    session.run(
        "set search_path = pg_catalog, public; set timezone = 'UTC'; set datestyle = 'ISO, YMD';
         set intervalstyle = 'iso_8601'; set bytea_output = 'hex'; set extra_float_digits = 1;
         set row_security = off; begin isolation level repeatable read read only",
    );
    let mut content = BTreeMap::new();
    for row in session.rows(RELATIONS) {
        let [Some(name), Some(kind), Some(oid)] = &row[..] else {
            unreachable!()
        };
        if kind == "S" {
            let state = session.text(&format!("select last_value, is_called from {name}"));
            content.insert(format!("sequence {name}"), state);
            continue;
        }
        // One expression per column: 'name=' and the quoted value; quoting tells NULL from 'NULL'.
        // A cast to text would cut the blanks off some types, format() does not.
        let columns = session.text(&format!(
            "select coalesce(string_agg(format('%L || format(''%%L'', %I)',
                                               attname || '=', attname),
                                        ', ' order by attname), '''''')
             from pg_attribute where attrelid = {oid} and attnum > 0 and not attisdropped"
        ));
        let state = session.text(&format!(
            "select count(*) || ' rows ' || md5(coalesce(string_agg(h, '' order by h), ''))
             from (select md5(array_to_string(array[{columns}], ',')) collate \"C\" as h from only {name}) as rows"
        ));
        content.insert(name.clone(), state);
    }
    session.run("rollback");
    content
}

/// The schema of a database, as `pg_dump --schema-only` writes it, less what differs by accident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Catalog {
    text: String,
}

impl Catalog {
    /// The schema of the database at `url`.
    pub fn of(pg_dump: &Path, url: &str) -> Self {
        let output = Command::new(pg_dump)
            .args([
                "--schema-only",
                "-N",
                "pgbelay",
                "-N",
                "pgbelay_saved",
                "-d",
                url,
            ])
            .output()
            .unwrap();
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "pg_dump failed: {complaint}");
        Self::from_dump(&String::from_utf8(output.stdout).unwrap())
    }

    /// The schema in the text of a dump.
    pub fn from_dump(dump: &str) -> Self {
        let accidental = ["\\restrict", "\\unrestrict", "-- Dumped "];
        let mut text = String::new();
        for line in dump.lines() {
            // Comments that only structure the dump say nothing that the statements don't.
            let empty = line.is_empty() || line == "--" || line.starts_with("-- Name: ");
            if !empty && !accidental.iter().any(|start| line.starts_with(start)) {
                text.push_str(&without_made_up_name(line));
                text.push('\n');
            }
        }
        Self { text }
    }

    /// The schema as text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The same with the columns of each table in the order of their text.
    pub fn without_column_order(&self) -> String {
        let mut result = String::new();
        self.visit(|part| match part {
            Part::Line(line) => result.extend([line, "\n"]),
            Part::Table {
                head,
                columns,
                tail,
            } => {
                let mut columns = columns.to_vec();
                columns.sort_unstable();
                result.extend([head, "\n", &columns.join("\n"), "\n", tail, "\n"]);
            }
        });
        result
    }

    /// The tables whose columns are the same in both, but in another order.
    pub fn reordered_tables(&self, other: &Self) -> BTreeSet<String> {
        let (mine, theirs) = (self.tables(), other.tables());
        mine.into_iter()
            .filter(|(name, columns)| {
                theirs.get(name).is_some_and(|others| {
                    let sorted = |list: &[String]| {
                        let mut list = list.to_vec();
                        list.sort_unstable();
                        list
                    };
                    columns != others && sorted(columns) == sorted(others)
                })
            })
            .map(|(name, _)| name)
            .collect()
    }

    /// The lines that only one of the two has: `-` for mine, `+` for the other's.
    pub fn difference(&self, other: &Self) -> String {
        let count = |text: &str| {
            let mut lines = BTreeMap::<String, i64>::new();
            text.lines()
                .for_each(|line| *lines.entry(line.to_owned()).or_default() += 1);
            lines
        };
        let mut lines = count(&self.text);
        for (line, times) in count(&other.text) {
            *lines.entry(line).or_default() -= times;
        }
        let mut result = String::new();
        for (line, times) in lines {
            let sign = if times > 0 { "-" } else { "+" };
            (0..times.abs()).for_each(|_| result.extend([sign, &line, "\n"]));
        }
        result
    }

    /// Panics with the lines that differ, unless the two are equal.
    #[track_caller]
    pub fn assert_same(&self, other: &Self) {
        assert!(self == other, "schemas differ:\n{}", self.difference(other));
    }

    /// Panics with the lines that differ, unless the two are equal but for the order of columns.
    #[track_caller]
    pub fn assert_same_but_for_order(&self, other: &Self) {
        let same = self.without_column_order() == other.without_column_order();
        assert!(same, "schemas differ:\n{}", self.difference(other));
    }

    fn tables(&self) -> BTreeMap<String, Vec<String>> {
        let mut tables = BTreeMap::new();
        self.visit(|part| {
            if let Part::Table { head, columns, .. } = part {
                let name = head.trim_end_matches(" (").rsplit_once("TABLE ").unwrap().1;
                tables.insert(
                    name.to_owned(),
                    columns.iter().map(ToString::to_string).collect(),
                );
            }
        });
        tables
    }

    fn visit(&self, mut visitor: impl FnMut(Part<'_>)) {
        let mut lines = self.text.lines();
        while let Some(line) = lines.next() {
            let table = line.starts_with("CREATE ") && line.contains("TABLE ");
            if !(table && line.ends_with(" (")) {
                visitor(Part::Line(line));
                continue;
            }
            let mut columns = Vec::new();
            let mut tail = "";
            for line in lines.by_ref() {
                if line.starts_with(')') {
                    tail = line;
                    break;
                }
                columns.push(line.trim_end_matches(','));
            }
            visitor(Part::Table {
                head: line,
                columns: &columns,
                tail,
            });
        }
    }
}

/// A piece of a schema's text.
enum Part<'a> {
    Line(&'a str),
    Table {
        head: &'a str,
        columns: &'a [&'a str],
        tail: &'a str,
    },
}

/// Panics naming the tables whose content differs, unless the two are equal.
#[track_caller]
pub fn assert_same_content(before: &BTreeMap<String, String>, after: &BTreeMap<String, String>) {
    let names: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    let differing: Vec<String> = names
        .into_iter()
        .filter(|name| before.get(*name) != after.get(*name))
        .map(|name| {
            let say = |map: &BTreeMap<String, String>| {
                map.get(name)
                    .cloned()
                    .unwrap_or_else(|| "absent".to_owned())
            };
            format!("{name}: {} → {}", say(before), say(after))
        })
        .collect();
    assert!(
        differing.is_empty(),
        "content differs:\n{}",
        differing.join("\n")
    );
}

/// Every file and folder under `folder`, by its path in it: length and digest, or `folder`.
pub fn tree(folder: &Path) -> BTreeMap<String, String> {
    walk(folder)
        .into_iter()
        .map(|path| {
            let name = path.strip_prefix(folder).unwrap().display().to_string();
            let state = if path.is_dir() {
                "folder".to_owned()
            } else {
                let bytes = fs::read(&path).unwrap();
                format!("{} bytes {}", bytes.len(), hex(&Sha256::digest(&bytes)))
            };
            (name, state)
        })
        .collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A line of a dump without the name of a NOT NULL that the server has made up: since 18 it gives one, by
/// what was free at the time.
fn without_made_up_name(line: &str) -> String {
    let made_up = || {
        let (before, rest) = line.split_once(" CONSTRAINT ")?;
        let (name, after) = rest.split_once(" NOT NULL")?;
        let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
        let is = stem.ends_with("_not_null") && !name.contains(' ');
        is.then(|| format!("{before} NOT NULL{after}"))
    };
    made_up().unwrap_or_else(|| line.to_owned())
}
