//! Writing an object into a bucket: at once where it is small enough, else part by part.

use std::io::{Result as IoResult, Write};
use std::mem;

use object_store::path::Path as Key;
use object_store::{Error as StoreError, MultipartUpload, ObjectStoreExt as _, PutPayload};

use crate::error::Result;
use crate::store::reach::OutOfReach;

use super::{Prefix, cause, wait};

/// A larger object goes in parts of this size. Those of a backup are mostly smaller.
const PART: usize = 24 << 20;

/// An object on its way. It is there only once it was [`ended`](Upload::end).
pub struct Upload {
    prefix: Prefix,
    name: String,
    key: Key,
    held: Vec<u8>,
    size: u64,
    parts: Option<Box<dyn MultipartUpload>>,
}

impl Upload {
    pub(super) const fn new(prefix: Prefix, name: String, key: Key) -> Self {
        Self {
            prefix,
            name,
            key,
            held: Vec::new(),
            size: 0,
            parts: None,
        }
    }

    /// Writes what is still held, and waits until the other side has it all.
    pub fn end(mut self) -> Result<()> {
        let held = mem::take(&mut self.held);
        if self.parts.is_none() {
            return self.prefix.put(&self.name, &held);
        }
        let sent = self.send(held);
        sent.map_err(|e| self.prefix.failed("write", &self.name, &e))?;
        let Some(mut parts) = self.parts.take() else {
            return Ok(());
        };
        let completed = wait(async move {
            let completed = parts.complete().await;
            if completed.is_err() {
                let _ = parts.abort().await;
            }
            completed.map(drop)
        });
        match completed {
            // Where an answer was lost, the second attempt finds no parts any more. Each of them was
            // compared when it came.
            Err(e) if !self.prefix.has_size(&self.name, self.size).unwrap_or(false) => {
                Err(self.prefix.failed("write", &self.name, &e))
            }
            _ => Ok(()),
        }
    }

    /// Sends a part.
    fn send(&mut self, bytes: Vec<u8>) -> Result<(), StoreError> {
        if self.parts.is_none() {
            let (store, key) = (self.prefix.store.clone(), self.key.clone());
            self.parts = Some(wait(async move { store.put_multipart(&key).await })?);
        }
        match &mut self.parts {
            Some(parts) if !bytes.is_empty() => wait(parts.put_part(PutPayload::from(bytes))),
            _ => Ok(()),
        }
    }
}

impl Write for Upload {
    fn write(&mut self, bytes: &[u8]) -> IoResult<usize> {
        let room = PART - self.held.len();
        let taken = bytes.len().min(room);
        self.held.extend_from_slice(&bytes[..taken]);
        self.size += taken as u64;
        if self.held.len() == PART {
            let part = mem::take(&mut self.held);
            self.send(part)
                .map_err(|e| std::io::Error::other(OutOfReach(cause(&e))))?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> IoResult<()> {
        Ok(())
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        // Parts of what was given up are kept, and paid for, until they are thrown away.
        if let Some(mut parts) = self.parts.take() {
            let _ = wait(async move { parts.abort().await });
        }
    }
}
