//! Reads a folder of migrations.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::path::PathBuf;

use crate::error::Error;
use crate::error::Result;
use crate::model::layout::Layout;
use crate::model::migration::Migration;
use crate::source::layout;
use crate::source::layout::Texts;
use crate::source::order;
use crate::source::reading::Reading;

/// The migrations in `folder`, in the order in which they are applied, whatever its layout.
///
/// Hidden files, sub-folders (but for the layouts that have them) and files that don't end in
/// `.sql` are ignored. Anything that would leave doubt about what to run is a usage error that
/// names every problem at once: a `.sql` file whose name has no version, two migrations of one
/// revision, a rollback without its migration, text that isn't UTF-8, what only the tool that the
/// layout is of can run, dependencies that are unknown or circular.
pub fn read(folder: &Path) -> Result<Vec<Migration>> {
    read_as(folder, None).map(|(_, migrations)| migrations)
}

/// As [`read`], in the layout given; `None` finds it by looking. Says which it is, too.
pub fn read_as(folder: &Path, layout: Option<Layout>) -> Result<(Layout, Vec<Migration>)> {
    let mut texts = Texts::default();
    let layout = layout.map_or_else(|| layout::look_into(folder, &mut texts), Ok)?;
    let mut reading = Reading::new(layout);
    for path in layout::files(list(folder)?, layout)? {
        reading.take(&path, texts.take(&path));
    }
    reading.take_together();
    if layout == Layout::Goose {
        let all = entries(folder)?.into_iter();
        reading.refuse_go(&all.map(|entry| entry.path).collect::<Vec<_>>());
    }
    let mut migrations = reading.pair();
    if reading.problems.is_empty() {
        reading.problems = order::sort(&mut migrations);
    }
    match reading.problems.as_slice() {
        [] => Ok((layout, migrations)),
        [one] => Err(Error::usage(one.clone())),
        many => Err(Error::usage(format!(
            "{} problems in '{}':\n  {}",
            many.len(),
            folder.display(),
            many.join("\n  ")
        ))),
    }
}

/// What is in a folder, but for what is hidden, sorted by name.
pub(super) struct Listing {
    /// The files that may be migrations.
    pub files: Vec<PathBuf>,
    /// The sub-folders.
    pub folders: Vec<PathBuf>,
}

/// Lists `folder`.
pub(super) fn list(folder: &Path) -> Result<Listing> {
    let (folders, rest): (Vec<Entry>, Vec<Entry>) =
        (entries(folder)?.into_iter()).partition(|entry| entry.is_folder);
    let is_sql = |path: &PathBuf| {
        let extension = path.extension();
        extension.is_some_and(|x| x.eq_ignore_ascii_case("sql"))
    };
    let files = rest.into_iter().map(|entry| entry.path);
    Ok(Listing {
        files: files.filter(is_sql).collect(),
        folders: folders.into_iter().map(|entry| entry.path).collect(),
    })
}

/// The files of `folder` that may be migrations, sorted by name.
pub(super) fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    list(folder).map(|listing| listing.files)
}

/// Something in a folder.
struct Entry {
    path: PathBuf,
    is_folder: bool,
}

/// What is in `folder`, but for what is hidden, sorted by name.
fn entries(folder: &Path) -> Result<Vec<Entry>> {
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
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(unreadable)?;
        if entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        let path = entry.path();
        // The listing knows it, but for links, which are followed.
        let is_folder = match entry.file_type() {
            Ok(kind) if !kind.is_symlink() => kind.is_dir(),
            _ => path.is_dir(),
        };
        found.push(Entry { path, is_folder });
    }
    // All of one folder: comparing the bytes does, and takes paths not apart.
    found.sort_by(|a, b| a.path.as_os_str().cmp(b.path.as_os_str()));
    Ok(found)
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
