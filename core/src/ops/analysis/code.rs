//! Code that will run and that nobody can tell the effects of: what it does is recorded when it
//! happens, and a plan can't say that nothing is lost.

use std::collections::BTreeSet;

use crate::error::Result;
use crate::model::relation::Oid;
use crate::ops::analysis::Work;
use crate::pg::count;
use crate::pg::inspect::{self, Run};
use crate::planner::coverage::Covered;
use crate::planner::touch::{Action, Reach};
use crate::sql::statement::{Kind, Statement};
use crate::sql::words::Words;

/// So many are named.
const SHOWN: usize = 5;

impl Work<'_> {
    /// Notes the code that `statements` run, themselves or through what stands at tables whose rows
    /// they write.
    pub(super) async fn code(
        &mut self,
        statements: &[Vec<Statement>],
        reach: &Reach,
        covered: &Covered,
    ) -> Result<()> {
        let add = |action: &Action| {
            let kept = [Action::Insert, Action::Redefine].contains(action);
            kept || matches!(action, Action::Retype { .. })
        };
        let adds = reach.touches.iter().all(|touch| add(&touch.action));
        for oid in &covered.triggers {
            if let Some(relation) = self.world.relations.get(oid) {
                // Not all of them fire: those that do are looked at below.
                self.acts |= !adds;
                self.not_evaluated.push(format!(
                    "triggers on {} may change rows of other tables; every change is recorded when \
                     it happens and can be undone",
                    relation.name
                ));
            }
        }
        for oid in count::ruled(self.client, &covered.triggers).await? {
            if let Some(relation) = self.world.relations.get(&oid) {
                self.acts = true;
                self.not_evaluated.push(format!(
                    "what rules on {} make of the statements",
                    relation.name
                ));
            }
        }
        let mut words = Words::default();
        let running = statements.iter().flatten().filter(|s| runs(s));
        for statement in running {
            words.add(&statement.text);
        }
        let rewritten = covered.coverage.iter();
        let rewritten = rewritten.filter(|(_, c)| c.rows_change || !c.retyped.is_empty());
        let mut written: Vec<Oid> = rewritten.map(|(oid, _)| *oid).collect();
        let filled = statements.iter().flatten();
        written.extend(filled.flat_map(|s| self.refreshed(s)));
        if !words.all.is_empty() || !written.is_empty() {
            let path = &self.world.search_path;
            let run = Run::Earnest {
                written: &written,
                adds,
            };
            let found = inspect::suspects(self.client, &words, path, run).await?;
            self.acts |= !found.is_empty();
            let more = found.len().saturating_sub(SHOWN);
            for suspect in found.into_iter().take(SHOWN) {
                self.not_evaluated
                    .push(format!("{suspect}, and the scripts may run it"));
            }
            if more > 0 {
                self.not_evaluated
                    .push(format!("{more} more functions that the scripts may run"));
            }
        }
        if statements.iter().flatten().any(defines) {
            for trigger in count::event_triggers(self.client).await? {
                self.acts = true;
                self.not_evaluated.push(format!(
                    "what the event trigger {trigger} does when definitions change"
                ));
            }
        }
        Ok(())
    }

    /// The materialized views that `statements` fill anew.
    pub(super) fn refreshed(&self, statement: &Statement) -> BTreeSet<Oid> {
        let refresh =
            matches!(&statement.kind, Kind::Definition { what } if what.starts_with("REFRESH"));
        if !refresh {
            return BTreeSet::new();
        }
        let words = Words::of(&statement.text);
        let named = |name: &str| {
            let lower = name.to_lowercase();
            words.all.contains(&lower) || words.text.contains(&lower)
        };
        let relations = self.world.relations.values();
        let relations = relations.filter(|r| named(&r.name.name));
        relations.map(|r| r.oid).collect()
    }
}

/// Whether expressions of `statement` are computed when it runs, and not only kept.
fn runs(statement: &Statement) -> bool {
    match &statement.kind {
        Kind::Delete(_)
        | Kind::Update(_)
        | Kind::Insert { .. }
        | Kind::Changes { .. }
        | Kind::Query
        | Kind::AlterTable { .. }
        | Kind::AlterType { .. } => true,
        Kind::CreateTable(_) | Kind::EnsureTable(_) => !statement.reads.is_empty(),
        Kind::Definition { what } => {
            let starts = ["CREATE INDEX", "CREATE UNIQUE INDEX", "REFRESH"];
            starts.iter().any(|start| what.starts_with(start))
        }
        _ => false,
    }
}

/// Whether event triggers may fire.
fn defines(statement: &Statement) -> bool {
    !matches!(
        &statement.kind,
        Kind::Delete(_)
            | Kind::Update(_)
            | Kind::Insert { .. }
            | Kind::Changes { .. }
            | Kind::Query
            | Kind::Truncate { .. }
            | Kind::CopyFrom(_)
            | Kind::Setting { .. }
            | Kind::Transaction { .. }
            | Kind::Harmless
    )
}
