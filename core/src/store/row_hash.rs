//! A digest of a table's rows that depends neither on their order nor on how they are chunked.

use sha2::Digest as _;
use sha2::Sha256;
use sha2::block_api::compress256;

use crate::error::Error;
use crate::error::Result;

/// Bytes that SHA-256 takes in at once.
const BLOCK: usize = 64;

/// What SHA-256 begins with.
const INITIAL: [u32; 8] = [
    0x6a09_e667,
    0xbb67_ae85,
    0x3c6e_f372,
    0xa54f_f53a,
    0x510e_527f,
    0x9b05_688c,
    0x1f83_d9ab,
    0x5be0_cd19,
];

/// The sum modulo 2¹²⁸, over all rows, of the first 16 bytes (big-endian) of the SHA-256 of a
/// row's COPY text without its line end. It finds accidents; it is no defence against forgery.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RowHash(u128);

impl RowHash {
    /// Takes in one row, without its line end.
    pub fn add(&mut self, row: &[u8]) {
        self.0 = self.0.wrapping_add(row_hash(row));
    }

    /// Adds the rows of `other`.
    pub fn merge(&mut self, other: Self) {
        self.0 = self.0.wrapping_add(other.0);
    }

    /// The sum so far.
    pub const fn value(&self) -> u128 {
        self.0
    }
}

/// What one row, without its line end, adds to a [`RowHash`].
pub fn row_hash(row: &[u8]) -> u128 {
    // Most rows fit into one block of SHA-256 with its padding: then nothing needs to be kept
    // between blocks, and half of the time is saved.
    let mut block = [0; BLOCK];
    let Some(head) = block.get_mut(..row.len()).filter(|h| h.len() < BLOCK - 8) else {
        return first_half(&Sha256::digest(row).into());
    };
    head.copy_from_slice(row);
    block[row.len()] = 0x80;
    block[BLOCK - 8..].copy_from_slice(&(row.len() as u64 * 8).to_be_bytes());
    let mut state = INITIAL;
    compress256(&mut state, &[block]);
    state[..4]
        .iter()
        .fold(0, |sum, word| sum << 32 | u128::from(*word))
}

fn first_half(digest: &[u8; 32]) -> u128 {
    let mut half = [0; 16];
    half.copy_from_slice(&digest[..16]);
    u128::from_be_bytes(half)
}

/// Takes in rows, whole or in pieces, each with its line end.
#[derive(Debug, Clone, Default)]
pub struct RowHasher {
    rows: u64,
    hash: RowHash,
    /// The beginning of a row that comes in pieces: its digest, its length and its first bytes.
    begun: Option<(Sha256, u64, Vec<u8>)>,
}

impl RowHasher {
    /// Takes in a row, or a piece of one, of which `end` says whether it is the last.
    pub fn add(&mut self, bytes: &[u8], end: bool) -> Result<()> {
        if end && self.begun.is_none() {
            self.hash.add(line(bytes)?);
            self.rows += 1;
            return Ok(());
        }
        self.piece(bytes, end)
    }

    /// How many rows, and their hash. Fails in the middle of a row.
    pub fn finish(&self) -> Result<(u64, RowHash)> {
        if self.begun.is_some() {
            return Err(without_end());
        }
        Ok((self.rows, self.hash))
    }

    /// The rows so far.
    pub const fn rows(&self) -> u64 {
        self.rows
    }

    fn piece(&mut self, bytes: &[u8], end: bool) -> Result<()> {
        let begun = self.begun.take();
        let (mut digest, length, mut first) = begun.unwrap_or_default();
        let length = length + bytes.len() as u64;
        first.extend_from_slice(&bytes[..bytes.len().min(3 - first.len())]);
        if !end {
            // The line end is in the last piece, and is no part of what is hashed.
            digest.update(bytes);
            self.begun = Some((digest, length, first));
            return Ok(());
        }
        let Some((b'\n', rest)) = bytes.split_last() else {
            return Err(without_end());
        };
        if length == 3 {
            line(&first)?;
        }
        digest.update(rest);
        self.hash.0 = (self.hash.0).wrapping_add(first_half(&digest.finalize().into()));
        self.rows += 1;
        Ok(())
    }
}

/// A row without its line end.
fn line(row: &[u8]) -> Result<&[u8]> {
    match row.split_last() {
        // It would end the COPY, and what follows would run as SQL.
        Some((b'\n', b"\\.")) => Err(Error::failed("a row holds the end-of-data mark of COPY")),
        Some((b'\n', line)) => Ok(line),
        _ => Err(without_end()),
    }
}

fn without_end() -> Error {
    Error::failed("rows were given without the last line end")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_does_not_matter_and_multiplicity_does() {
        let hash = |rows: &[&str]| {
            let mut sum = RowHash::default();
            for row in rows {
                sum.add(row.as_bytes());
            }
            sum.value()
        };
        assert_eq!(hash(&["a", "b"]), hash(&["b", "a"]));
        assert_ne!(hash(&["a"]), hash(&["a", "a"]));
        assert_eq!(hash(&[]), 0);
        assert_eq!(hash(&[""]), 0xe3b0_c442_98fc_1c14_9afb_f4c8_996f_b924);
    }

    #[test]
    fn rows_of_every_length_are_hashed_alike_whole_and_in_pieces() {
        for length in 0..200 {
            let row = "x".repeat(length);
            let right = first_half(&Sha256::digest(&row).into());
            assert_eq!(row_hash(row.as_bytes()), right, "{length}");
            let whole = format!("{row}\n");
            for cut in 0..=length {
                let mut hasher = RowHasher::default();
                let (head, tail) = whole.as_bytes().split_at(cut);
                hasher.add(head, false).unwrap();
                assert!(hasher.finish().is_err());
                hasher.add(tail, true).unwrap();
                assert_eq!(hasher.finish().unwrap(), (1, RowHash(right)));
            }
        }
    }

    #[test]
    fn the_end_of_data_is_no_row() {
        for pieces in [&["\\.\n"][..], &["\\", ".\n"], &["\\.", "\n"], &["x"]] {
            let mut hasher = RowHasher::default();
            let last = pieces.len() - 1;
            let mut pieces = pieces.iter().enumerate();
            assert!(pieces.any(|(n, piece)| hasher.add(piece.as_bytes(), n == last).is_err()));
        }
    }
}
