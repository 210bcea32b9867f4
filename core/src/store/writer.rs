//! Making a backup, object by object. What is not committed is removed again.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::clock::Timestamp;
use crate::error::Error;
use crate::error::Result;
use crate::ident::BackupId;
use crate::ident::TableName;
use crate::model::backup::Part;
use crate::model::backup::PartRole;
use crate::model::backup::SequenceState;
use crate::store::age_key::BackupKey;
use crate::store::chunk::LIMITS;
use crate::store::chunk::Limits;
use crate::store::codec::Codec;
use crate::store::facts::NewBackup;
use crate::store::folder::Folder;
use crate::store::lane::Heading;
use crate::store::lane::Lane;
use crate::store::lane::Saved;
use crate::store::layout;
use crate::store::objects::Objects;
use crate::store::part_writer::PartWriter;
use crate::store::place::Place;
use crate::store::recipients::Recipients;
use crate::store::script;
use crate::store::signing_key::SigningKey;
use crate::store::statement_writer::LargeObjectFacts;
use crate::store::verified::SCHEMA_CAP;
use crate::store::verified::StoredPart;

/// A backup that is being made. Dropped without [`Writer::commit`], it removes what it wrote.
pub struct Writer {
    pub(super) id: BackupId,
    pub(super) started: Timestamp,
    pub(super) new: NewBackup,
    /// Where the folder goes in the end.
    pub(super) target: Place,
    pub(super) operators: Recipients,
    pub(super) objects: Arc<Objects>,
    key: BackupKey,
    /// What signs the manifest.
    pub(super) signer: Option<SigningKey>,
    pub(super) parts: Vec<StoredPart>,
    /// Tables of which all rows are parts.
    tables: BTreeSet<TableName>,
    /// Parts whose rows are not all there yet.
    pub(super) pending: BTreeSet<usize>,
    pub(super) sequences: Vec<SequenceState>,
    pub(super) large_objects: Option<LargeObjectFacts>,
    /// True from the moment nothing is to be removed any more.
    pub(super) done: bool,
    /// Of the thread that makes the backup.
    pub(super) lane: Lane,
    /// What data scripts begin with.
    pub(super) preamble: &'static str,
    pub(super) limits: Limits,
}

/// What a writer is made from.
pub struct Opening {
    pub id: BackupId,
    pub started: Timestamp,
    pub new: NewBackup,
    pub folder: Folder,
    pub target: Place,
    pub operators: Recipients,
    pub key: BackupKey,
    pub signer: Option<SigningKey>,
    pub codec: Codec,
    pub level: i32,
}

impl Writer {
    /// A writer into the folder of `opening`, which exists and is empty.
    pub(super) fn new(opening: Opening) -> Self {
        let objects = Arc::new(Objects::new(
            opening.folder,
            opening.key.0.to_public(),
            opening.codec,
            opening.level,
        ));
        Self {
            id: opening.id,
            started: opening.started,
            new: opening.new,
            target: opening.target,
            operators: opening.operators,
            lane: Lane::new(Arc::clone(&objects), LIMITS, script::BEGIN),
            objects,
            key: opening.key,
            signer: opening.signer,
            parts: Vec::new(),
            tables: BTreeSet::new(),
            pending: BTreeSet::new(),
            sequences: Vec::new(),
            large_objects: None,
            done: false,
            preamble: script::BEGIN,
            limits: LIMITS,
        }
    }

    /// The id of the backup.
    pub const fn id(&self) -> &BackupId {
        &self.id
    }

    /// What opens the backup while this run holds it.
    pub fn key(&self) -> BackupKey {
        self.key.clone()
    }

    /// Says that rows are bytes in no known encoding, to be loaded as they are.
    pub fn raw_rows(&mut self) {
        self.preamble = script::BEGIN_RAW;
        self.lane = self.lane();
    }

    /// Begins a stream of rows. It must be finished before the next one begins.
    pub fn part(&mut self, part: Part) -> Result<PartWriter<'_>> {
        let heading = self.announce(part)?;
        PartWriter::new(self, heading)
    }

    /// Announces a part whose rows are taken in by [`Lane`]s, and are there once it was
    /// [`saved`](Self::saved).
    pub fn announce(&mut self, part: Part) -> Result<Heading> {
        let staging = if part.role == PartRole::Rows {
            if !self.tables.insert(part.table.clone()) {
                let table = &part.table;
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
        let text = match &staging {
            Some(staging) => {
                let make = script::make_staging(staging, &part);
                format!("{make}{}", script::copy_header(staging, &part))
            }
            None => script::copy_header(&part.table, &part),
        };
        let number = self.parts.len();
        self.pending.insert(number);
        self.parts.push(StoredPart {
            part,
            staging,
            rows: 0,
            row_hash: 0,
            chunks: Vec::new(),
        });
        Ok(Heading { number, text })
    }

    /// Takes in rows beside others: one lane for each thread that reads.
    pub fn lane(&self) -> Lane {
        Lane::new(Arc::clone(&self.objects), self.limits, self.preamble)
    }

    /// Sets `count` numbers of chunks aside; returns the first.
    pub fn reserve_chunks(&self, count: u32) -> u32 {
        self.objects.reserve_chunks(count)
    }

    /// Notes that the part under `heading` was taken in, slice by slice in the order of its rows.
    pub fn saved(&mut self, heading: &Heading, slices: Vec<Saved>) {
        let number = heading.number;
        if let Some(part) = self.parts.get_mut(number) {
            for slice in slices {
                part.rows += slice.rows;
                part.row_hash = part.row_hash.wrapping_add(slice.hash.value());
                part.chunks.extend(slice.chunks);
            }
        }
        self.pending.remove(&number);
    }

    /// Keeps the output of `pg_dump`, unchanged.
    pub fn schema(&mut self, pre_data: &[u8], post_data: &[u8]) -> Result<()> {
        if pre_data.len().max(post_data.len()) as u64 > SCHEMA_CAP {
            return Err(Error::failed(
                "the definitions are larger than a backup's may be: it could not be restored",
            ));
        }
        let codec = self.objects.codec();
        self.objects.seal(layout::schema_pre(codec), pre_data)?;
        self.objects.seal(layout::schema_post(codec), post_data)
    }

    /// Keeps the state of all sequences.
    pub fn sequences(&mut self, states: &[SequenceState]) -> Result<()> {
        let name = layout::sequences(self.objects.codec());
        self.objects
            .seal(name, script::sequences(states).as_bytes())?;
        self.sequences = states.to_vec();
        Ok(())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if !self.done {
            self.objects.discard();
            self.target.parent().remove_if_empty();
        }
    }
}
