//! A digest of a table's rows that depends neither on their order nor on how they are chunked.

use sha2::Digest as _;
use sha2::Sha256;

/// The sum modulo 2¹²⁸, over all rows, of the first 16 bytes (big-endian) of the SHA-256 of a
/// row's COPY text without its line end. It finds accidents; it is no defence against forgery.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RowHash(u128);

impl RowHash {
    /// Takes in one row, without its line end.
    pub fn add(&mut self, row: &[u8]) {
        self.0 = self.0.wrapping_add(row_hash(row));
    }

    /// Takes in one row by the SHA-256 of it.
    pub fn add_digest(&mut self, digest: &[u8; 32]) {
        self.0 = self.0.wrapping_add(first_half(digest));
    }

    /// The sum so far.
    pub const fn value(&self) -> u128 {
        self.0
    }
}

/// What one row, without its line end, adds to a [`RowHash`].
pub fn row_hash(row: &[u8]) -> u128 {
    first_half(&Sha256::digest(row).into())
}

fn first_half(digest: &[u8; 32]) -> u128 {
    let mut half = [0; 16];
    half.copy_from_slice(&digest[..16]);
    u128::from_be_bytes(half)
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
}
