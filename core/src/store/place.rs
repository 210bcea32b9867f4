//! Where backups lie: in a folder on a disk, or below a prefix in a bucket.

use std::fmt;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::error::{Context as _, Error, Result};
use crate::model::location::Location;
use crate::store::bucket::Prefix;
use crate::store::{disk, layout, room};

/// A folder on a disk, or what begins alike in a bucket.
#[derive(Debug, Clone)]
pub enum Place {
    /// A folder.
    Disk(PathBuf),
    /// Objects, whose keys only look like folders: those come and go with what is in them.
    Bucket(Prefix),
}

/// For people.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disk(path) => path.display().fmt(f),
            Self::Bucket(prefix) => prefix.fmt(f),
        }
    }
}

impl Place {
    /// What `location` names: a folder, or `s3://bucket/prefix`.
    pub fn open(location: &Location) -> Result<Self> {
        let place = location.place.as_str();
        match place.split_once("://") {
            None => Ok(Self::Disk(PathBuf::from(place))),
            Some(("s3", rest)) => Prefix::open(rest, &location.variables).map(Self::Bucket),
            Some((scheme, _)) => Err(Error::usage(format!("there are no backups in {scheme}://"))
                .hint("--backups takes a folder, or s3://bucket/prefix")),
        }
    }

    /// What is called `name` in this.
    #[must_use]
    pub fn join(&self, name: &str) -> Self {
        match self {
            Self::Disk(path) => Self::Disk(path.join(name)),
            Self::Bucket(prefix) => Self::Bucket(prefix.join(name)),
        }
    }

    /// What this lies in.
    #[must_use]
    pub fn parent(&self) -> Self {
        match self {
            Self::Disk(path) => Self::Disk(disk::parent_of(path)),
            Self::Bucket(prefix) => Self::Bucket(prefix.parent()),
        }
    }

    /// The last part of its name.
    pub fn name(&self) -> String {
        match self {
            Self::Disk(path) => {
                let name = path.file_name().unwrap_or_default();
                name.to_string_lossy().into_owned()
            }
            Self::Bucket(prefix) => prefix.name().to_owned(),
        }
    }

    /// Where a backup is made that is to lie here once it is complete. In a bucket that is here: its
    /// manifest alone completes it.
    #[must_use]
    pub fn partial(&self) -> Self {
        match self {
            Self::Disk(path) => {
                let mut path = path.clone().into_os_string();
                path.push(layout::PARTIAL);
                Self::Disk(path.into())
            }
            Self::Bucket(_) => self.clone(),
        }
    }

    /// True for where a backup is made, and nowhere else.
    pub fn is_partial(&self) -> bool {
        matches!(self, Self::Disk(_)) && self.name().ends_with(layout::PARTIAL)
    }

    /// True where there is anything.
    pub fn exists(&self) -> Result<bool> {
        match self {
            Self::Disk(path) => Ok(path.exists()),
            Self::Bucket(prefix) => prefix.exists(),
        }
    }

    /// The folders in this, by name; none when it doesn't exist.
    pub fn folders(&self) -> Result<Vec<(String, Self)>> {
        match self {
            Self::Disk(path) => {
                let found = entries_in(path)?.into_iter().filter(|e| e.is_folder);
                Ok(found.map(|e| (e.name, Self::Disk(e.path))).collect())
            }
            Self::Bucket(prefix) => {
                let names = prefix.folders()?.into_iter();
                Ok(names.map(|n| (n.clone(), self.join(&n))).collect())
            }
        }
    }

    /// What lies in this and is no folder: files, links, pipes.
    pub fn strangers(&self) -> Result<Vec<(String, Self)>> {
        match self {
            Self::Disk(path) => {
                let found = entries_in(path)?.into_iter().filter(|e| !e.is_folder);
                Ok(found.map(|e| (e.name, Self::Disk(e.path))).collect())
            }
            // All that is not below another prefix is an object of this one.
            Self::Bucket(_) => Ok(Vec::new()),
        }
    }

    /// Makes this, and what is missing above it; false when there is something already, or when
    /// somebody else has just removed what is above it.
    pub fn make(&self) -> Result<bool> {
        let path = match self {
            Self::Bucket(prefix) => return Ok(!prefix.exists()?),
            Self::Disk(path) => path,
        };
        disk::make_folders(&disk::parent_of(path))?;
        match disk::make_folder(path) {
            Ok(()) => Ok(true),
            Err(e) if matches!(e.kind(), ErrorKind::AlreadyExists | ErrorKind::NotFound) => {
                Ok(false)
            }
            Err(e) => Err(Error::failed(format!("cannot make the folder {self}"))
                .caused_by(e)
                .hint(disk::ELSEWHERE)),
        }
    }

    /// Gives what was made here the name `target`: from then on it is complete.
    pub fn publish(&self, target: &Self) -> Result<()> {
        let (Self::Disk(from), Self::Disk(to)) = (self, target) else {
            return Ok(());
        };
        // rename(2) replaces an empty folder, so its absence is looked at first.
        if to.exists() {
            return Err(Error::failed(format!("cannot complete {self}"))
                .hint(format!("{target} exists already")));
        }
        let context = || format!("cannot complete {self}");
        fs::rename(from, to).context(context())
    }

    /// Makes the names in this durable.
    pub fn sync(&self) -> Result<()> {
        match self {
            Self::Disk(path) => disk::sync_folder(path).context(format!("cannot sync {self}")),
            Self::Bucket(_) => Ok(()),
        }
    }

    /// Removes this with all that is in it.
    pub fn remove_all(&self) -> Result<()> {
        match self {
            Self::Disk(path) => {
                fs::remove_dir_all(path).context(format!("cannot remove {self}"))?;
                self.parent().sync()
            }
            Self::Bucket(prefix) => {
                // Whatever else can't be removed: without a manifest it is no backup. One that was
                // still on its way comes last.
                let first = prefix.remove(layout::MANIFEST);
                let objects = prefix.list()?;
                let removed = objects.iter().map(|o| prefix.remove(&o.name));
                let removed: Vec<Result<()>> = removed.collect();
                let last = prefix.remove(layout::MANIFEST);
                removed.into_iter().chain([first, last]).collect()
            }
        }
    }

    /// Removes this when nothing is in it: a failed run leaves no trace.
    pub fn remove_if_empty(&self) {
        // The system refuses while anything is in it, and nobody minds an empty folder.
        if let Self::Disk(path) = self
            && fs::remove_dir(path).is_ok()
        {
            let _ = self.parent().sync();
        }
    }

    /// When anything in this was written last.
    pub fn newest(&self) -> Result<SystemTime> {
        match self {
            Self::Disk(path) => {
                disk::newest(path).context(format!("cannot look at {}", path.display()))
            }
            Self::Bucket(prefix) => {
                let times = prefix.list()?.into_iter().map(|o| o.modified.into());
                Ok(times.max().unwrap_or(SystemTime::UNIX_EPOCH))
            }
        }
    }

    /// The bytes that are free here; `None` where nobody can tell.
    pub fn free(&self) -> Result<Option<u64>> {
        match self {
            Self::Disk(path) => room::free(path).map(Some),
            Self::Bucket(_) => Ok(None),
        }
    }
}

/// What lies in a folder.
struct Entry {
    name: String,
    path: PathBuf,
    is_folder: bool,
}

/// What lies in `path`, by name; nothing when it doesn't exist. Links are no folders.
fn entries_in(path: &Path) -> Result<Vec<Entry>> {
    let entries = match fs::read_dir(path) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        result => result.context(format!("cannot list {}", path.display()))?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.context(format!("cannot list {}", path.display()))?;
        if let Ok(name) = entry.file_name().into_string() {
            found.push(Entry {
                name,
                path: entry.path(),
                is_folder: entry.file_type().is_ok_and(|kind| kind.is_dir()),
            });
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}
