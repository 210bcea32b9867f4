//! Counting what is lost, as far as counting is safe and comes to an end.

use std::collections::BTreeSet;

use crate::error::Result;
use crate::model::loss::{Certainty, Loss, Severity};
use crate::model::plan::Extent;
use crate::model::relation::{Oid, Relation};
use crate::ops::analysis::Work;
use crate::ops::analysis::gate::Gate;
use crate::ops::analysis::stored::{self, Stored};
use crate::pg::lookup::{self, Counted};
use crate::planner::count;
use crate::planner::coverage::{Conversion, Covered, Measure};
use crate::planner::touch::Reach;

impl Work<'_> {
    /// Judges every query that will be run, before any is. Rows that such a query would select for
    /// saving are not selected, and all are saved, where it may not be run.
    pub(super) async fn pass(
        &mut self,
        covered: &mut Covered,
        stored: &[Stored],
        reach: &Reach,
        measure: bool,
    ) -> Result<()> {
        let mut queries = BTreeSet::new();
        for coverage in covered.coverage.values() {
            if let Extent::Matching(rows) = &coverage.extent {
                queries.extend(rows.iter().cloned());
            }
        }
        if measure {
            for measure in &covered.measures {
                queries.extend(measure.queries().cloned());
                queries.extend(self.world.relations.get(&measure.table).map(all));
            }
            queries.extend(stored.iter().flat_map(Stored::queries).cloned());
            queries.extend(reach.promises.iter().filter_map(|kept| self.question(kept)));
        }
        self.gate = Gate::judge(self.client, self.world, queries).await?;
        for coverage in covered.coverage.values_mut() {
            if let Extent::Matching(rows) = &coverage.extent
                && rows.iter().any(|query| self.gate.stops(query).is_some())
            {
                coverage.extent = Extent::Full;
            }
        }
        Ok(())
    }

    /// What `query` counts, if it may be run.
    pub(super) async fn count(&self, query: &str) -> Result<Counted> {
        match self.gate.stops(query) {
            Some(why) => Ok(Counted::Not(why)),
            None => lookup::count(self.client, query).await,
        }
    }

    /// Counts one loss.
    pub(super) async fn measure(&mut self, measure: &Measure) -> Result<Option<Loss>> {
        let Some(relation) = self.world.relations.get(&measure.table) else {
            return Ok(None);
        };
        let mut loss = Loss {
            rule: measure.rule,
            path: self.steps[measure.place.step].script.path.clone(),
            line: measure.place.line,
            table: relation.name.clone(),
            columns: measure.columns.clone(),
            rows: 0,
            certainty: Certainty::Unknown,
            bytes: self.extents.get(&measure.table).map_or(0, |e| e.bytes),
            why: measure.why.clone(),
        };
        let counted = match (&measure.query, &measure.conversion) {
            (Some(query), Some(conversion)) => self.converted(measure, query, conversion).await?,
            (Some(query), None) => (self.count(query).await?, measure.certainty),
            (None, _) => (Counted::Not(String::new()), measure.certainty),
        };
        match counted {
            (Counted::Rows(rows), certainty) => {
                loss.rows = rows;
                loss.certainty = certainty;
            }
            (other, _) => {
                let reason = stored::told(&other);
                if !reason.is_empty() {
                    let what = format!("rows of {} ({}){reason}", relation.name, measure.why);
                    self.not_evaluated.push(what);
                }
                if let (Counted::Invalid(reason), None) = (&other, &measure.conversion) {
                    self.will_fail(measure.place, reason.clone());
                }
                let bound = self.bound(relation, &other).await?;
                if let Some(rows) = bound {
                    loss.rows = rows;
                    loss.certainty = Certainty::UpperBound;
                }
            }
        }
        let severity = if loss.rows == 0 && loss.certainty == Certainty::Exact {
            Severity::Info
        } else {
            Severity::Block
        };
        let columns = if loss.columns.is_empty() {
            String::new()
        } else {
            format!(" ({})", loss.columns.join(", "))
        };
        let message = format!("{}{columns}: {}", loss.table, loss.why);
        self.find(measure.rule, severity, measure.place, message);
        Ok(Some(loss))
    }

    /// How many values a conversion changes, and how sure that is. Only a failure to compute the
    /// new values is one of the script: it need not be possible to compute the old from the new.
    async fn converted(
        &mut self,
        measure: &Measure,
        query: &str,
        conversion: &Conversion,
    ) -> Result<(Counted, Certainty)> {
        match self.count(&conversion.there).await? {
            Counted::Rows(_) => {}
            Counted::Fails(reason) => {
                let relations = &self.world.relations;
                let table = relations.get(&measure.table);
                let table = table.map_or_else(String::new, |r| format!("{}: ", r.name));
                self.will_fail(measure.place, format!("{table}{reason}"));
                return Ok((Counted::Not(String::new()), measure.certainty));
            }
            other => return Ok((other, measure.certainty)),
        }
        match self.count(query).await? {
            Counted::Fails(_) | Counted::Invalid(_) => {
                let rewritten = self.count(&conversion.rewritten).await?;
                Ok((rewritten, Certainty::UpperBound))
            }
            counted => Ok((counted, measure.certainty)),
        }
    }

    /// No more rows of `relation` and what belongs to it can go than this; `None`: nobody can say.
    async fn bound(&self, relation: &Relation, counted: &Counted) -> Result<Option<u64>> {
        // One more count would take as long.
        if *counted != Counted::TooLong
            && let Counted::Rows(rows) = self.count(&all(relation)).await?
        {
            return Ok(Some(rows));
        }
        Ok(self.most(relation.oid))
    }

    fn most(&self, table: Oid) -> Option<u64> {
        self.most.get(&table).copied().flatten()
    }
}

/// Counts all rows of `relation`.
fn all(relation: &Relation) -> String {
    count::count(&count::all(relation))
}
