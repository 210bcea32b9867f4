//! Starts a new migration: two files with a header and a hint what belongs there.

use std::fs;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;
use std::path::PathBuf;

use chrono::TimeDelta;

use crate::clock::Timestamp;
use crate::error::Context as _;
use crate::error::Error;
use crate::error::Result;
use crate::ident::Revision;
use crate::model::layout::Layout;
use crate::source::file_name;
use crate::source::folder;
use crate::source::layout;

/// The longest name made of a message.
const LONGEST: usize = 60;

/// The statements of a new migration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Body {
    /// The way forward.
    pub up: String,
    /// The way back.
    pub down: String,
}

/// Writes the files of a new migration into `folder`, which is made when it isn't there, in its
/// layout, and returns their paths: the way forward, then the way back where it has a file of its
/// own. Without a `body`, they say what belongs there.
///
/// The version is the time `now`, as `YYYYMMDD_HHMMSS`; in a folder that counts, it is the next
/// number, as wide as the newest. Nothing is ever overwritten.
pub fn create(
    folder: &Path,
    layout: Option<Layout>,
    message: &str,
    depends_on: &[Revision],
    body: Option<&Body>,
    now: Timestamp,
) -> Result<Vec<PathBuf>> {
    fs::create_dir_all(folder).context(format!(
        "can't make the migrations folder '{}'",
        folder.display()
    ))?;
    let layout = layout.map_or_else(|| layout::look(folder), Ok)?;
    let newest = newest(folder, layout)?;
    let version = version(newest.as_ref(), now)?;
    let name = slug(message);
    if name.is_empty() {
        return Err(Error::usage(
            "the message has no letters or digits to name a file after",
        ));
    }
    let stem = format!("{version}_{name}");
    let read_back = file_name::parse(&format!("{stem}.sql"));
    let mislead = !read_back.is_some_and(|f| f.revision == version && f.name == name && !f.down);
    if mislead && layout != Layout::Flyway {
        return Err(
            Error::usage(format!("'{stem}' would be read as something else"))
                .hint("choose other words: names that end in 'rollback' mean the way back"),
        );
    }
    let title = message.split_whitespace().collect::<Vec<_>>().join(" ");
    let up = forward(&title, depends_on, body.map(|body| body.up.as_str()));
    let down = back(&title, body.map(|body| body.down.as_str()));
    let files = match layout {
        Layout::Pairs => vec![
            (format!("{stem}.sql"), up),
            (format!("{stem}_rollback.sql"), down),
        ],
        Layout::GolangMigrate | Layout::Sqlx => vec![
            (format!("{stem}.up.sql"), up),
            (format!("{stem}.down.sql"), down),
        ],
        Layout::Diesel => vec![
            (format!("{stem}/up.sql"), up),
            (format!("{stem}/down.sql"), down),
        ],
        Layout::Flyway => vec![
            (format!("V{version}__{name}.sql"), up),
            (format!("U{version}__{name}.sql"), down),
        ],
        Layout::Dbmate => vec![(
            format!("{stem}.sql"),
            format!("-- migrate:up\n{up}\n-- migrate:down\n{down}"),
        )],
        Layout::Goose => vec![(
            format!("{stem}.sql"),
            format!("-- +goose Up\n{up}\n-- +goose Down\n{down}"),
        )],
        Layout::Tern => vec![(
            format!("{stem}.sql"),
            format!("{up}\n---- create above / drop below ----\n\n{down}"),
        )],
        Layout::Alembic => {
            return Err(Error::usage("revisions of Alembic are written by Alembic")
                .hint("alembic revision -m MESSAGE, then alembic upgrade base:head --sql"));
        }
    };
    let mut paths: Vec<PathBuf> = Vec::new();
    for (file, text) in files {
        let path = folder.join(file);
        let written = write(&path, &text);
        written.map_err(|e| match paths.first() {
            Some(first) => e.done(format!("wrote '{}'", first.display())),
            None => e,
        })?;
        paths.push(path);
    }
    Ok(paths)
}

/// The newest revision of the folder. Layouts that people write by hand are read by the names
/// alone, so that a mistake elsewhere stands in nobody's way.
fn newest(folder: &Path, layout: Layout) -> Result<Option<Revision>> {
    if matches!(layout, Layout::Diesel | Layout::Flyway | Layout::Alembic) {
        let (_, migrations) = folder::read_as(folder, Some(layout))?;
        return Ok(migrations.into_iter().map(|m| m.revision).max());
    }
    let names = folder::files(folder)?;
    Ok(names
        .iter()
        .filter_map(|path| file_name::parse(path.file_name()?.to_str()?))
        .map(|name| name.revision)
        .max())
}

/// The version after `newest`, in its style.
fn version(newest: Option<&Revision>, now: Timestamp) -> Result<Revision> {
    let text = newest.map_or("", Revision::as_str);
    if let Some((head, last)) = text.rsplit_once('.')
        && let Ok(last) = last.parse::<u64>()
    {
        return format!("{head}.{}", last + 1).parse();
    }
    let counts = !text.is_empty() && !text.contains('_') && text.len() < 14;
    if counts {
        let number: u64 = text
            .parse()
            .map_err(|_| Error::usage(format!("can't count on from revision {text}")))?;
        return format!("{:0width$}", number + 1, width = text.len()).parse();
    }
    let format = if text.contains('_') || text.is_empty() {
        "%Y%m%d_%H%M%S"
    } else {
        "%Y%m%d%H%M%S"
    };
    // Two in the same second must not collide.
    for seconds in 0..60 {
        let at = now + TimeDelta::seconds(seconds);
        let version: Revision = at.format(format).to_string().parse()?;
        if newest.is_none_or(|n| version > *n) {
            return Ok(version);
        }
    }
    Err(
        Error::usage(format!("the newest migration, {text}, lies in the future"))
            .hint("check the clock, or rename that migration"),
    )
}

/// `message` as part of a file name: lower case, words joined by `_`.
fn slug(message: &str) -> String {
    let spaced: String = message
        .to_lowercase()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { ' ' })
        .collect();
    let mut name = spaced.split_whitespace().collect::<Vec<_>>().join("_");
    name.truncate(LONGEST);
    name.trim_end_matches('_').to_owned()
}

fn forward(title: &str, depends_on: &[Revision], body: Option<&str>) -> String {
    let depends_on: Vec<&str> = depends_on.iter().map(Revision::as_str).collect();
    let depends_on = if depends_on.is_empty() {
        String::new()
    } else {
        format!("-- depends-on: {}\n", depends_on.join(", "))
    };
    let body = body.unwrap_or(
        "-- The way forward. All of it runs in one transaction; 'transaction: off' is for\n\
         -- statements that can't, such as CREATE INDEX CONCURRENTLY.\n",
    );
    format!("-- description: {title}\n{depends_on}-- transaction: on\n\n{body}")
}

fn back(title: &str, body: Option<&str>) -> String {
    let body = body.unwrap_or(
        "-- The way back, in reverse order. What it destroys is saved before it runs;\n\
         -- `rollback validate` says what that would be.\n",
    );
    format!("-- description: takes back: {title}\n-- transaction: on\n\n{body}")
}

fn write(path: &Path, text: &str) -> Result<()> {
    let shown = format!("can't write '{}'", path.display());
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).context(shown.clone())?;
    }
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .context(shown)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::folder_for_tests::Scratch;

    fn created(files: &[&str], message: &str) -> String {
        let files: Vec<(&str, &str)> = files.iter().map(|f| (*f, "")).collect();
        let scratch = Scratch::with(&files);
        let now = "2026-01-02T03:04:05Z".parse().unwrap();
        match create(
            scratch.path(),
            None,
            message,
            &["0001".parse().unwrap()],
            None,
            now,
        ) {
            Ok(paths) => paths
                .iter()
                .map(|p| p.file_name().unwrap().to_string_lossy().into_owned())
                .collect::<Vec<_>>()
                .join(" "),
            Err(e) => e.to_string(),
        }
    }

    #[test]
    fn the_style_of_the_folder_is_kept() {
        let check = |files: &[&str], expected: &str| {
            assert_eq!(created(files, "Add  X, y!"), expected, "{files:?}");
        };
        check(
            &[],
            "20260102_030405_add_x_y.sql 20260102_030405_add_x_y_rollback.sql",
        );
        check(
            &["0009_a.sql"],
            "0010_add_x_y.sql 0010_add_x_y_rollback.sql",
        );
        check(
            &["9_a.up.sql", "1_b.sql"],
            "10_add_x_y.up.sql 10_add_x_y.down.sql",
        );
        check(
            &["20260102030405_a.sql"],
            "20260102030406_add_x_y.sql 20260102030406_add_x_y_rollback.sql",
        );
        check(
            &["20260102_030405_a.sql"],
            "20260102_030406_add_x_y.sql 20260102_030406_add_x_y_rollback.sql",
        );
        check(
            &["20990102_030405_a.sql"],
            "the newest migration, 20990102_030405, lies in the future",
        );
    }

    #[test]
    fn the_layout_of_the_folder_is_kept() {
        let check = |layout: Layout, expected: &str| {
            let scratch = Scratch::with(&[]);
            let folder = scratch.path();
            let now = "2026-01-02T03:04:05Z".parse().unwrap();
            let paths = create(folder, Some(layout), "Add x", &[], None, now).unwrap();
            let shown = paths.iter().map(|p| p.strip_prefix(folder).unwrap());
            let shown: Vec<String> = shown.map(|p| p.display().to_string()).collect();
            assert_eq!(shown.join(" "), expected);
            // Found again by looking, with both ways, and counted on.
            if layout != Layout::Sqlx {
                assert_eq!(layout::look(folder).unwrap(), layout);
            }
            let found = folder::read(folder).unwrap();
            assert_eq!(
                found[0].full_name(),
                "20260102_030405_add_x"
                    .replace("_0", if layout == Layout::Flyway { ".0" } else { "_0" })
            );
            assert!(
                found[0].down.is_some() && found[0].transactional,
                "{layout}"
            );
            create(folder, Some(layout), "Add y", &[], None, now).unwrap();
            assert_eq!(folder::read(folder).unwrap().len(), 2, "{layout}");
        };
        let up = "20260102_030405_add_x";
        check(Layout::Sqlx, &format!("{up}.up.sql {up}.down.sql"));
        check(Layout::Diesel, &format!("{up}/up.sql {up}/down.sql"));
        check(Layout::Dbmate, &format!("{up}.sql"));
        check(Layout::Goose, &format!("{up}.sql"));
        check(Layout::Tern, &format!("{up}.sql"));
        check(
            Layout::Flyway,
            "V20260102_030405__add_x.sql U20260102_030405__add_x.sql",
        );
    }

    #[test]
    fn names_that_would_mislead_are_refused() {
        assert!(created(&[], "drop rollback").contains("something else"));
        assert!(created(&["00000001_a.sql"], "123456").contains("something else"));
        assert!(created(&[], "!!").contains("no letters"));
    }

    #[test]
    fn what_is_written_can_be_read() {
        let scratch = Scratch::with(&[("0001_a.sql", "")]);
        let folder = scratch.path();
        let now = "2026-01-02T03:04:05Z".parse().unwrap();
        create(
            folder,
            None,
            "Two\nlines",
            &["0001".parse().unwrap()],
            None,
            now,
        )
        .unwrap();
        let found = folder::read(folder).unwrap();
        assert_eq!(found[1].description, "Two lines");
        assert_eq!(found[1].depends_on, ["0001".parse().unwrap()]);
        assert!(found[1].transactional && found[1].down_transactional);
    }
}
