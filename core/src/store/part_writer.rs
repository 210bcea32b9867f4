//! Taking in the rows of one part after another, in the thread that makes the backup.

use crate::error::Error;
use crate::error::Result;
use crate::store::lane::Heading;
use crate::store::writer::Writer;

/// Takes the rows of one part. Dropped without [`PartWriter::finish`], it makes the whole backup
/// impossible to commit.
pub struct PartWriter<'a> {
    writer: &'a mut Writer,
    heading: Heading,
}

impl<'a> PartWriter<'a> {
    /// Takes the rows that belong under `heading`.
    pub(super) fn new(writer: &'a mut Writer, heading: Heading) -> Result<Self> {
        writer.lane.begin(heading.clone(), None, false)?;
        Ok(Self { writer, heading })
    }

    /// Adds rows in COPY text form: any number, whole ones, each with its line end.
    pub fn rows(&mut self, bytes: &[u8]) -> Result<()> {
        let mut rows = bytes.split_inclusive(|b| *b == b'\n');
        rows.try_for_each(|row| {
            if row.ends_with(b"\n") {
                self.row(row, true)
            } else {
                Err(Error::failed("rows were given without the last line end"))
            }
        })
    }

    /// Adds a row with its line end, or a piece of one, of which `end` says whether it is the
    /// last.
    pub fn row(&mut self, bytes: &[u8], end: bool) -> Result<()> {
        self.writer.lane.row(bytes, end)
    }

    /// The rows so far.
    pub fn count(&self) -> u64 {
        self.writer.lane.count()
    }

    /// Ends the part; returns the number of its rows.
    pub fn finish(self) -> Result<u64> {
        let saved = self.writer.lane.end()?;
        let rows = saved.rows;
        self.writer.saved(&self.heading, vec![saved]);
        Ok(rows)
    }
}
