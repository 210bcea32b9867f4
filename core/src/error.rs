//! The one error type of the toolkit.
//!
//! A message is a lower-case fragment that fits after "failed to" or "error:"; causes are chained
//! as sources; hints say what to do next. Row values never appear: whatever comes from PostgreSQL
//! passes through `pg::error`, which drops DETAIL and CONTEXT.

use std::error::Error as StdError;
use std::fmt;

/// What kind of failure this is. Each kind has one exit code, which is public API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The database, the storage, the network or a bug.
    Failed,
    /// Bad input: an unknown flag, an unreadable file, an unknown revision.
    Usage,
    /// A safety check refused to go on.
    Refused,
    /// A check found something.
    Found,
    /// Another run holds the migration lock, or a table lock was not had in time.
    Busy,
    /// A backup is incomplete, damaged, forged, or can't be decrypted.
    Damaged,
    /// The user interrupted the run.
    Interrupted,
}

impl Kind {
    /// The process exit code of this kind.
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Refused => 3,
            Self::Found => 4,
            Self::Busy => 5,
            Self::Damaged => 6,
            Self::Interrupted => 130,
        }
    }
}

/// A failure: its kind, a message, a chain of causes, what had been done already, and hints.
#[derive(Debug)]
pub struct Error {
    kind: Kind,
    message: String,
    hints: Vec<String>,
    done: Vec<String>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// The result of nearly every function here.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error of `kind` with `message`.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            hints: Vec::new(),
            done: Vec::new(),
            source: None,
        }
    }

    /// A failure of the database, the storage or the network.
    pub fn failed(message: impl Into<String>) -> Self {
        Self::new(Kind::Failed, message)
    }

    /// Bad input.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Kind::Usage, message)
    }

    /// A refusal by a safety check.
    pub fn refused(message: impl Into<String>) -> Self {
        Self::new(Kind::Refused, message)
    }

    /// A lock that was not had in time.
    pub fn busy(message: impl Into<String>) -> Self {
        Self::new(Kind::Busy, message)
    }

    /// A backup that can't be trusted or read.
    pub fn damaged(message: impl Into<String>) -> Self {
        Self::new(Kind::Damaged, message)
    }

    /// Adds what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Adds something that had been done before the failure and stays done.
    #[must_use]
    pub fn done(mut self, done: impl Into<String>) -> Self {
        self.done.push(done.into());
        self
    }

    /// Sets the cause.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Wraps this error in an outer message; kind, hints and what was done stay the same.
    #[must_use]
    pub fn wrap(mut self, message: impl Into<String>) -> Self {
        let hints = std::mem::take(&mut self.hints);
        let done = std::mem::take(&mut self.done);
        Self {
            kind: self.kind,
            message: message.into(),
            hints,
            done,
            source: Some(Box::new(self)),
        }
    }

    /// The kind.
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// What to do next, best first.
    pub fn hints(&self) -> &[String] {
        &self.hints
    }

    /// What had been done before the failure and stays done.
    pub fn already_done(&self) -> &[String] {
        &self.done
    }

    /// The message and those of the causes, outermost first, in one line.
    pub fn in_full(&self) -> String {
        let causes = self.causes().into_iter();
        let all: Vec<String> = std::iter::once(self.to_string()).chain(causes).collect();
        all.join(": ")
    }

    /// The messages of the causes, outermost first.
    pub fn causes(&self) -> Vec<String> {
        let mut causes = Vec::new();
        let mut next = StdError::source(self);
        while let Some(cause) = next {
            causes.push(cause.to_string());
            next = cause.source();
        }
        causes
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source
            .as_deref()
            .map(|e| e as &(dyn StdError + 'static))
    }
}

/// Adds an outer message to a failure.
pub trait Context<T> {
    /// Wraps the error in `message`. A foreign error becomes the cause of a [`Kind::Failed`].
    fn context(self, message: impl Into<String>) -> Result<T>;
}

impl<T> Context<T> for Result<T, Error> {
    fn context(self, message: impl Into<String>) -> Result<T> {
        self.map_err(|e| e.wrap(message))
    }
}

impl<T> Context<T> for Result<T, std::io::Error> {
    fn context(self, message: impl Into<String>) -> Result<T> {
        self.map_err(|e| Error::failed(message).caused_by(e))
    }
}
