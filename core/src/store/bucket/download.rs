//! Reading an object out of a bucket, as it comes.

use std::collections::VecDeque;
use std::io::{Read, Result as IoResult};

use bytes::{Buf as _, Bytes};
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use object_store::{GetResult, Result as StoreResult};

use super::wait;

/// How much is asked for at a time.
const BLOCK: usize = 256 << 10;

/// An object that is being read.
pub struct Download {
    size: u64,
    held: VecDeque<Bytes>,
    /// What is still to come.
    rest: Option<BoxStream<'static, StoreResult<Bytes>>>,
}

impl Download {
    pub(super) fn new(got: GetResult) -> Self {
        Self {
            size: got.meta.size,
            held: VecDeque::new(),
            rest: Some(got.into_stream()),
        }
    }

    /// Its size in bytes.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Waits for the next pieces.
    fn fill(&mut self) -> StoreResult<()> {
        let Some(mut rest) = self.rest.take() else {
            return Ok(());
        };
        let (held, rest) = wait(async move {
            let (mut held, mut size) = (VecDeque::new(), 0);
            while size < BLOCK {
                match rest.next().await {
                    None => return Ok((held, None)),
                    Some(piece) => {
                        let piece = piece?;
                        size += piece.len();
                        held.push_back(piece);
                    }
                }
            }
            Ok((held, Some(rest)))
        })?;
        (self.held, self.rest) = (held, rest);
        Ok(())
    }
}

impl Read for Download {
    fn read(&mut self, buffer: &mut [u8]) -> IoResult<usize> {
        loop {
            if let Some(piece) = self.held.front_mut() {
                if piece.is_empty() {
                    self.held.pop_front();
                    continue;
                }
                let read = buffer.len().min(piece.len());
                piece.copy_to_slice(&mut buffer[..read]);
                return Ok(read);
            }
            if self.rest.is_none() {
                return Ok(0);
            }
            self.fill().map_err(std::io::Error::other)?;
        }
    }
}
