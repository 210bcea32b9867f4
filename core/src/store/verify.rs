//! Checking a backup: what is there, whether it is what was written, whether it can be read.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use crate::error::Error;
use crate::error::Result;
use crate::ident::BackupId;
use crate::ident::Digest;
use crate::model::backup::VerifyLevel;
use crate::model::event::Event;
use crate::model::event::Observer;
use crate::model::signature::Signature;
use crate::store::backup::{Backup, NotComplete};
use crate::store::decrypt;
use crate::store::decrypt::Depth;
use crate::store::folder::Folder;
use crate::store::identities::Identities;
use crate::store::layout;
use crate::store::layout::Object;
use crate::store::operators;
use crate::store::reach;
use crate::store::sums;
use crate::store::survey;
use crate::store::verified::Verified;

/// No `SHA256SUMS` is larger: a million chunks take 90 MB.
const SUMS_CAP: u64 = 256 << 20;

/// Objects that are not what they should be, and why.
#[derive(Debug, Default)]
pub struct Broken {
    found: BTreeMap<String, String>,
    /// What could not be read, so that nothing is known of it.
    unread: BTreeMap<String, String>,
}

impl Broken {
    /// Notes what is wrong with the object `name`; only the first reason is kept.
    pub fn add(&mut self, name: &str, why: impl Into<String>) {
        // Whatever else there is about what could not be read comes of that.
        if !self.unread.contains_key(name) {
            let entry = self.found.entry(name.escape_default().to_string());
            entry.or_insert_with(|| why.into());
        }
    }

    /// Notes an error that begins with the object's name.
    pub fn add_error(&mut self, name: &str, error: &Error) {
        let message = error.to_string();
        let own = message.strip_prefix(&format!("{name}: "));
        let mut why = vec![own.unwrap_or(&message).to_owned()];
        why.extend(error.causes());
        let why = why.join(": ");
        if reach::is_out_of_reach(error) {
            self.unread.entry(name.to_owned()).or_insert(why);
        } else {
            self.add(name, why);
        }
    }

    /// True when something is wrong with the object `name`, or it could not be read.
    pub fn has(&self, name: &str) -> bool {
        self.found.contains_key(name) || self.unread.contains_key(name)
    }

    /// One error that names all of them.
    pub fn into_result(self, id: &BackupId) -> Result<()> {
        let told = |all: &BTreeMap<String, String>| -> String {
            let all: Vec<String> = all.iter().map(|(n, why)| format!("{n} {why}")).collect();
            all.join("; ")
        };
        if !self.found.is_empty() {
            let found = told(&self.found);
            return Err(Error::damaged(format!("backup {id} is damaged: {found}"))
                .hint("do not restore from it; take another backup, or another copy of this one"));
        }
        if self.unread.is_empty() {
            return Ok(());
        }
        let unread = told(&self.unread);
        Err(
            Error::failed(format!("backup {id} could not be read: {unread}"))
                .hint("that says nothing about the backup; try again"),
        )
    }
}

/// Checks `backup` to `level`.
pub fn verify(
    backup: Backup,
    level: VerifyLevel,
    identities: &Identities,
    observer: &dyn Observer,
) -> Result<Verified> {
    let mut broken = Broken::default();
    let names = listed(&backup, &mut broken)?;
    signed(&backup, &mut broken);
    if level >= VerifyLevel::Hashed {
        hashed(&backup, &names, &mut broken);
        wraps(backup.files(), &mut broken);
        chain(&backup, &mut broken, observer)?;
    }
    let mut contents = None;
    if level >= VerifyLevel::Decrypted {
        let depth = Depth::Everything;
        contents = decrypt::decrypted(&backup, &names, identities, depth, &mut broken, observer)?;
    }
    broken.into_result(&backup.facts().id)?;
    Ok(Verified::new(backup, contents))
}

/// Checks `backup` as deep as [`VerifyLevel::Hashed`], and opens it with one of `identities`. What
/// its objects hold is checked whenever it is read.
pub fn opened(
    backup: Backup,
    identities: &Identities,
    observer: &dyn Observer,
) -> Result<Verified> {
    let mut broken = Broken::default();
    let names = listed(&backup, &mut broken)?;
    signed(&backup, &mut broken);
    hashed(&backup, &names, &mut broken);
    chain(&backup, &mut broken, observer)?;
    unlocked(backup, &names, identities, broken, observer)
}

/// Opens a `backup` that this very program wrote and read back a moment ago with one of `identities`. What
/// its objects hold is checked whenever it is read.
pub fn just_written(
    backup: Backup,
    identities: &Identities,
    observer: &dyn Observer,
) -> Result<Verified> {
    let mut broken = Broken::default();
    let names = listed(&backup, &mut broken)?;
    unlocked(backup, &names, identities, broken, observer)
}

/// Opens `backup`, of which `names` were listed, unless something is `broken`.
fn unlocked(
    backup: Backup,
    names: &BTreeSet<String>,
    identities: &Identities,
    mut broken: Broken,
    observer: &dyn Observer,
) -> Result<Verified> {
    let depth = Depth::Opened;
    let contents = decrypt::decrypted(&backup, names, identities, depth, &mut broken, observer)?;
    broken.into_result(&backup.facts().id)?;
    Ok(Verified::new(backup, contents))
}

/// Every object is there with its size, and nothing else is. Returns the names that belong.
fn listed(backup: &Backup, broken: &mut Broken) -> Result<BTreeSet<String>> {
    let (folder, manifest) = (backup.files(), backup.manifest());
    let mut expected: BTreeMap<String, Option<u64>> = BTreeMap::new();
    if let Some(sizes) = &manifest.sizes {
        expected.extend(sizes.iter().map(|(n, size)| (n.clone(), Some(*size))));
    } else {
        expected.insert(layout::BEGIN.to_owned(), None);
        expected.insert(layout::SUMS.to_owned(), None);
        match read_sums(folder) {
            Ok(digests) => expected.extend(digests.into_keys().map(|n| (n, None))),
            Err(e) => broken.add_error(layout::SUMS, &e),
        }
    }
    for name in expected.keys() {
        if Object::of(name).is_none_or(Object::is_sidecar) {
            broken.add(
                layout::MANIFEST,
                "names an object that the format doesn't know",
            );
        }
    }
    let mut present = BTreeSet::new();
    let (mut bytes, mut keys) = (0, 0);
    for entry in folder.walk()? {
        let kind = Object::of(&entry.name);
        keys += u64::from(kind == Some(Object::Key));
        // A folder of results that is none holds none.
        if entry.name == "verify" {
            continue;
        }
        let Some(size) = entry.size else {
            // A pin that can't be read holds, a result that can't be read vouches for nothing.
            if matches!(kind, Some(Object::Pin | Object::Verification)) {
                continue;
            }
            broken.add(&entry.name, "is no plain file");
            continue;
        };
        match expected.get(&entry.name) {
            Some(Some(right)) if *right != size => {
                broken.add(&entry.name, format!("has {size} bytes instead of {right}"));
            }
            Some(_) => bytes += size,
            None if kind == Some(Object::Manifest) => {}
            None if kind.is_some_and(Object::is_sidecar) => {}
            None => broken.add(&entry.name, "does not belong to the backup"),
        }
        present.insert(entry.name);
    }
    let missing = expected.keys().filter(|name| !present.contains(*name));
    missing.for_each(|name| broken.add(name, "is missing"));
    if keys == 0 {
        broken.add(layout::FIRST_KEY, "is missing");
    }
    let count = expected.len() as u64;
    if broken.found.is_empty()
        && broken.unread.is_empty()
        && (count, bytes) != (manifest.objects, manifest.bytes)
    {
        broken.add(
            layout::MANIFEST,
            "states another number or size of objects than there are",
        );
    }
    present.retain(|name| expected.contains_key(name) || name.starts_with("keys/"));
    Ok(present)
}

fn read_sums(folder: &Folder) -> Result<BTreeMap<String, Digest>> {
    let text = folder.get(layout::SUMS, SUMS_CAP)?;
    sums::parse(&text.ok_or_else(|| Error::damaged("is missing"))?)
}

/// Every object is there with the size and the digest it was written with, and nothing else is.
pub fn objects(backup: &Backup) -> Result<()> {
    let mut broken = Broken::default();
    let names = listed(backup, &mut broken)?;
    hashed(backup, &names, &mut broken);
    wraps(backup.files(), &mut broken);
    broken.into_result(&backup.facts().id)
}

/// Every object has its digest.
fn hashed(backup: &Backup, names: &BTreeSet<String>, broken: &mut Broken) {
    let (folder, manifest) = (backup.files(), backup.manifest());
    check(folder, layout::SUMS, &manifest.sums_sha256, broken);
    if let Some(digest) = &manifest.public.begin_sha256 {
        check(folder, layout::BEGIN, digest, broken);
    }
    // Damaged sums would accuse intact objects; decryption still finds the others.
    if broken.has(layout::SUMS) {
        return;
    }
    let digests = match read_sums(folder) {
        Ok(digests) => digests,
        Err(e) => return broken.add_error(layout::SUMS, &e),
    };
    for (name, digest) in digests.iter().filter(|(name, _)| names.contains(*name)) {
        check(folder, name, &digest.to_string(), broken);
    }
    for name in names {
        if Object::of(name).is_some_and(Object::is_summed) && !digests.contains_key(name) {
            broken.add(name, "has no digest in SHA256SUMS");
        }
    }
}

/// Its signature, where somebody has compared it.
fn signed(backup: &Backup, broken: &mut Broken) {
    if let Some(Signature::Broken { why }) = &backup.facts().signature {
        broken.add(layout::SIGNATURE, why.clone());
    }
}

/// The wraps are the ones that the list beside them names, where there is such a list.
fn wraps(folder: &Folder, broken: &mut Broken) {
    let list = match operators::read(folder) {
        Ok(None) => return,
        Ok(Some(list)) => list,
        Err(e) => return broken.add_error(layout::OPERATORS, &e),
    };
    for wrap in operators::current(folder, &list) {
        if Object::of(&wrap.object) != Some(Object::Key) {
            broken.add(layout::OPERATORS, "names what is no wrap of the key");
        } else if folder.has(&wrap.object).unwrap_or(true) {
            check(folder, &wrap.object, &wrap.sha256, broken);
        } else {
            broken.add(&wrap.object, "is missing");
        }
    }
}

/// Reads the object `name`, unless it is known to be broken, and compares its digest.
fn check(folder: &Folder, name: &str, right: &str, broken: &mut Broken) {
    if broken.has(name) {
        return;
    }
    match folder.digest(name) {
        Ok((_, digest)) if digest.to_string() == right => {}
        Ok(_) => broken.add(name, "has another digest than it was written with"),
        Err(e) => broken.add_error(name, &e),
    }
}

/// The backups before and after remember each other's manifests.
fn chain(backup: &Backup, broken: &mut Broken, observer: &dyn Observer) -> Result<()> {
    let me = backup.facts();
    let parent = backup.files().place().parent();
    if let Some(previous) = &backup.manifest().public.previous {
        let Ok(id) = previous.id.parse::<BackupId>() else {
            broken.add(
                layout::MANIFEST,
                "names a previous backup with an invalid id",
            );
            return Ok(());
        };
        match Backup::look(&Folder::new(parent.join(id.as_str()))) {
            Ok((_, facts)) => {
                let digest = facts.manifest.map(|d| d.to_string());
                if digest.as_ref() != Some(&previous.manifest_sha256) {
                    let why = format!("records another manifest of {id}, the backup before");
                    broken.add(layout::MANIFEST, why);
                }
            }
            Err(NotComplete::Unreadable(e)) if reach::is_out_of_reach(&e) => {
                broken.add_error(id.as_str(), &e);
            }
            Err(NotComplete::Unreadable(e)) => observer.observe(Event::Warning(format!(
                "{id}, the backup before {}, was not compared: {e}",
                me.id
            ))),
            Err(_) => observer.observe(Event::Note(format!(
                "{id}, the backup before {}, is not there any more",
                me.id
            ))),
        }
    }
    for (id, recorded) in survey::successors(&parent, &me.id)? {
        if me.manifest.map(|d| d.to_string()).as_ref() != Some(&recorded) {
            let why = format!("is not the one that {id}, the backup after, recorded");
            broken.add(layout::MANIFEST, why);
        }
    }
    Ok(())
}
