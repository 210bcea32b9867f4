//! A backup as one tar file: its objects, unchanged, the manifest last.

use std::fs;
use std::fs::File;
use std::fs::OpenOptions;
use std::io::BufWriter;
use std::io::ErrorKind;
use std::io::Read;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use sha2::Digest as _;
use sha2::Sha256;
use tar::EntryType;
use tar::Header;

use crate::error::Context as _;
use crate::error::Error;
use crate::error::Result;
use crate::ident::Digest;
use crate::model::backup::VerifyLevel;
use crate::model::event::Observer;
use crate::store::backup::Backup;
use crate::store::disk;
use crate::store::folder::Input;
use crate::store::identities::Identities;
use crate::store::layout;
use crate::store::layout::Object;

impl Backup {
    /// Writes the backup into the new file `path`, after a look at its digests. What was told of
    /// this copy (its verifications) stays here. Returns the size.
    pub fn export(self, path: &Path, observer: &dyn Observer) -> Result<u64> {
        if fs::symlink_metadata(path).is_ok() {
            return Err(exists(path));
        }
        let verified = self.verify(VerifyLevel::Hashed, &Identities::default(), observer)?;
        let backup = verified.backup();
        let mut partial = path.as_os_str().to_owned();
        partial.push(layout::PARTIAL);
        let partial = Path::new(&partial);
        let written = write(backup, partial).and_then(|size| {
            // Unlike a rename, a link never takes the place of a file.
            fs::hard_link(partial, path).map_err(|e| match e.kind() {
                ErrorKind::AlreadyExists => exists(path),
                _ => Error::failed(format!("cannot make {}", path.display())).caused_by(e),
            })?;
            Ok(size)
        });
        let _ = fs::remove_file(partial);
        let size = written?;
        disk::sync_folder(&disk::parent_of(path))
            .context(format!("cannot sync the folder of {}", path.display()))?;
        Ok(size)
    }
}

fn exists(path: &Path) -> Error {
    Error::usage(format!("{} exists already", path.display())).hint("name another file")
}

/// Begin, wraps, everything else, and the manifest at the very end.
fn rank(object: Object) -> u8 {
    match object {
        Object::Begin => 0,
        Object::Key | Object::Operators => 1,
        Object::Restore | Object::Sums => 3,
        Object::Pin | Object::Signature => 4,
        Object::Manifest => 5,
        _ => 2,
    }
}

fn write(backup: &Backup, path: &Path) -> Result<u64> {
    let context = || format!("cannot write {}", path.display());
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    let file = file.context(context())?;
    let mut tar = tar::Builder::new(BufWriter::new(file));
    let files = backup.files();
    let mut names: Vec<(u8, String)> = Vec::new();
    for entry in files.walk()? {
        match Object::of(&entry.name) {
            None | Some(Object::Verification) => {}
            Some(object) => names.push((rank(object), entry.name)),
        }
    }
    names.sort();
    for (_, name) in names {
        let file = files.open(&name)?;
        let size = file.size().context(context())?;
        let mut header = Header::new_ustar();
        header.set_entry_type(EntryType::Regular);
        header.set_mode(0o600);
        header.set_size(size);
        header.set_mtime(backup.facts().started.timestamp().max(0).unsigned_abs());
        let mut reader = Exactly {
            inner: file,
            left: size,
            hasher: Sha256::new(),
        };
        let inside = format!("{}/{name}", backup.facts().id);
        tar.append_data(&mut header, &inside, &mut reader)
            .context(context())?;
        let digest = Digest::from_bytes(reader.hasher.finalize().into());
        // The tar holds what was verified, not what came to lie there since.
        if files.digest(&name)?.1 != digest || reader.left > 0 {
            return Err(Error::failed(format!(
                "{name} changed while it was being read"
            )));
        }
    }
    let mut file = tar.into_inner().context(context())?;
    file.flush().context(context())?;
    let file: File = file
        .into_inner()
        .map_err(std::io::IntoInnerError::into_error)
        .context(context())?;
    file.sync_all().context(context())?;
    Ok(file.metadata().context(context())?.len())
}

/// As many bytes as the header of the entry has announced.
struct Exactly {
    inner: Input,
    left: u64,
    hasher: Sha256,
}

impl Read for Exactly {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let most = buffer
            .len()
            .min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let read = self.inner.read(&mut buffer[..most])?;
        self.left -= read as u64;
        self.hasher.update(&buffer[..read]);
        Ok(read)
    }
}
