//! A backup that was read and matched: the only kind that is restored.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

use age::x25519;
use serde_json::Value;

use crate::error::Error;
use crate::error::Result;
use crate::ident::TableName;
use crate::model::backup::BackupFacts;
use crate::model::backup::Part;
use crate::model::backup::SequenceState;
use crate::store::backup::Backup;
use crate::store::decrypt;
use crate::store::facts::CommitFacts;
use crate::store::layout::Object;
use crate::store::script;
use crate::store::script_reader::Lines;
use crate::store::script_reader::Piece;
use crate::store::script_reader::ScriptReader;
use crate::store::statement_writer::LargeObjectFacts;
use crate::store::unseal::unseal;
use crate::store::wire_private::Plain;

/// A part as it lies in a backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredPart {
    /// Which rows of which table.
    pub part: Part,
    /// The table that a recovery by hand finds the rows in; `None` for the table itself.
    pub staging: Option<TableName>,
    /// How many rows.
    pub rows: u64,
    /// Their row hash.
    pub row_hash: u128,
    /// The chunks they lie in, and how many in each.
    pub chunks: Vec<(String, u64)>,
}

/// A chunk, as whoever loads it sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChunkFacts {
    /// The name of its object.
    pub name: String,
    /// Size of its plaintext.
    pub bytes: u64,
    /// The numbers of the parts it holds rows of, and how many.
    pub parts: Vec<(usize, u64)>,
}

/// A piece of a chunk.
#[derive(Debug)]
pub enum Loading<'a> {
    /// Rows of the part of this number follow.
    Part(usize),
    /// Rows in COPY text form; one may go on in the next piece.
    Rows(&'a [u8]),
    /// The rows of the part have ended.
    End,
}

/// The most that definitions may take, before or after the data: they are held in memory. A
/// hundred thousand tables take about 100 MB.
pub const SCHEMA_CAP: u64 = 256 << 20;

/// A chunk that small parts share is kept in memory if it is no larger.
const SHARED_CAP: u64 = 256 << 20;

/// Rows by the header they stand under.
type Blocks = HashMap<Vec<u8>, Vec<u8>>;

/// Takes rows and the header they stand under.
type BlockSink<'a> = dyn FnMut(&Vec<u8>, &[u8]) -> Result<()> + 'a;

/// What only an operator's identity shows.
pub struct Contents {
    pub identity: x25519::Identity,
    pub parts: Vec<StoredPart>,
    pub plain: BTreeMap<String, Plain>,
    /// Chunks with rows of more than one part.
    pub shared: HashSet<String>,
    pub sequences: Vec<SequenceState>,
    pub large_objects: Option<LargeObjectFacts>,
    pub commit: CommitFacts,
}

/// A backup of which every object was read and matched, as deep as was asked for. Only
/// [`Backup::verify`] makes one.
pub struct Verified {
    backup: Backup,
    contents: Option<Contents>,
    /// The rows of the shared chunk read last: its parts are mostly read one after another.
    cache: Mutex<Option<(String, Arc<Blocks>)>>,
}

impl Verified {
    pub(super) const fn new(backup: Backup, contents: Option<Contents>) -> Self {
        Self {
            backup,
            contents,
            cache: Mutex::new(None),
        }
    }

    /// The backup itself.
    pub const fn backup(&self) -> &Backup {
        &self.backup
    }

    /// What its manifest says.
    pub const fn facts(&self) -> &BackupFacts {
        self.backup.facts()
    }

    /// Its streams of rows; none unless it was decrypted.
    pub fn parts(&self) -> &[StoredPart] {
        self.contents.as_ref().map_or(&[], |c| &c.parts)
    }

    /// What was told at the commit.
    pub fn commit_facts(&self) -> Result<&CommitFacts> {
        Ok(&self.contents()?.commit)
    }

    /// What the operations kept for themselves; null unless it was decrypted.
    pub fn details(&self) -> &Value {
        self.contents
            .as_ref()
            .map_or(&Value::Null, |c| &c.commit.details)
    }

    /// The state of its sequences.
    pub fn sequences(&self) -> Result<Vec<SequenceState>> {
        Ok(self.contents()?.sequences.clone())
    }

    /// What its large objects are; `None` when it was made without.
    pub fn large_objects(&self) -> Result<Option<LargeObjectFacts>> {
        Ok(self.contents()?.large_objects)
    }

    /// Gives the statements that make large objects to `sink`, in order, many lines at a time.
    pub fn large_object_statements(&self, sink: &mut dyn FnMut(&str) -> Result<()>) -> Result<()> {
        let contents = self.contents()?;
        let scripts = contents.plain.keys();
        for name in scripts.filter(|n| matches!(Object::of(n), Some(Object::LargeObjects(_)))) {
            let mut lines = Lines::default();
            self.plaintext(contents, name, &mut |block| lines.push(block, sink))?;
            lines.finish().map_err(|e| e.wrap(name))?;
        }
        Ok(())
    }

    /// True when it was made with the schema.
    pub fn has_schema(&self) -> Result<bool> {
        let contents = self.contents()?;
        let has = |wanted: fn(Object) -> bool| {
            let mut names = contents.plain.keys();
            names.any(|n| Object::of(n).is_some_and(wanted))
        };
        Ok(has(|o| matches!(o, Object::SchemaPre(_)))
            && has(|o| matches!(o, Object::SchemaPost(_))))
    }

    /// The schema, before and after the data; `None` when it was made without.
    pub fn schema(&self) -> Result<Option<(String, String)>> {
        let pre = self.text(|o| matches!(o, Object::SchemaPre(_)))?;
        let post = self.text(|o| matches!(o, Object::SchemaPost(_)))?;
        Ok(pre.zip(post))
    }

    /// Gives the rows of the part numbered `part` in [`Verified::parts`] to `sink`: whole rows in
    /// COPY text form, any number at a time. Digests and counts are checked again meanwhile, so
    /// what the sink did counts only once this has returned the number of rows.
    pub fn read(&self, part: usize, sink: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<u64> {
        let contents = self.contents()?;
        let stored = contents.parts.get(part);
        let stored = stored.ok_or_else(|| Error::failed("the backup has no such part"))?;
        let header = decrypt::header(stored);
        let mut total = 0;
        for (name, right) in &stored.chunks {
            let mut rows = 0;
            let mut take = |block: &[u8]| {
                rows += script::count_rows(block);
                sink(block)
            };
            let small = contents
                .plain
                .get(name)
                .is_some_and(|p| p.bytes <= SHARED_CAP);
            if small && contents.shared.contains(name) {
                let blocks = self.shared_chunk(contents, name)?;
                blocks.get(&header).map_or(Ok(()), |rows| take(rows))?;
            } else {
                self.blocks(contents, name, &mut |found, block| {
                    if *found == header {
                        take(block)
                    } else {
                        Ok(())
                    }
                })?;
            }
            if rows != *right {
                return Err(Error::damaged(format!(
                    "{name}: the number of rows differs"
                )));
            }
            total += rows;
        }
        if total == stored.rows {
            Ok(total)
        } else {
            let table = &stored.part.table;
            Err(Error::damaged(format!(
                "the number of rows of {table} differs"
            )))
        }
    }

    /// The chunks, in the order of their names.
    pub fn chunks(&self) -> Result<Vec<ChunkFacts>> {
        let contents = self.contents()?;
        let mut parts: BTreeMap<&String, Vec<(usize, u64)>> = BTreeMap::new();
        for (number, stored) in contents.parts.iter().enumerate() {
            for (name, rows) in &stored.chunks {
                parts.entry(name).or_default().push((number, *rows));
            }
        }
        let chunk = |(name, parts): (&String, Vec<(usize, u64)>)| ChunkFacts {
            name: name.clone(),
            bytes: contents.plain.get(name).map_or(0, |p| p.bytes),
            parts,
        };
        Ok(parts.into_iter().map(chunk).collect())
    }

    /// Gives what `chunk` holds to `sink`. Digests and counts are checked meanwhile, so what the
    /// sink did counts only once this has returned.
    pub fn read_chunk(
        &self,
        chunk: &ChunkFacts,
        sink: &mut dyn FnMut(Loading<'_>) -> Result<()>,
    ) -> Result<()> {
        let contents = self.contents()?;
        let name = &chunk.name;
        let differs = || Error::damaged(format!("{name}: the number of rows differs"));
        let mut left: HashMap<Vec<u8>, (usize, u64)> = HashMap::new();
        for (number, rows) in &chunk.parts {
            let stored = contents.parts.get(*number);
            let stored = stored.ok_or_else(|| Error::failed("the backup has no such part"))?;
            left.insert(decrypt::header(stored), (*number, *rows));
        }
        let mut reader = ScriptReader::in_pieces();
        let mut expected = 0;
        let mut take = |piece: Piece<'_>| match piece {
            Piece::Header(header) => {
                let (number, rows) = left.remove(header).ok_or_else(differs)?;
                expected = rows;
                sink(Loading::Part(number))
            }
            Piece::Rows(rows) => {
                let count = script::count_rows(rows);
                expected = u64::checked_sub(expected, count).ok_or_else(differs)?;
                sink(Loading::Rows(rows))
            }
            Piece::End if expected > 0 => Err(differs()),
            Piece::End => sink(Loading::End),
        };
        self.plaintext(contents, name, &mut |block| reader.push(block, &mut take))?;
        reader.finish().map_err(|e| e.wrap(name))?;
        if left.is_empty() {
            Ok(())
        } else {
            Err(differs())
        }
    }

    /// The rows in a chunk that small parts share, by header.
    fn shared_chunk(&self, contents: &Contents, name: &str) -> Result<Arc<Blocks>> {
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((cached, blocks)) = cache.as_ref()
            && cached == name
        {
            return Ok(Arc::clone(blocks));
        }
        let mut blocks = Blocks::new();
        self.blocks(contents, name, &mut |header, rows| {
            let kept = blocks.entry(header.clone()).or_default();
            kept.extend_from_slice(rows);
            Ok(())
        })?;
        let blocks = Arc::new(blocks);
        *cache = Some((name.to_owned(), Arc::clone(&blocks)));
        Ok(blocks)
    }

    /// Gives all rows of the chunk `name` to `sink`, each with the header they stand under.
    fn blocks(&self, contents: &Contents, name: &str, sink: &mut BlockSink<'_>) -> Result<()> {
        let mut reader = ScriptReader::default();
        let mut header = Vec::new();
        let mut take = |piece: Piece<'_>| match piece {
            Piece::Header(found) => {
                header = found.to_vec();
                Ok(())
            }
            Piece::Rows(rows) => sink(&header, rows),
            Piece::End => Ok(()),
        };
        self.plaintext(contents, name, &mut |block| reader.push(block, &mut take))?;
        reader.finish().map_err(|e| e.wrap(name))
    }

    fn contents(&self) -> Result<&Contents> {
        self.contents
            .as_ref()
            .ok_or_else(|| Error::failed("the backup was not decrypted"))
    }

    /// The text of the object that `wanted` picks.
    fn text(&self, wanted: impl Fn(Object) -> bool) -> Result<Option<String>> {
        let contents = self.contents()?;
        let mut names = contents.plain.keys();
        let Some(name) = names.find(|n| Object::of(n).is_some_and(&wanted)) else {
            return Ok(None);
        };
        if contents
            .plain
            .get(name)
            .is_some_and(|p| p.bytes > SCHEMA_CAP)
        {
            return Err(Error::damaged(format!(
                "{name} holds more than the {} MiB that definitions may take",
                SCHEMA_CAP >> 20
            )));
        }
        let mut bytes = Vec::new();
        self.plaintext(contents, name, &mut |block| {
            bytes.extend_from_slice(block);
            Ok(())
        })?;
        let text = String::from_utf8(bytes);
        text.map(Some)
            .map_err(|_| Error::damaged(format!("{name} is no UTF-8 text")))
    }

    /// Gives the plaintext of the object `name` to `sink`, checked again.
    fn plaintext(
        &self,
        contents: &Contents,
        name: &str,
        sink: &mut dyn FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        let unknown = || Error::damaged(format!("{name} is not listed in private.json"));
        let plain = contents.plain.get(name).ok_or_else(unknown)?;
        let codec = Object::of(name)
            .and_then(Object::codec)
            .ok_or_else(unknown)?;
        let (files, identity) = (self.backup.files(), &contents.identity);
        let (bytes, digest) = unseal(files, name, codec, identity, plain.bytes, sink)?;
        if (bytes, digest.to_string()) != (plain.bytes, plain.sha256.clone()) {
            return Err(Error::damaged(format!(
                "{name} changed since it was verified"
            )));
        }
        Ok(())
    }
}

impl std::fmt::Debug for Verified {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Verified({})", self.facts().id)
    }
}
