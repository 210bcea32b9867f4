//! Making one object: compress, encrypt, hash the plaintext, all in memory.

use std::io::Result as IoResult;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;

use age::stream::StreamWriter;
use sha2::Digest as _;
use sha2::Sha256;

use crate::error::Context as _;
use crate::error::Error;
use crate::error::Result;
use crate::ident::Digest;
use crate::store::codec::Codec;
use crate::store::codec::Encoder;

/// An object that is being filled. Only its compressed, encrypted form is kept.
pub struct Seal {
    encoder: Encoder<StreamWriter<Tally>>,
    size: Arc<AtomicUsize>,
    hasher: Sha256,
    plain_bytes: u64,
}

/// A finished object.
pub struct Sealed {
    /// The bytes to store.
    pub bytes: Vec<u8>,
    /// Size of the plaintext.
    pub plain_bytes: u64,
    /// Digest of the plaintext.
    pub plain_sha256: Digest,
}

impl Seal {
    /// An empty object for `recipient`.
    pub fn new(recipient: &age::x25519::Recipient, codec: Codec, level: i32) -> Result<Self> {
        let size = Arc::new(AtomicUsize::new(0));
        let output = Tally {
            bytes: Vec::new(),
            size: Arc::clone(&size),
        };
        let recipient: &dyn age::Recipient = recipient;
        let encryptor = age::Encryptor::with_recipients(std::iter::once(recipient))
            .map_err(|e| Error::failed("cannot encrypt").caused_by(e))?;
        let encrypted = encryptor.wrap_output(output).context("cannot encrypt")?;
        let encoder = Encoder::new(codec, level, encrypted).context("cannot compress")?;
        Ok(Self {
            encoder,
            size,
            hasher: Sha256::new(),
            plain_bytes: 0,
        })
    }

    /// Adds plaintext.
    pub fn write(&mut self, plain: &[u8]) -> Result<()> {
        self.hasher.update(plain);
        self.plain_bytes += plain.len() as u64;
        self.encoder.write_all(plain).context("cannot compress")
    }

    /// The size so far, short of what compression and encryption still hold back.
    pub fn size(&self) -> usize {
        self.size.load(Ordering::Relaxed)
    }

    /// Size of the plaintext so far.
    pub const fn plain_bytes(&self) -> u64 {
        self.plain_bytes
    }

    /// Ends both streams: without that, the object would read as cut.
    pub fn finish(self) -> Result<Sealed> {
        let encrypted = self.encoder.finish().context("cannot compress")?;
        let output = encrypted.finish().context("cannot encrypt")?;
        Ok(Sealed {
            bytes: output.bytes,
            plain_bytes: self.plain_bytes,
            plain_sha256: Digest::from_bytes(self.hasher.finalize().into()),
        })
    }
}

/// Bytes whose number can be seen from outside: age's writer shows nothing of what it wraps.
struct Tally {
    bytes: Vec<u8>,
    size: Arc<AtomicUsize>,
}

impl Write for Tally {
    fn write(&mut self, bytes: &[u8]) -> IoResult<usize> {
        self.bytes.extend_from_slice(bytes);
        self.size.store(self.bytes.len(), Ordering::Relaxed);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> IoResult<()> {
        Ok(())
    }
}
