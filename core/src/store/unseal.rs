//! Reading one object back: decrypt, decompress, bounded by what it is known to hold.

use std::io::BufReader;
use std::io::ErrorKind;
use std::io::Read as _;

use age::DecryptError;
use age::Decryptor;
use sha2::Digest as _;
use sha2::Sha256;

use crate::error::Error;
use crate::error::Result;
use crate::ident::Digest;
use crate::store::codec::Codec;
use crate::store::folder::Folder;
use crate::store::reach;

/// Gives the plaintext of the object `name` to `sink`, block by block, and returns its size and
/// digest. Fails as soon as it turns out larger than `cap`. Until this has returned, what the
/// sink was given is only a verified beginning.
pub fn unseal(
    folder: &Folder,
    name: &str,
    codec: Codec,
    identity: &age::x25519::Identity,
    cap: u64,
    sink: &mut dyn FnMut(&[u8]) -> Result<()>,
) -> Result<(u64, Digest)> {
    let file = BufReader::with_capacity(128 * 1024, folder.open(name)?);
    let damaged = |why: &str| Error::damaged(format!("{name}: {why}"));
    let unread = |e: std::io::Error| Error::failed(format!("{name}: cannot be read")).caused_by(e);
    let identity: &dyn age::Identity = identity;
    let plain = Decryptor::new_buffered(file)
        .and_then(|d| d.decrypt(std::iter::once(identity)))
        .map_err(|e| match e {
            DecryptError::NoMatchingKeys => damaged("does not belong to this backup's identity"),
            DecryptError::Io(e) if reach::is_out_of_reach(&e) => unread(e),
            e => damaged("cannot be decrypted").caused_by(e),
        })?;
    let unreadable = |e: std::io::Error| {
        if reach::is_out_of_reach(&e) {
            unread(e)
        } else {
            damaged("cannot be decrypted or decompressed").caused_by(e)
        }
    };
    let mut plain = codec
        .decoder(plain)
        .map_err(unreadable)?
        .take(cap.saturating_add(1));
    let mut block = vec![0; 128 * 1024];
    let mut hasher = Sha256::new();
    let mut size = 0;
    loop {
        let read = match plain.read(&mut block) {
            Err(e) if e.kind() == ErrorKind::Interrupted => continue,
            result => result.map_err(unreadable)?,
        };
        if read == 0 {
            return Ok((size, Digest::from_bytes(hasher.finalize().into())));
        }
        size += read as u64;
        if size > cap {
            return Err(damaged("holds more than it should"));
        }
        hasher.update(&block[..read]);
        sink(&block[..read])?;
    }
}
