//! Materialized views that scripts drop or fill anew: what they hold can't be written back, only
//! computed again, and that may come to something else.

use std::collections::BTreeMap;

use crate::error::Result;
use crate::model::loss::{Certainty, Loss, Severity};
use crate::model::relation::{Oid, RelationKind};
use crate::ops::analysis::Work;
use crate::pg::lookup::Counted;
use crate::pg::{count, extent};
use crate::planner::count as text;
use crate::planner::coverage::Dependent;
use crate::planner::touch::Place;
use crate::sql::statement::Statement;

/// Of how many bytes a materialized view may be whose rows are kept: they are read while others wait.
pub const MOST_STORED: u64 = 256 << 20;

/// A materialized view whose rows go.
#[derive(Debug, Clone)]
pub(super) struct Stored {
    view: Oid,
    place: Place,
    dropped: bool,
    /// Counts the rows that its query doesn't give today.
    gone: String,
    /// Counts all of its rows.
    all: String,
}

impl Stored {
    pub(super) const fn view(&self) -> Oid {
        self.view
    }

    pub(super) fn queries(&self) -> [&String; 2] {
        [&self.gone, &self.all]
    }
}

impl Work<'_> {
    /// The materialized views that hold rows and are dropped or filled anew.
    pub(super) async fn stored(
        &self,
        dependents: &[Dependent],
        statements: &[Vec<Statement>],
    ) -> Result<Vec<Stored>> {
        let mut views: BTreeMap<Oid, (Place, bool)> = BTreeMap::new();
        let whole = dependents.iter().filter(|d| d.column == 0);
        for dependent in whole {
            if let Some(oid) = dependent.relation {
                views.entry(oid).or_insert((dependent.place, true));
            }
        }
        for (step, script) in statements.iter().enumerate() {
            for (number, statement) in script.iter().enumerate() {
                let place = Place {
                    step,
                    statement: number,
                    line: statement.line,
                };
                for oid in self.refreshed(statement) {
                    views.entry(oid).or_insert((place, false));
                }
            }
        }
        views.retain(|oid, _| {
            let relation = self.world.relations.get(oid);
            relation.is_some_and(|r| r.kind == RelationKind::Matview)
        });
        if views.is_empty() {
            return Ok(Vec::new());
        }
        let oids: Vec<Oid> = views.keys().copied().collect();
        let mut stored = Vec::new();
        for (view, query) in count::stored_queries(self.client, &oids).await? {
            let known = views.get(&view).zip(self.world.relations.get(&view));
            if let Some(((place, dropped), relation)) = known {
                stored.push(Stored {
                    view,
                    place: *place,
                    dropped: *dropped,
                    gone: text::not_given(relation, &query),
                    all: text::count(&text::all(relation)),
                });
            }
        }
        Ok(stored)
    }

    async fn size(&self, view: Oid) -> Result<u64> {
        let extents = extent::of(self.client, &[view]).await?;
        Ok(extents.get(&view).map_or(0, |extent| extent.bytes))
    }

    /// Compares what a materialized view holds with what its query gives today.
    pub(super) async fn compare(&mut self, stored: &Stored) -> Result<Option<Loss>> {
        let Some(relation) = self.world.relations.get(&stored.view) else {
            return Ok(None);
        };
        let what = if stored.dropped {
            "dropped"
        } else {
            "filled anew"
        };
        let mut loss = Loss {
            rule: "RB-STORED-RESULT",
            path: self.steps[stored.place.step].script.path.clone(),
            line: stored.place.line,
            table: relation.name.clone(),
            columns: Vec::new(),
            rows: 0,
            certainty: Certainty::Exact,
            bytes: self.size(stored.view).await?,
            why: format!("of a materialized view that is {what}, not given by its query today"),
        };
        match self.count(&stored.gone).await? {
            // An undo computes the same rows.
            Counted::Rows(0) => return Ok(None),
            Counted::Rows(rows) => loss.rows = rows,
            other => {
                let reason = told(&other);
                self.not_evaluated.push(format!(
                    "whether the materialized view {} can be filled with the same rows again{reason}",
                    relation.name
                ));
                match self.count(&stored.all).await? {
                    Counted::Rows(rows) => {
                        loss.rows = rows;
                        loss.certainty = Certainty::UpperBound;
                    }
                    _ => loss.certainty = Certainty::Unknown,
                }
            }
        }
        let fate = if loss.bytes <= MOST_STORED {
            "are kept, and can't be written into it: an undo computes it anew, and lays aside what it held"
        } else {
            self.unrecoverable = true;
            "are too many to be kept; an undo computes them anew"
        };
        let name = &relation.name;
        self.not_evaluated
            .push(format!("the rows of materialized view {name} {fate}"));
        let message = format!("{}: {}", loss.table, loss.why);
        self.find(loss.rule, Severity::Block, stored.place, message);
        Ok(Some(loss))
    }
}

/// The reason why nothing was counted, behind a colon.
pub(super) fn told(counted: &Counted) -> String {
    match counted {
        Counted::Rows(_) => String::new(),
        Counted::TooLong => ": it took too long".to_owned(),
        Counted::Fails(why) | Counted::Invalid(why) | Counted::Not(why) if why.is_empty() => {
            String::new()
        }
        Counted::Fails(why) | Counted::Invalid(why) | Counted::Not(why) => format!(": {why}"),
    }
}
