//! Files and folders: the only place that touches the disk for a backup's objects.
//!
//! Folders are 0700 and files 0600 whatever the umask allows; no file is ever overwritten.

use std::fs;
use std::fs::DirBuilder;
use std::fs::File;
use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::io::Read;
use std::io::Write as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::path::PathBuf;

use sha2::Digest as _;
use sha2::Sha256;

use crate::error::Context as _;
use crate::error::Error;
use crate::error::Result;
use crate::ident::Digest;

/// What to do when a place can't be written.
pub const ELSEWHERE: &str =
    "backups need a folder with room that may be written; --backups names another one";

/// What lies in a backup's folder.
#[derive(Debug)]
pub struct Entry {
    /// The name relative to the folder, with `/`.
    pub name: String,
    /// The size; `None` for a link or anything else that is no plain file.
    pub size: Option<u64>,
}

/// The folder of one backup.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
}

impl Folder {
    /// The folder at `path`, whether or not it exists.
    pub const fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes the object `name` and syncs it. It must not exist yet.
    pub fn put(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let path = self.path.join(name);
        if let Some(parent) = path.parent() {
            make_folders(parent)?;
        }
        write_new(&path, bytes)
            .context(format!("cannot write {name} in {}", self.path.display()))
            .map_err(|e| e.hint(ELSEWHERE))
    }

    /// Makes the file of the object `name`, which must not exist yet. Syncing it is up to the
    /// caller.
    pub fn create(&self, name: &str) -> Result<File> {
        let path = self.path.join(name);
        if let Some(parent) = path.parent() {
            make_folders(parent)?;
        }
        create_new(&path)
            .context(format!("cannot write {name} in {}", self.path.display()))
            .map_err(|e| e.hint(ELSEWHERE))
    }

    /// As [`Folder::put`], from a stream. Returns how much that was.
    pub fn put_from(&self, name: &str, content: &mut dyn Read) -> Result<u64> {
        let path = self.path.join(name);
        make_folders(&parent_of(&path))?;
        let mut write = || {
            let mut file = create_new(&path)?;
            let written = std::io::copy(content, &mut file)?;
            file.sync_all()?;
            Ok(written)
        };
        let written: std::io::Result<u64> = write();
        written
            .context(format!("cannot write {name} in {}", self.path.display()))
            .map_err(|e| e.hint(ELSEWHERE))
    }

    /// Writes a sidecar, in place of an earlier one if there is one: whoever looks sees the one or
    /// the other. The new one lies beside the backup's folder until it is synced.
    pub fn replace(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let path = self.path.join(name);
        let folder = self.path.file_name().unwrap_or_default().to_string_lossy();
        let new = format!(".{folder}-{:08x}.new", rand::random::<u32>());
        let new = parent_of(&self.path).join(new);
        let written = make_folder_of(&path)
            .and_then(|()| write_new(&new, bytes))
            .and_then(|()| fs::rename(&new, &path))
            .and_then(|()| sync_folder(&parent_of(&path)));
        if written.is_err() {
            let _ = fs::remove_file(&new);
        }
        written
            .context(format!("cannot write {name} in {}", self.path.display()))
            .map_err(|e| e.hint(ELSEWHERE))
    }

    /// Removes the object `name`, which need not exist.
    pub fn remove(&self, name: &str) -> Result<()> {
        match fs::remove_file(self.path.join(name)) {
            Err(e) if e.kind() != ErrorKind::NotFound => Err(e),
            _ => sync_folder(&parent_of(&self.path.join(name))),
        }
        .context(format!("cannot remove {name} in {}", self.path.display()))
    }

    /// True when something lies where the object `name` would.
    pub fn has(&self, name: &str) -> bool {
        fs::symlink_metadata(self.path.join(name)).is_ok()
    }

    /// Opens the object `name`, which must be a plain file.
    pub fn open(&self, name: &str) -> Result<File> {
        let path = self.path.join(name);
        let open = || {
            let meta = fs::symlink_metadata(&path)?;
            if meta.is_file() {
                File::open(&path)
            } else {
                Err(ErrorKind::InvalidInput.into())
            }
        };
        open().context(format!("cannot read {name} in {}", self.path.display()))
    }

    /// The object `name`, if it is no larger than `cap`; `None` when there is no such object.
    pub fn get(&self, name: &str, cap: u64) -> Result<Option<Vec<u8>>> {
        if let Err(e) = fs::symlink_metadata(self.path.join(name))
            && e.kind() == ErrorKind::NotFound
        {
            return Ok(None);
        }
        let mut bytes = Vec::new();
        self.open(name)?
            .take(cap + 1)
            .read_to_end(&mut bytes)
            .context(format!("cannot read {name} in {}", self.path.display()))?;
        if bytes.len() as u64 > cap {
            return Err(Error::damaged(format!("{name} is larger than {cap} bytes")));
        }
        Ok(Some(bytes))
    }

    /// Size and digest of the object `name`, read from the disk.
    pub fn digest(&self, name: &str) -> Result<(u64, Digest)> {
        let mut file = self.open(name)?;
        let mut hasher = Sha256::new();
        let mut block = vec![0; 128 * 1024];
        let mut size = 0;
        loop {
            let read = match file.read(&mut block) {
                Err(e) if e.kind() == ErrorKind::Interrupted => continue,
                result => result.context(format!("cannot read {name}"))?,
            };
            if read == 0 {
                return Ok((size, Digest::from_bytes(hasher.finalize().into())));
            }
            size += read as u64;
            hasher.update(&block[..read]);
        }
    }

    /// All that lies in the folder, sorted by name. Links are reported, never followed.
    pub fn walk(&self) -> Result<Vec<Entry>> {
        let mut found = Vec::new();
        self.walk_into("", 0, &mut found)?;
        found.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(found)
    }

    fn walk_into(&self, below: &str, depth: usize, found: &mut Vec<Entry>) -> Result<()> {
        let path = self.path.join(below);
        let context = || format!("cannot list {}", path.display());
        for entry in fs::read_dir(&path).context(context())? {
            let entry = entry.context(context())?;
            let meta = entry.metadata().context(context())?;
            let name = format!("{below}{}", entry.file_name().to_string_lossy());
            // The layout is one level deep: whatever lies deeper is a stranger as a whole.
            if meta.is_dir() && depth == 0 {
                self.walk_into(&format!("{name}/"), depth + 1, found)?;
            } else {
                let size = meta.is_file().then_some(meta.len());
                found.push(Entry { name, size });
            }
        }
        Ok(())
    }

    /// Syncs the folder and those in it, so that the names of the files in them are durable.
    pub fn sync(&self) -> Result<()> {
        let sync = || {
            for entry in fs::read_dir(&self.path)? {
                let entry = entry?;
                if entry.file_type()?.is_dir() {
                    sync_folder(&entry.path())?;
                }
            }
            sync_folder(&self.path)
        };
        sync().context(format!("cannot sync {}", self.path.display()))
    }
}

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
pub fn make_folder(path: &Path) -> std::io::Result<()> {
    DirBuilder::new().mode(0o700).create(path)?;
    sync_folder(&parent_of(path))
}

/// Makes the folder that the file `path` is to lie in, unless it is there.
fn make_folder_of(path: &Path) -> std::io::Result<()> {
    match make_folder(&parent_of(path)) {
        Err(e) if e.kind() != ErrorKind::AlreadyExists => Err(e),
        _ => Ok(()),
    }
}

/// Removes the folder `path` when nothing is in it: a failed run leaves no trace.
pub fn remove_if_empty(path: &Path) {
    // The system refuses while anything is in it, and nobody minds an empty folder.
    if fs::remove_dir(path).is_ok() {
        let _ = sync_folder(&parent_of(path));
    }
}

/// Writes and syncs a file that must not exist yet.
pub fn write_new(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = create_new(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn create_new(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600).open(path)
}

/// Makes the names in the folder `path` durable.
pub fn sync_folder(path: &Path) -> std::io::Result<()> {
    File::open(path)?.sync_all()
}

/// The folder that `path` lies in.
pub fn parent_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}
