//! Taking in the rows of parts: hashed, counted, and spread over chunks. Several lanes fill one
//! backup at the same time, each on a thread of its own.

use std::sync::Arc;

use crate::error::Error;
use crate::error::Result;
use crate::store::chunk::Chunk;
use crate::store::chunk::Limits;
use crate::store::layout;
use crate::store::objects::Objects;
use crate::store::row_hash::RowHash;
use crate::store::row_hash::RowHasher;

/// Rows are handed on to the compressor in pieces of about this size: small enough to stay in a
/// processor's cache, large enough for the calls not to matter.
const PIECE: usize = 64 * 1024;

/// What stands in front of the rows of a part.
#[derive(Debug, Clone)]
pub struct Heading {
    /// The number of the part.
    pub(super) number: usize,
    /// The statements.
    pub(super) text: String,
}

/// What became of the rows of a part, or of some of them.
#[derive(Debug, Clone, Default)]
pub struct Saved {
    /// How many rows.
    pub rows: u64,
    pub(super) hash: RowHash,
    /// The chunks they went to, and how many to each.
    pub(super) chunks: Vec<(String, u64)>,
}

/// Takes the rows of one part after another.
pub struct Lane {
    objects: Arc<Objects>,
    limits: Limits,
    /// What chunks begin with.
    preamble: &'static str,
    /// The chunk that small parts share.
    shared: Option<Chunk>,
    open: Option<Open>,
    /// Kept from part to part.
    buffer: Vec<u8>,
}

/// A part that is being taken in.
struct Open {
    heading: Heading,
    saved: Saved,
    /// Rows that end in the buffer.
    buffered: u64,
    hasher: RowHasher,
    /// The chunk being filled, once there are too many rows to share one.
    chunk: Option<Chunk>,
    chunk_rows: u64,
    /// The number of the first chunk.
    first: Option<u32>,
    /// True when rows never go to a shared chunk.
    alone: bool,
}

impl Lane {
    /// A lane into `objects`.
    pub(super) fn new(objects: Arc<Objects>, limits: Limits, preamble: &'static str) -> Self {
        Self {
            objects,
            limits,
            preamble,
            shared: None,
            open: None,
            buffer: Vec::with_capacity(PIECE + PIECE / 4),
        }
    }

    /// Begins the rows of a part. With `first`, the number of the first chunk made for them; with
    /// `alone`, they are many and share no chunk.
    pub fn begin(&mut self, heading: Heading, first: Option<u32>, alone: bool) -> Result<()> {
        if self.open.is_some() {
            return Err(unfinished());
        }
        self.buffer.clear();
        self.open = Some(Open {
            heading,
            saved: Saved::default(),
            buffered: 0,
            hasher: RowHasher::default(),
            chunk: None,
            chunk_rows: 0,
            first,
            alone,
        });
        Ok(())
    }

    /// Adds a row in COPY text form with its line end, or a piece of one, of which `end` says
    /// whether it is the last.
    pub fn row(&mut self, bytes: &[u8], end: bool) -> Result<()> {
        let open = self.open.as_mut().ok_or_else(unfinished)?;
        open.hasher.add(bytes, end)?;
        self.buffer.extend_from_slice(bytes);
        open.buffered += u64::from(end);
        let enough = if open.chunk.is_some() || open.alone {
            PIECE
        } else {
            self.limits.small
        };
        if self.buffer.len() < enough {
            return Ok(());
        }
        self.flush(end)
    }

    /// The rows so far.
    pub fn count(&self) -> u64 {
        self.open.as_ref().map_or(0, |open| open.hasher.rows())
    }

    /// Ends the rows of the part.
    pub fn end(&mut self) -> Result<Saved> {
        let open = self.open.as_mut().ok_or_else(unfinished)?;
        (open.saved.rows, open.saved.hash) = open.hasher.finish()?;
        let alone = open.chunk.is_some() || open.alone;
        if alone {
            if !self.buffer.is_empty() {
                self.flush(true)?;
            }
        } else {
            self.share()?;
        }
        let mut open = self.open.take().ok_or_else(unfinished)?;
        if let Some(chunk) = open.chunk.take() {
            open.end_chunk(chunk, &self.objects)?;
        }
        Ok(open.saved)
    }

    /// Ends the chunk that small parts share, if there is one. No part may be open.
    pub fn close(&mut self) -> Result<()> {
        if self.open.is_some() {
            return Err(unfinished());
        }
        self.shared
            .take()
            .map_or(Ok(()), |chunk| self.objects.end(chunk.finish()?))
    }

    /// Writes what is in the buffer into a chunk of this part alone; `boundary` says whether it
    /// ends with a row.
    fn flush(&mut self, boundary: bool) -> Result<()> {
        let open = self.open.as_mut().ok_or_else(unfinished)?;
        let mut chunk = if let Some(chunk) = open.chunk.take() {
            chunk
        } else {
            let mut chunk = begin_chunk(&self.objects, self.preamble, open.first.take())?;
            chunk.begin_rows(&open.heading.text)?;
            chunk
        };
        chunk.rows(&self.buffer)?;
        self.buffer.clear();
        open.chunk_rows += std::mem::take(&mut open.buffered);
        if boundary && chunk.is_full(self.limits) {
            open.end_chunk(chunk, &self.objects)
        } else {
            open.chunk = Some(chunk);
            Ok(())
        }
    }

    /// Writes what is in the buffer, all rows of the part, into the chunk that small parts share.
    fn share(&mut self) -> Result<()> {
        let full = |c: &Chunk| c.is_full_for_sharing(self.limits);
        if let Some(chunk) = self.shared.take_if(|chunk| full(chunk)) {
            self.objects.end(chunk.finish()?)?;
        }
        let open = self.open.as_mut().ok_or_else(unfinished)?;
        let mut chunk = match self.shared.take() {
            Some(chunk) => chunk,
            None => begin_chunk(&self.objects, self.preamble, open.first.take())?,
        };
        chunk.begin_rows(&open.heading.text)?;
        chunk.rows(&self.buffer)?;
        chunk.end_rows()?;
        let rows = std::mem::take(&mut open.buffered);
        open.saved.chunks.push((chunk.name().to_owned(), rows));
        self.shared = Some(chunk);
        Ok(())
    }
}

impl Open {
    fn end_chunk(&mut self, mut chunk: Chunk, objects: &Objects) -> Result<()> {
        chunk.end_rows()?;
        let rows = std::mem::take(&mut self.chunk_rows);
        self.saved.chunks.push((chunk.name().to_owned(), rows));
        objects.end(chunk.finish()?)
    }
}

fn begin_chunk(objects: &Objects, preamble: &str, number: Option<u32>) -> Result<Chunk> {
    let number = number.unwrap_or_else(|| objects.reserve_chunks(1));
    Chunk::begin(
        preamble,
        objects.begin(layout::data(number, objects.codec()))?,
    )
}

fn unfinished() -> Error {
    Error::failed("a part of the backup was not finished, or not begun")
}
