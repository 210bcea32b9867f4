//! What stands in the public JSON objects, apart from what the rest of the toolkit works with.

use std::collections::BTreeMap;

use chrono::DateTime;
use chrono::SecondsFormat;
use chrono::Utc;
use serde::Deserialize;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::clock::Timestamp;
use crate::error::Context as _;
use crate::error::Error;
use crate::error::Result;

/// The version of the format that is written, and the only one that is read.
pub const FORMAT: u32 = 1;

/// An instant as RFC 3339.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Time(pub Timestamp);

impl From<Time> for String {
    fn from(time: Time) -> Self {
        time.0.to_rfc3339_opts(SecondsFormat::Micros, true)
    }
}

impl TryFrom<String> for Time {
    type Error = chrono::ParseError;

    fn try_from(text: String) -> Result<Self, chrono::ParseError> {
        DateTime::parse_from_rfc3339(&text).map(|time| Self(time.with_timezone(&Utc)))
    }
}

/// The program that wrote something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tool {
    pub name: String,
    pub version: String,
}

impl Tool {
    /// This program.
    pub fn this() -> Self {
        Self {
            name: "pgbelay".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }
}

/// `begin.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Begin {
    pub format: u32,
    pub id: String,
    pub kind: String,
    pub name: Option<String>,
    pub reason: Option<String>,
    pub database: String,
    pub host: String,
    pub actor: String,
    pub pid: u32,
    pub tool: Tool,
    pub started: Time,
}

/// `manifest.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Manifest {
    pub format: u32,
    #[serde(flatten)]
    pub public: Public,
    pub finished: Time,
    /// Number of objects, sidecars and the manifest left out.
    pub objects: u64,
    /// Their total size.
    pub bytes: u64,
    /// The size of each of them: `listed` names what was cut without reading it.
    pub sizes: Option<BTreeMap<String, u64>>,
    pub sums_sha256: String,
    pub signer: Option<String>,
}

/// What the manifest says of the backup's content. `private.json` repeats it, so that whoever can
/// decrypt sees whether the manifest was changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Public {
    pub id: String,
    pub kind: String,
    pub name: Option<String>,
    pub reason: Option<String>,
    pub started: Time,
    pub tool: Tool,
    pub database: Database,
    pub server: Server,
    pub revision: Option<String>,
    pub target: Option<String>,
    pub continues: Option<String>,
    pub scope: Scope,
    pub tables: Option<Vec<Table>>,
    pub compression: Compression,
    pub recipients: Vec<Recipient>,
    pub identity_sha256: String,
    pub begin_sha256: Option<String>,
    pub previous: Option<Previous>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Database {
    pub name: String,
    pub encoding: String,
    pub collation: String,
    pub bytes: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Server {
    pub version: String,
    pub system_identifier: String,
    pub standby: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scope {
    pub full: bool,
    #[serde(default)]
    pub include: Vec<String>,
    #[serde(default)]
    pub exclude: Vec<String>,
    pub schema_only: bool,
    pub data_only: bool,
}

/// One part of a table, or a table left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    pub schema: String,
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub staging: Option<String>,
    #[serde(default)]
    pub rows: u64,
    #[serde(default)]
    pub chunks: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skipped: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compression {
    pub method: String,
    pub level: Option<i32>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recipient {
    pub fingerprint: String,
    pub label: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Previous {
    pub id: String,
    pub manifest_sha256: String,
}

/// `keys/operators.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Operators {
    pub actor: String,
    pub at: Time,
    pub tool: Tool,
    pub wraps: Vec<Wrap>,
}

/// One wrap of the backup identity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wrap {
    pub object: String,
    pub sha256: String,
    /// True when it opens by a passphrase.
    #[serde(default)]
    pub passphrase: bool,
    #[serde(default)]
    pub recipients: Vec<Recipient>,
}

/// `verify/<time>.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Verification {
    pub level: String,
    pub result: String,
    pub actor: String,
    pub at: Time,
    pub tool: Tool,
    pub server_version: Option<String>,
    pub objects: u64,
    pub tables: u64,
    pub rows: u64,
}

/// `pin.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Pin {
    pub reason: String,
    pub actor: String,
    pub at: Time,
    pub until: Option<Time>,
}

#[derive(Deserialize)]
struct Probe {
    format: u32,
}

/// The version of the format that `json` says it is written in.
pub fn format_of(json: &[u8]) -> Option<u32> {
    serde_json::from_slice::<Probe>(json).ok().map(|p| p.format)
}

/// `value` as it is stored.
pub fn to_json(value: &impl Serialize) -> Result<Vec<u8>> {
    let mut json = serde_json::to_vec_pretty(value)
        .map_err(std::io::Error::from)
        .context("cannot write JSON")?;
    json.push(b'\n');
    Ok(json)
}

/// The content of the object `name`.
pub fn from_json<T: DeserializeOwned>(name: &str, json: &[u8]) -> Result<T> {
    // serde's messages quote values, which may be private: only the place is told.
    serde_json::from_slice(json).map_err(|e| {
        let (line, column) = (e.line(), e.column());
        Error::damaged(format!("{name}: invalid at line {line}, column {column}"))
    })
}
