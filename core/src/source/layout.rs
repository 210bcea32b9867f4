//! Finds out how a folder is laid out, by looking; and which of its files belong to migrations.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::model::layout::Layout;
use crate::source::folder::{self, Listing};
use crate::source::{alembic, flyway, one_file};

/// Files that were read to find out how they are laid out, so that none is read twice.
#[derive(Default)]
pub(super) struct Texts(HashMap<PathBuf, Vec<u8>>);

impl Texts {
    /// What the file at `path` holds; nothing when it can't be read, which is complained of when
    /// it is taken.
    fn look(&mut self, path: &Path) -> &[u8] {
        if let Ok(read) = fs::read(path) {
            self.0.insert(path.to_owned(), read);
        }
        self.0.get(path).map(Vec::as_slice).unwrap_or_default()
    }

    /// Takes what the file at `path` holds.
    pub(super) fn take(&mut self, path: &Path) -> io::Result<Vec<u8>> {
        self.0.remove(path).map_or_else(|| fs::read(path), Ok)
    }
}

/// The layout of `folder`. Signs of several are a usage error that names them.
pub fn look(folder: &Path) -> Result<Layout> {
    look_into(folder, &mut Texts::default())
}

/// As [`look`]; what was read for it is left in `texts`.
pub(super) fn look_into(folder: &Path, texts: &mut Texts) -> Result<Layout> {
    let mut signs: Vec<(Layout, String)> = Vec::new();
    let mut sign = |layout: Layout, path: &Path| {
        if !signs.iter().any(|(seen, _)| *seen == layout) {
            signs.push((layout, path.display().to_string()));
        }
    };
    let listing = folder::list(folder)?;
    for path in scripts_in(&listing.folders) {
        sign(Layout::Diesel, &path);
    }
    let below = files_below(&listing.folders)?;
    for path in listing.files.iter().chain(&below) {
        if name(path).and_then(flyway::parse).is_some() {
            sign(Layout::Flyway, path);
        }
    }
    let mut suffixed = None;
    for path in listing.files {
        let text = String::from_utf8_lossy(texts.look(&path));
        for layout in [Layout::Dbmate, Layout::Goose, Layout::Tern] {
            if one_file::is(layout, &text) {
                sign(layout, &path);
            }
        }
        if alembic::is(&text) {
            sign(Layout::Alembic, &path);
        }
        if name(&path).is_some_and(|name| name.ends_with(".up.sql")) {
            suffixed = suffixed.or(Some(Layout::GolangMigrate));
            if has_no_transaction(&text) {
                suffixed = Some(Layout::Sqlx);
            }
        }
    }
    match signs.as_slice() {
        [] => Ok(suffixed.unwrap_or(Layout::Pairs)),
        [(layout, _)] => Ok(*layout),
        several => {
            let told: Vec<String> = several
                .iter()
                .map(|(layout, path)| format!("{layout} ('{path}')"))
                .collect();
            Err(Error::usage(format!(
                "the migrations folder looks like that of several tools: {}",
                told.join(", ")
            ))
            .hint("say which it is with --layout"))
        }
    }
}

/// sqlx's directive: the first line.
pub(super) fn has_no_transaction(text: &str) -> bool {
    let first = text.lines().next().unwrap_or_default();
    first.trim_end() == "-- no-transaction"
}

/// The scripts of a folder in this layout, sorted by path.
pub(super) fn files(listing: Listing, layout: Layout) -> Result<Vec<PathBuf>> {
    let mut found = match layout {
        Layout::Diesel => scripts_in(&listing.folders),
        Layout::Flyway => {
            let mut found = listing.files;
            found.extend(files_below(&listing.folders)?);
            found
        }
        _ => listing.files,
    };
    found.sort();
    Ok(found)
}

/// The scripts of diesel, each migration in a folder of its own.
fn scripts_in(folders: &[PathBuf]) -> Vec<PathBuf> {
    let scripts = |sub: &PathBuf| ["up.sql", "down.sql"].map(|file| sub.join(file));
    let all = folders.iter().flat_map(scripts);
    all.filter(|path| path.is_file()).collect()
}

/// All files below `folders`, at any depth.
fn files_below(folders: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for folder in folders {
        let listing = folder::list(folder)?;
        found.extend(listing.files);
        found.extend(files_below(&listing.folders)?);
    }
    Ok(found)
}

fn name(path: &Path) -> Option<&str> {
    path.file_name()?.to_str()
}
