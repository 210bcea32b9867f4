//! Every path and object name of the layout, and the only judge of whether a name belongs to it.

use crate::clock::Timestamp;
use crate::store::codec::Codec;

/// The intent: the first object written.
pub const BEGIN: &str = "begin.json";
/// The backup identity, wrapped to all operators.
pub const FIRST_KEY: &str = "keys/0.age";
/// Who opens which wrap, once that was changed.
pub const OPERATORS: &str = "keys/operators.json";
/// The recovery commands.
pub const RESTORE: &str = "RESTORE.txt";
/// Digests of the objects.
pub const SUMS: &str = "SHA256SUMS";
/// The public facts: the last object written.
pub const MANIFEST: &str = "manifest.json";
/// The signature over the manifest.
pub const SIGNATURE: &str = "manifest.json.sig";
/// Present while the backup is pinned.
pub const PIN: &str = "pin.json";
/// What the name of an unfinished backup's folder ends with.
pub const PARTIAL: &str = ".partial";

/// What an object is, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Object {
    /// `begin.json`.
    Begin,
    /// A wrap of the backup identity.
    Key,
    /// Who opens which wrap.
    Operators,
    /// The schema to load before the data.
    SchemaPre(Codec),
    /// The schema to load after the data.
    SchemaPost(Codec),
    /// A chunk of rows.
    Data(Codec),
    /// A chunk of large objects.
    LargeObjects(Codec),
    /// The `setval` script.
    Sequences(Codec),
    /// What must not be public.
    Private(Codec),
    /// `RESTORE.txt`.
    Restore,
    /// `SHA256SUMS`.
    Sums,
    /// The signature over the manifest.
    Signature,
    /// `manifest.json`.
    Manifest,
    /// The result of a verification.
    Verification,
    /// `pin.json`.
    Pin,
}

impl Object {
    /// The object called `name`; `None` for a name that no object of a backup has.
    pub fn of(name: &str) -> Option<Self> {
        match name {
            BEGIN => return Some(Self::Begin),
            RESTORE => return Some(Self::Restore),
            SUMS => return Some(Self::Sums),
            MANIFEST => return Some(Self::Manifest),
            PIN => return Some(Self::Pin),
            OPERATORS => return Some(Self::Operators),
            SIGNATURE => return Some(Self::Signature),
            _ => {}
        }
        if let Some(rest) = name.strip_prefix("verify/") {
            let time = rest.strip_suffix(".json")?;
            let plain = |b: u8| b.is_ascii_digit() || matches!(b, b'T' | b'Z' | b'.' | b'-');
            let valid = time.starts_with(|c: char| c.is_ascii_digit()) && time.bytes().all(plain);
            return valid.then_some(Self::Verification);
        }
        let sealed = name.strip_suffix(".age")?;
        if let Some(number) = sealed.strip_prefix("keys/") {
            return digits(number, 1).then_some(Self::Key);
        }
        let (stem, codec) = Codec::split(sealed);
        match stem {
            "schema/pre.sql" => Some(Self::SchemaPre(codec)),
            "schema/post.sql" => Some(Self::SchemaPost(codec)),
            "seq.sql" => Some(Self::Sequences(codec)),
            "private.json" => Some(Self::Private(codec)),
            _ => {
                let number = stem.strip_suffix(".sql")?;
                if let Some(number) = number.strip_prefix("data/") {
                    digits(number, 6).then_some(Self::Data(codec))
                } else {
                    let number = number.strip_prefix("lo/")?;
                    digits(number, 6).then_some(Self::LargeObjects(codec))
                }
            }
        }
    }

    /// True for what may change after the backup is complete.
    pub const fn is_sidecar(self) -> bool {
        matches!(
            self,
            Self::Key | Self::Operators | Self::Verification | Self::Pin | Self::Signature
        )
    }

    /// True for the objects whose digests stand in `SHA256SUMS`.
    pub const fn is_summed(self) -> bool {
        self.codec().is_some() || matches!(self, Self::Restore)
    }

    /// How an object encrypted to the backup identity is compressed; `None` for the others.
    pub const fn codec(self) -> Option<Codec> {
        match self {
            Self::SchemaPre(codec)
            | Self::SchemaPost(codec)
            | Self::Data(codec)
            | Self::LargeObjects(codec)
            | Self::Sequences(codec)
            | Self::Private(codec) => Some(codec),
            _ => None,
        }
    }
}

fn digits(text: &str, at_least: usize) -> bool {
    (at_least..=9).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit())
}

/// The `number`th wrap of the backup identity.
pub fn key(number: usize) -> String {
    format!("keys/{number}.age")
}

/// The `number`th chunk.
pub fn data(number: u32, codec: Codec) -> String {
    format!("data/{number:06}.sql{}.age", codec.suffix())
}

/// The `number`th script of large objects.
pub fn large_objects(number: u32, codec: Codec) -> String {
    format!("lo/{number:06}.sql{}.age", codec.suffix())
}

/// The schema to load before the data.
pub fn schema_pre(codec: Codec) -> String {
    format!("schema/pre.sql{}.age", codec.suffix())
}

/// The schema to load after the data.
pub fn schema_post(codec: Codec) -> String {
    format!("schema/post.sql{}.age", codec.suffix())
}

/// The `setval` script.
pub fn sequences(codec: Codec) -> String {
    format!("seq.sql{}.age", codec.suffix())
}

/// What must not be public.
pub fn private(codec: Codec) -> String {
    format!("private.json{}.age", codec.suffix())
}

/// The result of the verification that ended at `time`.
pub fn verification(time: Timestamp) -> String {
    format!("verify/{}.json", time.format("%Y%m%dT%H%M%S%.6fZ"))
}

/// An id: the time, the kind, the label if any, and 24 random bits.
pub fn id(time: Timestamp, kind: &str, label: Option<&str>, random: u32) -> String {
    let mut id = format!("{}-{}", time.format("%Y%m%dT%H%M%SZ"), id_part(kind));
    if let Some(label) = label.map(id_part).filter(|label| !label.is_empty()) {
        id.push('-');
        id.push_str(&label);
    }
    format!("{id}-{:06x}", random & 0x00ff_ffff)
}

/// `text` as it stands in an id: bounded, so that a long name can't make a path too long.
fn id_part(text: &str) -> String {
    let part = |c: char| match c.to_ascii_lowercase() {
        c @ ('a'..='z' | '0'..='9') => c,
        _ => '-',
    };
    text.chars().map(part).take(60).collect()
}

/// The name of a database's folder: bytes outside `A–Z a–z 0–9 _ -` are percent-encoded.
pub fn database_folder(database: &str) -> String {
    let encoded = database.bytes().map(|byte| {
        if byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-' {
            char::from(byte).to_string()
        } else {
            format!("%{byte:02X}")
        }
    });
    encoded.collect::<Vec<_>>().concat()
}

/// The database whose folder is called `name`; `None` when no database's folder is.
pub fn database_of(name: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = name.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let pair = [rest.next()?, rest.next()?];
            let hex = std::str::from_utf8(&pair).ok()?;
            bytes.push(u8::from_str_radix(hex, 16).ok()?);
        } else if byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-' {
            bytes.push(byte);
        } else {
            return None;
        }
    }
    String::from_utf8(bytes)
        .ok()
        .filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_layout_and_no_others() {
        for good in [
            "begin.json",
            "keys/12.age",
            "keys/operators.json",
            "schema/pre.sql.zst.age",
            "schema/post.sql.age",
            "data/000000.sql.gz.age",
            "data/1000000.sql.gz.age",
            "lo/000001.sql.zst.age",
            "seq.sql.age",
            "private.json.zst.age",
            "RESTORE.txt",
            "SHA256SUMS",
            "manifest.json",
            "manifest.json.sig",
            "pin.json",
            "verify/20261121T101500.000001Z.json",
        ] {
            assert!(Object::of(good).is_some(), "{good}");
        }
        for bad in [
            "",
            "..",
            "../begin.json",
            "/begin.json",
            "data/../begin.json",
            "data//000000.sql.age",
            "data\\000000.sql.age",
            "data/00000.sql.age",
            "data/+00000.sql.age",
            "data/000000.sql.bz2.age",
            "data/000000.sql",
            "keys/.age",
            "keys/a.age",
            "verify/...json",
            "verify/a.json",
            "manifest.json.bak",
            "Begin.json",
        ] {
            assert!(Object::of(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn ids_hold_only_what_ids_may_hold() {
        let time = crate::clock::now();
        let id = id(time, "manual", Some("Größe/../x y"), 0xff12_3456);
        assert!(id.ends_with("-manual-gr--e----x-y-123456"), "{id}");
        assert!(id.parse::<crate::ident::BackupId>().is_ok());
        assert!(super::id(time, "k", Some(&"x".repeat(500)), 0).len() < 100);
    }

    #[test]
    fn database_folders_are_safe_and_reversible() {
        for name in ["shop", "..", "a/b", "Größe", "x.partial", "%41", "\n"] {
            let folder = database_folder(name);
            assert!(!folder.contains(['/', '.']));
            assert_eq!(database_of(&folder).as_deref(), Some(name));
        }
        assert_eq!(database_of("a.b"), None);
        assert_eq!(database_of("%4"), None);
    }
}
