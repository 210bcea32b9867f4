//! What goes along with what a script drops.

use std::collections::BTreeSet;

use crate::error::Result;
use crate::model::relation::Relation;
use crate::ops::analysis::Work;
use crate::pg::inspect::{self, Address};
use crate::pg::lookup;
use crate::planner::coverage::Dependent;
use crate::planner::touch::{Place, Root, RootObject, Touch};

impl Work<'_> {
    /// True when `dependent` surely stands in the way of a DROP without CASCADE at `place`:
    /// nothing before it dropped the table that it belongs to or changed its definition. Of what
    /// belongs to no table, nobody can be sure.
    fn still_there(
        &self,
        dependent: &inspect::Dependent,
        gone: &BTreeSet<Address>,
        place: Place,
        touches: &[Touch],
    ) -> bool {
        let Some(table) = dependent.relation.or(dependent.table) else {
            return false;
        };
        let dropped = gone.contains(&Address::new("pg_class", table, 0));
        let mut earlier = touches.iter().filter(|t| t.place < place);
        let changed = earlier.any(|t| self.world.family(t.table).contains(&table));
        !gone.contains(&dependent.address) && !dropped && !changed
    }

    /// True for the default of a child's column, which goes with that of the parent.
    fn is_inherited(&self, dependent: &inspect::Dependent, root: &Root) -> bool {
        let RootObject::Column(of, _) = root.object else {
            return false;
        };
        let family = || self.world.family(of);
        let table = dependent.table;
        dependent.kind == "default value" && table.is_some_and(|table| family().contains(&table))
    }

    /// Everything that goes with `roots`, they themselves included.
    pub(super) async fn dependents(
        &mut self,
        roots: &[Root],
        touches: &[Touch],
    ) -> Result<Vec<Dependent>> {
        let mut gone: BTreeSet<Address> = BTreeSet::new();
        let mut all = Vec::new();
        let mut named = Vec::with_capacity(roots.len());
        for root in roots {
            named.push(self.addresses(root).await?);
        }
        for (root, addresses) in roots.iter().zip(&named) {
            if addresses.is_empty() {
                continue;
            }
            // All that one statement names goes at once: none of it stands in the way.
            let together = roots.iter().zip(&named).filter(|r| r.0.place == root.place);
            gone.extend(together.flat_map(|r| r.1.iter().cloned()));
            for address in addresses {
                all.push(self.named(root, address));
            }
            let found = inspect::closure(self.client, addresses).await?;
            let stopper = found.iter().find(|d| {
                !root.cascade
                    && !d.automatic
                    && !self.is_inherited(d, root)
                    && self.still_there(d, &gone, root.place, touches)
            });
            if let Some(stopper) = stopper {
                let reason = format!("{} {} depends on it", stopper.kind, stopper.identity);
                self.will_fail(root.place, reason);
            }
            for dependent in found {
                if !gone.insert(dependent.address.clone()) {
                    continue;
                }
                let column = if dependent.address.class == "pg_class" {
                    dependent.address.sub as i16
                } else {
                    0
                };
                let is_relation = dependent.address.class == "pg_class";
                if self.worth_naming(&dependent, &gone) {
                    self.cascades
                        .insert(format!("{} {}", dependent.kind, dependent.identity));
                }
                all.push(Dependent {
                    relation: dependent.relation.filter(|_| is_relation),
                    column,
                    part_of: dependent.table,
                    kind: dependent.kind,
                    identity: dependent.identity,
                    place: root.place,
                    named: false,
                });
            }
        }
        Ok(all)
    }

    /// False for what nobody would miss by itself: parts of a table that goes as a whole, the
    /// default of a column that goes, and tables, whose loss is reported with numbers.
    fn worth_naming(&self, dependent: &inspect::Dependent, gone: &BTreeSet<Address>) -> bool {
        let goes = |oid: u32| gone.contains(&Address::new("pg_class", oid, 0));
        let relation = dependent
            .relation
            .and_then(|o| self.world.relations.get(&o));
        let whole = dependent.address.class == "pg_class" && dependent.address.sub == 0;
        let is_table = whole && relation.is_some_and(Relation::stores_rows);
        !dependent.internal
            && !is_table
            && !dependent.table.is_some_and(goes)
            && dependent.kind != "default value"
            && !dependent.identity.contains("pg_toast")
    }

    fn named(&self, root: &Root, address: &Address) -> Dependent {
        let part_of = match &root.object {
            RootObject::Part(oid) => self.world.parts.get(oid).and_then(|part| part.table),
            _ => None,
        };
        let relation = (address.class == "pg_class").then_some(address.oid);
        let identity = relation
            .and_then(|oid| self.world.relations.get(&oid))
            .map_or_else(String::new, |r| r.name.to_string());
        Dependent {
            relation,
            column: address.sub as i16,
            part_of,
            kind: String::new(),
            identity,
            place: root.place,
            named: true,
        }
    }

    async fn addresses(&self, root: &Root) -> Result<Vec<Address>> {
        Ok(match &root.object {
            RootObject::Relation(oid) | RootObject::Part(oid) => {
                vec![Address::new("pg_class", *oid, 0)]
            }
            RootObject::Column(oid, name) => self
                .world
                .relations
                .get(oid)
                .and_then(|r| r.column(name))
                .map(|c| Address::new("pg_class", *oid, i32::from(c.number)))
                .into_iter()
                .collect(),
            RootObject::Schema(oid) => vec![Address::new("pg_namespace", *oid, 0)],
            RootObject::Type(oid) => vec![Address::new("pg_type", *oid, 0)],
            RootObject::Constraint(table, name) => {
                let found = lookup::constraint(self.client, *table, name).await?;
                found.into_iter().collect()
            }
            RootObject::Other(what, name, path) => {
                lookup::addresses(self.client, what, name, path).await?
            }
        })
    }
}
