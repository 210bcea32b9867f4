//! Rows, and what can follow the rows of a table before those of others are there: its indexes,
//! then foreign keys between tables that are complete, then statistics. All in one go, so that no
//! connection waits for the last of a kind while there is something else to do.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::Result;
use crate::ident::TableName;
use crate::model::event::Event;
use crate::ops::backup::details::Details;
use crate::ops::gang::{self, Hand, Task};
use crate::ops::loading::Loader;
use crate::ops::loading::after::{self, Made};
use crate::ops::loading::chunks;
use crate::ops::loading::waves::{self, Early, Kind, Reference, Step};
use crate::pg::session::Client;
use crate::pg::{restore, transaction};
use crate::store::ChunkFacts;

/// One thing to be done.
enum Work {
    Chunk(ChunkFacts),
    /// An index, or a constraint that is one.
    Index(Step),
    /// A foreign key, without looking at rows.
    Reference(Step, Reference),
    /// The look at the rows.
    Validation(Step, Reference),
    Statistics(TableName),
}

/// What came of everything.
#[derive(Default)]
pub struct Flowed {
    /// Foreign keys that are not valid.
    pub invalid: Vec<String>,
    /// Definitions still to be made, in their order.
    pub rest: Vec<Step>,
    /// Tables of which statistics were gathered, by name.
    pub analyzed: BTreeSet<String>,
}

/// Loads all rows, and makes what of `steps` can be made meanwhile; `partial` says that rows which
/// foreign keys refer to may not be there.
pub async fn run(
    loader: &Loader,
    client: &Client,
    details: &Details,
    steps: Vec<Step>,
    partial: bool,
    made: &Arc<after::Count>,
) -> Result<Flowed> {
    let (chunks, loads) = chunks::tasks(loader, details)?;
    let rows = after::weights(loader);
    let (early, rest) = waves::early(steps, |table| details.has_partitions(table));
    let mut plan = Plan {
        details,
        rows: &rows,
        tasks: Vec::new(),
    };
    for task in chunks {
        plan.chunk(task);
    }
    for (step, what) in early {
        match what {
            Early::Index(table, locks) => plan.index(step, &table, locks),
            Early::Reference(reference) => plan.reference(loader, step, reference),
        }
    }
    let mut analyzed = BTreeSet::new();
    if rest.iter().all(|step| step.kind() == Kind::Others) {
        let (tables, _) = after::analyzable(client).await?;
        for table in tables {
            if rows.get(&table.to_string()).is_some_and(|rows| *rows > 0) {
                analyzed.insert(table.to_string());
                plan.statistics(table);
            }
        }
    }
    let tasks = plan.in_order();
    let own = loader.clone();
    let count = Arc::clone(made);
    let failed = Arc::new(AtomicU64::new(0));
    let without = Arc::clone(&failed);
    let work = move |hand: &Hand, work: Work| {
        let client = hand.client();
        match work {
            Work::Chunk(chunk) => loads.load(hand, &chunk).map(|()| None),
            Work::Index(step) => {
                let made = after::index(&own, client, &step, !hand.is_alone(), &count);
                hand.wait(made).map(|()| None)
            }
            Work::Reference(step, reference) => hand
                .wait(after::reference(&own, client, &step, &reference))
                .map(|()| None),
            Work::Validation(step, reference) => {
                let made = after::validation(&own, client, &step, &reference, partial, &count);
                match hand.wait(made)? {
                    Made::Done => Ok(None),
                    Made::Invalid(name) => Ok(Some(name)),
                }
            }
            Work::Statistics(table) => {
                // Everything is there without them.
                if hand.wait(restore::analyze(client, &table)).is_err() {
                    hand.go_on()?;
                    without.fetch_add(1, Ordering::Relaxed);
                    hand.wait(transaction::abandon(client));
                }
                Ok(None)
            }
        }
    };
    let invalid = gang::run(&loader.target, loader.jobs, tasks, work).await?;
    let failed = failed.load(Ordering::Relaxed);
    if failed > 0 {
        loader.observer.observe(Event::Warning(format!(
            "statistics of {failed} tables were not gathered: run ANALYZE in the restored database"
        )));
    }
    Ok(Flowed {
        invalid: invalid.into_iter().flatten().collect(),
        rest,
        analyzed,
    })
}

/// Tasks, with what they need and lock.
struct Plan<'a> {
    details: &'a Details,
    /// Rows by table.
    rows: &'a BTreeMap<String, u64>,
    tasks: Vec<(Place, Task<Work>)>,
}

/// How early a task had better be done: what others wait for first, then by size of the table, then
/// in turn.
type Place = (u8, Reverse<u64>, u8);

impl Plan<'_> {
    fn rows(&self, table: &TableName) -> u64 {
        let rows = self.rows.get(&table.to_string());
        rows.copied().unwrap_or_default()
    }

    fn add(&mut self, rank: u8, of: u64, then: u8, task: Task<Work>) {
        self.tasks.push(((rank, Reverse(of), then), task));
    }

    fn chunk(&mut self, task: Task<ChunkFacts>) {
        let table = |gift: &String| {
            let name = gift.strip_prefix("rows of ").unwrap_or_default();
            self.rows.get(name).copied().unwrap_or_default()
        };
        let of = task.gives.iter().map(table).max().unwrap_or_default();
        let task = Task {
            locks: task.locks,
            needs: task.needs,
            gives: task.gives,
            weight: task.weight * 2,
            what: Work::Chunk(task.what),
        };
        self.add(1, of, 0, task);
    }

    fn index(&mut self, step: Step, table: &TableName, locks: Vec<(String, bool)>) {
        let rows = self.rows(table);
        let is_key =
            step.entry.kind == "CONSTRAINT" || step.entry.sql.starts_with("CREATE UNIQUE ");
        let mut gives = vec![format!("indexes of {table}")];
        gives.extend(is_key.then(|| format!("keys of {table}")));
        let task = Task {
            what: Work::Index(step),
            locks,
            needs: chunks::rows_of(self.details, table),
            gives,
            weight: rows,
        };
        self.add(1, rows, if is_key { 1 } else { 2 }, task);
    }

    fn reference(&mut self, loader: &Loader, step: Step, reference: Reference) {
        let (from, to) = (reference.from.clone(), reference.to.clone());
        let rows = self.rows(&from);
        let mut needs = chunks::rows_of(self.details, &from);
        needs.extend(chunks::rows_of(self.details, &to));
        needs.push(format!("keys of {to}"));
        let name = format!("reference {}", step.name);
        let gives = vec![
            format!("references of {from}"),
            format!("references of {to}"),
        ];
        let mut locks = vec![(from.to_string(), true)];
        if from != to {
            locks.push((to.to_string(), true));
        }
        if !loader.is_done(&after::added(&step)) {
            let task = Task {
                what: Work::Reference(step.clone(), reference.clone()),
                locks: locks.clone(),
                needs: needs.clone(),
                gives: vec![name.clone()],
                weight: 0,
            };
            self.add(0, rows, 0, task);
        }
        needs.push(name);
        for (_, alone) in locks.iter_mut().skip(1) {
            *alone = false;
        }
        let task = Task {
            what: Work::Validation(step, reference),
            locks,
            needs,
            gives,
            weight: rows,
        };
        self.add(0, rows, 1, task);
    }

    fn statistics(&mut self, table: TableName) {
        let rows = self.rows(&table);
        let mut needs = chunks::rows_of(self.details, &table);
        // Those of expressions in indexes are gathered, too; and foreign keys are looked at in
        // better ways without.
        needs.push(format!("indexes of {table}"));
        needs.push(format!("references of {table}"));
        let task = Task {
            locks: vec![(table.to_string(), true)],
            needs,
            weight: rows.min(300_000),
            ..Task::new(Work::Statistics(table))
        };
        self.add(2, rows, 0, task);
    }

    fn in_order(mut self) -> Vec<Task<Work>> {
        self.tasks.sort_by_key(|(order, _)| *order);
        self.tasks.into_iter().map(|(_, task)| task).collect()
    }
}
