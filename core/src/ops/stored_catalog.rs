//! A schema, kept in the encrypted part of a backup: an undo compares with it what came back.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{Error, Result};
use crate::schema::{Catalog, Object, ObjectKey, ObjectKind};

#[derive(Serialize, Deserialize)]
struct Stored {
    kind: String,
    schema: String,
    table: Option<String>,
    name: String,
    definition: String,
    order: Option<i32>,
}

/// As JSON.
pub fn to_json(catalog: &Catalog) -> Value {
    let objects = catalog.objects().iter().map(|(key, object)| Stored {
        kind: key.kind.as_str().to_owned(),
        schema: key.schema.clone(),
        table: key.table.clone(),
        name: key.name.clone(),
        definition: object.definition.clone(),
        order: object.order,
    });
    let objects: Vec<Stored> = objects.collect();
    serde_json::to_value(objects).unwrap_or(Value::Null)
}

/// From JSON.
pub fn from_json(value: &Value) -> Result<Catalog> {
    let objects: Vec<Stored> = serde_json::from_value(value.clone()).map_err(|e| {
        Error::damaged("the schema kept with the backup can't be read").caused_by(e)
    })?;
    let mut catalog = Catalog::default();
    for stored in objects {
        let kind = ObjectKind::from_word(&stored.kind).ok_or_else(|| {
            Error::damaged("the schema kept with the backup is of another version")
        })?;
        let key = ObjectKey {
            kind,
            schema: stored.schema,
            table: stored.table,
            name: stored.name,
        };
        catalog.insert(
            key,
            Object {
                definition: stored.definition,
                order: stored.order,
            },
        );
    }
    Ok(catalog)
}
