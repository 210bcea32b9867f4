//! Statements that today's rows would make fail.

use crate::error::Result;
use crate::ops::analysis::Work;
use crate::pg::lookup::Counted;
use crate::planner::promises;
use crate::planner::touch::{Kept, Reach};

impl Work<'_> {
    /// Asks whether today's rows keep what statements promise of them. Code that may do anything is
    /// not asked.
    pub(super) async fn promises(&mut self, reach: &Reach) -> Result<()> {
        for kept in reach.promises.iter().filter(|_| !reach.opaque) {
            self.ask(kept).await?;
        }
        Ok(())
    }

    /// The query that asks about `kept`, if it can be asked.
    pub(super) fn question(&self, kept: &Kept) -> Option<String> {
        let relations = &self.world.relations;
        let table = relations.get(&kept.table)?;
        let to = kept.to.and_then(|oid| relations.get(&oid));
        promises::broken(&kept.promise, table, to)
    }

    async fn ask(&mut self, kept: &Kept) -> Result<()> {
        let relations = &self.world.relations;
        let Some(table) = relations.get(&kept.table) else {
            return Ok(());
        };
        let Some(query) = self.question(kept) else {
            return Ok(());
        };
        match self.count(&query).await? {
            Counted::Rows(rows) if rows > 0 => {
                let reason = promises::told(&kept.promise, table, rows);
                self.will_fail(kept.place, reason);
            }
            Counted::TooLong => self.not_evaluated.push(format!(
                "whether the rows of {} keep {}: it took too long",
                table.name, kept.promise.promised
            )),
            Counted::Not(why) if !why.is_empty() => self.not_evaluated.push(format!(
                "whether the rows of {} keep {}: {why}",
                table.name, kept.promise.promised
            )),
            // What is wrong with the names is for the statement itself to say.
            _ => {}
        }
        Ok(())
    }
}
