//! What stands in `private.json`.

use serde::Deserialize;
use serde::Serialize;

use crate::store::wire;

/// `private.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Private {
    pub format: u32,
    pub public: wire::Public,
    pub parts: Vec<Part>,
    pub objects: Vec<Plain>,
    pub sequences: Vec<Sequence>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub large_objects: Option<LargeObjects>,
    pub settings: Vec<(String, String)>,
    pub pg_dump_version: Option<String>,
    pub extensions: Vec<(String, String)>,
    pub details: serde_json::Value,
}

/// A stream of rows.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Part {
    pub schema: String,
    pub table: String,
    pub role: String,
    pub columns: Vec<Column>,
    #[serde(default)]
    pub key: Vec<String>,
    /// The table in `pgbelay_saved` that the rows are copied into; the live table when absent.
    pub staging: Option<String>,
    pub rows: u64,
    /// 32 hex digits.
    pub row_hash: String,
    pub chunks: Vec<Slice>,
}

/// A column.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Column {
    pub name: String,
    #[serde(rename = "type")]
    pub type_name: String,
}

/// Rows of a part in one chunk.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Slice {
    pub object: String,
    pub rows: u64,
}

/// The plaintext of an object.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Plain {
    pub object: String,
    pub bytes: u64,
    pub sha256: String,
}

/// What the large objects are.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LargeObjects {
    pub count: u64,
    pub bytes: u64,
    /// 32 hex digits.
    pub hash: String,
}

/// The state of a sequence.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Sequence {
    pub schema: String,
    pub name: String,
    pub last_value: i64,
    pub is_called: bool,
}
