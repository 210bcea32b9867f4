//! Reads a folder of migrations.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::path::PathBuf;

use crate::error::Error;
use crate::error::Result;
use crate::ident::Revision;
use crate::model::layout::Layout;
use crate::model::migration::Migration;
use crate::model::migration::Script;
use crate::source::alembic;
use crate::source::file_name;
use crate::source::file_name::Style;
use crate::source::flyway;
use crate::source::flyway::Name;
use crate::source::header;
use crate::source::header::Header;
use crate::source::layout;
use crate::source::one_file;
use crate::source::order;
use crate::source::part;
use crate::source::part::Part;

/// The migrations in `folder`, in the order in which they are applied, whatever its layout.
///
/// Hidden files, sub-folders (but for the layouts that have them) and files that don't end in
/// `.sql` are ignored. Anything that would leave doubt about what to run is a usage error that
/// names every problem at once: a `.sql` file whose name has no version, two migrations of one
/// revision, a rollback without its migration, text that isn't UTF-8, what only the tool that the
/// layout is of can run, dependencies that are unknown or circular.
pub fn read(folder: &Path) -> Result<Vec<Migration>> {
    read_as(folder, None)
}

/// As [`read`], in the layout given; `None` finds it by looking.
pub fn read_as(folder: &Path, layout: Option<Layout>) -> Result<Vec<Migration>> {
    let layout = layout.map_or_else(|| layout::look(folder), Ok)?;
    let mut reading = Reading::new(layout);
    for path in layout::files(folder, layout)? {
        reading.take(&path);
    }
    reading.take_alembic();
    if layout == Layout::Goose {
        reading.refuse_go(folder)?;
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

/// The sub-folders of `folder`, but for hidden ones.
pub(super) fn sub_folders(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = entries(folder)?;
    found.retain(|path| path.is_dir());
    Ok(found)
}

/// The files of `folder` that may be migrations, sorted by name.
pub(super) fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = entries(folder)?;
    found.retain(|path| {
        let sql = path
            .extension()
            .is_some_and(|x| x.eq_ignore_ascii_case("sql"));
        sql && !path.is_dir()
    });
    Ok(found)
}

/// What is in `folder`, but for what is hidden, sorted by name.
fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let unreadable = |e| {
        let shown = folder.display();
        Error::usage(format!("can't read the migrations folder '{shown}'")).caused_by(e)
    };
    let entries = fs::read_dir(folder).map_err(|e| {
        if e.kind() == ErrorKind::NotFound {
            let shown = folder.display();
            Error::usage(format!("there is no migrations folder '{shown}'"))
                .hint("name it with --migrations, or start one with `migrate revision -m MESSAGE`")
        } else {
            unreadable(e)
        }
    })?;
    let mut paths = Vec::new();
    for entry in entries {
        let entry = entry.map_err(unreadable)?;
        if !entry.file_name().to_string_lossy().starts_with('.') {
            paths.push(entry.path());
        }
    }
    paths.sort();
    Ok(paths)
}

/// The scripts read so far.
struct Reading {
    layout: Layout,
    ups: BTreeMap<Revision, Part>,
    downs: Vec<Part>,
    /// Files of Alembic, which only make sense together.
    together: Vec<Script>,
    problems: Vec<String>,
}

impl Reading {
    const fn new(layout: Layout) -> Self {
        Self {
            layout,
            ups: BTreeMap::new(),
            downs: Vec::new(),
            together: Vec::new(),
            problems: Vec::new(),
        }
    }

    fn take(&mut self, path: &Path) {
        match self.parts(path) {
            Ok(parts) => self.add_all(parts),
            Err(problem) => self.problems.push(problem),
        }
    }

    /// The parts in the file at `path`; a problem in words.
    fn parts(&mut self, path: &Path) -> Result<Vec<Part>, String> {
        let shown = path.display().to_string();
        let file = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        let text = match fs::read(path).map(String::from_utf8) {
            Ok(Ok(text)) => text,
            Ok(Err(_)) => return Err(format!("'{shown}' is not text in UTF-8")),
            Err(e) => return Err(format!("'{shown}' can't be read: {e}")),
        };
        let script = Script::new(shown.clone(), &text);
        match self.layout {
            Layout::Alembic => {
                self.together.push(script);
                Ok(Vec::new())
            }
            Layout::Flyway => flyway_part(path, file, script),
            Layout::Diesel => diesel_part(path, file, script).map(|part| vec![part]),
            layout => {
                let name = file_name::parse(file).ok_or_else(|| {
                    format!(
                        "'{shown}' is not named <version>_<name>.sql, the version being digits or YYYYMMDD_HHMMSS"
                    )
                })?;
                if matches!(layout, Layout::Dbmate | Layout::Goose | Layout::Tern) {
                    return one_file::parts(layout, &name, &script);
                }
                let alone = name.style == Style::UpDown && part::stands_alone(&script.text);
                Ok(vec![Part {
                    no_transaction: alone || layout::has_no_transaction(&script.text),
                    revision: name.revision,
                    name: name.name,
                    down: name.down,
                    script,
                }])
            }
        }
    }

    /// goose runs migrations written in Go too; leaving them out would leave a gap.
    fn refuse_go(&mut self, folder: &Path) -> Result<()> {
        for path in entries(folder)? {
            let name = path.file_name().and_then(|name| name.to_str());
            let stem = name.and_then(|name| name.strip_suffix(".go"));
            if stem.is_some_and(|stem| file_name::split(stem).is_some()) {
                let shown = path.display();
                self.problems.push(format!(
                    "'{shown}' is written in Go, which only goose can run"
                ));
            }
        }
        Ok(())
    }

    fn take_alembic(&mut self) {
        if !self.together.is_empty() {
            let (parts, mut problems) = alembic::parts(&self.together);
            self.problems.append(&mut problems);
            self.add_all(parts);
        }
    }

    fn add_all(&mut self, parts: Vec<Part>) {
        for part in parts {
            self.add(part);
        }
    }

    fn add(&mut self, part: Part) {
        let other = if part.down {
            let same = |p: &&Part| p.revision == part.revision && self.belong(p, &part);
            self.downs.iter().find(same)
        } else {
            self.ups.get(&part.revision)
        };
        if let Some(other) = other {
            let what = if part.down {
                "roll back the same migration"
            } else {
                "have the same revision"
            };
            self.problems.push(format!(
                "'{}' and '{}' {what}",
                other.script.path, part.script.path
            ));
        } else if part.down {
            self.downs.push(part);
        } else {
            self.ups.insert(part.revision.clone(), part);
        }
    }

    /// Whether two scripts of one revision are of one migration. Names in pairs must agree;
    /// elsewhere the version alone counts.
    fn belong(&self, one: &Part, other: &Part) -> bool {
        self.layout != Layout::Pairs || one.name == other.name
    }

    /// Every migration with its way back.
    fn pair(&mut self) -> Vec<Migration> {
        let mut downs = std::mem::take(&mut self.downs);
        let mut migrations = Vec::new();
        for up in std::mem::take(&mut self.ups).into_values() {
            let found = downs
                .iter()
                .position(|down| down.revision == up.revision && self.belong(down, &up));
            let down = found.map(|i| downs.swap_remove(i));
            migrations.push(self.migration(up, down));
        }
        downs.sort_by(|a, b| a.script.path.cmp(&b.script.path));
        for down in downs {
            self.problems.push(format!(
                "'{}' is a rollback without its migration: the names must be the same but for the suffix",
                down.script.path
            ));
        }
        migrations
    }

    fn migration(&mut self, up: Part, down: Option<Part>) -> Migration {
        let up_header = self.header(&up);
        let down_header = down.as_ref().map(|down| self.header(down));
        let down_header = down_header.unwrap_or_default();
        let down_outside = down.as_ref().is_some_and(|down| down.no_transaction);
        Migration {
            revision: up.revision,
            name: up.name,
            description: up_header.description,
            depends_on: up_header.depends_on,
            transactional: !up_header.no_transaction && !up.no_transaction,
            down_transactional: !down_header.no_transaction && !down_outside,
            up: up.script,
            down: down.map(|down| down.script),
        }
    }

    fn header(&mut self, part: &Part) -> Header {
        let header = header::read(&part.script.text);
        let path = &part.script.path;
        let problems = header.problems.iter();
        self.problems
            .extend(problems.map(|p| format!("'{path}': {p}")));
        header
    }
}

fn flyway_part(path: &Path, file: &str, script: Script) -> Result<Vec<Part>, String> {
    let shown = &script.path;
    let (revision, name, down) = match flyway::parse(file) {
        Some(Name::Versioned {
            revision,
            name,
            down,
        }) => (revision, name, down),
        // Those are read by whoever runs them again.
        Some(Name::Repeatable(_)) => return Ok(Vec::new()),
        Some(Name::Baseline) => {
            return Err(format!(
                "'{shown}' is a baseline migration, which only Flyway can run"
            ));
        }
        None => return Err(format!("'{shown}' is not named as Flyway names migrations")),
    };
    if let Some(why) = flyway::beyond(&script.text) {
        return Err(format!("'{shown}': {why}"));
    }
    let mut beside = path.as_os_str().to_owned();
    beside.push(".conf");
    let conf = fs::read_to_string(beside).unwrap_or_default();
    Ok(vec![Part {
        revision,
        name,
        down,
        no_transaction: flyway::outside(&conf) || part::stands_alone(&script.text),
        script,
    }])
}

/// diesel: the folder bears the name, with a version that may be divided by dashes.
fn diesel_part(path: &Path, file: &str, script: Script) -> Result<Part, String> {
    let folder = path.parent().unwrap_or(path);
    let stem = folder.file_name().and_then(|name| name.to_str());
    let (version, name) = stem
        .map(|stem| stem.split_once('_').unwrap_or((stem, "")))
        .unwrap_or_default();
    let revision = version.replace('-', "").parse();
    let revision =
        revision.map_err(|_| format!("'{}' is not named <version>_<name>", folder.display()))?;
    let metadata = fs::read_to_string(folder.join("metadata.toml")).unwrap_or_default();
    let outside = |line: &str| line.replace(' ', "") == "run_in_transaction=false";
    Ok(Part {
        revision,
        name: name.to_owned(),
        down: file == "down.sql",
        no_transaction: metadata.lines().any(|line| outside(line.trim())),
        script,
    })
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
