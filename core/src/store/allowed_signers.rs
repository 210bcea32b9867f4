//! Whose signatures count: a file of allowed signers, as `ssh-keygen -Y verify` reads it.
//!
//! On each line `principals [options] key`. Only keys of the kind ssh-ed25519 can match; lines with
//! others, and those of certificate authorities, are passed over.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::Path;

use chrono::NaiveDateTime;
use ssh_key::PublicKey;
use ssh_key::public::KeyData;

use crate::clock::{self, Timestamp};
use crate::error::{Error, Result};
use crate::store::signature::NAMESPACE;

/// No list is larger.
const CAP: u64 = 16 << 20;

/// The kind of key that signs backups.
const KIND: &str = "ssh-ed25519";

/// Those whose signatures count.
#[derive(Debug, Default)]
pub struct AllowedSigners(Vec<Signer>);

#[derive(Debug)]
struct Signer {
    principals: String,
    key: KeyData,
    limits: Limits,
}

/// What the options of a line say.
#[derive(Debug, Default)]
struct Limits {
    /// A list of patterns, one of which the namespace has to match.
    namespaces: Option<String>,
    /// The first instant.
    after: Option<Timestamp>,
    /// The last instant.
    before: Option<Timestamp>,
    /// The key signs certificates, and nothing else.
    authority: bool,
}

impl AllowedSigners {
    /// Reads the list in the file `path`. One that can't be read is a usage error: it would let
    /// nobody in, or not keep out whom it should.
    pub fn load(path: &Path) -> Result<Self> {
        let name = path.display();
        let unread = |e: std::io::Error| {
            Error::usage(format!("the allowed signers {name} can't be read")).caused_by(e)
        };
        let bad = |why: &str| {
            Error::usage(format!("the allowed signers {name} can't be used: {why}")).hint(
                "on each line: PRINCIPAL [OPTIONS] ssh-ed25519 AAAA…; see ALLOWED SIGNERS in the \
                 manual of ssh-keygen",
            )
        };
        if !fs::metadata(path).map_err(unread)?.is_file() {
            return Err(bad("it is no plain file"));
        }
        let mut text = Vec::new();
        let file = File::open(path).map_err(unread)?;
        let size = file.take(CAP + 1).read_to_end(&mut text).map_err(unread)?;
        if size as u64 > CAP {
            return Err(bad("it is too large"));
        }
        let text = String::from_utf8(text).map_err(|_| bad("it is no text"))?;
        Self::parse(&text).map_err(|why| bad(&why))
    }

    fn parse(text: &str) -> Result<Self, String> {
        let mut signers = Vec::new();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let at = |why: &str| format!("line {} {why}", number + 1);
            signers.extend(signer(line).map_err(at)?);
        }
        if signers.is_empty() {
            return Err(format!("it has no key of the kind {KIND}"));
        }
        Ok(Self(signers))
    }

    /// Who signs with `key`, at the time when a backup was begun; else why that doesn't count.
    pub fn principal(&self, key: &KeyData, at: Timestamp) -> Result<String, String> {
        let mut why = "no allowed signer has this key".to_owned();
        for signer in self.0.iter().filter(|signer| signer.key == *key) {
            match signer.limits.allow(at) {
                Ok(()) => return Ok(signer.principals.clone()),
                Err(limit) => why = format!("{} {limit}", signer.principals),
            }
        }
        Err(why)
    }
}

impl Limits {
    fn allow(&self, at: Timestamp) -> Result<(), &'static str> {
        let namespaces = self.namespaces.as_deref();
        if namespaces.is_some_and(|patterns| !matches_any(patterns, NAMESPACE)) {
            return Err("may sign other things, and no backups");
        }
        if self.after.is_some_and(|after| at < after) {
            return Err("was not allowed yet when the backup was made");
        }
        if self.before.is_some_and(|before| at > before) {
            return Err("was not allowed any more when the backup was made");
        }
        Ok(())
    }
}

/// The signer on a line that holds something; `None` for one that can't sign backups.
fn signer(line: &str) -> Result<Option<Signer>, &'static str> {
    let (principals, rest) = word(line)?;
    let principals = unquoted(principals);
    if principals.is_empty() {
        return Err("names nobody");
    }
    let (first, behind) = word(rest)?;
    let (limits, kind, rest) = if is_kind(first) {
        (Limits::default(), first, behind)
    } else {
        let limits = limits(first)?;
        let (kind, rest) = word(behind)?;
        (limits, kind, rest)
    };
    if !is_kind(kind) {
        return Err("has no key");
    }
    if kind != KIND || limits.authority {
        return Ok(None);
    }
    let (key, _comment) = word(rest)?;
    let key = PublicKey::from_openssh(&format!("{kind} {key}"))
        .map_err(|_| "has a key that is damaged")?;
    Ok(Some(Signer {
        principals,
        key: key.key_data().clone(),
        limits,
    }))
}

fn is_kind(word: &str) -> bool {
    ["ssh-", "ecdsa-", "sk-", "rsa-"]
        .iter()
        .any(|start| word.starts_with(start))
}

/// The first word, up to white space outside of quotes, and what follows.
fn word(text: &str) -> Result<(&str, &str), &'static str> {
    let end = outside_quotes(text, |c| c == ' ' || c == '\t')?;
    let (word, rest) = text.split_at(end);
    Ok((word, rest.trim_start()))
}

/// Where the first character stands that `is_end` and is in no quotes; else the end.
fn outside_quotes(text: &str, is_end: impl Fn(char) -> bool) -> Result<usize, &'static str> {
    let (mut quoted, mut escaped) = (false, false);
    for (at, c) in text.char_indices() {
        if std::mem::take(&mut escaped) {
            continue;
        }
        match c {
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            c if !quoted && is_end(c) => return Ok(at),
            _ => {}
        }
    }
    if quoted {
        return Err("has a quote that doesn't end");
    }
    Ok(text.len())
}

fn unquoted(text: &str) -> String {
    let inner = text.strip_prefix('"').and_then(|t| t.strip_suffix('"'));
    inner.map_or_else(|| text.to_owned(), |inner| inner.replace("\\\"", "\""))
}

fn limits(text: &str) -> Result<Limits, &'static str> {
    let mut limits = Limits::default();
    let mut rest = text;
    while !rest.is_empty() {
        let (option, behind) = rest.split_at(outside_quotes(rest, |c| c == ',')?);
        rest = behind.strip_prefix(',').unwrap_or(behind);
        let (name, value) = match option.split_once('=') {
            Some((name, value)) => (name, Some(unquoted(value))),
            None => (option, None),
        };
        match (name.to_ascii_lowercase().as_str(), value) {
            ("cert-authority", None) => limits.authority = true,
            ("namespaces", Some(patterns)) if limits.namespaces.is_none() => {
                limits.namespaces = Some(patterns);
            }
            ("valid-after", Some(time)) if limits.after.is_none() => {
                limits.after = Some(time_of(&time).ok_or("has a time that is none")?.1);
            }
            ("valid-before", Some(time)) if limits.before.is_none() => {
                limits.before = Some(time_of(&time).ok_or("has a time that is none")?.0);
            }
            _ => return Err("has an option that is unknown, or there twice"),
        }
    }
    Ok(limits)
}

/// `YYYYMMDD[HHMM[SS]]`, in UTC with a `Z` behind it, else in the time of this machine: the first
/// and the last instant that it may mean, where clocks are set back.
fn time_of(text: &str) -> Option<(Timestamp, Timestamp)> {
    let utc = text.strip_suffix(['Z', 'z']);
    let digits = utc.unwrap_or(text);
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let full = match digits.len() {
        8 => format!("{digits}000000"),
        12 => format!("{digits}00"),
        14 => digits.to_owned(),
        _ => return None,
    };
    let time = NaiveDateTime::parse_from_str(&full, "%Y%m%d%H%M%S").ok()?;
    match utc {
        Some(_) => Some((time.and_utc(), time.and_utc())),
        None => clock::of_this_machine(time),
    }
}

/// True when one of the `patterns`, with commas between, matches `text`, and none behind a `!` does.
fn matches_any(patterns: &str, text: &str) -> bool {
    let mut found = false;
    for pattern in patterns.split(',').map(str::trim) {
        match pattern.strip_prefix('!') {
            Some(not) if matches(not.as_bytes(), text.as_bytes()) => return false,
            Some(_) => {}
            None => found |= matches(pattern.as_bytes(), text.as_bytes()),
        }
    }
    found
}

/// `*` stands for anything, `?` for one character.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    // What the last `*` stands for grows until the rest fits; no pattern takes long.
    let (mut p, mut t, mut star) = (0, 0, None);
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(c) if *c == b'?' || *c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => match star {
                None => return false,
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    p = at + 1;
                    t = from + 1;
                }
            },
        }
    }
    pattern[p..].iter().all(|c| *c == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = include_str!("tests/signed/key.pub");
    const OTHER: &str = include_str!("tests/signed/other.pub");

    fn key(text: &str) -> KeyData {
        let key = PublicKey::from_openssh(text).unwrap();
        key.key_data().clone()
    }

    fn at() -> Timestamp {
        "2026-06-01T12:00:00Z".parse().unwrap()
    }

    /// Who has signed, or why that doesn't count, or what is wrong with the list.
    fn judged(list: &str) -> Result<String, String> {
        let list = list
            .replace("KEY", KEY.trim())
            .replace("OTHER", OTHER.trim());
        AllowedSigners::parse(&list)?.principal(&key(KEY), at())
    }

    #[test]
    fn who_counts() {
        for (list, expected) in [
            ("ann@x KEY", "ann@x"),
            ("# us\r\n\r\nann@x KEY\r\n", "ann@x"),
            ("bob@x OTHER\nann@x,*@x KEY", "ann@x,*@x"),
            ("\"ann b\"\tKEY", "ann b"),
            ("a namespaces=\"pgbelay-backup\" KEY", "a"),
            ("a namespaces=\"file,pgbelay-*\" KEY", "a"),
            ("a NAMESPACES=\"*\",valid-after=\"20260101Z\" KEY", "a"),
            ("a valid-after=\"20260601120000Z\" KEY", "a"),
            ("a valid-before=\"202606011200Z\" KEY", "a"),
            ("a valid-after=20260101,valid-before=20261231 KEY", "a"),
            ("a valid-before=\"20260101Z\" KEY\nb KEY", "b"),
        ] {
            assert_eq!(judged(list), Ok(expected.to_owned()), "{list}");
        }
    }

    #[test]
    fn who_does_not_count() {
        for (list, expected) in [
            ("a OTHER", "no allowed signer has this key"),
            ("a namespaces=\"file\" KEY", "no backups"),
            ("a namespaces=\"*,!pgbelay-backup\" KEY", "no backups"),
            ("a namespaces=\"\" KEY", "no backups"),
            ("a valid-after=\"20260601120001Z\" KEY", "not allowed yet"),
            ("a valid-before=\"20260601115959Z\" KEY", "any more"),
            ("a cert-authority KEY\nb OTHER", "no allowed signer"),
            // What can't be read as it was meant lets nobody in.
            ("", "no key"),
            ("a cert-authority KEY", "no key"),
            ("a ssh-rsa AAAAB3NzaC1yc2E=", "no key"),
            ("a", "line 1 has"),
            ("KEY", "line 1 has"),
            ("\"a KEY", "line 1 has a quote"),
            (
                "a KEY\nb ssh-ed25519 AAAA",
                "line 2 has a key that is damaged",
            ),
            ("a namespace=\"file\" KEY", "line 1 has an option"),
            ("a valid-after=\"yesterday\" KEY", "line 1 has a time"),
            ("a valid-after=\"20261301Z\" KEY", "line 1 has a time"),
            ("a namespaces=\"a\",namespaces=\"*\" KEY", "there twice"),
        ] {
            let why = judged(list).unwrap_err();
            assert!(why.contains(expected), "{list}: {why}");
        }
    }

    #[test]
    fn patterns_match_as_ssh_has_it() {
        for (patterns, expected) in [
            ("pgbelay-backup", true),
            ("*", true),
            ("pg*back?p", true),
            ("a,pgbelay-backup", true),
            ("*-*-*", false),
            ("pgbelay-backups", false),
            ("!file", false),
            ("!*,*", false),
            ("", false),
        ] {
            assert_eq!(matches_any(patterns, NAMESPACE), expected, "{patterns}");
        }
        assert!(!matches_any(&"*a".repeat(2000), &"b".repeat(2000)));
    }
}
