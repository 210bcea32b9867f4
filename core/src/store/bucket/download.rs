//! Reading an object out of a bucket, block by block: each is asked for by itself, so that a reader
//! who takes his time keeps no connection waiting.

use std::io::{Read, Result as IoResult};
use std::sync::Arc;

use bytes::{Buf as _, Bytes, BytesMut};
use futures_util::StreamExt as _;
use object_store::path::Path as Key;
use object_store::{GetOptions, GetResult, ObjectMeta, ObjectStore, Result as StoreResult};

use super::{cause, wait};
use crate::store::reach::OutOfReach;

/// How much is asked for at a time.
const BLOCK: u64 = 4 << 20;

/// An object that is being read.
pub struct Download {
    store: Arc<dyn ObjectStore>,
    meta: ObjectMeta,
    held: Bytes,
    /// How much came so far.
    come: u64,
}

impl Download {
    /// Opens the object `key`.
    pub(super) fn open(store: Arc<dyn ObjectStore>, key: Key) -> StoreResult<Self> {
        let asked = Arc::clone(&store);
        let (meta, held) = wait(async move {
            // Most are no larger than this.
            let got = asked.get_opts(&key, GetOptions::default()).await?;
            let meta = got.meta.clone();
            Ok((meta, beginning(got).await?))
        })?;
        Ok(Self {
            store,
            come: held.len() as u64,
            meta,
            held,
        })
    }

    /// Its size in bytes.
    pub const fn size(&self) -> u64 {
        self.meta.size
    }

    /// Waits for the next block.
    fn fill(&mut self) -> StoreResult<()> {
        let (store, key) = (Arc::clone(&self.store), self.meta.location.clone());
        let end = (self.come + BLOCK).min(self.meta.size);
        let options = GetOptions {
            range: Some((self.come..end).into()),
            // Another object of that name is not what was begun.
            if_match: self.meta.e_tag.clone(),
            ..GetOptions::default()
        };
        let held = wait(async move { store.get_opts(&key, options).await?.bytes().await })?;
        self.come += held.len() as u64;
        self.held = held;
        Ok(())
    }
}

/// The first block of what was asked for.
async fn beginning(got: GetResult) -> StoreResult<Bytes> {
    let mut stream = got.into_stream();
    let mut bytes = BytesMut::new();
    while (bytes.len() as u64) < BLOCK
        && let Some(piece) = stream.next().await
    {
        bytes.extend_from_slice(&piece?);
    }
    Ok(bytes.freeze())
}

impl Read for Download {
    fn read(&mut self, buffer: &mut [u8]) -> IoResult<usize> {
        if self.held.is_empty() && self.come < self.meta.size {
            self.fill()
                .map_err(|e| std::io::Error::other(OutOfReach(cause(&e))))?;
            if self.held.is_empty() {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
        }
        let read = buffer.len().min(self.held.len());
        self.held.copy_to_slice(&mut buffer[..read]);
        Ok(read)
    }
}
