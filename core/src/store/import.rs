//! A backup out of a tar file: names, sizes and digests are checked before it counts.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::BufReader;
use std::io::Read;
use std::path::Path;

use tar::Archive;
use tar::Entries;
use tar::Entry;
use tar::EntryType;

use crate::error::Error;
use crate::error::Result;
use crate::ident::BackupId;
use crate::ident::Digest;
use crate::model::backup::BackupFacts;
use crate::store::backup::Backup;
use crate::store::backup::MANIFEST_CAP;
use crate::store::catalog::Store;
use crate::store::folder::Folder;
use crate::store::incomplete;
use crate::store::layout;
use crate::store::layout::Object;
use crate::store::place::Place;
use crate::store::verify;

/// No wrap, sidecar or text for people is larger.
const SMALL: u64 = 16 << 20;

/// What became of an import.
#[derive(Debug)]
pub enum Imported {
    /// The backup is new here.
    New(BackupFacts),
    /// The very same backup was there already.
    Known(BackupFacts),
}

/// A folder that is removed unless it is to be kept.
struct Partial {
    folder: Folder,
    kept: bool,
}

impl Drop for Partial {
    fn drop(&mut self) {
        if !self.kept {
            // Best effort: what stays behind has no manifest, or is named .partial: it is incomplete.
            let _ = self.folder.place().remove_all();
            self.folder.place().parent().remove_if_empty();
        }
    }
}

impl Store {
    /// Takes in the backup in the tar file `path`.
    pub fn import(&self, path: &Path) -> Result<Imported> {
        let file = File::open(path)
            .map_err(|e| Error::usage(format!("cannot read {}", path.display())).caused_by(e))?;
        let mut tar = Archive::new(BufReader::new(file));
        let bad = |why: &str| refused(path, why);
        let unreadable = |e: std::io::Error| bad("is no readable tar file").caused_by(e);
        let mut entries = tar.entries().map_err(unreadable)?;
        // The first object tells which backup of which database it is.
        let mut first = match entries.next() {
            None => return Err(bad("is empty")),
            Some(entry) => entry.map_err(unreadable)?,
        };
        let (id, name) = place(&first).map_err(|why| bad(&why))?;
        if Object::of(&name) != Some(Object::Begin) {
            return Err(bad("does not begin with begin.json"));
        }
        let begin = small(&mut first, SMALL).map_err(|why| bad(&why))?;
        let database = incomplete::database(&begin)
            .ok_or_else(|| bad("has a begin.json that says nothing"))?;
        let target = self.database(&database).join(id.as_str());
        if matches!(target, Place::Bucket(_)) && target.exists()? {
            let manifest = last_manifest(entries).map_err(|why| bad(&why))?;
            return known(&target, &id, Digest::of(manifest));
        }
        let mut partial = Partial::make(&target)?;
        if !partial.folder.claim(&name, &begin)? {
            return Err(taken(&target));
        }
        partial.kept = false;
        let mut seen = BTreeSet::from([name]);
        let mut manifest = None;
        for entry in entries {
            let mut entry = entry.map_err(unreadable)?;
            let (of, name) = place(&entry).map_err(|why| bad(&why))?;
            let safe = name.escape_default().to_string();
            if of != id {
                return Err(bad("holds more than one backup"));
            }
            if !seen.insert(name.clone()) {
                return Err(bad(&format!("holds {safe} twice")));
            }
            if manifest.is_some() {
                return Err(bad(&format!("holds {safe} behind the manifest")));
            }
            match Object::of(&name) {
                None => {
                    return Err(bad(&format!(
                        "holds {safe}, which is no object of a backup"
                    )));
                }
                // They speak of another copy.
                Some(Object::Verification) => {}
                Some(Object::Manifest) => {
                    let json = small(&mut entry, MANIFEST_CAP).map_err(|why| bad(&why))?;
                    manifest = Some(json);
                }
                Some(object) if object.codec().is_none() && object != Object::Sums => {
                    let bytes = small(&mut entry, SMALL).map_err(|why| bad(&why))?;
                    partial.folder.put(&name, &bytes)?;
                }
                Some(_) => {
                    let size = entry.size();
                    let written = partial.folder.put_from(&name, &mut entry)?;
                    if written != size {
                        return Err(bad(&format!("was cut within {safe}")));
                    }
                }
            }
        }
        let manifest = manifest.ok_or_else(|| bad("was cut: it has no manifest"))?;
        complete(partial, &target, &id, &database, &manifest)
    }
}

impl Partial {
    fn make(target: &Place) -> Result<Self> {
        let place = target.partial();
        if !place.make()? {
            return Err(taken(&place));
        }
        Ok(Self {
            // Until it is certain that nobody else writes there; a folder on a disk is one's own.
            kept: matches!(place, Place::Bucket(_)),
            folder: Folder::new(place),
        })
    }
}

/// What to say where somebody else has begun something.
fn taken(place: &Place) -> Error {
    Error::failed(format!("cannot import into {place}")).hint(
        "something is there already: if an import was interrupted there, `backup prune` or you may \
         remove it",
    )
}

/// The backup at `target` is the one whose manifest has this digest, or it is in the way.
fn known(target: &Place, id: &BackupId, manifest: Digest) -> Result<Imported> {
    let there = Backup::open(Folder::new(target.to_owned()))?;
    if there.facts().manifest == Some(manifest) {
        return Ok(Imported::Known(there.facts().clone()));
    }
    Err(Error::refused(format!("there is another backup {id} here"))
        .hint("import it into another store, with --backups"))
}

/// The manifest at the end of the tar file.
fn last_manifest<R: Read>(entries: Entries<'_, R>) -> Result<Vec<u8>, String> {
    let mut manifest = None;
    for entry in entries {
        let mut entry = entry.map_err(|_| "is no readable tar file")?;
        let (_, name) = place(&entry)?;
        if Object::of(&name) == Some(Object::Manifest) {
            manifest = Some(small(&mut entry, MANIFEST_CAP)?);
        }
    }
    manifest.ok_or_else(|| "was cut: it has no manifest".to_owned())
}

/// Compares everything with the manifest, and only then writes that.
fn complete(
    mut partial: Partial,
    target: &Place,
    id: &BackupId,
    database: &str,
    manifest: &[u8],
) -> Result<Imported> {
    let folder = Folder::new(partial.folder.place().clone());
    let backup = Backup::assemble(folder, manifest)?;
    let facts = backup.facts();
    if facts.id != *id || facts.database != database {
        return Err(Error::damaged(
            "the tar file holds the manifest of another backup",
        ));
    }
    verify::objects(&backup)?;
    // In a bucket it was made there, and nothing else was there before.
    if matches!(target, Place::Disk(_)) && target.exists()? {
        return known(target, id, Digest::of(manifest));
    }
    partial.folder.sync()?;
    partial.folder.put(layout::MANIFEST, manifest)?;
    partial.folder.sync()?;
    partial.folder.place().publish(target)?;
    partial.kept = true;
    target.parent().sync()?;
    let backup = Backup::open(Folder::new(target.to_owned()))?;
    Ok(Imported::New(backup.facts().clone()))
}

/// The backup and the object that an entry belongs to: `<id>/<object>`, a plain file.
fn place<R: Read>(entry: &Entry<'_, R>) -> Result<(BackupId, String), String> {
    let path = entry.path_bytes();
    let text = std::str::from_utf8(&path).map_err(|_| "holds a name that is no text")?;
    let safe = text.escape_default().to_string();
    if entry.header().entry_type() != EntryType::Regular {
        return Err(format!("holds {safe}, which is no plain file"));
    }
    let (id, name) = text
        .split_once('/')
        .ok_or_else(|| format!("holds {safe}, which is in no folder of a backup"))?;
    let id: BackupId = id
        .parse()
        .map_err(|_| format!("holds {safe}, which is in no folder of a backup"))?;
    if Object::of(name).is_none() {
        return Err(format!("holds {safe}, which is no object of a backup"));
    }
    Ok((id, name.to_owned()))
}

/// The content of a small entry.
fn small<R: Read>(entry: &mut Entry<'_, R>, cap: u64) -> Result<Vec<u8>, String> {
    let size = entry.size();
    if size > cap {
        return Err("holds an object that is too large".to_owned());
    }
    let mut bytes = Vec::new();
    entry
        .read_to_end(&mut bytes)
        .map_err(|_| "can't be read to its end")?;
    if bytes.len() as u64 == size {
        Ok(bytes)
    } else {
        Err("was cut".to_owned())
    }
}

fn refused(path: &Path, why: &str) -> Error {
    Error::damaged(format!("{} {why}", path.display()))
        .hint("nothing was imported; `backup export` writes such files")
}
