//! A chunk while it is being filled: COPY blocks between BEGIN and COMMIT.

use crate::error::Result;
use crate::store::script;
use crate::store::seal::Seal;
use crate::store::seal::Sealed;

/// When chunks end.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// A chunk ends at the first row boundary at or behind this compressed size.
    pub chunk: usize,
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

/// Rows of one part in one chunk.
#[derive(Debug, Clone, Copy)]
pub struct Block {
    /// The part's number.
    pub part: usize,
    /// How many rows.
    pub rows: u64,
}

/// A chunk that is being filled.
pub struct Chunk {
    seal: Seal,
    /// Its object name.
    pub name: String,
    /// What it holds.
    pub blocks: Vec<Block>,
}

impl Chunk {
    /// Begins the script of a chunk in `seal`, by [`script::BEGIN`] or the like.
    pub fn begin(name: String, preamble: &str, mut seal: Seal) -> Result<Self> {
        seal.write(preamble.as_bytes())?;
        Ok(Self {
            seal,
            name,
            blocks: Vec::new(),
        })
    }

    /// Begins the rows of a part, with the statements in front of them.
    pub fn begin_rows(&mut self, part: usize, header: &str) -> Result<()> {
        self.blocks.push(Block { part, rows: 0 });
        self.seal.write(header.as_bytes())
    }

    /// Adds whole rows.
    pub fn rows(&mut self, rows: &[u8]) -> Result<()> {
        if let Some(block) = self.blocks.last_mut() {
            block.rows += script::count_rows(rows);
        }
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

    /// Ends the script and the object.
    pub fn finish(mut self) -> Result<(String, Vec<Block>, Sealed)> {
        self.seal.write(script::COMMIT.as_bytes())?;
        Ok((self.name, self.blocks, self.seal.finish()?))
    }
}
