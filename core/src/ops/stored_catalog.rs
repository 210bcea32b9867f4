//! A schema, or what changed in one, as JSON: a backup keeps the schema for the undo that compares
//! with it, the ledger keeps what each migration changed.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{Error, Result};
use crate::schema::{Catalog, Delta, Object, ObjectKey, ObjectKind, bookkeeping};

#[derive(Serialize, Deserialize)]
struct Stored {
    #[serde(flatten)]
    key: StoredKey,
    #[serde(flatten)]
    object: StoredObject,
}

#[derive(Serialize, Deserialize)]
struct StoredKey {
    kind: String,
    schema: String,
    table: Option<String>,
    name: String,
}

#[derive(Serialize, Deserialize)]
struct StoredObject {
    definition: String,
    order: Option<i32>,
}

#[derive(Serialize, Deserialize)]
struct StoredChange {
    #[serde(flatten)]
    key: StoredKey,
    before: Option<StoredObject>,
    after: Option<StoredObject>,
}

impl From<&ObjectKey> for StoredKey {
    fn from(key: &ObjectKey) -> Self {
        Self {
            kind: key.kind.as_str().to_owned(),
            schema: key.schema.clone(),
            table: key.table.clone(),
            name: key.name.clone(),
        }
    }
}

impl StoredKey {
    fn key(self) -> Result<ObjectKey> {
        let kind = ObjectKind::from_word(&self.kind)
            .ok_or_else(|| Error::damaged("the schema that was kept is of another version"))?;
        Ok(ObjectKey {
            kind,
            schema: self.schema,
            table: self.table,
            name: self.name,
        })
    }
}

impl From<&Object> for StoredObject {
    fn from(object: &Object) -> Self {
        Self {
            definition: object.definition.clone(),
            order: object.order,
        }
    }
}

impl From<StoredObject> for Object {
    fn from(stored: StoredObject) -> Self {
        Self {
            definition: stored.definition,
            order: stored.order,
        }
    }
}

/// As JSON.
pub fn to_json(catalog: &Catalog) -> Value {
    let objects = catalog.objects().iter().map(|(key, object)| Stored {
        key: key.into(),
        object: object.into(),
    });
    let objects: Vec<Stored> = objects.collect();
    serde_json::to_value(objects).unwrap_or(Value::Null)
}

/// From JSON, with every option that was recorded.
pub fn from_json(value: &Value) -> Result<Catalog> {
    let objects: Vec<Stored> = serde_json::from_value(value.clone()).map_err(|e| {
        Error::damaged("the schema kept with the backup can't be read").caused_by(e)
    })?;
    let mut catalog = Catalog::default();
    for stored in objects {
        catalog.insert(stored.key.key()?, stored.object.into());
    }
    Ok(catalog)
}

/// A change as JSON text.
pub fn delta_to_json(delta: &Delta) -> Result<String> {
    let changes = delta
        .changes
        .iter()
        .map(|(key, before, after)| StoredChange {
            key: key.into(),
            before: before.as_ref().map(Into::into),
            after: after.as_ref().map(Into::into),
        });
    let changes: Vec<StoredChange> = changes.collect();
    serde_json::to_string(&changes)
        .map_err(|e| Error::failed("could not write down what changed").caused_by(e))
}

/// A change from JSON text, without what the server notes for itself.
pub fn delta_from_json(text: &str) -> Result<Delta> {
    let mut delta = recorded_delta(text)?;
    if bookkeeping::is_mentioned(text) {
        for (key, before, after) in &mut delta.changes {
            for object in [before, after].into_iter().flatten() {
                *object = bookkeeping::strip_object(key.kind, object, &mut Vec::new());
            }
        }
        delta.changes.retain(|(_, before, after)| before != after);
    }
    Ok(delta)
}

/// A change from JSON text, just as it was recorded.
pub fn recorded_delta(text: &str) -> Result<Delta> {
    let stored: Vec<StoredChange> = serde_json::from_str(text)
        .map_err(|e| Error::failed("the ledger's record of a change can't be read").caused_by(e))?;
    let changes = stored.into_iter().map(|stored| {
        let key = stored.key.key()?;
        Ok((
            key,
            stored.before.map(Into::into),
            stored.after.map(Into::into),
        ))
    });
    Ok(Delta {
        changes: changes.collect::<Result<_>>()?,
    })
}
