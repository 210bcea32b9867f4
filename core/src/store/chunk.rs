//! A chunk while it is being filled: COPY blocks between BEGIN and COMMIT.

use crate::error::Result;
use crate::store::script;
use crate::store::seal::Seal;

/// When chunks end.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// A chunk ends at the first row boundary at or behind this compressed size.
    pub chunk: u64,
    /// Parts whose rows take less share chunks.
    pub small: usize,
    /// A shared chunk also ends at this size of its plaintext, so that a reader can hold one in
    /// memory and take all its parts from there.
    pub shared: u64,
}

/// The limits of the format.
pub const LIMITS: Limits = Limits {
    chunk: 16 << 20,
    small: 1 << 20,
    shared: 32 << 20,
};

/// A chunk that is being filled.
pub struct Chunk {
    seal: Seal,
}

impl Chunk {
    /// Begins the script of a chunk in `seal`, by [`script::BEGIN`] or the like.
    pub fn begin(preamble: &str, mut seal: Seal) -> Result<Self> {
        seal.write(preamble.as_bytes())?;
        Ok(Self { seal })
    }

    /// Its object name.
    pub fn name(&self) -> &str {
        self.seal.name()
    }

    /// Begins the rows of a part, with the statements in front of them.
    pub fn begin_rows(&mut self, header: &str) -> Result<()> {
        self.seal.write(header.as_bytes())
    }

    /// Adds rows, or parts of them.
    pub fn rows(&mut self, rows: &[u8]) -> Result<()> {
        self.seal.write(rows)
    }

    /// Ends the rows of a part.
    pub fn end_rows(&mut self) -> Result<()> {
        self.seal.write(script::END_OF_ROWS.as_bytes())
    }

    /// True when no more rows should be added.
    pub fn is_full(&self, limits: Limits) -> bool {
        self.seal.size() >= limits.chunk
    }

    /// True when no more parts should be added.
    pub fn is_full_for_sharing(&self, limits: Limits) -> bool {
        self.is_full(limits) || self.seal.plain_bytes() >= limits.shared
    }

    /// Ends the script; the object is whole but for its own end.
    pub fn finish(mut self) -> Result<Seal> {
        self.seal.write(script::COMMIT.as_bytes())?;
        Ok(self.seal)
    }
}
