//! Making a backup, object by object. What is not committed is removed again.

use std::collections::BTreeMap;
use std::path::PathBuf;

use age::x25519;

use crate::clock::Timestamp;
use crate::error::Error;
use crate::error::Result;
use crate::ident::BackupId;
use crate::ident::Digest;
use crate::ident::TableName;
use crate::model::backup::Part;
use crate::model::backup::PartRole;
use crate::model::backup::SequenceState;
use crate::store::chunk::Chunk;
use crate::store::chunk::LIMITS;
use crate::store::chunk::Limits;
use crate::store::codec::Codec;
use crate::store::facts::NewBackup;
use crate::store::folder::Folder;
use crate::store::layout;
use crate::store::recipients::Recipients;
use crate::store::row_hash::RowHash;
use crate::store::script;
use crate::store::seal::Seal;
use crate::store::seal::Sealed;
use crate::store::verified::StoredPart;
use crate::store::wire_private;

/// A large block of rows is taken in slices of about this size, so that a chunk ends near its
/// limit.
const SLICE: usize = 256 * 1024;

/// A backup that is being made. Dropped without [`Writer::commit`], it removes what it wrote.
pub struct Writer {
    pub(super) id: BackupId,
    pub(super) started: Timestamp,
    pub(super) new: NewBackup,
    pub(super) folder: Folder,
    /// Where the folder goes in the end.
    pub(super) target: PathBuf,
    pub(super) operators: Recipients,
    pub(super) recipient: x25519::Recipient,
    pub(super) codec: Codec,
    pub(super) level: i32,
    /// Size and digest of what was written.
    pub(super) objects: BTreeMap<String, (u64, Digest)>,
    pub(super) plain: Vec<wire_private::Plain>,
    pub(super) parts: Vec<StoredPart>,
    pub(super) sequences: Vec<SequenceState>,
    /// True from the moment nothing is to be removed any more.
    pub(super) done: bool,
    pub(super) limits: Limits,
    pub(super) shared: Option<Chunk>,
    pub(super) next_chunk: u32,
    /// True while a part is open, and for ever once one was left open.
    pub(super) open_part: bool,
}

/// What a writer is made from.
pub struct Opening {
    pub id: BackupId,
    pub started: Timestamp,
    pub new: NewBackup,
    pub folder: Folder,
    pub target: PathBuf,
    pub operators: Recipients,
    pub recipient: x25519::Recipient,
    pub codec: Codec,
    pub level: i32,
}

impl Writer {
    /// A writer into the folder of `opening`, which exists and is empty.
    pub(super) fn new(opening: Opening) -> Self {
        Self {
            id: opening.id,
            started: opening.started,
            new: opening.new,
            folder: opening.folder,
            target: opening.target,
            operators: opening.operators,
            recipient: opening.recipient,
            codec: opening.codec,
            level: opening.level,
            objects: BTreeMap::new(),
            plain: Vec::new(),
            parts: Vec::new(),
            sequences: Vec::new(),
            done: false,
            limits: LIMITS,
            shared: None,
            next_chunk: 0,
            open_part: false,
        }
    }

    /// The id of the backup.
    pub const fn id(&self) -> &BackupId {
        &self.id
    }

    /// Begins a stream of rows. It must be finished before the next one begins.
    pub fn part(&mut self, part: Part) -> Result<PartWriter<'_>> {
        if self.open_part {
            return Err(Error::failed(
                "an earlier part of the backup was not finished",
            ));
        }
        let same = |p: &&StoredPart| p.part.table == part.table && p.part.role == part.role;
        let staging = if part.role == PartRole::Rows {
            if let Some(twice) = self.parts.iter().find(same) {
                let table = &twice.part.table;
                return Err(Error::failed(format!("{table} is in the backup twice")));
            }
            None
        } else {
            let taken = |name: &TableName| {
                let mut names = self.parts.iter().filter_map(|p| p.staging.as_ref());
                names.any(|n| n == name)
            };
            Some(script::staging_table(&part, taken))
        };
        let header = match &staging {
            Some(staging) => {
                let make = script::make_staging(staging, &part);
                format!("{make}{}", script::copy_header(staging, &part))
            }
            None => script::copy_header(&part.table, &part),
        };
        self.open_part = true;
        self.parts.push(StoredPart {
            part,
            staging,
            rows: 0,
            row_hash: 0,
            chunks: Vec::new(),
        });
        Ok(PartWriter {
            number: self.parts.len() - 1,
            header,
            hash: RowHash::default(),
            rows: 0,
            small: Vec::new(),
            chunk: None,
            writer: self,
        })
    }

    /// Keeps the output of pg_dump, unchanged.
    pub fn schema(&mut self, pre_data: &[u8], post_data: &[u8]) -> Result<()> {
        let sealed = self.seal(pre_data)?;
        self.put_sealed(layout::schema_pre(self.codec), sealed)?;
        let sealed = self.seal(post_data)?;
        self.put_sealed(layout::schema_post(self.codec), sealed)
    }

    /// Keeps the state of all sequences.
    pub fn sequences(&mut self, states: &[SequenceState]) -> Result<()> {
        let sealed = self.seal(script::sequences(states).as_bytes())?;
        self.put_sealed(layout::sequences(self.codec), sealed)?;
        self.sequences = states.to_vec();
        Ok(())
    }

    /// Compresses and encrypts one whole object.
    pub(super) fn seal(&self, plain: &[u8]) -> Result<Sealed> {
        let mut seal = Seal::new(&self.recipient, self.codec, self.level)?;
        seal.write(plain)?;
        seal.finish()
    }

    /// Writes an object and notes what was written.
    pub(super) fn put(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        self.folder.put(name, bytes)?;
        let facts = (bytes.len() as u64, Digest::of(bytes));
        self.objects.insert(name.to_owned(), facts);
        Ok(())
    }

    /// Writes an encrypted object and notes what it holds.
    pub(super) fn put_sealed(&mut self, name: String, sealed: Sealed) -> Result<()> {
        self.put(&name, &sealed.bytes)?;
        self.plain.push(wire_private::Plain {
            object: name,
            bytes: sealed.plain_bytes,
            sha256: sealed.plain_sha256.to_string(),
        });
        Ok(())
    }

    fn begin_chunk(&mut self) -> Result<Chunk> {
        let seal = Seal::new(&self.recipient, self.codec, self.level)?;
        let name = layout::data(self.next_chunk, self.codec);
        self.next_chunk += 1;
        Chunk::begin(name, seal)
    }

    fn end_chunk(&mut self, chunk: Chunk) -> Result<()> {
        let (name, blocks, sealed) = chunk.finish()?;
        for block in blocks {
            self.parts[block.part]
                .chunks
                .push((name.clone(), block.rows));
        }
        self.put_sealed(name, sealed)
    }

    /// Ends the chunk that small parts share, if one is open.
    pub(super) fn end_shared_chunk(&mut self) -> Result<()> {
        self.shared
            .take()
            .map_or(Ok(()), |chunk| self.end_chunk(chunk))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if !self.done {
            // Best effort: what stays behind is named .partial and counts as incomplete.
            let _ = std::fs::remove_dir_all(self.folder.path());
        }
    }
}

/// Takes the rows of one part. Dropped without [`PartWriter::finish`], it makes the whole backup
/// impossible to commit.
pub struct PartWriter<'a> {
    writer: &'a mut Writer,
    number: usize,
    header: String,
    hash: RowHash,
    rows: u64,
    /// All rows so far, while they are few enough to share a chunk with other parts.
    small: Vec<u8>,
    /// The chunk being filled, once they are not.
    chunk: Option<Chunk>,
}

impl PartWriter<'_> {
    /// Adds rows in COPY text form: any number, whole ones, each with its line end.
    pub fn rows(&mut self, bytes: &[u8]) -> Result<()> {
        let Some(rows) = bytes.strip_suffix(b"\n") else {
            return if bytes.is_empty() {
                Ok(())
            } else {
                Err(Error::failed("rows were given without the last line end"))
            };
        };
        for row in rows.split(|b| *b == b'\n') {
            // It would end the COPY, and what follows would run as SQL.
            if row == b"\\." {
                return Err(Error::failed("a row holds the end-of-data mark of COPY"));
            }
            self.hash.add(row);
            self.rows += 1;
        }
        if self.chunk.is_none() {
            if self.small.len() + bytes.len() < self.writer.limits.small {
                self.small.extend_from_slice(bytes);
                return Ok(());
            }
            let small = std::mem::take(&mut self.small);
            self.write(&small)?;
        }
        self.write(bytes)
    }

    /// Ends the part; returns the number of its rows.
    pub fn finish(mut self) -> Result<u64> {
        if let Some(mut chunk) = self.chunk.take() {
            chunk.end_rows()?;
            self.writer.end_chunk(chunk)?;
        } else {
            let full = |c: &Chunk| c.is_full_for_sharing(self.writer.limits);
            if self.writer.shared.as_ref().is_some_and(full) {
                self.writer.end_shared_chunk()?;
            }
            let mut chunk = match self.writer.shared.take() {
                Some(chunk) => chunk,
                None => self.writer.begin_chunk()?,
            };
            chunk.begin_rows(self.number, &self.header)?;
            chunk.rows(&self.small)?;
            chunk.end_rows()?;
            self.writer.shared = Some(chunk);
        }
        let part = &mut self.writer.parts[self.number];
        part.rows = self.rows;
        part.row_hash = self.hash.value();
        self.writer.open_part = false;
        Ok(self.rows)
    }

    /// Writes whole rows into chunks of this part alone.
    fn write(&mut self, mut rows: &[u8]) -> Result<()> {
        while !rows.is_empty() {
            let from = rows.len().min(SLICE) - 1;
            let line = rows[from..].iter().position(|b| *b == b'\n');
            let (slice, rest) = rows.split_at(line.map_or(rows.len(), |at| from + at + 1));
            rows = rest;
            let mut chunk = match self.chunk.take() {
                Some(mut full) if full.is_full(self.writer.limits) => {
                    full.end_rows()?;
                    self.writer.end_chunk(full)?;
                    self.begin_chunk()?
                }
                Some(chunk) => chunk,
                None => self.begin_chunk()?,
            };
            chunk.rows(slice)?;
            self.chunk = Some(chunk);
        }
        Ok(())
    }

    fn begin_chunk(&mut self) -> Result<Chunk> {
        let mut chunk = self.writer.begin_chunk()?;
        chunk.begin_rows(self.number, &self.header)?;
        Ok(chunk)
    }
}
