//! What scripts would do to a database, found out by reading only.
//!
//! Runs inside the caller's `REPEATABLE READ READ ONLY` transaction.

mod code;
mod dependents;
mod functions;
mod gate;
mod measure;
mod promises;
mod stored;

use std::collections::{BTreeMap, BTreeSet};

use crate::error::Result;
use crate::ident::TableName;
use crate::model::lock::Lock;
use crate::model::loss::{Finding, Loss, Severity, Verdict};
use crate::model::plan::{Refusal, Step};
use crate::model::relation::{Oid, RelationKind, World};
use crate::ops::analysis::gate::Gate;
use crate::ops::analysis::stored::Stored;
use crate::pg::count;
use crate::pg::extent::{self, Extent};
use crate::pg::lookup;
use crate::pg::session::Client;
use crate::pg::transaction;
use crate::planner::coverage::{self, Covered};
use crate::planner::locks;
use crate::planner::reach;
use crate::planner::touch::{Place, Reach};
use crate::sql::concurrently;
use crate::sql::parse;
use crate::sql::statement::Statement;

pub use stored::MOST_STORED;

/// Everything found out about a list of scripts.
#[derive(Debug, Clone)]
pub struct Analysis {
    /// The structure of the database.
    pub world: World,
    /// The statements of each step.
    pub statements: Vec<Vec<Statement>>,
    /// What is saved and watched.
    pub covered: Covered,
    /// Materialized views that hold rows and are dropped or filled anew, or may be.
    pub stored: Vec<Oid>,
    /// Sequences that the scripts set: their positions come back only if they are held before.
    pub sequences: BTreeSet<Oid>,
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
    /// True when code runs of which nobody can tell what it does: it is recorded when it happens.
    pub acts: bool,
    /// True when something goes that can't be kept.
    pub unrecoverable: bool,
}

impl Analysis {
    /// The verdict.
    pub fn verdict(&self) -> Verdict {
        if self.fails {
            Verdict::WillFail
        } else if !self.refusals.is_empty() {
            Verdict::Unknown
        } else if self.unrecoverable {
            Verdict::LossUnrecoverable
        } else if self.acts || self.losses.iter().any(Loss::is_real) {
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
        acts: false,
        unrecoverable: false,
        extents: BTreeMap::new(),
        most: BTreeMap::new(),
        gate: Gate::default(),
    };
    for (place, reason) in &reach.failures {
        work.will_fail(*place, reason.clone());
    }
    work.inside_transaction();
    let dependents = work.dependents(&reach.roots, &reach.touches).await?;
    let mut covered = coverage::cover(&world, &reach, &dependents, everything);
    let stored = work.stored(&dependents, &statements).await?;
    work.pass(&mut covered, &stored, &reach, measure).await?;
    hidden(client, &world, steps, &covered, &mut reach).await?;
    if !everything && !reach.opaque {
        told_apart(&world, steps, &covered, &mut reach);
    }
    work.code(&statements, &reach, &covered).await?;
    let mut losses = Vec::new();
    if measure {
        let tables: Vec<Oid> = covered.measures.iter().map(|m| m.table).collect();
        work.extents = extent::of(client, &tables).await?;
        for table in tables {
            let most = count::most(client, &world.family(table)).await?;
            work.most.insert(table, most);
        }
    }
    // Expressions of a script mean what they would mean to the script. Only, all rows are counted or
    // none: neither are rows left out, nor policies computed.
    transaction::script(client).await?;
    transaction::see_all(client).await?;
    for measure in covered.measures.iter().filter(|_| measure) {
        let counted = work.measure(measure).await?;
        losses.extend(counted);
    }
    for stored in stored.iter().filter(|_| measure) {
        losses.extend(work.compare(stored).await?);
    }
    if measure {
        work.promises(&reach).await?;
    }
    transaction::ours(client).await?;
    let Work {
        findings,
        cascades,
        not_evaluated,
        fails,
        acts,
        unrecoverable,
        ..
    } = work;
    for (view, mode) in std::mem::take(&mut reach.locked_views) {
        for oid in lookup::beneath(client, view).await? {
            let members = world.family(oid).into_iter();
            reach.locks.extend(members.map(|member| (member, mode)));
        }
    }
    let locks = locks::of(&world, &reach, &dependents, &covered);
    let views = world
        .relations
        .values()
        .filter(|r| r.kind == RelationKind::Matview);
    let stored = if everything || reach.opaque {
        views.map(|view| view.oid).collect()
    } else {
        stored.iter().map(Stored::view).collect()
    };
    Ok(Analysis {
        stored,
        sequences: reach.sequences,
        refusals: reach.refusals,
        locks,
        findings,
        cascades: cascades.into_iter().collect(),
        not_evaluated,
        fails,
        acts,
        unrecoverable,
        statements,
        covered,
        losses,
        world,
    })
}

/// Refuses to change columns and rows of tables whose old rows could not be told apart afterwards.
fn told_apart(world: &World, steps: &[Step], covered: &Covered, reach: &mut Reach) {
    for (place, tables) in coverage::blurred(world, reach, covered) {
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

/// Refuses what would save rows that the role can't see.
async fn hidden(
    client: &Client,
    world: &World,
    steps: &[Step],
    covered: &Covered,
    reach: &mut Reach,
) -> Result<()> {
    let tables: Vec<Oid> = covered.coverage.keys().copied().collect();
    for oid in count::hidden(client, &tables).await? {
        let touches = reach.touches.iter();
        let mut touches = touches.filter(|t| world.family(t.table).contains(&oid));
        let place = touches.next().map_or_else(Place::default, |t| t.place);
        let Some(relation) = world.relations.get(&oid) else {
            continue;
        };
        reach.refusals.push(Refusal {
            rule: "RB-ROW-SECURITY",
            path: steps[place.step].script.path.clone(),
            line: place.line,
            reason: format!(
                "row-level security may hide rows of {} from this role, so they can be neither \
                 counted nor kept: run as a role with BYPASSRLS, or take FORCE ROW LEVEL SECURITY \
                 off the table for its owner",
                relation.name
            ),
            forceable: false,
        });
    }
    Ok(())
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
    acts: bool,
    unrecoverable: bool,
    extents: BTreeMap<Oid, Extent>,
    /// More rows than each table can hold, where that can be told.
    most: BTreeMap<Oid, Option<u64>>,
    gate: Gate,
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
}
