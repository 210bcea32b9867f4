//! The only writer to standard output and standard error.

use std::io::{self, ErrorKind, IsTerminal as _, Write};
use std::sync::{Mutex, PoisonError};

use pgbelay_core::error::{Error, Result};

/// Standard output and standard error. A reader that went away is no failure: what would be
/// written there is dropped, and the work goes on.
pub struct Output {
    stdout: Sink,
    stderr: Sink,
}

impl Output {
    /// The process's own streams.
    pub fn real() -> Self {
        Self {
            stdout: Sink::new(Box::new(io::stdout()), io::stdout().is_terminal()),
            stderr: Sink::new(Box::new(io::stderr()), io::stderr().is_terminal()),
        }
    }

    /// Streams to the given writers, neither of them a terminal.
    pub fn to(stdout: Box<dyn Write + Send>, stderr: Box<dyn Write + Send>) -> Self {
        Self {
            stdout: Sink::new(stdout, false),
            stderr: Sink::new(stderr, false),
        }
    }

    /// Writes to standard output.
    pub fn out(&self, text: &str) {
        self.stdout.write(text);
    }

    /// Writes to standard error.
    pub fn err(&self, text: &str) {
        self.stderr.write(text);
    }

    /// True when standard output is a terminal.
    pub const fn out_is_terminal(&self) -> bool {
        self.stdout.terminal
    }

    /// True when standard error is a terminal.
    pub const fn err_is_terminal(&self) -> bool {
        self.stderr.terminal
    }

    /// Tells whether all of the answer could be written (or its reader went away).
    pub fn finish(&self) -> Result<()> {
        match self.stdout.failure() {
            Some(kind) if kind != ErrorKind::BrokenPipe => {
                Err(Error::failed("standard output can't be written")
                    .caused_by(io::Error::from(kind)))
            }
            _ => Ok(()),
        }
    }
}

struct Sink {
    state: Mutex<(Box<dyn Write + Send>, Option<ErrorKind>)>,
    terminal: bool,
}

impl Sink {
    fn new(writer: Box<dyn Write + Send>, terminal: bool) -> Self {
        let state = Mutex::new((writer, None));
        Self { state, terminal }
    }

    fn write(&self, text: &str) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (writer, failure) = &mut *state;
        if failure.is_none() {
            let written = writer
                .write_all(text.as_bytes())
                .and_then(|()| writer.flush());
            *failure = written.err().map(|e| e.kind());
        }
    }

    fn failure(&self) -> Option<ErrorKind> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Closed(ErrorKind);

    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_closed_pipe_is_no_failure_but_a_full_disk_is() {
        let to = |kind| Output::to(Box::new(Closed(kind)), Box::new(io::sink()));
        let pipe = to(ErrorKind::BrokenPipe);
        pipe.out("x");
        assert!(pipe.finish().is_ok());
        let disk = to(ErrorKind::StorageFull);
        disk.out("x");
        assert!(disk.finish().is_err());
    }
}
