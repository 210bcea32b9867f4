//! What a migration did to the schema, small enough to be kept with it: enough to tell what the
//! schema has to be once it is taken back.

use std::cmp::Ordering;

use super::{Catalog, Object, ObjectKey};

/// Objects that differ, each with what it was before (`None`: not there) and after.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Delta {
    /// Key, before, after.
    pub changes: Vec<(ObjectKey, Option<Object>, Option<Object>)>,
}

impl Delta {
    /// What leads from `before` to `after`.
    pub fn between(before: &Catalog, after: &Catalog) -> Self {
        // Both are sorted: one walk along them, since a large schema changes little at a time.
        let mut was = before.objects().iter().peekable();
        let mut is = after.objects().iter().peekable();
        let mut changes = Vec::new();
        loop {
            let order = match (was.peek(), is.peek()) {
                (None, None) => break,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some((old, _)), Some((new, _))) => old.cmp(new),
            };
            let old = was.next_if(|_| order.is_le());
            let new = is.next_if(|_| order.is_ge());
            let (old_object, new_object) = (old.map(|(_, o)| o), new.map(|(_, o)| o));
            if let Some((key, _)) = old.or(new).filter(|_| old_object != new_object) {
                changes.push((key.clone(), old_object.cloned(), new_object.cloned()));
            }
        }
        Self { changes }
    }

    /// Takes the change out of `catalog`.
    pub fn take_back(&self, catalog: &mut Catalog) {
        for (key, before, _) in &self.changes {
            match before {
                Some(object) => catalog.insert(key.clone(), object.clone()),
                None => drop(catalog.remove(key)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::ObjectKind;
    use super::*;

    #[test]
    fn what_was_done_can_be_taken_back() {
        let catalog = |objects: &[(&str, &str)]| {
            let mut catalog = Catalog::default();
            for (name, definition) in objects {
                let key = ObjectKey {
                    kind: ObjectKind::View,
                    schema: "app".to_owned(),
                    table: None,
                    name: (*name).to_owned(),
                };
                catalog.insert(key, Object::new(definition, None));
            }
            catalog
        };
        let before = catalog(&[("a", "1"), ("b", "2"), ("same", "3")]);
        let after = catalog(&[("a", "other"), ("c", "4"), ("same", "3")]);
        let delta = Delta::between(&before, &after);
        assert_eq!(delta.changes.len(), 3);
        let mut back = after;
        delta.take_back(&mut back);
        assert_eq!(back, before);
    }
}
