//! Making one object: compress, encrypt, hash, and write, piece by piece.

use std::io::Result as IoResult;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
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
use crate::store::folder::Output;

/// An object that is being filled. What was compressed and encrypted goes to its place at once.
pub struct Seal {
    name: String,
    encoder: Encoder<StreamWriter<Measured>>,
    size: Arc<AtomicU64>,
    hasher: Sha256,
    plain_bytes: u64,
}

/// A finished object.
pub struct Sealed {
    /// Its name.
    pub name: String,
    /// Where it was written to; not synced, and not ended.
    pub output: Output,
    /// Its size.
    pub bytes: u64,
    /// Its digest.
    pub sha256: Digest,
    /// Size of the plaintext.
    pub plain_bytes: u64,
    /// Digest of the plaintext.
    pub plain_sha256: Digest,
}

impl Seal {
    /// An empty object for `recipient`, to be written into `output`.
    pub fn new(
        name: String,
        output: Output,
        recipient: &age::x25519::Recipient,
        codec: Codec,
        level: i32,
    ) -> Result<Self> {
        let size = Arc::new(AtomicU64::new(0));
        let output = Measured {
            output,
            hasher: Sha256::new(),
            size: Arc::clone(&size),
        };
        let recipient: &dyn age::Recipient = recipient;
        let encryptor = age::Encryptor::with_recipients(std::iter::once(recipient))
            .map_err(|e| Error::failed("cannot encrypt").caused_by(e))?;
        let unwritten = || format!("cannot write {name}");
        let encrypted = encryptor.wrap_output(output).context(unwritten())?;
        let encoder = Encoder::new(codec, level, encrypted).context("cannot compress")?;
        Ok(Self {
            name,
            encoder,
            size,
            hasher: Sha256::new(),
            plain_bytes: 0,
        })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Adds plaintext.
    pub fn write(&mut self, plain: &[u8]) -> Result<()> {
        self.hasher.update(plain);
        self.plain_bytes += plain.len() as u64;
        let written = self.encoder.write_all(plain);
        written.context(format!("cannot write {}", self.name))
    }

    /// The size so far, short of what compression and encryption still hold back.
    pub fn size(&self) -> u64 {
        self.size.load(Ordering::Relaxed)
    }

    /// Size of the plaintext so far.
    pub const fn plain_bytes(&self) -> u64 {
        self.plain_bytes
    }

    /// Ends both streams: without that, the object would read as cut.
    pub fn finish(self) -> Result<Sealed> {
        let unwritten = || format!("cannot write {}", self.name);
        let encrypted = self.encoder.finish().context(unwritten())?;
        let output = encrypted.finish().context(unwritten())?;
        Ok(Sealed {
            output: output.output,
            bytes: self.size.load(Ordering::Relaxed),
            sha256: Digest::from_bytes(output.hasher.finalize().into()),
            plain_bytes: self.plain_bytes,
            plain_sha256: Digest::from_bytes(self.hasher.finalize().into()),
            name: self.name,
        })
    }
}

/// An output whose size can be seen from outside, since age's writer shows nothing of what it wraps.
struct Measured {
    output: Output,
    hasher: Sha256,
    size: Arc<AtomicU64>,
}

impl Write for Measured {
    fn write(&mut self, bytes: &[u8]) -> IoResult<usize> {
        let written = self.output.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        self.size.fetch_add(written as u64, Ordering::Relaxed);
        Ok(written)
    }

    fn flush(&mut self) -> IoResult<()> {
        Ok(())
    }
}
