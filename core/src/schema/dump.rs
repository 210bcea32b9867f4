//! The output of `pg_dump`, taken apart by the headers it writes.

use super::bookkeeping::strip_statement;
use super::kinds;

/// What to set, for one transaction, before running the SQL of entries: what the preamble of a
/// dump sets, as far as it changes what the entries mean.
pub const ENTRY_SETTINGS: &str = "SET LOCAL search_path = ''; \
     SET LOCAL standard_conforming_strings = on; SET LOCAL check_function_bodies = off; \
     SET LOCAL xmloption = content; SET LOCAL array_nulls = on; SET LOCAL row_security = off";

/// When the SQL of an entry can run, if columns are put back into tables that still exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Before columns are added: what their types and defaults need.
    Early,
    /// After columns are added.
    Main,
    /// After rows are there: what looks at them, or acts on them.
    Post,
    /// After columns are filled and NOT NULL: identity sequences of columns.
    Late,
    /// Once all is there: what is said of it.
    Last,
}

/// One object of a dump.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The type in the header: `TABLE`, `INDEX`, `FK CONSTRAINT`, `TABLE ATTACH`, `ACL` …
    pub kind: String,
    /// The schema; empty for what belongs to none.
    pub schema: String,
    /// The name in the header, unquoted: `orders`, `orders orders_pkey`, `f(integer)`.
    pub name: String,
    /// The owner in the header; empty when it has none.
    pub owner: String,
    /// Its statements.
    pub sql: String,
}

impl Entry {
    /// When it can run.
    pub fn phase(&self) -> Phase {
        let identity = self.kind == "SEQUENCE" && self.sql.trim_start().starts_with("ALTER TABLE");
        kinds::phase(&self.kind, identity)
    }
}

/// The entries of a plain `pg_dump`, in its order.
///
/// A header is three lines, `--`, `-- Name: …; Type: …; Schema: …; Owner: …`, `--`, outside any
/// quoted text: function bodies and comments may hold lines that look the same, so quotes are
/// followed through the whole text. `\restrict` lines, which only psql understands, are dropped.
/// The tablespace and access method that a dump sets for the entries that follow are put in front
/// of those that they matter to.
pub fn dump_entries(sql: &str) -> Vec<Entry> {
    let mut scanner = Scanner::new(sql);
    let mut entries: Vec<(String, Entry)> = Vec::new();
    let mut storage = Storage::default();
    let mut pending: Option<&str> = None;
    let mut lines = sql.split_inclusive('\n').peekable();
    while let Some(line) = lines.next() {
        let top = scanner.is_top();
        let bare = line.trim_end();
        if top && bare == "--" {
            pending = lines.peek().copied();
        } else if let Some(header) = pending.take().filter(|l| *l == line).and_then(header)
            && lines.peek().is_some_and(|l| l.trim_end() == "--")
        {
            entries.push((storage.prefix(&header.kind), header));
            lines.next();
        } else if top && (is_noise(bare) || strip_statement(line).is_none()) {
            // Of psql, of the dump itself or of the server, not of an object.
        } else if !(top && storage.set(bare)) {
            scanner.line(line);
            if let Some((_, entry)) = entries.last_mut() {
                let users = strip_statement(line).filter(|_| top);
                entry.sql.push_str(users.as_deref().unwrap_or(line));
            }
        }
    }
    entries
        .into_iter()
        .map(|(prefix, mut entry)| {
            entry.sql = prefix + entry.sql.trim();
            entry
        })
        .collect()
}

/// Comments between entries, and the commands of psql.
fn is_noise(line: &str) -> bool {
    line.starts_with("\\restrict ")
        || line.starts_with("\\unrestrict ")
        || line == "-- PostgreSQL database dump complete"
}

/// The entry that a header begins, without its SQL.
fn header(line: &str) -> Option<Entry> {
    let text = line
        .trim_end_matches(['\n', '\r'])
        .strip_prefix("-- Name: ")?;
    // From the right: a name may hold anything.
    let (text, owner) = text.rsplit_once("; Owner: ")?;
    let (text, schema) = text.rsplit_once("; Schema: ")?;
    let (name, kind) = text.rsplit_once("; Type: ")?;
    let owner = owner.split_once("; Tablespace: ").map_or(owner, |(o, _)| o);
    let given = |word: &str| {
        if word == "-" {
            String::new()
        } else {
            word.to_owned()
        }
    };
    Some(Entry {
        kind: kind.to_owned(),
        schema: given(schema),
        name: name.to_owned(),
        owner: given(owner.trim()),
        sql: String::new(),
    })
}

/// The tablespace and access method in force, once a dump has set any but the usual ones.
#[derive(Default)]
struct Storage {
    tablespace: Option<String>,
    access_method: Option<String>,
}

impl Storage {
    /// True when `line` was such a setting.
    fn set(&mut self, line: &str) -> bool {
        if let Some(value) = line.strip_prefix("SET default_tablespace = ") {
            if value != "'';" || self.tablespace.is_some() {
                self.tablespace = Some(value.to_owned());
            }
        } else if let Some(value) = line.strip_prefix("SET default_table_access_method = ") {
            if value != "heap;" || self.access_method.is_some() {
                self.access_method = Some(value.to_owned());
            }
        } else {
            return false;
        }
        true
    }

    /// What an entry of `kind` needs in front.
    fn prefix(&self, kind: &str) -> String {
        let mut prefix = String::new();
        let stored = ["TABLE", "MATERIALIZED VIEW", "INDEX", "CONSTRAINT"];
        if stored.contains(&kind) {
            for (name, value) in [
                ("default_tablespace", &self.tablespace),
                ("default_table_access_method", &self.access_method),
            ] {
                if let Some(value) = value {
                    prefix = format!("{prefix}SET LOCAL {name} = {value}\n");
                }
            }
        }
        prefix
    }
}

/// What a line begins in.
#[derive(Clone, PartialEq, Eq)]
enum State {
    Top,
    Name,
    Text { escapes: bool },
    Dollar(String),
}

/// Follows quotes from line to line. Block comments don't occur outside quotes in a dump.
struct Scanner {
    state: State,
    escapes: bool,
}

impl Scanner {
    fn new(sql: &str) -> Self {
        Self {
            state: State::Top,
            // The one setting that changes where a string ends; a dump begins by saying it.
            escapes: sql
                .lines()
                .take(40)
                .any(|l| l == "SET standard_conforming_strings = off;"),
        }
    }

    fn is_top(&self) -> bool {
        self.state == State::Top
    }

    fn line(&mut self, line: &str) {
        let bytes = line.as_bytes();
        let mut at = 0;
        while at < bytes.len() {
            at += match &self.state {
                State::Top => {
                    if line[at..].starts_with("--") {
                        return;
                    }
                    self.open(line, at)
                }
                State::Name => self.close(bytes[at] == b'"', 1),
                State::Text { escapes: true } if bytes[at] == b'\\' => 2,
                State::Text { .. } => self.close(bytes[at] == b'\'', 1),
                State::Dollar(tag) => {
                    let length = tag.len();
                    let ends = bytes[at..].starts_with(tag.as_bytes());
                    self.close(ends, if ends { length } else { 1 })
                }
            };
        }
    }

    /// Leaves the quoted text if it `ends` here. A doubled quote closes and opens again.
    fn close(&mut self, ends: bool, length: usize) -> usize {
        if ends {
            self.state = State::Top;
        }
        length
    }

    /// Enters the quoted text that begins at `at`, if one does; says how far to go.
    fn open(&mut self, line: &str, at: usize) -> usize {
        let bytes = line.as_bytes();
        let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'$' || b >= 0x80;
        match bytes[at] {
            b'"' => self.state = State::Name,
            b'\'' => {
                let prefixed = at > 0 && matches!(bytes[at - 1], b'E' | b'e');
                let alone = at < 2 || !word(bytes[at - 2]);
                self.state = State::Text {
                    escapes: self.escapes || prefixed && alone,
                };
            }
            b'$' if at == 0 || !word(bytes[at - 1]) => {
                let rest = &bytes[at + 1..];
                let length = rest.iter().take_while(|b| word(**b) && **b != b'$').count();
                let digit = rest.first().is_some_and(u8::is_ascii_digit);
                if !digit && rest.get(length) == Some(&b'$') {
                    let tag = String::from_utf8_lossy(&bytes[at..at + length + 2]).into_owned();
                    let length = tag.len();
                    self.state = State::Dollar(tag);
                    return length;
                }
            }
            _ => {}
        }
        1
    }
}

#[cfg(test)]
#[path = "dump_tests.rs"]
mod tests;
