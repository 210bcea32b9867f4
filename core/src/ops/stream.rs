//! The rows of a backup as a stream. Decryption runs on a thread of its own, a few pieces ahead.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::mpsc::{Receiver, channel};
use tokio::task::JoinHandle;

use crate::error::{Error, Result};
use crate::store::Verified;

/// Starts reading the part numbered `part` of `backup`: pieces of whole rows, and what to wait for
/// once they have ended. An error takes the place of what could not be read.
pub fn rows(backup: Arc<Verified>, part: usize) -> (Receiver<Result<Bytes>>, Reading) {
    let (send, pieces) = channel::<Result<Bytes>>(4);
    let reader = tokio::task::spawn_blocking(move || {
        let mut sink = |rows: &[u8]| {
            send.blocking_send(Ok(Bytes::copy_from_slice(rows)))
                .map_err(|_| Error::failed("loading stopped"))
        };
        if let Err(error) = backup.read(part, &mut sink) {
            // The loader must not take an early end for the end.
            drop(send.blocking_send(Err(error)));
        }
    });
    (pieces, Reading(reader))
}

/// The thread that reads.
pub struct Reading(JoinHandle<()>);

impl Reading {
    /// Waits for its end.
    pub async fn end(self) -> Result<()> {
        let ended = self.0.await;
        ended.map_err(|e| Error::failed("reading the backup stopped").caused_by(e))
    }
}
