//! Reading a data script back: which COPY, which rows.

use memchr::memmem;
use memchr::memrchr;

use crate::error::Error;
use crate::error::Result;
use crate::store::script;

/// A piece of a data script.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// A whole COPY statement with its line end; rows follow.
    Header(&'a [u8]),
    /// Whole rows with their line ends; from a reader [in pieces](ScriptReader::in_pieces), a row
    /// may also go on in the next.
    Rows(&'a [u8]),
    /// The end of the rows.
    End,
}

/// Takes a script in blocks of any size apart, whole rows at a time.
#[derive(Debug, Default)]
pub struct ScriptReader {
    pending: Vec<u8>,
    in_rows: bool,
    committed: bool,
    /// How much of a row is waited for before it is given in pieces.
    patience: Option<usize>,
    /// What was given last ended in the middle of a row.
    mid_row: bool,
}

/// A row longer than this is given in pieces, where they are wanted.
const PIECE: usize = 256 * 1024;

impl ScriptReader {
    /// A reader that doesn't wait for the end of a long row.
    pub fn in_pieces() -> Self {
        Self {
            patience: Some(PIECE),
            ..Self::default()
        }
    }

    /// Takes in the next block and gives what became whole to `sink`.
    pub fn push(
        &mut self,
        block: &[u8],
        sink: &mut dyn FnMut(Piece<'_>) -> Result<()>,
    ) -> Result<()> {
        self.pending.extend_from_slice(block);
        let mut start = 0;
        loop {
            let rest = &self.pending[start..];
            let (used, more) = if self.in_rows {
                let (mut used, ended) = rows_end(rest, self.mid_row);
                if used > 0 {
                    self.mid_row = false;
                } else if !ended && self.patience.is_some_and(|most| rest.len() > most) {
                    used = rest.len();
                    self.mid_row = true;
                }
                if used > 0 {
                    sink(Piece::Rows(&rest[..used]))?;
                }
                if ended {
                    sink(Piece::End)?;
                    self.in_rows = false;
                }
                (
                    used + if ended { script::END_OF_ROWS.len() } else { 0 },
                    ended,
                )
            } else if let Some(end) = statement_end(rest) {
                let statement = &rest[..end];
                self.committed = statement == script::COMMIT.as_bytes();
                if statement.starts_with(b"COPY ") {
                    self.in_rows = true;
                    sink(Piece::Header(statement))?;
                }
                (end, true)
            } else {
                (0, false)
            };
            start += used;
            if !more {
                break;
            }
        }
        self.pending.drain(..start);
        Ok(())
    }

    /// Ends the script, which must have come to its COMMIT and nothing after.
    pub fn finish(&self) -> Result<()> {
        if self.committed && !self.in_rows && self.pending.is_empty() {
            Ok(())
        } else {
            Err(Error::damaged("the script is cut"))
        }
    }
}

/// Takes a script of statements, one a line, in blocks of any size apart.
#[derive(Debug, Default)]
pub struct Lines {
    pending: Vec<u8>,
    head: usize,
    committed: bool,
}

impl Lines {
    /// Takes in the next block and gives the whole lines of statements in it to `sink`.
    pub fn push(&mut self, block: &[u8], sink: &mut dyn FnMut(&str) -> Result<()>) -> Result<()> {
        self.pending.extend_from_slice(block);
        let Some(end) = self.pending.iter().rposition(|b| *b == b'\n') else {
            return Ok(());
        };
        let whole = std::str::from_utf8(&self.pending[..=end])
            .map_err(|_| Error::damaged("the script is no UTF-8 text"))?;
        let mut statements = String::new();
        for line in whole.split_inclusive('\n') {
            if self.committed {
                return Err(Error::damaged("the script goes on behind its end"));
            }
            if line == script::COMMIT {
                self.committed = true;
            } else if self.head < script::BEGIN_STATEMENTS.len() {
                if !script::BEGIN_STATEMENTS[self.head..].starts_with(line) {
                    return Err(Error::damaged("the script has an unknown beginning"));
                }
                self.head += line.len();
            } else {
                statements.push_str(line);
            }
        }
        self.pending.drain(..=end);
        if statements.is_empty() {
            Ok(())
        } else {
            sink(&statements)
        }
    }

    /// Ends the script, which must have come to its COMMIT.
    pub fn finish(&self) -> Result<()> {
        if self.committed && self.pending.is_empty() {
            Ok(())
        } else {
            Err(Error::damaged("the script is cut"))
        }
    }
}

/// How many bytes of whole rows `bytes` begins with, and whether the end of rows follows them.
fn rows_end(bytes: &[u8], mid_row: bool) -> (usize, bool) {
    if !mid_row && bytes.starts_with(script::END_OF_ROWS.as_bytes()) {
        return (0, true);
    }
    // No row can be equal to the end of rows.
    if let Some(at) = memmem::find(bytes, b"\n\\.\n") {
        return (at + 1, true);
    }
    (memrchr(b'\n', bytes).map_or(0, |at| at + 1), false)
}

/// Where the first statement of `bytes` ends: behind its line end. Names may hold line ends and
/// semicolons, so quotes are followed; there are no comments.
fn statement_end(bytes: &[u8]) -> Option<usize> {
    if bytes.starts_with(b"\\") {
        return bytes.iter().position(|b| *b == b'\n').map(|at| at + 1);
    }
    let mut quote = None;
    for (at, byte) in bytes.iter().enumerate() {
        match (quote, byte) {
            (None, b'"' | b'\'') => quote = Some(byte),
            (Some(open), _) if open == byte => quote = None,
            (None, b';') if bytes.get(at + 1) == Some(&b'\n') => return Some(at + 2),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_is_read_the_same_in_blocks_of_any_size() {
        let script = format!(
            "{}COPY \"s\".\"a;\nCOPY b\" (\"x'\") FROM stdin;\n1\n\\\\.\n\n\\.\n\
             COPY \"s\".\"e\" FROM stdin;\n\\.\n{}",
            script::BEGIN,
            script::COMMIT,
        );
        for size in [1, 2, 3, 7, 64, 4096] {
            let mut reader = ScriptReader::default();
            let mut seen = Vec::new();
            let mut rows = Vec::new();
            for block in script.as_bytes().chunks(size) {
                let mut sink = |piece: Piece<'_>| {
                    match piece {
                        Piece::Header(h) => seen.push(format!("H{}", h.len())),
                        Piece::Rows(bytes) => rows.extend_from_slice(bytes),
                        Piece::End => seen.push("E".to_owned()),
                    }
                    Ok(())
                };
                reader.push(block, &mut sink).unwrap();
            }
            reader.finish().unwrap();
            assert_eq!(seen, ["H40", "E", "H25", "E"], "{size}");
            assert_eq!(rows, b"1\n\\\\.\n\n");
        }
    }

    #[test]
    fn a_cut_script_is_refused() {
        let whole = "BEGIN;\nCOPY \"t\" FROM stdin;\n1\n\\.\nCOMMIT;\n";
        for cut in 0..whole.len() {
            let mut reader = ScriptReader::default();
            reader
                .push(&whole.as_bytes()[..cut], &mut |_| Ok(()))
                .unwrap();
            assert!(reader.finish().is_err(), "{cut}");
        }
    }

    #[test]
    fn long_rows_come_in_pieces_where_they_are_wanted() {
        let row = "\\\\.".repeat(PIECE);
        let script = format!("BEGIN;\nCOPY \"t\" FROM stdin;\n1\n{row}\n\\.\nCOMMIT;\n");
        for size in [PIECE / 3, PIECE, script.len()] {
            let mut reader = ScriptReader::in_pieces();
            let mut rows = String::new();
            let mut longest = 0;
            for block in script.as_bytes().chunks(size) {
                let mut sink = |piece: Piece<'_>| {
                    if let Piece::Rows(bytes) = piece {
                        rows.push_str(std::str::from_utf8(bytes).unwrap());
                        longest = longest.max(bytes.len());
                    }
                    Ok(())
                };
                reader.push(block, &mut sink).unwrap();
            }
            reader.finish().unwrap();
            assert!(rows == format!("1\n{row}\n"), "{size}");
            assert!(longest <= PIECE + size, "{size}");
        }
    }
}
