//! Taking in the rows of one part: hashed, counted, and spread over chunks.

use crate::error::Error;
use crate::error::Result;
use crate::store::chunk::Chunk;
use crate::store::row_hash::RowHash;
use crate::store::writer::Writer;

/// A large block of rows is taken in slices of about this size, so that a chunk ends near its
/// limit.
const SLICE: usize = 256 * 1024;

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

impl<'a> PartWriter<'a> {
    /// Takes the rows of the part that `writer` noted last; `header` goes in front of them.
    pub(super) fn new(writer: &'a mut Writer, header: String) -> Self {
        Self {
            number: writer.parts.len() - 1,
            header,
            hash: RowHash::default(),
            rows: 0,
            small: Vec::new(),
            chunk: None,
            writer,
        }
    }

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

    /// The rows so far.
    pub const fn count(&self) -> u64 {
        self.rows
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
            let from = rows.len().min(SLICE).min(self.writer.limits.chunk) - 1;
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
