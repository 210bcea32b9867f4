//! Reads a folder of migrations.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::path::PathBuf;

use crate::error::Error;
use crate::error::Result;
use crate::ident::Revision;
use crate::model::migration::Migration;
use crate::model::migration::Script;
use crate::source::file_name;
use crate::source::file_name::FileName;
use crate::source::header;
use crate::source::order;

/// The migrations in `folder`, in the order in which they are applied.
///
/// Hidden files, sub-folders and files that don't end in `.sql` are ignored. Anything that would
/// leave doubt about what to run is a usage error that names every problem at once: a `.sql` file
/// whose name has no version, two migrations of one revision, a rollback without its migration,
/// text that isn't UTF-8, dependencies that are unknown or circular.
pub fn read(folder: &Path) -> Result<Vec<Migration>> {
    let mut reading = Reading::default();
    for path in files(folder)? {
        reading.take(&path);
    }
    let mut migrations = reading.pair();
    if reading.problems.is_empty() {
        reading.problems = order::sort(&mut migrations);
    }
    match reading.problems.as_slice() {
        [] => Ok(migrations),
        [one] => Err(Error::usage(one.clone())),
        many => Err(Error::usage(format!(
            "{} problems in '{}':\n  {}",
            many.len(),
            folder.display(),
            many.join("\n  ")
        ))),
    }
}

/// The files of `folder` that may be migrations, sorted by name.
pub(super) fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).map_err(|e| {
        let shown = folder.display();
        if e.kind() == ErrorKind::NotFound {
            Error::usage(format!("there is no migrations folder '{shown}'"))
                .hint("name it with --migrations, or start one with `migrate revision -m MESSAGE`")
        } else {
            Error::usage(format!("can't read the migrations folder '{shown}'")).caused_by(e)
        }
    })?;
    let mut paths = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|e| {
            Error::usage(format!(
                "can't read the migrations folder '{}'",
                folder.display()
            ))
            .caused_by(e)
        })?;
        let name = entry.file_name();
        let hidden = name.to_string_lossy().starts_with('.');
        let path = entry.path();
        let sql = path
            .extension()
            .is_some_and(|x| x.eq_ignore_ascii_case("sql"));
        if !hidden && sql && !path.is_dir() {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

/// The files read so far: by revision and name.
#[derive(Default)]
struct Reading {
    ups: BTreeMap<Revision, (FileName, Script)>,
    downs: Vec<(FileName, Script)>,
    problems: Vec<String>,
}

impl Reading {
    fn take(&mut self, path: &Path) {
        let shown = path.display().to_string();
        let parsed = path
            .file_name()
            .and_then(|name| name.to_str())
            .and_then(file_name::parse);
        let Some(name) = parsed else {
            self.problems.push(format!(
                "'{shown}' is not named <version>_<name>.sql, the version being digits or YYYYMMDD_HHMMSS"
            ));
            return;
        };
        let text = match fs::read(path).map(String::from_utf8) {
            Ok(Ok(text)) => text,
            Ok(Err(_)) => {
                self.problems
                    .push(format!("'{shown}' is not text in UTF-8"));
                return;
            }
            Err(e) => {
                self.problems.push(format!("'{shown}' can't be read: {e}"));
                return;
            }
        };
        let script = Script::new(shown, &text);
        if name.down {
            self.take_down(name, script);
        } else {
            self.take_up(name, script);
        }
    }

    fn take_up(&mut self, name: FileName, script: Script) {
        if let Some((_, other)) = self.ups.get(&name.revision) {
            self.problems.push(format!(
                "'{}' and '{}' have the same revision",
                other.path, script.path
            ));
        } else {
            self.ups.insert(name.revision.clone(), (name, script));
        }
    }

    fn take_down(&mut self, name: FileName, script: Script) {
        let same = |n: &FileName| n.revision == name.revision && n.name == name.name;
        if let Some((_, other)) = self.downs.iter().find(|(n, _)| same(n)) {
            self.problems.push(format!(
                "'{}' and '{}' roll back the same migration",
                other.path, script.path
            ));
        } else {
            self.downs.push((name, script));
        }
    }

    /// Every migration with its way back.
    fn pair(&mut self) -> Vec<Migration> {
        let mut downs = std::mem::take(&mut self.downs);
        let mut migrations = Vec::new();
        for (name, up) in std::mem::take(&mut self.ups).into_values() {
            let found = downs
                .iter()
                .position(|(n, _)| n.revision == name.revision && n.name == name.name);
            let down = found.map(|i| downs.swap_remove(i).1);
            migrations.push(self.migration(name, up, down));
        }
        downs.sort_by(|a, b| a.1.path.cmp(&b.1.path));
        for (_, script) in downs {
            self.problems.push(format!(
                "'{}' is a rollback without its migration: the names must be the same but for the suffix",
                script.path
            ));
        }
        migrations
    }

    fn migration(&mut self, name: FileName, up: Script, down: Option<Script>) -> Migration {
        let header = header::read(&up.text);
        let down_header = down
            .as_ref()
            .map(|d| header::read(&d.text))
            .unwrap_or_default();
        let mut blame = |path: &str, problems: &[String]| {
            self.problems
                .extend(problems.iter().map(|p| format!("'{path}': {p}")));
        };
        blame(&up.path, &header.problems);
        if let Some(down) = &down {
            blame(&down.path, &down_header.problems);
        }
        Migration {
            revision: name.revision,
            name: name.name,
            description: header.description,
            depends_on: header.depends_on,
            transactional: !header.no_transaction,
            down_transactional: !down_header.no_transaction,
            up,
            down,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::folder_for_tests::Scratch;

    fn names(files: &[(&str, &str)]) -> String {
        let scratch = Scratch::with(files);
        match read(scratch.path()) {
            Ok(found) => found
                .iter()
                .map(|m| {
                    format!(
                        "{}{}",
                        m.full_name(),
                        if m.down.is_some() { "+" } else { "" }
                    )
                })
                .collect::<Vec<_>>()
                .join(" "),
            Err(e) => e
                .to_string()
                .replace(&scratch.path().display().to_string(), "DIR"),
        }
    }

    #[test]
    fn both_layouts_are_read_in_order() {
        let files = [
            ("10_c.sql", ""),
            ("9_b.up.sql", ""),
            ("9_b.down.sql", ""),
            ("0001_a.sql", ""),
            ("0001_a_rollback.sql", ""),
            ("README.md", ""),
            (".hidden.sql", ""),
            ("seed.txt", ""),
        ];
        assert_eq!(names(&files), "0001_a+ 9_b+ 10_c");
        assert_eq!(names(&[]), "");
    }

    #[test]
    fn dependencies_come_first() {
        let files = [
            ("1_a.sql", "-- depends-on: 3_c"),
            ("2_b.sql", ""),
            ("3_c.sql", "-- depends-on: 2"),
        ];
        assert_eq!(names(&files), "2_b 3_c 1_a");
        let circle = [
            ("1_a.sql", "-- depends-on: 2"),
            ("2_b.sql", "-- depends-on: 1"),
        ];
        assert!(names(&circle).contains("in a circle"));
        assert!(names(&[("1_a.sql", "-- depends-on: 1")]).contains("depends on itself"));
        assert!(names(&[("1_a.sql", "-- depends-on: 9")]).contains("9, which is not there"));
    }

    #[test]
    fn all_problems_are_named_at_once() {
        let found = names(&[
            ("1_a.sql", ""),
            ("01_b.sql", ""),
            ("2_c_rollback.sql", ""),
            ("note.sql", ""),
            ("3_d.sql", "-- transaction: sometimes"),
            ("4_e.sql", ""),
            ("4_e.down.sql", ""),
            ("4_e_rollback.sql", ""),
        ]);
        for part in [
            "5 problems in 'DIR'",
            "same revision",
            "without its migration",
            "note.sql",
            "neither",
            "roll back the same",
        ] {
            assert!(found.contains(part), "{part}: {found}");
        }
    }

    #[test]
    fn headers_and_texts_are_taken() {
        let scratch = Scratch::with(&[
            (
                "1_a.sql",
                "\u{feff}-- description: First\r\n-- transaction: off\r\nselect 1;\r\n",
            ),
            ("1_a_rollback.sql", "-- transaction: off\n"),
        ]);
        let found = read(scratch.path()).unwrap();
        assert_eq!(found[0].description, "First");
        assert!(!found[0].transactional && !found[0].down_transactional);
        assert!(found[0].up.text.ends_with("off\nselect 1;\n"));
    }

    #[test]
    fn unreadable_input_is_a_usage_error() {
        let scratch = Scratch::with(&[]);
        fs::write(scratch.path().join("1_a.sql"), [0xff, 0xfe]).unwrap();
        let error = read(scratch.path()).unwrap_err();
        assert!(error.to_string().contains("UTF-8"));
        let error = read(&scratch.path().join("missing")).unwrap_err();
        assert_eq!(error.kind().exit_code(), 2);
        assert!(error.hints()[0].contains("migrate revision"));
    }
}
