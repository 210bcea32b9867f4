//! The objects of one backup, wherever it lies.

use std::fs;
use std::fs::File;
use std::io::ErrorKind;
use std::io::Read;
use std::io::Result as IoResult;
use std::io::Write;

use sha2::Digest as _;
use sha2::Sha256;

use crate::error::Context as _;
use crate::error::Error;
use crate::error::Result;
use crate::ident::Digest;
use crate::store::bucket::Download;
use crate::store::bucket::Listed;
use crate::store::bucket::Upload;
use crate::store::disk;
use crate::store::disk::ELSEWHERE;
use crate::store::place::Place;

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
    place: Place,
}

impl Folder {
    /// The folder at `place`, whether or not it exists.
    pub const fn new(place: Place) -> Self {
        Self { place }
    }

    /// Where it is.
    pub const fn place(&self) -> &Place {
        &self.place
    }

    fn unwritten(&self, name: &str) -> String {
        format!("cannot write {name} in {}", self.place)
    }

    fn unread(&self, name: &str) -> String {
        format!("cannot read {name} in {}", self.place)
    }

    /// Writes the object `name` and syncs it. It must not exist yet.
    pub fn put(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let path = match &self.place {
            Place::Bucket(prefix) => return prefix.put(name, bytes),
            Place::Disk(path) => path.join(name),
        };
        disk::make_folders(&disk::parent_of(&path))?;
        disk::write_new(&path, bytes)
            .context(self.unwritten(name))
            .map_err(|e| e.hint(ELSEWHERE))
    }

    /// Writes the first object, `name`. False when somebody else has begun something here, which is
    /// to stay as it is.
    pub fn claim(&self, name: &str, bytes: &[u8]) -> Result<bool> {
        match &self.place {
            Place::Bucket(prefix) => prefix.claim(name, bytes),
            // The folder was made by whoever writes into it.
            Place::Disk(_) => self.put(name, bytes).map(|()| true),
        }
    }

    /// Begins the object `name`, which must not exist yet. To end it is up to the caller.
    pub fn create(&self, name: &str) -> Result<Output> {
        let path = match &self.place {
            Place::Bucket(prefix) => return prefix.upload(name).map(Output::Upload),
            Place::Disk(path) => path.join(name),
        };
        disk::make_folders(&disk::parent_of(&path))?;
        disk::create_new(&path)
            .context(self.unwritten(name))
            .map_err(|e| e.hint(ELSEWHERE))
            .map(Output::File)
    }

    /// As [`Folder::put`], from a stream. Returns how much that was.
    pub fn put_from(&self, name: &str, content: &mut dyn Read) -> Result<u64> {
        let mut output = self.create(name)?;
        let written = std::io::copy(content, &mut output);
        let written = written
            .context(self.unwritten(name))
            .map_err(|e| e.hint(ELSEWHERE))?;
        let file = output.end()?;
        file.map_or(Ok(()), |file| file.sync_all())
            .context(self.unwritten(name))
            .map_err(|e| e.hint(ELSEWHERE))?;
        Ok(written)
    }

    /// Writes a sidecar, in place of an earlier one if there is one: whoever looks sees the one or
    /// the other. The new one lies beside the backup's folder until it is synced.
    pub fn replace(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let path = match &self.place {
            Place::Bucket(prefix) => return prefix.replace(name, bytes),
            Place::Disk(path) => path,
        };
        let new = format!(".{}-{:08x}.new", self.place.name(), rand::random::<u32>());
        let new = disk::parent_of(path).join(new);
        disk::replace(&path.join(name), &new, bytes)
            .context(self.unwritten(name))
            .map_err(|e| e.hint(ELSEWHERE))
    }

    /// Removes the object `name`, which need not exist.
    pub fn remove(&self, name: &str) -> Result<()> {
        match &self.place {
            Place::Bucket(prefix) => prefix.remove(name),
            Place::Disk(path) => disk::remove(&path.join(name))
                .context(format!("cannot remove {name} in {}", self.place)),
        }
    }

    /// True when something lies where the object `name` would.
    pub fn has(&self, name: &str) -> Result<bool> {
        match &self.place {
            Place::Bucket(prefix) => prefix.has(name),
            Place::Disk(path) => Ok(fs::symlink_metadata(path.join(name)).is_ok()),
        }
    }

    /// Opens the object `name`, which must be a plain file.
    pub fn open(&self, name: &str) -> Result<Input> {
        match &self.place {
            Place::Bucket(prefix) => prefix.download(name).map(Input::Download),
            Place::Disk(path) => disk::open(&path.join(name))
                .context(self.unread(name))
                .map(Input::File),
        }
    }

    /// The object `name`, if it is no larger than `cap`; `None` when there is no such object.
    pub fn get(&self, name: &str, cap: u64) -> Result<Option<Vec<u8>>> {
        let input = match &self.place {
            Place::Bucket(prefix) => match prefix.find(name)? {
                None => return Ok(None),
                Some(download) => Input::Download(download),
            },
            Place::Disk(path) => {
                if let Err(e) = fs::symlink_metadata(path.join(name))
                    && e.kind() == ErrorKind::NotFound
                {
                    return Ok(None);
                }
                self.open(name)?
            }
        };
        let mut bytes = Vec::new();
        input
            .take(cap + 1)
            .read_to_end(&mut bytes)
            .context(self.unread(name))?;
        if bytes.len() as u64 > cap {
            return Err(Error::damaged(format!("{name} is larger than {cap} bytes")));
        }
        Ok(Some(bytes))
    }

    /// Size and digest of the object `name`, read from where it lies.
    pub fn digest(&self, name: &str) -> Result<(u64, Digest)> {
        let mut input = self.open(name)?;
        let mut hasher = Sha256::new();
        let mut block = vec![0; 128 * 1024];
        let mut size = 0;
        loop {
            let read = match input.read(&mut block) {
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
        let mut found = match &self.place {
            Place::Bucket(prefix) => {
                let objects = prefix.list()?.into_iter();
                let entry = |o: Listed| Entry {
                    name: o.name,
                    size: Some(o.size),
                };
                objects.map(entry).collect()
            }
            Place::Disk(path) => disk::walk(path)?,
        };
        found.sort_by(|a: &Entry, b| a.name.cmp(&b.name));
        Ok(found)
    }

    /// What lies in the folder called `name` in this one; nothing when there is none.
    pub fn within(&self, name: &str) -> Result<Vec<Entry>> {
        let inner = self.place.join(name);
        if !inner.exists()? {
            return Ok(Vec::new());
        }
        let mut found = Self::new(inner).walk()?;
        for entry in &mut found {
            entry.name = format!("{name}/{}", entry.name);
        }
        Ok(found)
    }

    /// Makes the names of all objects durable.
    pub fn sync(&self) -> Result<()> {
        match &self.place {
            Place::Bucket(_) => Ok(()),
            Place::Disk(path) => {
                disk::sync_all(path).context(format!("cannot sync {}", self.place))
            }
        }
    }
}

/// An object that is being written.
pub enum Output {
    /// Into a file.
    File(File),
    /// Into a bucket.
    Upload(Upload),
}

impl Output {
    /// Says that all was written. What is still to be synced is given back.
    pub fn end(self) -> Result<Option<File>> {
        match self {
            Self::File(file) => Ok(Some(file)),
            Self::Upload(upload) => upload.end().map(|()| None),
        }
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> IoResult<usize> {
        match self {
            Self::File(file) => file.write(bytes),
            Self::Upload(upload) => upload.write(bytes),
        }
    }

    fn flush(&mut self) -> IoResult<()> {
        Ok(())
    }
}

/// An object that is being read.
pub enum Input {
    /// From a file.
    File(File),
    /// From a bucket.
    Download(Download),
}

impl Input {
    /// Its size in bytes.
    pub fn size(&self) -> IoResult<u64> {
        match self {
            Self::File(file) => Ok(file.metadata()?.len()),
            Self::Download(download) => Ok(download.size()),
        }
    }
}

impl Read for Input {
    fn read(&mut self, buffer: &mut [u8]) -> IoResult<usize> {
        match self {
            Self::File(file) => file.read(buffer),
            Self::Download(download) => download.read(buffer),
        }
    }
}
