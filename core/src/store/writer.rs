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
use crate::store::folder;
use crate::store::folder::Folder;
use crate::store::layout;
use crate::store::part_writer::PartWriter;
use crate::store::recipients::Recipients;
use crate::store::script;
use crate::store::seal::Seal;
use crate::store::seal::Sealed;
use crate::store::statement_writer::LargeObjectFacts;
use crate::store::verified::StoredPart;
use crate::store::wire_private;

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
    pub(super) large_objects: Option<LargeObjectFacts>,
    /// True from the moment nothing is to be removed any more.
    pub(super) done: bool,
    /// What data scripts begin with.
    pub(super) preamble: &'static str,
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
            large_objects: None,
            done: false,
            preamble: script::BEGIN,
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

    /// Says that rows are bytes in no known encoding, to be loaded as they are.
    pub fn raw_rows(&mut self) {
        self.preamble = script::BEGIN_RAW;
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
        Ok(PartWriter::new(self, header))
    }

    /// Keeps the output of `pg_dump`, unchanged.
    pub fn schema(&mut self, pre_data: &[u8], post_data: &[u8]) -> Result<()> {
        let sealed = self.seal(pre_data)?;
        self.put_sealed(layout::schema_pre(self.codec), &sealed)?;
        let sealed = self.seal(post_data)?;
        self.put_sealed(layout::schema_post(self.codec), &sealed)
    }

    /// Keeps the state of all sequences.
    pub fn sequences(&mut self, states: &[SequenceState]) -> Result<()> {
        let sealed = self.seal(script::sequences(states).as_bytes())?;
        self.put_sealed(layout::sequences(self.codec), &sealed)?;
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
    pub(super) fn put_sealed(&mut self, name: String, sealed: &Sealed) -> Result<()> {
        self.put(&name, &sealed.bytes)?;
        self.plain.push(wire_private::Plain {
            object: name,
            bytes: sealed.plain_bytes,
            sha256: sealed.plain_sha256.to_string(),
        });
        Ok(())
    }

    pub(super) fn begin_chunk(&mut self) -> Result<Chunk> {
        let seal = Seal::new(&self.recipient, self.codec, self.level)?;
        let name = layout::data(self.next_chunk, self.codec);
        self.next_chunk += 1;
        Chunk::begin(name, self.preamble, seal)
    }

    pub(super) fn end_chunk(&mut self, chunk: Chunk) -> Result<()> {
        let (name, blocks, sealed) = chunk.finish()?;
        for block in blocks {
            self.parts[block.part]
                .chunks
                .push((name.clone(), block.rows));
        }
        self.put_sealed(name, &sealed)
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
            folder::remove_if_empty(&folder::parent_of(&self.target));
        }
    }
}
