//! What a backup notes for whoever restores it, in its private part.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{Error, Result};
use crate::ident::TableName;

/// The notes.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Details {
    /// Tables of which something is to be known.
    pub tables: Vec<TableDetails>,
    /// Materialized views that held rows.
    pub matviews: Vec<(String, String)>,
    /// False when the database had no schema `public`, which every new one has.
    pub public: Option<bool>,
}

/// What is to be known of one table.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct TableDetails {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// The condition (`WHERE …`) on the rows that were saved; empty for all.
    pub condition: String,
    /// The partitioned tables and parents it belongs to, at any depth.
    pub ancestors: Vec<(String, String)>,
}

impl Details {
    /// As JSON.
    pub fn to_json(&self) -> Result<Value> {
        serde_json::to_value(self)
            .map_err(|e| Error::failed("the notes of the backup can't be written").caused_by(e))
    }

    /// From JSON. Other kinds of backups have other notes: those yield none.
    pub fn from_json(json: &Value) -> Self {
        serde_json::from_value(json.clone()).unwrap_or_default()
    }

    /// What is known of `table`.
    pub fn of(&self, table: &TableName) -> Option<&TableDetails> {
        self.tables
            .iter()
            .find(|t| t.schema == table.schema && t.name == table.name)
    }

    /// The condition on the rows of `table` that were saved; empty for all.
    pub fn condition(&self, table: &TableName) -> &str {
        self.of(table).map_or("", |t| t.condition.as_str())
    }

    /// True when `table` has partitions that rows were saved of.
    pub fn has_partitions(&self, table: &TableName) -> bool {
        let is_it = |(s, n): &(String, String)| *s == table.schema && *n == table.name;
        self.tables.iter().any(|t| t.ancestors.iter().any(is_it))
    }

    /// `table` and the tables it is a part of.
    pub fn names(&self, table: &TableName) -> Vec<TableName> {
        let ancestors = self.of(table).map_or(&[][..], |t| &t.ancestors);
        let ancestors = ancestors.iter().map(|(s, n)| TableName::new(s, n));
        std::iter::once(table.clone()).chain(ancestors).collect()
    }
}
