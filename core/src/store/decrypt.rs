//! The deepest look: open everything with an operator's identity, count and hash the rows.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::collections::HashMap;
use std::collections::HashSet;

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

/// Opens and checks everything; `None` when `broken` says why that was impossible.
pub fn decrypted(
    backup: &Backup,
    names: &BTreeSet<String>,
    identities: &Identities,
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
    check_objects(backup, &contents, broken, observer);
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

fn check_objects(
    backup: &Backup,
    contents: &Contents,
    broken: &mut Broken,
    observer: &dyn Observer,
) {
    let headers: HashMap<Vec<u8>, usize> = contents
        .parts
        .iter()
        .enumerate()
        .map(|(number, stored)| (header(stored), number))
        .collect();
    let mut tallies: Vec<Tally> = Vec::new();
    tallies.resize_with(contents.parts.len(), Tally::default);
    let total = contents.parts.iter().map(|p| p.rows).sum();
    for (name, plain) in &contents.plain {
        if broken.has(name) {
            continue;
        }
        if let Err(e) = check_object(backup, contents, name, plain, &headers, &mut tallies) {
            broken.add_error(name, &e);
        }
        observer.observe(Event::Progress {
            phase: Phase::Verify,
            what: backup.facts().id.to_string(),
            done: tallies.iter().map(|t| t.rows).sum(),
            total,
        });
    }
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
    tallies: &mut [Tally],
) -> Result<()> {
    let object = Object::of(name);
    let codec = object.and_then(Object::codec);
    let codec = codec.ok_or_else(|| Error::damaged("has an invalid name"))?;
    let is_data = matches!(object, Some(Object::Data(_)));
    let mut reader = ScriptReader::default();
    let mut current = None;
    let mut take = |piece: Piece<'_>| {
        match piece {
            Piece::Header(header) => {
                let number = headers.get(header).copied();
                let number = number.ok_or_else(|| Error::damaged("holds rows of no known part"))?;
                tallies[number].chunks.push((name.to_owned(), 0));
                current = Some(number);
            }
            Piece::Rows(rows) => {
                if let Some(tally) = current.and_then(|n| tallies.get_mut(n)) {
                    for row in rows
                        .strip_suffix(b"\n")
                        .unwrap_or(rows)
                        .split(|b| *b == b'\n')
                    {
                        tally.hash.add(row);
                        tally.rows += 1;
                        if let Some((_, rows)) = tally.chunks.last_mut() {
                            *rows += 1;
                        }
                    }
                }
            }
            Piece::End => current = None,
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
    if is_data { reader.finish() } else { Ok(()) }
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
