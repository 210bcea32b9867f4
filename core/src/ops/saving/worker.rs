//! One connection and its thread.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::time::{Duration, Instant};

use crate::error::{Context as _, Error, Result};
use crate::ident::TableName;
use crate::model::event::{Event, Observer, Phase};
use crate::ops::saving::slices::{Load, Slice};
use crate::pg::options::ConnectOptions;
use crate::pg::reader::Reader;
use crate::pg::snapshot::ExportedSnapshot;
use crate::pg::tap::RowSink;
use crate::store::{Heading, Lane, Saved};

/// Progress is told at most this often.
const PACE: Duration = Duration::from_millis(100);

/// After so many bytes, a worker looks at the clock and whether it is to stop.
const LOOK: u64 = 256 * 1024;

/// What a worker needs to begin.
pub struct Start {
    pub here: ConnectOptions,
    pub exported: ExportedSnapshot,
    pub instance: String,
    /// The tables it may come to read.
    pub tables: Vec<TableName>,
    /// How long to ask for their locks.
    pub patience: Duration,
}

/// A table that is being saved.
pub struct Target {
    pub name: TableName,
    pub heading: Heading,
    /// Rows to come, as far as is known.
    pub expected: u64,
    pub rows: AtomicU64,
    /// Slices that are not done.
    pub left: AtomicUsize,
}

/// What all workers share while they read.
pub struct Common {
    /// Loads for whoever comes first.
    pub loads: Mutex<VecDeque<Load>>,
    /// By table.
    pub targets: Vec<Target>,
    /// The number of the first chunk of the first load.
    pub first_chunk: u32,
    /// All weights together.
    pub weight: u64,
    pub done: AtomicU64,
    pub rows: AtomicU64,
    pub bytes: AtomicU64,
    pub began: Instant,
    pub told: Mutex<Option<Instant>>,
    pub observer: Arc<dyn Observer>,
    /// The first failure: those that follow come of it.
    pub failure: Mutex<Option<Error>>,
    pub stop: Arc<AtomicBool>,
}

impl Common {
    /// Takes the first failure, if there was any.
    pub fn failure(&self) -> Option<Error> {
        let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        failure.take()
    }

    fn fail(&self, error: Error) {
        let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        failure.get_or_insert(error);
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// One worker's part of it.
pub struct Orders {
    pub common: Arc<Common>,
    pub own: VecDeque<Load>,
    pub lane: Lane,
}

/// Connects and shares the instant, says so by `ready`, and then does what comes on `orders`.
pub async fn work(
    start: Start,
    ready: impl FnOnce(Result<()>),
    orders: tokio::sync::oneshot::Receiver<Orders>,
) -> Option<Vec<(Slice, Saved)>> {
    let reader = match begin(&start).await {
        Ok(reader) => {
            ready(Ok(()));
            reader
        }
        Err(error) => {
            ready(Err(error));
            return None;
        }
    };
    // Without orders there is nothing to do any more.
    let orders = orders.await.ok()?;
    let common = Arc::clone(&orders.common);
    match read(reader, orders).await {
        Ok(saved) => Some(saved),
        Err(error) => {
            common.fail(error);
            None
        }
    }
}

async fn begin(start: &Start) -> Result<Reader<Taking>> {
    let reader = Reader::connect(&start.here, "pgbelay backup").await?;
    let (exported, instance) = (&start.exported, &start.instance);
    let (tables, patience) = (&start.tables, start.patience);
    reader.follow(exported, instance, tables, patience).await?;
    Ok(reader)
}

async fn read(reader: Reader<Taking>, orders: Orders) -> Result<Vec<(Slice, Saved)>> {
    let Orders {
        common,
        mut own,
        mut lane,
    } = orders;
    let next = || {
        let mut loads = common.loads.lock().unwrap_or_else(PoisonError::into_inner);
        loads.pop_front()
    };
    let mut all = Vec::new();
    while let Some(load) = next().or_else(|| own.pop_front()) {
        let mut number = Some(common.first_chunk + load.number);
        for slice in load.slices {
            let saved;
            (lane, saved) = one(&reader, &common, lane, &slice, number.take()).await?;
            all.push((slice, saved));
        }
        // A load's chunks are its own: their numbers then don't depend on who was faster.
        lane.close()?;
        common.done.fetch_add(load.weight, Ordering::Relaxed);
    }
    reader.end().await?;
    Ok(all)
}

async fn one(
    reader: &Reader<Taking>,
    common: &Arc<Common>,
    mut lane: Lane,
    slice: &Slice,
    number: Option<u32>,
) -> Result<(Lane, Saved)> {
    let target = common.targets.get(slice.table);
    let target = target.ok_or_else(|| Error::failed("there is no such table to save"))?;
    let name = &target.name;
    lane.begin(target.heading.clone(), number, slice.alone)?;
    let taking = Taking {
        lane,
        common: Arc::clone(common),
        table: slice.table,
        rows: 0,
        bytes: 0,
        told: 0,
    };
    let outcome = reader.copy(&slice.source, taking).await;
    let (mut taking, sent) = outcome.context(format!("could not save {name}"))?;
    taking.count();
    let saved = taking.lane.end()?;
    if target.left.fetch_sub(1, Ordering::Relaxed) == 1 {
        let rows = target.rows.load(Ordering::Relaxed);
        common.observer.observe(Event::Progress {
            phase: Phase::Snapshot,
            what: name.to_string(),
            done: rows,
            total: rows,
        });
    }
    if saved.rows == sent {
        Ok((taking.lane, saved))
    } else {
        Err(Error::failed(format!(
            "the server sent {sent} rows of {name}, and {} arrived",
            saved.rows
        )))
    }
}

/// Takes the rows of one slice.
struct Taking {
    lane: Lane,
    common: Arc<Common>,
    table: usize,
    rows: u64,
    bytes: u64,
    told: u64,
}

impl RowSink for Taking {
    fn row(&mut self, bytes: &[u8], end: bool) -> Result<()> {
        self.bytes += bytes.len() as u64;
        self.rows += u64::from(end);
        if self.bytes >= LOOK {
            if self.common.stop.load(Ordering::Relaxed) {
                return Err(Error::failed("the backup was given up"));
            }
            self.tell();
        }
        self.lane.row(bytes, end)
    }
}

impl Taking {
    /// Adds what was taken to what all took. Returns the rows of the table so far.
    fn count(&mut self) -> u64 {
        let common = &self.common;
        let new = self.rows - std::mem::replace(&mut self.told, self.rows);
        common.rows.fetch_add(new, Ordering::Relaxed);
        let bytes = std::mem::take(&mut self.bytes);
        common.bytes.fetch_add(bytes, Ordering::Relaxed);
        let target = common.targets.get(self.table);
        target.map_or(0, |t| t.rows.fetch_add(new, Ordering::Relaxed) + new)
    }

    /// Tells how far it is, now and then.
    fn tell(&mut self) {
        let done = self.count();
        let common = &self.common;
        let mut told = common.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.is_some_and(|told| told.elapsed() < PACE) {
            return;
        }
        *told = Some(Instant::now());
        drop(told);
        if let Some(target) = common.targets.get(self.table) {
            common.observer.observe(Event::Progress {
                phase: Phase::Snapshot,
                what: target.name.to_string(),
                done,
                total: if done < target.expected {
                    target.expected
                } else {
                    0
                },
            });
        }
        common.observer.observe(Event::Overall {
            phase: Phase::Snapshot,
            rows: common.rows.load(Ordering::Relaxed),
            bytes: common.bytes.load(Ordering::Relaxed),
            share: common.done.load(Ordering::Relaxed) as f64 / common.weight.max(1) as f64,
            elapsed: common.began.elapsed(),
        });
    }
}
