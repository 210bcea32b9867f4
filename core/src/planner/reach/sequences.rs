//! Sequences that statements set: the server doesn't take that back, so it must be known which.

use crate::model::relation::{Oid, World};
use crate::planner::names::Bound;
use crate::planner::reach::Walker;
use crate::sql::moved::{self, Moved};
use crate::sql::statement::{Kind, Name, Statement};

impl Walker<'_> {
    /// Notes the functions that `statement` calls, and the sequences that it sets by `setval`, if it tells:
    /// one that isn't there is made by the scripts, and goes with them.
    pub(super) fn calls(&mut self, statement: &Statement) {
        let functions = statement.functions.iter().cloned();
        let functions = functions.map(|function| (self.place, function));
        self.reach.functions.extend(functions);
        if let Kind::Definition { .. } = statement.kind {
            let text = statement.text.to_ascii_lowercase();
            let names = ["setval", "pg_get_serial_sequence", "u&\""];
            self.setting_renamed |= names.iter().any(|name| text.contains(name));
        }
        let sets = statement.functions.iter().any(|f| f.name == "setval");
        if !sets || self.setting_renamed {
            return;
        }
        let Some(all) = moved::by_setval(&statement.text) else {
            return;
        };
        self.reach.setting.insert(self.place);
        for moved in all {
            let found = match &moved {
                Moved::Sequence(name) => self.sequences_called(name),
                Moved::OfTable(name) => self.sequences_of(name),
            };
            self.reach.sequences.extend(found);
        }
    }

    /// The sequences that are called so by now, or today: in any schema, for the search path may be
    /// another one where the name is looked up.
    fn sequences_called(&self, name: &Name) -> Vec<Oid> {
        let mut found = self.names.parts(name, false);
        found.extend(sequences(self.world, |oid| {
            let part = self.world.parts.get(&oid);
            part.is_some_and(|part| part.name.name == name.name)
        }));
        found
    }

    /// The sequences of the tables that are called so by now, or today.
    fn sequences_of(&self, table: &Name) -> Vec<Oid> {
        let today = self.world.relations.values();
        let mut tables: Vec<Oid> = today
            .filter(|r| r.name.name == table.name)
            .map(|r| r.oid)
            .collect();
        if let (_, Bound::Existing(oid)) = self.names.relation(table) {
            tables.push(oid);
        }
        sequences(self.world, |oid| {
            let part = self.world.parts.get(&oid);
            let of = part.and_then(|part| part.table);
            of.is_some_and(|of| tables.contains(&of))
        })
    }
}

fn sequences(world: &World, which: impl Fn(Oid) -> bool) -> Vec<Oid> {
    let all = world.parts.iter().filter(|(_, part)| !part.index);
    all.map(|(oid, _)| *oid).filter(|oid| which(*oid)).collect()
}
