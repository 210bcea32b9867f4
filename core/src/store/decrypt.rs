//! The deepest look: open everything with an operator's identity, count and hash the rows.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::collections::HashMap;
use std::collections::HashSet;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;

use age::x25519;

use crate::error::Error;
use crate::error::Result;
use crate::model::event::Event;
use crate::model::event::Observer;
use crate::model::event::Phase;
use crate::store::backup::Backup;
use crate::store::convert;
use crate::store::identities::Identities;
use crate::store::layout;
use crate::store::layout::Object;
use crate::store::row_hash::RowHash;
use crate::store::row_hash::RowHasher;
use crate::store::script;
use crate::store::script_reader::Piece;
use crate::store::script_reader::ScriptReader;
use crate::store::unlock;
use crate::store::unseal::unseal;
use crate::store::verified::Contents;
use crate::store::verified::StoredPart;
use crate::store::verify::Broken;
use crate::store::wire;
use crate::store::wire_private::Plain;
use crate::store::wire_private::Private;

/// The most that `private.json` may hold, decompressed: it states the bounds of all other
/// objects, so its own is fixed.
pub const PRIVATE_CAP: u64 = 256 << 20;

/// How much is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// The keys and `private.json`; what the other objects hold is checked when it is read.
    Opened,
    /// Everything.
    Everything,
}

/// Opens and checks everything, or what `depth` says; `None` when `broken` says why that was
/// impossible.
pub fn decrypted(
    backup: &Backup,
    names: &BTreeSet<String>,
    identities: &Identities,
    depth: Depth,
    broken: &mut Broken,
    observer: &dyn Observer,
) -> Result<Option<Contents>> {
    let Some(identity) = unlock::open_key(backup, names, identities, broken)? else {
        return Ok(None);
    };
    let Some(private) = read_private(backup, names, &identity, broken) else {
        return Ok(None);
    };
    let contents = match Contents::new(identity, &private) {
        Ok(contents) => contents,
        Err(e) => {
            broken.add_error("private.json", &e);
            return Ok(None);
        }
    };
    compare_names(&contents, names, broken);
    if depth == Depth::Everything {
        check_objects(backup, &contents, broken, observer);
    }
    Ok(Some(contents))
}

fn read_private(
    backup: &Backup,
    names: &BTreeSet<String>,
    identity: &x25519::Identity,
    broken: &mut Broken,
) -> Option<Private> {
    let private = |name: &&String| matches!(Object::of(name), Some(Object::Private(_)));
    let mut found = names.iter().filter(private);
    let (name, codec) = match (found.next(), found.next()) {
        (Some(name), None) => (name, Object::of(name).and_then(Object::codec)?),
        (None, _) => {
            broken.add("private.json", "is missing");
            return None;
        }
        (_, Some(second)) => {
            broken.add(second, "is a second private.json");
            return None;
        }
    };
    if broken.has(name) {
        return None;
    }
    let mut json = Vec::new();
    let mut sink = |block: &[u8]| {
        json.extend_from_slice(block);
        Ok(())
    };
    let read = unseal(
        backup.files(),
        name,
        codec,
        identity,
        PRIVATE_CAP,
        &mut sink,
    )
    .and_then(|_| wire::from_json::<Private>(name, &json));
    match read {
        Err(e) => {
            broken.add_error(name, &e);
            None
        }
        Ok(private) if private.format != wire::FORMAT => {
            broken.add(name, format!("has the unknown format {}", private.format));
            None
        }
        Ok(private) => {
            let mut public = private.public.clone();
            if backup.manifest().public.tables.is_none() {
                public.tables = None;
            }
            if public != backup.manifest().public {
                broken.add(layout::MANIFEST, "says other than private.json");
            }
            Some(private)
        }
    }
}

/// The encrypted objects are the ones that `private.json` lists.
fn compare_names(contents: &Contents, names: &BTreeSet<String>, broken: &mut Broken) {
    let encrypted = |name: &str| {
        let object = Object::of(name);
        object.is_some_and(|o| o.codec().is_some() && !matches!(o, Object::Private(_)))
    };
    let plain = &contents.plain;
    for name in names
        .iter()
        .filter(|n| encrypted(n) && !plain.contains_key(*n))
    {
        broken.add(name, "is not listed in private.json");
    }
    for name in plain.keys().filter(|n| !names.contains(*n)) {
        broken.add(name, "is missing");
    }
    for name in plain.keys().filter(|n| !encrypted(n)) {
        broken.add(name, "is no name of an encrypted object");
    }
}

/// Rows found for a part: in all, and per chunk.
#[derive(Default)]
struct Tally {
    rows: u64,
    hash: RowHash,
    chunks: Vec<(String, u64)>,
}

/// What a chunk holds of each part: its number, and the rows.
type Found = Vec<(usize, RowHasher)>;

/// Reads the objects, several at a time.
fn check_objects(
    backup: &Backup,
    contents: &Contents,
    broken: &mut Broken,
    observer: &dyn Observer,
) {
    let parts = contents.parts.iter().enumerate();
    let headers = parts.map(|(number, stored)| (header(stored), number));
    let headers: HashMap<Vec<u8>, usize> = headers.collect();
    let total = contents.parts.iter().map(|p| p.rows).sum();
    let names: Vec<(&String, &Plain)> = (contents.plain.iter())
        .filter(|(name, _)| !broken.has(name))
        .collect();
    let (next, done) = (AtomicUsize::new(0), AtomicU64::new(0));
    let read = || {
        let mut all = Vec::new();
        while let Some((name, plain)) = names.get(next.fetch_add(1, Ordering::Relaxed)) {
            let found = check_object(backup, contents, name, plain, &headers);
            if let Ok(found) = &found {
                let rows: u64 = found.iter().map(|(_, hasher)| hasher.rows()).sum();
                observer.observe(Event::Progress {
                    phase: Phase::Verify,
                    what: backup.facts().id.to_string(),
                    done: done.fetch_add(rows, Ordering::Relaxed) + rows,
                    total,
                });
            }
            all.push((*name, found));
        }
        all
    };
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get().min(4));
    let mut read: Vec<(&String, Result<Found>)> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(read)).collect();
        let ended = threads.into_iter().map(std::thread::ScopedJoinHandle::join);
        ended.flat_map(Result::unwrap_or_default).collect()
    });
    read.sort_by_key(|(name, _)| *name);
    let mut tallies: Vec<Tally> = Vec::new();
    tallies.resize_with(contents.parts.len(), Tally::default);
    for name in names.iter().map(|(name, _)| *name) {
        match read.binary_search_by_key(&name, |(name, _)| *name) {
            Err(_) => broken.add(name, "could not be checked"),
            Ok(place) => match std::mem::replace(&mut read[place].1, Ok(Vec::new())) {
                Err(e) => broken.add_error(name, &e),
                Ok(found) => add(name, found, &mut tallies, broken),
            },
        }
    }
    compare(contents, tallies, broken);
}

fn add(name: &str, found: Found, tallies: &mut [Tally], broken: &mut Broken) {
    for (number, hasher) in found {
        match (hasher.finish(), tallies.get_mut(number)) {
            (Ok((rows, hash)), Some(tally)) => {
                tally.rows += rows;
                tally.hash.merge(hash);
                tally.chunks.push((name.to_owned(), rows));
            }
            _ => broken.add(name, "ends in the middle of a row"),
        }
    }
}

/// Compares what was found with what was noted.
fn compare(contents: &Contents, tallies: Vec<Tally>, broken: &mut Broken) {
    for (stored, tally) in contents.parts.iter().zip(tallies) {
        let found: BTreeMap<&String, u64> = tally.chunks.iter().map(|(n, r)| (n, *r)).collect();
        for (name, rows) in &stored.chunks {
            if found.get(name) != Some(rows) {
                broken.add(
                    name,
                    format!("holds another number of rows of {}", stored.part.table),
                );
            }
        }
        let intact = stored.chunks.iter().all(|(name, _)| !broken.has(name));
        let right = (stored.rows, stored.row_hash, stored.chunks.len());
        if intact && (tally.rows, tally.hash.value(), tally.chunks.len()) != right {
            let first = stored
                .chunks
                .first()
                .map_or("private.json", |(name, _)| name);
            broken.add(first, format!("holds other rows of {}", stored.part.table));
        }
    }
}

/// The COPY statement in front of the rows of a part.
pub fn header(stored: &StoredPart) -> Vec<u8> {
    let into = stored.staging.as_ref().unwrap_or(&stored.part.table);
    script::copy_header(into, &stored.part).into_bytes()
}

fn check_object(
    backup: &Backup,
    contents: &Contents,
    name: &str,
    plain: &Plain,
    headers: &HashMap<Vec<u8>, usize>,
) -> Result<Found> {
    let object = Object::of(name);
    let codec = object.and_then(Object::codec);
    let codec = codec.ok_or_else(|| Error::damaged("has an invalid name"))?;
    let is_data = matches!(object, Some(Object::Data(_)));
    let mut reader = ScriptReader::in_pieces();
    let mut all = Found::new();
    let mut take = |piece: Piece<'_>| {
        match piece {
            Piece::Header(header) => {
                let number = headers.get(header).copied();
                let number = number.ok_or_else(|| Error::damaged("holds rows of no known part"))?;
                all.push((number, RowHasher::default()));
            }
            Piece::Rows(rows) => {
                if let Some((_, hasher)) = all.last_mut() {
                    for row in rows.split_inclusive(|b| *b == b'\n') {
                        hasher.add(row, row.ends_with(b"\n"))?;
                    }
                }
            }
            Piece::End => {}
        }
        Ok(())
    };
    let mut sink = |block: &[u8]| {
        if is_data {
            reader.push(block, &mut take)
        } else {
            Ok(())
        }
    };
    let identity = &contents.identity;
    let found = unseal(
        backup.files(),
        name,
        codec,
        identity,
        plain.bytes,
        &mut sink,
    )?;
    if (found.0, found.1.to_string()) != (plain.bytes, plain.sha256.clone()) {
        return Err(Error::damaged("holds other than was written into it"));
    }
    if is_data {
        reader.finish()?;
    }
    Ok(all)
}

/// Reads `private` into what the operations work with.
impl Contents {
    fn new(identity: x25519::Identity, private: &Private) -> Result<Self> {
        let parts: Result<Vec<StoredPart>> =
            private.parts.iter().map(convert::part_from_wire).collect();
        let parts = parts?;
        let plain = private
            .objects
            .iter()
            .map(|p| (p.object.clone(), p.clone()));
        let (mut seen, mut shared) = (HashSet::new(), HashSet::new());
        for (chunk, _) in parts.iter().flat_map(|p| &p.chunks) {
            if !seen.insert(chunk) {
                shared.insert(chunk.clone());
            }
        }
        Ok(Self {
            identity,
            shared,
            parts,
            plain: plain.collect(),
            sequences: private
                .sequences
                .iter()
                .map(convert::sequence_from_wire)
                .collect(),
            large_objects: convert::large_objects(private)?,
            commit: convert::commit_facts(private)?,
        })
    }
}
