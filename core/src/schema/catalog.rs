//! A normalised model of everything user-made in a database, free of oids.

use std::collections::BTreeMap;
use std::fmt;

use crate::ident::Digest;

use super::ObjectKind;
use super::fingerprint::Lines;
use super::normal;

/// What an object is called.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey {
    /// What it is.
    pub kind: ObjectKind,
    /// Its schema, or its table's; empty for what belongs to no schema.
    pub schema: String,
    /// The table (or view) that a column, constraint, index, trigger, rule or policy belongs to.
    pub table: Option<String>,
    /// The name, unquoted; with argument types for functions and operators. For an owner, ACL,
    /// comment or label, the kind and full quoted name of what it is about:
    /// `table column app.orders.total`.
    pub name: String,
}

/// For people: `column app.orders.total`.
impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.as_str())?;
        match self.kind {
            ObjectKind::Owner
            | ObjectKind::Acl
            | ObjectKind::Comment
            | ObjectKind::SecurityLabel => return write!(f, " of {}", self.name),
            ObjectKind::Schema => return write!(f, " {}", self.name),
            _ => {}
        }
        let schema = Some(&self.schema).filter(|s| !s.is_empty());
        let parts: Vec<&str> = [schema, self.table.as_ref(), Some(&self.name)]
            .into_iter()
            .flatten()
            .map(String::as_str)
            .collect();
        write!(f, " {}", parts.join(".").escape_debug())
    }
}

/// What an object is like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Its definition in words or SQL, normalised; two are alike exactly when the texts are.
    pub definition: String,
    /// The position of a column among the live columns of its table, from 1.
    pub order: Option<i32>,
}

impl Object {
    /// An object defined by `definition`, as the server writes it.
    pub fn new(definition: impl AsRef<str>, order: Option<i32>) -> Self {
        Self {
            definition: normal::definition(definition.as_ref()),
            order,
        }
    }
}

/// Everything user-made in a database outside the system schemas and our own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Catalog {
    objects: BTreeMap<ObjectKey, Object>,
}

impl Catalog {
    /// Adds an object.
    pub fn insert(&mut self, key: ObjectKey, object: Object) {
        self.objects.insert(key, object);
    }

    /// Takes an object out, and gives it back.
    pub fn remove(&mut self, key: &ObjectKey) -> Option<Object> {
        self.objects.remove(key)
    }

    /// The object called `key`.
    pub fn get(&self, key: &ObjectKey) -> Option<&Object> {
        self.objects.get(key)
    }

    /// All objects, ordered by kind and name.
    pub const fn objects(&self) -> &BTreeMap<ObjectKey, Object> {
        &self.objects
    }

    /// The objects that are `wanted`.
    #[must_use]
    pub fn only(&self, wanted: impl Fn(&ObjectKey) -> bool) -> Self {
        let kept = self.objects.iter().filter(|(key, _)| wanted(key));
        Self {
            objects: kept
                .map(|(key, object)| (key.clone(), object.clone()))
                .collect(),
        }
    }

    /// The digest of everything that matters; see [`Lines`].
    pub fn fingerprint(&self) -> Digest {
        Lines::of(self).digest()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(table: Option<&str>, name: &str) -> ObjectKey {
        ObjectKey {
            kind: ObjectKind::Column,
            schema: "app".to_owned(),
            table: table.map(str::to_owned),
            name: name.to_owned(),
        }
    }

    fn one(name: &str, definition: &str, order: i32) -> Digest {
        let mut catalog = Catalog::default();
        catalog.insert(key(Some("t"), name), Object::new(definition, Some(order)));
        catalog.fingerprint()
    }

    #[test]
    fn the_fingerprint_ignores_order_and_nothing_else() {
        assert_eq!(one("a", "integer", 1), one("a", "integer", 2));
        assert_ne!(one("a", "integer", 1), one("a", "bigint", 1));
        assert_ne!(one("ab", "c", 1), one("a", "bc", 1));
    }

    #[test]
    fn the_fingerprint_ignores_names_that_the_server_makes_up() {
        let index = |name: &str, column: &str| {
            let mut catalog = Catalog::default();
            let mut key = key(Some("t"), name);
            key.kind = ObjectKind::Index;
            let definition = format!("CREATE INDEX {name} ON app.t USING btree ({column})");
            catalog.insert(key, Object::new(definition, None));
            catalog.fingerprint()
        };
        assert_eq!(index("t_a_idx", "a"), index("t_new_a_idx1", "a"));
        assert_ne!(index("t_a_idx", "a"), index("t_a_idx", "b"));
        assert_ne!(index("by_a", "a"), index("t_a_idx", "a"));
        let stamp = |default: &str| one("a", &format!("timestamptz\ndefault {default}"), 1);
        assert_eq!(stamp("CURRENT_TIMESTAMP"), stamp("now()"));
        assert_ne!(stamp("CURRENT_DATE"), stamp("now()"));
    }

    #[test]
    fn keys_read_well() {
        assert_eq!(key(Some("t"), "a").to_string(), "column app.t.a");
        assert_eq!(
            ObjectKind::from_word("materialized view"),
            Some(ObjectKind::Matview)
        );
    }
}
