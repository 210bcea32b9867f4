//! A stream to the server that hands the rows of a COPY straight to whoever takes them.
//!
//! The driver would make an owned, counted piece of memory of every row and pass it through a
//! channel, which costs more than the row. So frames are told apart here, on their way to the
//! driver: those of a COPY out of the server go to a [`RowSink`], in the buffer that they were
//! read into, and the driver sees all others.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::tls::{ChannelBinding, TlsConnect, TlsStream};

use crate::error::{Error, Result};

/// What is read at once: more than a Unix socket holds.
const BUFFER: usize = 256 * 1024;

/// Takes the rows of a COPY as they arrive.
pub trait RowSink: Send + Unpin {
    /// Takes a row with its line end; or, of a row too long for the buffer, a piece: `end` says
    /// whether it is the last. After an error nothing more is given.
    fn row(&mut self, bytes: &[u8], end: bool) -> Result<()>;
}

/// The end of a [`Tap`] that turns it on and off.
pub struct Valve<K>(Arc<Mutex<Flow<K>>>);

struct Flow<K> {
    sink: Option<K>,
    failure: Option<Error>,
}

impl<K> Clone for Valve<K> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K> Default for Valve<K> {
    fn default() -> Self {
        let (sink, failure) = (None, None);
        Self(Arc::new(Mutex::new(Flow { sink, failure })))
    }
}

impl<K> Valve<K> {
    fn flow(&self) -> MutexGuard<'_, Flow<K>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on, rows go to `sink`.
    pub fn open(&self, sink: K) {
        self.flow().sink = Some(sink);
    }

    /// Takes the sink back, and what it failed with.
    pub fn close(&self) -> (Option<K>, Option<Error>) {
        let mut flow = self.flow();
        (flow.sink.take(), flow.failure.take())
    }
}

/// Where the frame goes that is being read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Frame {
    Driver,
    Rows,
    Nobody,
}

/// A stream to the server with a [`Valve`].
pub struct Tap<S, K> {
    inner: S,
    valve: Valve<K>,
    buffer: Vec<u8>,
    /// For the driver.
    out: BytesMut,
    header: [u8; 5],
    header_bytes: usize,
    frame: Frame,
    /// Bytes of the frame that have not arrived.
    left: usize,
    /// The answer to the wish for TLS, one byte in no frame, is still to come.
    unframed: bool,
}

impl<S, K: RowSink> Tap<S, K> {
    /// Around `inner`. With `asks_for_tls`, the first byte is the server's answer to that.
    pub fn new(inner: S, valve: Valve<K>, asks_for_tls: bool) -> Self {
        Self {
            inner,
            valve,
            buffer: vec![0; BUFFER],
            out: BytesMut::new(),
            header: [0; 5],
            header_bytes: 0,
            frame: Frame::Driver,
            left: 0,
            unframed: asks_for_tls,
        }
    }

    /// Deals with the first `read` bytes of the buffer.
    fn take(&mut self, read: usize) -> io::Result<()> {
        let mut flow = self.valve.flow();
        let mut at = 0;
        if self.unframed && read > 0 {
            self.unframed = false;
            self.out.extend_from_slice(&self.buffer[..1]);
            at = 1;
        }
        while at < read {
            let bytes = &self.buffer[at..read];
            if self.header_bytes < 5 {
                let some = bytes.len().min(5 - self.header_bytes);
                self.header[self.header_bytes..self.header_bytes + some]
                    .copy_from_slice(&bytes[..some]);
                self.header_bytes += some;
                at += some;
                if self.header_bytes < 5 {
                    break;
                }
                let [tag, length @ ..] = self.header;
                let length = u32::from_be_bytes(length) as usize;
                self.left = length.checked_sub(4).ok_or(io::ErrorKind::InvalidData)?;
                self.frame = match tag {
                    b'd' if flow.sink.is_some() => Frame::Rows,
                    b'H' | b'c' if flow.sink.is_some() => Frame::Nobody,
                    _ => Frame::Driver,
                };
                if self.frame == Frame::Driver {
                    self.out.extend_from_slice(&self.header);
                }
                if self.left == 0 {
                    self.header_bytes = 0;
                }
                continue;
            }
            let some = bytes.len().min(self.left);
            self.left -= some;
            at += some;
            let whole = self.left == 0;
            if whole {
                self.header_bytes = 0;
            }
            match self.frame {
                Frame::Driver => self.out.extend_from_slice(&bytes[..some]),
                Frame::Nobody => {}
                Frame::Rows => {
                    let Flow { sink, failure } = &mut *flow;
                    let Some(sink) = sink else { continue };
                    if let Err(error) = sink.row(&bytes[..some], whole) {
                        *failure = Some(error);
                        // The connection ends, and with it what the server is sending.
                        return Err(io::Error::other("the rows were not taken"));
                    }
                }
            }
        }
        Ok(())
    }
}

impl<S: AsyncRead + Unpin, K: RowSink> AsyncRead for Tap<S, K> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        while this.out.is_empty() {
            let mut buffer = ReadBuf::new(&mut this.buffer);
            ready!(Pin::new(&mut this.inner).poll_read(context, &mut buffer))?;
            let read = buffer.filled().len();
            if read == 0 {
                return Poll::Ready(Ok(()));
            }
            this.take(read)?;
        }
        let some = this.out.len().min(into.remaining());
        into.put_slice(&this.out[..some]);
        this.out.advance(some);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin, K> AsyncWrite for Tap<S, K> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().inner).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(context)
    }
}

impl<S: TlsStream + Unpin, K: RowSink> TlsStream for Tap<S, K> {
    fn channel_binding(&self) -> ChannelBinding {
        self.inner.channel_binding()
    }
}

/// Makes TLS over the stream below a tap, and puts the tap above it.
pub struct TapTls<T, K> {
    tls: T,
    valve: Valve<K>,
}

impl<T, K> TapTls<T, K> {
    /// With the connector `tls`.
    pub const fn new(tls: T, valve: Valve<K>) -> Self {
        Self { tls, valve }
    }
}

impl<S, T, K> TlsConnect<Tap<S, K>> for TapTls<T, K>
where
    T: TlsConnect<S>,
    T::Future: Send + 'static,
    K: RowSink + 'static,
{
    type Stream = Tap<T::Stream, K>;
    type Error = T::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Stream, T::Error>> + Send>>;

    fn connect(self, below: Tap<S, K>) -> Self::Future {
        let connecting = self.tls.connect(below.inner);
        let valve = self.valve;
        Box::pin(async move { Ok(Tap::new(connecting.await?, valve, false)) })
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt as _;

    use super::*;

    #[derive(Clone, Default)]
    struct Rows(Arc<Mutex<Vec<Vec<u8>>>>, Arc<Mutex<bool>>);

    impl RowSink for Rows {
        fn row(&mut self, bytes: &[u8], end: bool) -> Result<()> {
            if bytes == b"refused\n" {
                return Err(Error::failed("full"));
            }
            let mut rows = self.0.lock().unwrap();
            let mut begun = self.1.lock().unwrap();
            if *begun {
                rows.last_mut().unwrap().extend_from_slice(bytes);
            } else {
                rows.push(bytes.to_vec());
            }
            *begun = !end;
            Ok(())
        }
    }

    /// Gives what it holds in pieces of a size.
    struct Pieces(Vec<u8>, usize);

    impl AsyncRead for Pieces {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            into: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            let some = self.1.min(self.0.len()).min(into.remaining());
            into.put_slice(&self.0[..some]);
            self.0.drain(..some);
            Poll::Ready(Ok(()))
        }
    }

    fn frame(tag: u8, bytes: &[u8]) -> Vec<u8> {
        let length = u32::try_from(bytes.len() + 4).unwrap();
        [&[tag][..], &length.to_be_bytes(), bytes].concat()
    }

    async fn read(bytes: &[u8], size: usize, sink: Option<Rows>) -> (io::Result<usize>, Vec<u8>) {
        let valve = Valve::default();
        if let Some(sink) = sink {
            valve.open(sink);
        }
        let mut tap = Tap::new(Pieces(bytes.to_vec(), size), valve, false);
        let mut seen = Vec::new();
        (tap.read_to_end(&mut seen).await, seen)
    }

    #[tokio::test]
    async fn rows_go_to_the_sink_and_all_else_to_the_driver() {
        let long = [vec![b'x'; 700], b"\n".to_vec()].concat();
        let stream = [
            frame(b'S', b"a\0b\0"),
            frame(b'H', b"\0\0\0"),
            frame(b'd', b"1\t2\n"),
            frame(b'N', b""),
            frame(b'd', &long),
            frame(b'd', b"\n"),
            frame(b'c', b""),
            frame(b'C', b"COPY 3\0"),
            frame(b'Z', b"I"),
        ];
        let others = [0, 3, 7, 8].map(|n: usize| stream[n].clone()).concat();
        for size in [1, 2, 3, 5, 64, 100_000] {
            let rows = Rows::default();
            let (ended, seen) = read(&stream.concat(), size, Some(rows.clone())).await;
            ended.unwrap();
            assert_eq!(seen, others, "{size}");
            let expected = [b"1\t2\n".to_vec(), long.clone(), b"\n".to_vec()];
            assert_eq!(*rows.0.lock().unwrap(), expected, "{size}");
            // Without a sink nothing is held back.
            let (_, seen) = read(&stream.concat(), size, None).await;
            assert_eq!(seen, stream.concat(), "{size}");
        }
    }

    #[tokio::test]
    async fn a_sink_that_fails_ends_the_stream() {
        let stream = [frame(b'd', b"refused\n"), frame(b'd', b"2\n")].concat();
        let rows = Rows::default();
        let (ended, seen) = read(&stream, 100, Some(rows.clone())).await;
        assert!(ended.is_err() && seen.is_empty());
        assert!(rows.0.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn the_answer_about_tls_is_no_frame() {
        let bytes = [b"N".to_vec(), frame(b'R', b"\0\0\0\0")].concat();
        let mut tap = Tap::new(Pieces(bytes.clone(), 1), Valve::<Rows>::default(), true);
        let mut seen = Vec::new();
        tap.read_to_end(&mut seen).await.unwrap();
        assert_eq!(seen, bytes);
    }
}
