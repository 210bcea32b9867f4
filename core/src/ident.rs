//! Identifiers: values that name something and are valid by construction.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use sha2::{Digest as _, Sha256};

use crate::error::Error;

/// The ordered identity of a migration: the version part of its file name, as written.
///
/// Two revisions are compared as numbers, part by part where dots divide them, ignoring `_` and
/// leading zeros: `7` comes before `0041`, `007` equals `7`, and `1.10` comes after `1.9`.
#[derive(Debug, Clone)]
pub struct Revision(String);

impl Revision {
    /// The version as written in the file name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its parts, but for those at the end that are zero: `1.0` is `1`.
    fn parts(&self) -> impl Iterator<Item = &str> {
        let mut text = self.0.as_str();
        while let Some((rest, last)) = text.rsplit_once('.')
            && digits(last).next().is_none()
        {
            text = rest;
        }
        text.split('.')
    }
}

/// The digits that count.
fn digits(part: &str) -> impl Iterator<Item = u8> {
    part.bytes()
        .filter(|b| *b != b'_')
        .skip_while(|b| *b == b'0')
}

impl FromStr for Revision {
    type Err = Error;

    fn from_str(s: &str) -> Result<Self, Error> {
        let number = |g: &str| !g.is_empty() && g.bytes().all(|b| b.is_ascii_digit());
        let timestamp = s.split_once('_').is_some_and(|(day, time)| {
            day.len() == 8 && time.len() == 6 && number(day) && number(time)
        });
        if timestamp || s.split('.').all(number) {
            Ok(Self(s.to_owned()))
        } else {
            Err(Error::usage(format!("'{s}' is not a revision"))
                .hint("a revision is digits (0041), YYYYMMDD_HHMMSS, or numbers with dots (1.2)"))
        }
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Ord for Revision {
    fn cmp(&self, other: &Self) -> Ordering {
        // Written alike, as in most folders: then texts are ordered as the numbers are.
        let (one, two) = (self.0.as_bytes(), other.0.as_bytes());
        let alike = |(a, b): (&u8, &u8)| a == b || a.is_ascii_digit() && b.is_ascii_digit();
        if one.len() == two.len() && one.iter().zip(two).all(alike) {
            return one.cmp(two);
        }
        let mut others = other.parts();
        for part in self.parts() {
            let other = others.next().unwrap_or_default();
            let longer = digits(part).count().cmp(&digits(other).count());
            let order = longer.then_with(|| digits(part).cmp(digits(other)));
            if order != Ordering::Equal {
                return order;
            }
        }
        match others.next() {
            Some(_) => Ordering::Less,
            None => Ordering::Equal,
        }
    }
}

impl PartialOrd for Revision {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Revision {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Revision {}

impl Hash for Revision {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for part in self.parts() {
            digits(part).for_each(|digit| state.write_u8(digit));
            state.write_u8(b'.');
        }
    }
}

/// A table (or other relation): schema and name, unquoted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableName {
    /// The schema.
    pub schema: String,
    /// The relation's own name.
    pub name: String,
}

impl TableName {
    /// The table `name` in `schema`.
    pub fn new(schema: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            schema: schema.into(),
            name: name.into(),
        }
    }
}

/// For people: `schema.name`, each part quoted where SQL would need it.
impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", readable(&self.schema), readable(&self.name))
    }
}

/// `name`, in double quotes unless it is plain lower case; what would break a line is escaped.
fn readable(name: &str) -> String {
    let plain = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    if plain {
        name.to_owned()
    } else {
        let mut quoted = String::from("\"");
        for c in name.chars() {
            match c {
                '"' => quoted += "\"\"",
                c if c.is_control() => quoted.extend(c.escape_default()),
                c => quoted.push(c),
            }
        }
        quoted + "\""
    }
}

/// The name of one backup: `<UTC time>-<kind>[-<label>]-<6 random hex>`. Sorts by time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BackupId(String);

impl BackupId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for BackupId {
    type Err = Error;

    fn from_str(s: &str) -> Result<Self, Error> {
        let safe = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
        if !s.is_empty() && s.len() <= 200 && s.bytes().all(safe) {
            Ok(Self(s.to_owned()))
        } else {
            Err(Error::usage("that is not a backup id")
                .hint("ids look like 20261121T101500Z-prerollback-0042-7f3a9c; see `backup list`"))
        }
    }
}

impl fmt::Display for BackupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A SHA-256 digest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of `bytes`.
    pub fn of(bytes: impl AsRef<[u8]>) -> Self {
        Self(Sha256::digest(bytes.as_ref()).into())
    }

    /// The digest whose 32 bytes are given.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The first twelve hex digits, for people.
    pub fn short(&self) -> String {
        self.to_string()[..12].to_owned()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Digest {
    type Err = Error;

    fn from_str(s: &str) -> Result<Self, Error> {
        let bad = || Error::usage("a digest is 64 hex digits");
        if s.len() != 64 || !s.is_ascii() {
            return Err(bad());
        }
        let mut bytes = [0; 32];
        for (i, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&s[2 * i..2 * i + 2], 16).map_err(|_| bad())?;
        }
        Ok(Self(bytes))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_of_tables_are_written_as_sql_writes_them() {
        for (schema, name, written) in [
            ("public", "t_1", "public.t_1"),
            ("public", "Größe", r#"public."Größe""#),
            ("a b", r#"c"\d"#, r#""a b"."c""\d""#),
            ("public", "line\nbreak", r#"public."line\nbreak""#),
        ] {
            let table = TableName {
                schema: schema.to_owned(),
                name: name.to_owned(),
            };
            assert_eq!(table.to_string(), written);
        }
    }

    #[test]
    fn revisions_are_ordered_as_numbers() {
        let r = |s: &str| s.parse::<Revision>().ok();
        assert!(r("7") < r("0041"));
        assert_eq!(r("007"), r("7"));
        assert!(r("20260101_120000") < r("20260101_120001"));
        assert!(r("1.9") < r("1.10") && r("1.2.1") > r("1.2") && r("1.2") < r("2"));
        assert!(r("1.0") < r("1.1") && r("0041") > r("0007") && r("10.2") > r("9.10"));
        assert!(r("1.23") < r("12.3") && r("1.23") > r("1.2.3"));
        for (one, other) in [
            ("1.0", "1"),
            ("01.2", "1.02"),
            ("10.0.0", "10"),
            ("0.0", "0"),
        ] {
            assert_eq!(r(one), r(other));
            let both: HashSet<Revision> = r(one).into_iter().chain(r(other)).collect();
            assert_eq!(both.len(), 1, "{one} {other}");
        }
        for bad in [
            "",
            "a",
            "1_2",
            "1-2",
            "20260101_1200",
            "_1",
            "1_",
            ".",
            "1.",
            "1..2",
            "1.2_3",
        ] {
            assert!(r(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn digests_round_trip() {
        let digest = Digest::of("x");
        assert_eq!(digest.to_string().parse::<Digest>().ok(), Some(digest));
        assert!("é".repeat(32).parse::<Digest>().is_err());
    }
}
