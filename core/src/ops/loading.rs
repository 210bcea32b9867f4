//! A backup's rows and what follows them into an empty database, on several connections at once.

pub mod after;
pub mod chunks;
pub mod comparing;
pub mod fence;
pub mod flow;
mod waves;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use tokio::time::{Duration, Instant};

use crate::model::event::{Event, Observer, Phase};
use crate::pg::options::ConnectOptions;
use crate::pg::restore::Settings;
use crate::store::Verified;

/// Progress is told at most this often.
const PACE: Duration = Duration::from_millis(100);

/// What every worker needs to know.
#[derive(Clone)]
pub struct Loader {
    /// The database.
    pub target: ConnectOptions,
    /// How many connections.
    pub jobs: usize,
    /// The backup.
    pub verified: Arc<Verified>,
    /// Settings recorded in it.
    pub recorded: Arc<Vec<(String, String)>>,
    /// As in [`Settings`].
    pub standard_strings: bool,
    /// Steps that an earlier run has done.
    pub done: Arc<BTreeSet<String>>,
    /// Who listens.
    pub observer: Arc<dyn Observer>,
}

impl Loader {
    /// The settings for a transaction.
    pub fn settings(&self) -> Settings<'_> {
        Settings {
            recorded: &self.recorded,
            standard_strings: self.standard_strings,
        }
    }

    /// True when an earlier run has done `step`.
    pub fn is_done(&self, step: &str) -> bool {
        self.done.contains(step)
    }
}

/// How far several workers are together.
pub struct Meter {
    rows: AtomicU64,
    bytes: AtomicU64,
    total: u64,
    began: Instant,
    told: Mutex<Option<Instant>>,
    observer: Arc<dyn Observer>,
}

impl Meter {
    /// A meter of `total` bytes.
    pub fn new(total: u64, observer: Arc<dyn Observer>) -> Self {
        Self {
            rows: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            total,
            began: Instant::now(),
            told: Mutex::default(),
            observer,
        }
    }

    /// Adds rows and bytes, and tells about it now and then; `table` is what it is about.
    pub fn add(&self, rows: u64, bytes: u64, table: impl FnOnce() -> Event) {
        let rows = self.rows.fetch_add(rows, Ordering::Relaxed) + rows;
        let bytes = self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.is_some_and(|told| told.elapsed() < PACE) {
            return;
        }
        *told = Some(Instant::now());
        drop(told);
        self.observer.observe(table());
        self.observer.observe(Event::Overall {
            phase: Phase::Restore,
            rows,
            bytes,
            share: bytes as f64 / self.total.max(1) as f64,
            elapsed: self.began.elapsed(),
        });
    }
}
