//! Files and folders: the only place that touches the disk for a backup.
//!
//! Folders are 0700 and files 0600 whatever the umask allows; no file is ever overwritten.

use std::fs;
use std::fs::DirBuilder;
use std::fs::File;
use std::fs::OpenOptions;
use std::io::Error as IoError;
use std::io::ErrorKind;
use std::io::Result as IoResult;
use std::io::Write as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::path::PathBuf;
use std::time::SystemTime;

use crate::error::Context as _;
use crate::error::Result;
use crate::store::folder::Entry;

/// What to do when a place can't be written.
pub const ELSEWHERE: &str =
    "backups need a folder with room that may be written; --backups names another one";

/// Makes `path` and what is missing above it.
pub fn make_folders(path: &Path) -> Result<()> {
    let mut missing = Vec::new();
    let mut next = Some(path);
    while let Some(folder) = next.filter(|f| !f.as_os_str().is_empty() && !f.exists()) {
        missing.push(folder);
        next = folder.parent();
    }
    for folder in missing.into_iter().rev() {
        match make_folder(folder) {
            Err(e) if e.kind() == ErrorKind::AlreadyExists => {}
            result => result
                .context(format!("cannot make the folder {}", folder.display()))
                .map_err(|e| e.hint(ELSEWHERE))?,
        }
    }
    Ok(())
}

/// Makes the folder `path`, which must not exist, and syncs its name.
pub fn make_folder(path: &Path) -> IoResult<()> {
    DirBuilder::new().mode(0o700).create(path)?;
    sync_folder(&parent_of(path))
}

/// Makes the folder that the file `path` is to lie in, unless it is there.
pub fn make_folder_of(path: &Path) -> IoResult<()> {
    match make_folder(&parent_of(path)) {
        Err(e) if e.kind() != ErrorKind::AlreadyExists => Err(e),
        _ => Ok(()),
    }
}

/// Writes and syncs a file that must not exist yet.
pub fn write_new(path: &Path, bytes: &[u8]) -> IoResult<()> {
    let mut file = create_new(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Makes a file that must not exist yet.
pub fn create_new(path: &Path) -> IoResult<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600).open(path)
}

/// Makes the names in the folder `path` durable.
pub fn sync_folder(path: &Path) -> IoResult<()> {
    File::open(path)?.sync_all()
}

/// The folder that `path` lies in.
pub fn parent_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// Opens the plain file `path`.
pub fn open(path: &Path) -> IoResult<File> {
    if fs::symlink_metadata(path)?.is_file() {
        File::open(path)
    } else {
        Err(IoError::new(ErrorKind::InvalidInput, "it is no plain file"))
    }
}

/// Writes `path` in place of what is there, if anything: whoever looks sees the one or the other.
/// Until it is synced, the new one lies at `beside`.
pub fn replace(path: &Path, beside: &Path, bytes: &[u8]) -> IoResult<()> {
    let written = make_folder_of(path)
        .and_then(|()| write_new(beside, bytes))
        .and_then(|()| fs::rename(beside, path))
        .and_then(|()| sync_folder(&parent_of(path)));
    if written.is_err() {
        let _ = fs::remove_file(beside);
    }
    written
}

/// Removes the file `path`, which need not exist.
pub fn remove(path: &Path) -> IoResult<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(e),
        _ => sync_folder(&parent_of(path)),
    }
}

/// All that lies in the folder `path`, of a layout that is one level deep: whatever lies deeper is a
/// stranger as a whole. Links are reported, never followed.
pub fn walk(path: &Path) -> Result<Vec<Entry>> {
    let mut found = Vec::new();
    walk_into(path, "", &mut found)?;
    Ok(found)
}

fn walk_into(root: &Path, below: &str, found: &mut Vec<Entry>) -> Result<()> {
    let path = root.join(below);
    let context = || format!("cannot list {}", path.display());
    for entry in fs::read_dir(&path).context(context())? {
        let entry = entry.context(context())?;
        let meta = entry.metadata().context(context())?;
        let name = format!("{below}{}", entry.file_name().to_string_lossy());
        if meta.is_dir() && below.is_empty() {
            walk_into(root, &format!("{name}/"), found)?;
        } else {
            let size = meta.is_file().then_some(meta.len());
            found.push(Entry { name, size });
        }
    }
    Ok(())
}

/// Syncs the folder `path` and those in it, so that the names of the files in them are durable.
pub fn sync_all(path: &Path) -> IoResult<()> {
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_folder(&entry.path())?;
        }
    }
    sync_folder(path)
}

/// When the folder `path`, or anything in it, was changed last.
pub fn newest(path: &Path) -> IoResult<SystemTime> {
    let meta = fs::symlink_metadata(path)?;
    let mut newest = meta.modified()?;
    if meta.is_dir() {
        for entry in fs::read_dir(path)? {
            newest = newest.max(self::newest(&entry?.path())?);
        }
    }
    Ok(newest)
}
