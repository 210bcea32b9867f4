//! What scripts would do to a database, found out by reading only.
//!
//! Runs inside the caller's `REPEATABLE READ READ ONLY` transaction.

mod dependents;
mod functions;
mod promises;

use std::collections::{BTreeMap, BTreeSet};

use crate::error::Result;
use crate::ident::TableName;
use crate::model::lock::Lock;
use crate::model::loss::{Certainty, Finding, Loss, Severity, Verdict};
use crate::model::plan::{Refusal, Step};
use crate::model::relation::{Oid, RelationKind, World};
use crate::pg::extent::{self, Extent};
use crate::pg::lookup::{self, Counted};
use crate::pg::session::Client;
use crate::pg::transaction;
use crate::planner::coverage::{self, Covered, Measure};
use crate::planner::locks;
use crate::planner::reach;
use crate::planner::touch::Place;
use crate::sql::concurrently;
use crate::sql::parse;
use crate::sql::statement::Statement;

/// Everything found out about a list of scripts.
#[derive(Debug, Clone)]
pub struct Analysis {
    /// The structure of the database.
    pub world: World,
    /// The statements of each step.
    pub statements: Vec<Vec<Statement>>,
    /// What is saved and watched.
    pub covered: Covered,
    /// What is discarded.
    pub losses: Vec<Loss>,
    /// Hits of the rules, with places.
    pub findings: Vec<Finding>,
    /// What stands in the way.
    pub refusals: Vec<Refusal>,
    /// Definitions that go without being named.
    pub cascades: Vec<String>,
    /// Locks that will be taken.
    pub locks: Vec<Lock>,
    /// What could not be evaluated.
    pub not_evaluated: Vec<String>,
    /// True when a failure is foretold.
    pub fails: bool,
}

impl Analysis {
    /// The verdict.
    pub fn verdict(&self) -> Verdict {
        if self.fails {
            Verdict::WillFail
        } else if !self.refusals.is_empty() {
            Verdict::Unknown
        } else if self.losses.iter().any(Loss::is_real) {
            Verdict::LossRecoverable
        } else {
            Verdict::NoLoss
        }
    }
}

/// The statements of `step`, its own BEGIN and COMMIT taken off, and CONCURRENTLY with them.
pub fn statements(step: &Step) -> Vec<Statement> {
    let written = written(step).into_iter();
    let inside = |s: Statement| concurrently::inside_transaction(&s).unwrap_or(s);
    written.map(inside).collect()
}

/// The same as they are written.
fn written(step: &Step) -> Vec<Statement> {
    let all = parse::script(&step.script.text);
    parse::own_transaction(&all).map_or(all.clone(), <[Statement]>::to_vec)
}

/// Finds out what `steps` would do. `world` is the structure seen by the same transaction;
/// `everything` asks for every table to be saved, `measure` for losses to be counted.
pub async fn analyse(
    client: &Client,
    world: World,
    steps: &[Step],
    everything: bool,
    measure: bool,
) -> Result<Analysis> {
    let statements: Vec<Vec<Statement>> = steps.iter().map(statements_of).collect();
    let mut reach = reach::walk(&world, steps, &statements);
    functions::judge(client, &world, steps, &mut reach).await?;
    let mut work = Work {
        client,
        world: &world,
        steps,
        findings: Vec::new(),
        cascades: BTreeSet::new(),
        not_evaluated: Vec::new(),
        fails: false,
        extents: BTreeMap::new(),
    };
    for (place, reason) in &reach.failures {
        work.will_fail(*place, reason.clone());
    }
    work.inside_transaction();
    let dependents = work.dependents(&reach.roots, &reach.touches).await?;
    let covered = coverage::cover(&world, &reach, &dependents, everything);
    if !everything && !reach.opaque {
        for (place, tables) in coverage::blurred(&world, &reach, &covered) {
            reach.refusals.push(Refusal {
                rule: "RB-NO-KEY",
                path: steps[place.step].script.path.clone(),
                line: place.line,
                reason: format!(
                    "both columns and rows of {} change, and no key survives by which old rows \
                     could be told apart: add a primary key, or split the migration",
                    some(&tables)
                ),
                forceable: true,
            });
        }
    }
    for dependent in dependents.iter().filter(|d| d.column == 0) {
        let relation = dependent.relation.and_then(|oid| world.relations.get(&oid));
        if let Some(view) = relation.filter(|r| r.kind == RelationKind::Matview) {
            work.not_evaluated.push(format!(
                "the rows of materialized view {} can't be saved; an undo computes them anew",
                view.name
            ));
        }
    }
    let mut losses = Vec::new();
    if measure {
        let tables: Vec<Oid> = covered.measures.iter().map(|m| m.table).collect();
        work.extents = extent::of(client, &tables).await?;
    }
    // Expressions of a script mean what they would mean to the script.
    transaction::script(client).await?;
    for measure in covered.measures.iter().filter(|_| measure) {
        let counted = work.measure(measure).await?;
        losses.extend(counted);
    }
    if measure {
        work.promises(&reach).await?;
    }
    transaction::ours(client).await?;
    for oid in &covered.triggers {
        if let Some(relation) = world.relations.get(oid) {
            work.not_evaluated.push(format!(
                "triggers on {} may change rows of other tables; every change is recorded when it \
                 happens and can be undone",
                relation.name
            ));
        }
    }
    let Work {
        findings,
        cascades,
        not_evaluated,
        fails,
        ..
    } = work;
    for (view, mode) in std::mem::take(&mut reach.locked_views) {
        for oid in lookup::beneath(client, view).await? {
            let members = world.family(oid).into_iter();
            reach.locks.extend(members.map(|member| (member, mode)));
        }
    }
    let locks = locks::of(&world, &reach, &dependents, &covered);
    Ok(Analysis {
        refusals: reach.refusals,
        locks,
        findings,
        cascades: cascades.into_iter().collect(),
        not_evaluated,
        fails,
        statements,
        covered,
        losses,
        world,
    })
}

/// The first of `tables` by name, and how many more there are.
fn some(tables: &[TableName]) -> String {
    const SHOWN: usize = 3;
    let names: Vec<String> = tables.iter().take(SHOWN).map(ToString::to_string).collect();
    let names = names.join(", ");
    match tables.len().saturating_sub(SHOWN) {
        0 => names,
        more => format!("{names} and {more} more tables"),
    }
}

fn statements_of(step: &Step) -> Vec<Statement> {
    statements(step)
}

struct Work<'a> {
    client: &'a Client,
    world: &'a World,
    steps: &'a [Step],
    findings: Vec<Finding>,
    cascades: BTreeSet<String>,
    not_evaluated: Vec<String>,
    fails: bool,
    extents: BTreeMap<Oid, Extent>,
}

impl Work<'_> {
    fn find(&mut self, rule: &'static str, severity: Severity, place: Place, message: String) {
        self.findings.push(Finding {
            rule,
            severity,
            path: self.steps[place.step].script.path.clone(),
            line: place.line,
            message,
        });
    }

    fn will_fail(&mut self, place: Place, reason: String) {
        self.fails = true;
        self.find("RB-WILL-FAIL", Severity::Block, place, reason);
    }

    /// Tells which statements run without CONCURRENTLY.
    fn inside_transaction(&mut self) {
        for (number, step) in self.steps.iter().enumerate() {
            let all = written(step);
            let changed = all.iter().enumerate();
            for (index, statement) in
                changed.filter(|(_, s)| concurrently::inside_transaction(s).is_some())
            {
                let place = Place {
                    step: number,
                    statement: index,
                    line: statement.line,
                };
                self.find(
                    "RB-NON-TX",
                    Severity::Warn,
                    place,
                    "runs without CONCURRENTLY, as part of the transaction: the table stays \
                     locked until that ends"
                        .to_owned(),
                );
            }
        }
    }

    /// Counts one loss.
    async fn measure(&mut self, measure: &Measure) -> Result<Option<Loss>> {
        let Some(relation) = self.world.relations.get(&measure.table) else {
            return Ok(None);
        };
        let upper = coverage::upper_bound(self.world, measure.table);
        let mut loss = Loss {
            rule: measure.rule,
            path: self.steps[measure.place.step].script.path.clone(),
            line: measure.place.line,
            table: relation.name.clone(),
            columns: measure.columns.clone(),
            rows: upper,
            certainty: Certainty::UpperBound,
            bytes: self.extents.get(&measure.table).map_or(0, |e| e.bytes),
            why: measure.why.clone(),
        };
        let counted = if let Some(query) = &measure.query {
            lookup::count(self.client, query).await?
        } else {
            let all = crate::planner::count::count(&crate::planner::count::all(relation));
            match lookup::count(self.client, &all).await? {
                Counted::Rows(rows) => {
                    loss.rows = rows;
                    Counted::Not(String::new())
                }
                other => other,
            }
        };
        match counted {
            Counted::Rows(rows) => {
                loss.rows = rows;
                loss.certainty = measure.certainty;
            }
            Counted::TooLong => loss.certainty = Certainty::Estimate,
            Counted::Fails(reason) if measure.conversion => {
                self.will_fail(measure.place, format!("{}: {reason}", relation.name));
            }
            Counted::Invalid(reason) if measure.query.is_some() && !measure.conversion => {
                self.will_fail(measure.place, reason);
            }
            Counted::Fails(reason) | Counted::Invalid(reason) | Counted::Not(reason) => {
                if !reason.is_empty() && !measure.conversion {
                    let what = format!("rows of {} ({}): {reason}", relation.name, measure.why);
                    self.not_evaluated.push(what);
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
}
