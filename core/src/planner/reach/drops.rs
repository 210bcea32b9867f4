//! DROP, by kind of object.

use crate::planner::names::Bound;
use crate::planner::reach::Walker;
use crate::planner::touch::RootObject;
use crate::sql::statement::{Drop, Name};

impl Walker<'_> {
    pub(super) fn drop_relations(&mut self, drop: &Drop) {
        for name in &drop.names {
            let (full, bound) = self.names.relation(name);
            match bound {
                Bound::Existing(oid) => self.root(RootObject::Relation(oid), drop.cascade),
                Bound::Created => {}
                Bound::Nothing if drop.if_exists => {}
                Bound::Nothing => self.fails(format!("there is no table {full}")),
            }
            self.names.drop(&full);
        }
    }

    pub(super) fn drop_schemas(&mut self, drop: &Drop) {
        for name in &drop.names {
            match self.names.schema(&name.name) {
                Some(oid) => self.root(RootObject::Schema(oid), drop.cascade),
                None if drop.if_exists => {}
                None if self.names.has_schema(&name.name) => {}
                None => self.fails(format!("there is no schema {}", name.name)),
            }
            self.names.drop_schema(&name.name);
        }
    }

    pub(super) fn drop_types(&mut self, drop: &Drop) {
        for name in &drop.names {
            match self.names.find_type(name) {
                Some((full, oid)) => {
                    if let Some(oid) = oid {
                        self.root(RootObject::Type(oid), drop.cascade);
                    }
                    self.names.drop_type(&full);
                }
                None if drop.if_exists => {}
                None => self.fails(format!("there is no type {}", name.name)),
            }
        }
    }

    /// Indexes and sequences. One that isn't there may come from a statement that makes it on the
    /// side: nothing of today goes with it.
    pub(super) fn drop_parts(&mut self, drop: &Drop, index: bool) {
        for name in &drop.names {
            for oid in self.names.parts(name, index) {
                self.root(RootObject::Part(oid), drop.cascade);
            }
        }
    }

    pub(super) fn drop_others(&mut self, what: &str, drop: &Drop) {
        for name in &drop.names {
            let original = |schema: &String| {
                let known = self.names.original_schema(schema);
                known.unwrap_or_else(|| schema.clone())
            };
            let name = Name {
                schema: name.schema.as_ref().map(original),
                name: name.name.clone(),
            };
            let path = self.names.original_path();
            let object = RootObject::Other(what.to_owned(), name, path);
            self.root(object, drop.cascade);
        }
    }

    pub(super) fn drop_definitions(&mut self, what: &str, drop: &Drop) {
        for name in &drop.names {
            if what == "view" {
                let (full, bound) = self.names.relation(name);
                if let Bound::Existing(oid) = bound {
                    self.root(RootObject::Relation(oid), drop.cascade);
                }
                self.names.drop(&full);
            } else if what == "index" {
                self.drop_parts(drop, true);
                return;
            } else if matches!(what, "function" | "procedure" | "routine") {
                if drop.cascade && self.routines_renamed {
                    self.refuse(
                        "RB-CASCADE-HIDDEN",
                        "what CASCADE reaches can't be told: a routine was altered before, and \
                         may have another name"
                            .to_owned(),
                        true,
                    );
                    self.reach.opaque = true;
                }
                self.drop_others(what, drop);
                return;
            } else if drop.cascade && !matches!(what, "trigger" | "rule" | "policy" | "statistics")
            {
                self.refuse(
                    "RB-CASCADE-HIDDEN",
                    format!("what CASCADE reaches from this {what} can't be told"),
                    true,
                );
                self.reach.opaque = true;
            }
        }
    }
}
