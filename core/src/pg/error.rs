//! Failures of PostgreSQL and its driver, told without a row value.
//!
//! The server's DETAIL, CONTEXT and WHERE are never shown, since they quote rows; what of its primary
//! message is, `told.rs` decides.

use std::error::Error as StdError;
use std::fmt;

use tokio_postgres::error::{DbError, ErrorPosition, SqlState};

use crate::error::{Error, Kind, Result};
use crate::sql::excerpt;

use super::told::Said;

/// An error that the server reported: SQLSTATE and message, fit to be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerError {
    /// The five characters of the SQLSTATE.
    pub code: String,
    /// The primary message, without data.
    pub message: String,
    /// One-based position in the statement sent, in characters.
    pub position: Option<u32>,
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (SQLSTATE {})", self.message, self.code)
    }
}

impl StdError for ServerError {}

/// A cause of another kind, as text: the driver's own words, or those of the operating system.
#[derive(Debug)]
struct Cause {
    message: String,
    source: Option<Box<Cause>>,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl StdError for Cause {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source
            .as_deref()
            .map(|cause| cause as &(dyn StdError + 'static))
    }
}

impl Cause {
    /// The chain from `error` down. Wrappers that only repeat their cause are left out.
    fn of(error: &(dyn StdError + 'static)) -> Self {
        let message = error.to_string();
        let source = error.source().map(Self::of);
        match source {
            Some(source) if source.message == message => source,
            source => Self {
                message,
                source: source.map(Box::new),
            },
        }
    }
}

/// An error of kind `Failed`, with `message` in front and what the driver said as its cause.
pub fn failed(message: impl Into<String>, error: &tokio_postgres::Error) -> Error {
    within(message, error, "")
}

/// As [`failed`], for the statement `text`: what the script spells out may be shown.
pub fn within(message: impl Into<String>, error: &tokio_postgres::Error, text: &str) -> Error {
    because(message, error, |server| describe(server, text))
}

/// As [`failed`], for what the server says before it has read a row: names of roles and databases are
/// shown.
pub(super) fn unconnected(message: impl Into<String>, error: &tokio_postgres::Error) -> Error {
    because(message, error, |server| ServerError {
        message: Said::of(server).plain(),
        ..describe(server, "")
    })
}

fn because(
    message: impl Into<String>,
    error: &tokio_postgres::Error,
    describe: impl FnOnce(&DbError) -> ServerError,
) -> Error {
    let outer = Error::new(kind_of(error), message);
    let Some(server) = error.as_db_error() else {
        let outer = outer.caused_by(Cause::of(error));
        return if error.is_closed() {
            outer.hint("the connection was lost; an open transaction was rolled back by the server")
        } else {
            outer
        };
    };
    hinted(outer.caused_by(describe(server)), server)
}

/// A table lock that was not had in time is no failure of anything.
fn kind_of(error: &tokio_postgres::Error) -> Kind {
    match error.code().map(SqlState::code) {
        Some("55P03") => Kind::Busy,
        _ => Kind::Failed,
    }
}

/// Adds to `outer` what a person can do about the server's error.
pub(super) fn hinted(outer: Error, server: &DbError) -> Error {
    match (server.hint(), server.code().code()) {
        (_, "42501") => outer.hint("grant the role what it lacks, or use another role"),
        // Prepared statements are the session's; ours were made a moment ago.
        (_, "26000" | "42P05") => outer.hint(
            "a pooler in transaction mode seems to stand in between: connect directly to PostgreSQL",
        ),
        // Hints of this class name objects and syntax only, unless the query was made of data.
        (Some(hint), code) if code.starts_with("42") && Said::of(server).is_the_servers() => {
            outer.hint(hint)
        }
        // COPY makes a text of each row, and no text is larger than 1 GB.
        (_, "XX000")
            if server
                .message()
                .starts_with("invalid memory alloc request size") =>
        {
            outer.hint(
                "a row of more than 1 GB as text can't be read; --exclude leaves its table out",
            )
        }
        (_, "53200") if server.message() == "out of shared memory" => outer.hint(
            "the server has no room for more locks: raise max_locks_per_transaction, and start it \
             anew",
        ),
        (_, "25006") => outer.hint("is this a standby? connect to the primary"),
        (_, "57P01" | "57P02" | "57P03") => {
            outer.hint("the server, or an administrator, ended the connection; try again")
        }
        _ => outer,
    }
}

/// What may be shown of the server's error for the statement `text`.
pub fn describe(error: &DbError, text: &str) -> ServerError {
    ServerError {
        code: error.code().code().to_owned(),
        message: Said::of(error).shown(text),
        position: match error.position() {
            Some(ErrorPosition::Original(position)) => Some(*position),
            _ => None,
        },
    }
}

/// The SQLSTATE behind `error`, when the server reported one. Read from the words that
/// [`ServerError`] ends with, which stay the same through every wrapper.
pub fn sqlstate(error: &Error) -> Option<String> {
    let mut messages = error.causes();
    messages.insert(0, error.to_string());
    // Lines of a script may be shown beneath the words.
    let lines = messages.iter().flat_map(|message| message.lines());
    let mut words = lines.filter(|line| !line.starts_with(excerpt::MARGIN));
    words.find_map(|line| {
        let (_, code) = line.strip_suffix(')')?.rsplit_once("(SQLSTATE ")?;
        (code.len() == 5).then(|| code.to_owned())
    })
}

/// Adds an outer message to a failure of the driver.
pub trait PgContext<T> {
    /// Wraps the driver's error in `message`, redacted.
    fn pg(self, message: impl Into<String>) -> Result<T>;
}

impl<T> PgContext<T> for Result<T, tokio_postgres::Error> {
    fn pg(self, message: impl Into<String>) -> Result<T> {
        self.map_err(|error| failed(message, &error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sqlstate_is_found_through_wrappers() {
        let server = ServerError {
            code: "55P03".to_owned(),
            message: "canceling statement due to lock timeout".to_owned(),
            position: None,
        };
        let error = Error::failed("a").caused_by(server).wrap("b").wrap("c");
        assert_eq!(sqlstate(&error).as_deref(), Some("55P03"));
        assert_eq!(sqlstate(&Error::failed("x")), None);
    }
}
