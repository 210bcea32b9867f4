//! Workers: mustered first, so that all share the instant and have their locks, then put to work.

use std::collections::{BTreeSet, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::ops::context::Context;
use crate::ops::saving::Rows;
use crate::ops::saving::slices::{Plan, Slice};
use crate::ops::saving::worker::{self, Common, Orders, Start, Target};
use crate::pg::options::ConnectOptions;
use crate::pg::snapshot::ExportedSnapshot;
use crate::store::{Heading, Saved, Writer};

type Outcome = Option<Vec<(Slice, Saved)>>;

/// Connections that share an instant, waiting for orders. Dropped, they stop.
pub struct Crew {
    members: Vec<(oneshot::Sender<Orders>, JoinHandle<Outcome>)>,
    plan: Plan,
    stop: Stop,
}

/// Tells all workers to stop when it is dropped.
struct Stop(Arc<AtomicBool>);

impl Drop for Stop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Crew {
    /// Starts the workers that `plan` has loads for.
    pub(super) async fn muster(
        here: &ConnectOptions,
        exported: &ExportedSnapshot,
        instance: &str,
        plan: Plan,
        tables: &[Rows<'_>],
        patience: Duration,
    ) -> Result<Self> {
        let stop = Stop(Arc::default());
        let (ready, mut all_ready) = mpsc::unbounded_channel();
        let mut members = Vec::new();
        for own in &plan.own {
            let loads = plan.shared.iter().chain(own);
            let read: BTreeSet<usize> = (loads.flat_map(|l| &l.slices)).map(|s| s.table).collect();
            let names = read.iter().filter_map(|n| tables.get(*n));
            let start = Start {
                here: here.clone(),
                exported: exported.clone(),
                instance: instance.to_owned(),
                tables: names.map(|t| t.part.table.clone()).collect(),
                patience,
            };
            let (send, orders) = oneshot::channel();
            let ready = ready.clone();
            let thread = tokio::task::spawn_blocking(move || {
                let said = ready.clone();
                let ready = move |outcome| drop(said.send(outcome));
                // Its own: no wake-up of another thread for what arrives.
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build();
                match runtime {
                    Ok(runtime) => runtime.block_on(worker::work(start, ready, orders)),
                    Err(e) => {
                        ready(Err(Error::failed("can't start a worker").caused_by(e)));
                        None
                    }
                }
            });
            members.push((send, thread));
        }
        drop(ready);
        for _ in &members {
            let outcome = all_ready.recv().await;
            outcome.unwrap_or_else(|| Err(Error::failed("a worker ended before it began")))?;
        }
        Ok(Self {
            members,
            plan,
            stop,
        })
    }

    /// Has everything saved into `writer`; `headings` are those of `tables`.
    pub(super) async fn save(
        self,
        ctx: &Context,
        tables: &[Rows<'_>],
        headings: &[Heading],
        writer: &Writer,
    ) -> Result<Vec<(Slice, Saved)>> {
        let Self {
            members,
            plan,
            stop,
        } = self;
        let known = plan.rows.iter().zip(&plan.slices);
        let targets = tables.iter().zip(headings).zip(known);
        let targets = targets.map(|((table, heading), (rows, slices))| Target {
            name: table.part.table.clone(),
            heading: heading.clone(),
            expected: *rows,
            rows: AtomicU64::new(0),
            left: AtomicUsize::new(*slices),
        });
        let common = Arc::new(Common {
            targets: targets.collect(),
            loads: Mutex::new(plan.shared.into()),
            first_chunk: writer.reserve_chunks(plan.count),
            weight: plan.weight,
            done: AtomicU64::new(0),
            rows: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            began: Instant::now(),
            told: Mutex::default(),
            failure: Mutex::default(),
            observer: Arc::clone(&ctx.observer),
            stop: Arc::clone(&stop.0),
        });
        let mut threads = Vec::new();
        for ((send, thread), own) in members.into_iter().zip(plan.own) {
            let orders = Orders {
                common: Arc::clone(&common),
                own: VecDeque::from(own),
                lane: writer.lane(),
            };
            drop(send.send(orders)); // one that is gone says so below
            threads.push(thread);
        }
        let mut all = Vec::new();
        let mut incomplete = false;
        for thread in threads {
            match thread.await {
                Ok(Some(saved)) => all.extend(saved),
                Ok(None) => incomplete = true,
                Err(e) => return Err(Error::failed("a worker stopped").caused_by(e)),
            }
        }
        match common.failure() {
            Some(failure) => Err(failure),
            None if incomplete => Err(Error::failed("a worker ended before its work")),
            None => Ok(all),
        }
    }
}
