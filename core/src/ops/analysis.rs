//! What scripts would do to a database, found out by reading only.
//!
//! Runs inside the caller's `REPEATABLE READ READ ONLY` transaction.

use std::collections::BTreeSet;

use crate::error::Result;
use crate::ident::TableName;
use crate::model::loss::{Certainty, Finding, Loss, Severity, Verdict};
use crate::model::plan::{Refusal, Step};
use crate::model::relation::{Relation, RelationKind, World};
use crate::pg::inspect::{self, Address, FunctionFacts, Volatility};
use crate::pg::lookup::{self, Counted};
use crate::pg::session::Client;
use crate::pg::transaction;
use crate::planner::coverage::{self, Covered, Dependent, Measure};
use crate::planner::reach;
use crate::planner::touch::{Place, Reach, Root, RootObject, Touch};
use crate::sql::concurrently;
use crate::sql::parse;
use crate::sql::statement::{Name, Statement};

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
    pub locks: Vec<(TableName, &'static str)>,
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
    judge_functions(client, &world, steps, &mut reach).await?;
    let mut work = Work {
        client,
        world: &world,
        steps,
        findings: Vec::new(),
        cascades: BTreeSet::new(),
        not_evaluated: Vec::new(),
        fails: false,
    };
    for (place, reason) in &reach.failures {
        work.will_fail(*place, reason.clone());
    }
    for (number, step) in steps.iter().enumerate() {
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
            work.find(
                "RB-NON-TX",
                Severity::Warn,
                place,
                "runs without CONCURRENTLY, as part of the transaction: the table stays locked \
                 until that ends"
                    .to_owned(),
            );
        }
    }
    let dependents = work.dependents(&reach.roots, &reach.touches).await?;
    let covered = coverage::cover(&world, &reach, &dependents, everything);
    if !everything && !reach.opaque {
        let blurred = coverage::blurred(&world, &reach, &covered);
        reach
            .refusals
            .extend(blurred.into_iter().map(|(place, table)| Refusal {
                rule: "RB-NO-KEY",
                path: steps[place.step].script.path.clone(),
                line: place.line,
                reason: format!(
                    "both columns and rows of {table} change, and no key survives by which its old \
                 rows could be told apart: give it a primary key, or split the migration"
                ),
                forceable: true,
            }));
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
    // Expressions of a script mean what they would mean to the script.
    transaction::script(client).await?;
    for measure in covered.measures.iter().filter(|_| measure) {
        let counted = work.measure(measure).await?;
        losses.extend(counted);
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
    let locks = locks(&world, &covered);
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

fn statements_of(step: &Step) -> Vec<Statement> {
    statements(step)
}

/// The strongest lock that each table will be under.
fn locks(world: &World, covered: &Covered) -> Vec<(TableName, &'static str)> {
    let mut locks = Vec::new();
    for (oid, coverage) in &covered.coverage {
        let mode = if coverage.redefined {
            "ACCESS EXCLUSIVE"
        } else {
            "SHARE ROW EXCLUSIVE"
        };
        if coverage.redefined || covered.capture.tables.contains(oid) {
            locks.push((coverage.table.clone(), mode));
        }
    }
    for oid in &covered.capture.tables {
        if let (false, Some(relation)) =
            (covered.coverage.contains_key(oid), world.relations.get(oid))
        {
            locks.push((relation.name.clone(), "SHARE ROW EXCLUSIVE"));
        }
    }
    locks
}

/// Built-in functions that are volatile and yet change nothing that matters here.
const HARMLESS: [&str; 9] = [
    "random",
    "clock_timestamp",
    "timeofday",
    "gen_random_uuid",
    "statement_timestamp",
    "transaction_timestamp",
    "nextval",
    "pg_sleep",
    "setseed",
];

/// Volatile functions of extensions that make values and nothing else.
const GENERATORS: [&str; 6] = [
    "uuid_generate_v1",
    "uuid_generate_v1mc",
    "uuid_generate_v4",
    "gen_random_bytes",
    "gen_salt",
    "crypt",
];

/// What is written like a call and is part of the grammar: the catalog has no function for it.
const GRAMMAR: [&str; 16] = [
    "coalesce",
    "nullif",
    "greatest",
    "least",
    "row",
    "grouping",
    "cube",
    "rollup",
    "trim",
    "cast",
    "treat",
    "extract",
    "xmlconcat",
    "xmlelement",
    "xmlforest",
    "merge_action",
];

/// Refuses statements that call functions which may do anything.
async fn judge_functions(
    client: &Client,
    world: &World,
    steps: &[Step],
    reach: &mut Reach,
) -> Result<()> {
    let names: BTreeSet<Name> = reach.functions.iter().map(|f| f.1.clone()).collect();
    let names: Vec<Name> = names.into_iter().collect();
    if names.is_empty() {
        return Ok(());
    }
    let known = inspect::function_volatility(client, &names, &world.search_path).await?;
    for (place, name) in &reach.functions {
        let reason = match known.get(name) {
            None if name.schema.is_none() && GRAMMAR.contains(&name.name.as_str()) => None,
            None => Some("is not known to the server, so what it does can't be judged"),
            Some(candidates) => candidates.iter().find_map(|f| dangerous(name, f)),
        };
        if let Some(reason) = reason {
            reach.refusals.push(Refusal {
                rule: "RB-OPAQUE",
                path: steps[place.step].script.path.clone(),
                line: place.line,
                reason: format!("the function {} {reason}", name.name),
                forceable: true,
            });
            reach.opaque = true;
        }
    }
    Ok(())
}

fn dangerous(name: &Name, function: &FunctionFacts) -> Option<&'static str> {
    let harmless = function.volatility != Volatility::Volatile
        || function.is_builtin && HARMLESS.contains(&name.name.as_str())
        || function.extension.is_some() && GENERATORS.contains(&name.name.as_str());
    if harmless {
        None
    } else if function.is_builtin {
        Some("acts outside the transaction or on the server itself")
    } else {
        Some("is volatile: it may change anything")
    }
}

struct Work<'a> {
    client: &'a Client,
    world: &'a World,
    steps: &'a [Step],
    findings: Vec<Finding>,
    cascades: BTreeSet<String>,
    not_evaluated: Vec<String>,
    fails: bool,
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

    /// Everything that goes with `roots`, they themselves included.
    async fn dependents(&mut self, roots: &[Root], touches: &[Touch]) -> Result<Vec<Dependent>> {
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
                !root.cascade && !d.automatic && self.still_there(d, &gone, root.place, touches)
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
        let relation = (address.class == "pg_class").then_some(address.oid);
        let identity = relation
            .and_then(|oid| self.world.relations.get(&oid))
            .map_or_else(String::new, |r| r.name.to_string());
        Dependent {
            relation,
            column: address.sub as i16,
            kind: String::new(),
            identity,
            place: root.place,
            named: true,
        }
    }

    async fn addresses(&self, root: &Root) -> Result<Vec<Address>> {
        Ok(match &root.object {
            RootObject::Relation(oid) => vec![Address::new("pg_class", *oid, 0)],
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
            RootObject::Other(what, name) => {
                lookup::addresses(self.client, what, name, &self.world.search_path).await?
            }
        })
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
            bytes: relation.bytes.unsigned_abs(),
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
            Counted::Fails(reason) | Counted::Not(reason) => {
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
